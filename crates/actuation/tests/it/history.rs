//! A long random history against a target that never tells a repeat from a new order: nothing is ever done twice.
//!
//! The judge is the target's own count. It shares no code with the ledger.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sinew_contract::*;

use crate::bench::*;

/// Does whatever reaches it, every time.
#[derive(Default)]
struct Unguarded {
    by_order: HashMap<u64, u32>,
    keys: HashSet<String>,
}

struct History {
    bench: Bench,
    chance: StdRng,
    target: Unguarded,
    done: u32,
    settled: u32,
}

impl History {
    /// One look at one wish, and whatever its keys allow.
    async fn step(&mut self) {
        let (run, order) = (self.chance.random_range(1..=4), self.chance.random_range(0..40));
        let wish = pay(run, &format!("pay/{run}/{order}"), &format!("O-{order}"), 500);
        match self.bench.prepare(&wish).standing {
            Standing::Fresh => self.attempt(&wish, order).await,
            Standing::InFlight(seq) => self.settle(&wish, seq).await,
            _ => {}
        }
        if self.chance.random_bool(0.1) {
            self.bench.restart();
        }
    }

    async fn attempt(&mut self, wish: &Wish, order: u64) {
        let permit = self.bench.intend(wish).await;
        if self.chance.random_bool(0.1) {
            return self.bench.restart();
        }
        let (reply, happened) = match self.chance.random_range(0..6) {
            0 | 1 => (Ok(Reply::Accepted(json!({ "refund": "rf-1" }))), true),
            2 => (Ok(Reply::Refused("no".to_owned())), false),
            3 => (Ok(Reply::Busy { retry_after_ms: None, reason: "busy".to_owned() }), false),
            4 => (Err(failure(ErrorKind::Broken, "reply lost")), true),
            _ => (Err(failure(ErrorKind::Broken, "request lost")), false),
        };
        self.bench.shop.will_write(reply);
        let outcome = self.bench.act.carry_out(permit).await;
        assert_ne!(refused_by(&outcome), "key", "what the keys allow is not refused: {outcome:?}");
        if happened {
            *self.target.by_order.entry(order).or_default() += 1;
            self.target.keys.insert(wish.key.clone());
        }
        if self.chance.random_bool(0.1) {
            return self.bench.restart();
        }
        self.conclude(wish, permit, outcome).await;
    }

    async fn settle(&mut self, wish: &Wish, seq: Seq) {
        self.bench.clock.advance(Duration::from_secs(3));
        let known = self.target.keys.contains(&wish.key);
        let answer = json!({ "applied": true, "result": null });
        self.bench.shop.will_read(if known { Ok(answer) } else { Err(failure(ErrorKind::Missing, "404")) });
        let entry = self.bench.log.read(seq, 1).expect("readable").first().cloned().expect("the intent");
        let outcome = self.bench.act.settle(entry.reference()).await;
        self.settled += 1;
        self.conclude(wish, entry.reference(), outcome).await;
    }

    async fn conclude(&mut self, wish: &Wish, permit: EntryRef, outcome: Outcome) {
        let last = match outcome {
            Outcome::Unknown { .. } => false,
            Outcome::Failed { .. } => self.chance.random(),
            _ => true,
        };
        self.done += u32::from(matches!(outcome, Outcome::Done { .. }));
        self.bench.conclude(wish, permit, outcome, last).await;
    }
}

#[tokio::test]
async fn through_crashes_and_lost_replies_nothing_is_done_twice() {
    for seed in 0..3 {
        let chance = StdRng::seed_from_u64(seed);
        let bench = Bench::new();
        let mut history = History { bench, chance, target: Unguarded::default(), done: 0, settled: 0 };
        for step in 0..400 {
            history.step().await;
            let twice: Vec<_> = history.target.by_order.iter().filter(|(_, count)| **count > 1).collect();
            assert!(twice.is_empty(), "seed {seed}, step {step}: done twice: {twice:?}");
        }
        assert!(history.done > 20 && history.settled > 10, "the history is about something: {}", history.done);
    }
}
