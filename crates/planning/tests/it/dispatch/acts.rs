//! The effect path: one commit for decision and intent, one command for each intent, no guess about what is unknown.

use std::sync::Arc;
use std::time::Duration;

use sinew_contract::{Draft, Expect, Outcome, Record, RunEnd, Verdict};

use super::bench::{Bench, House, PAY, on_go};
use super::hop::Reply;
use crate::world::principal;

fn pay() -> Bench {
    Bench::new(&[on_go("p", PAY)])
}

fn pay_with(replies: &[Reply]) -> Bench {
    let bench = pay();
    bench.hop.target().replies = replies.to_vec();
    bench
}

async fn begin(bench: &Bench) -> House {
    let house = bench.up().await;
    bench.go("o1", "k1");
    house
}

fn carried(bench: &Bench) -> Vec<u32> {
    bench.hop.target().carried.iter().map(|(_, attempt)| *attempt).collect()
}

#[tokio::test]
async fn decision_and_intent_are_one_append_and_the_command_goes_out_once() {
    let bench = pay();
    let house = begin(&bench).await;
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "event | run-started | decided intended | done | stepped run-ended");
    assert_eq!(bench.hop.target().carried, [("k1".to_owned(), 1)]);
    let entries = bench.journal.entries();
    let intended = entries.iter().find(|e| e.record.kind() == "intended").expect("intended");
    assert_eq!(intended.header.cause, Some(sinew_contract::Seq(intended.seq().0 - 1)), "it cites its decision");
    assert_eq!(intended.header.touches.len(), 3, "key, thing and run");
    let cost = entries.iter().find_map(|e| match &e.record {
        Record::Concluded(concluded) => Some(concluded.cost.micros),
        _ => None,
    });
    assert_eq!(cost, Some(5), "what the manifest says");
}

#[tokio::test]
async fn what_policy_refuses_never_becomes_an_intent() {
    let bench = pay().judging(|_| Verdict::Refuse);
    let house = begin(&bench).await;
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "event | run-started | decided refused-by-policy | run-ended");
    assert!(carried(&bench).is_empty());
}

#[tokio::test]
async fn a_failed_try_is_repeated_under_the_same_key_with_backoff_up_to_the_limit() {
    let bench = pay_with(&[Reply::Fail(None)]);
    let house = begin(&bench).await;
    for (tries, wait_ms) in [(1, 1_000), (2, 2_000)] {
        bench.until("concluded", tries).await;
        bench.clock.wait_for_sleepers(1).await;
        bench.clock.advance(Duration::from_millis(wait_ms - 1));
        bench.quiet().await;
        assert_eq!(carried(&bench).len(), tries, "it waits its turn");
        bench.clock.advance(Duration::from_millis(1));
        bench.until("intended", tries + 1).await;
    }
    bench.until("run-ended", 1).await;
    house.down().await;
    let story = "event | run-started | decided intended | failed… | intended | failed… | intended | failed | run-ended";
    assert_eq!(bench.story(), story);
    let keys: Vec<_> = bench.hop.target().carried.clone();
    assert_eq!(keys, [1, 2, 3].map(|attempt| ("k1".to_owned(), attempt)));
}

#[tokio::test]
async fn the_target_says_when_to_come_back_and_a_restart_does_not_shorten_it() {
    let bench = pay_with(&[Reply::Fail(Some(20_000)), Reply::Done]);
    let house = begin(&bench).await;
    bench.until("concluded", 1).await;
    bench.clock.advance(Duration::from_secs(15));
    bench.quiet().await;
    house.down().await;
    let bench = bench.crashed();
    let house = bench.up().await;
    bench.clock.advance(Duration::from_millis(4_999));
    bench.quiet().await;
    assert_eq!(carried(&bench), [1], "20 s from the answer, not from the restart");
    bench.clock.advance(Duration::from_millis(1));
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "intended | done | stepped run-ended");
    assert_eq!(carried(&bench), [1, 2]);
}

#[tokio::test]
async fn the_unknown_is_journaled_and_settled_before_anything_is_sent_again() {
    let cases: [(&[Reply], bool, &str, &[u32]); 3] = [
        (&[Reply::LostAnswer], false, "unknown… | done | stepped run-ended", &[1]),
        (
            &[Reply::LostRequest, Reply::Done],
            false,
            "unknown… | failed… | intended | done | stepped run-ended",
            &[1, 2],
        ),
        (&[Reply::LostAnswer], true, "unknown… | unknown | run-ended", &[1]),
    ];
    for (replies, mute, rest, tries) in cases {
        let bench = pay_with(replies);
        bench.hop.target().mute = mute;
        let house = begin(&bench).await;
        bench.quiet().await;
        bench.clock.advance(Duration::from_secs(1));
        bench.until("run-ended", 1).await;
        house.down().await;
        assert_eq!(bench.story(), format!("event | run-started | decided intended | {rest}"));
        assert_eq!((carried(&bench).as_slice(), bench.hop.target().settled.len()), (tries, 1));
    }
}

#[tokio::test]
async fn a_conflict_makes_it_decide_again_with_what_has_happened() {
    let bench = pay();
    let journal = Arc::clone(&bench.journal);
    let mut looks = 0;
    let bench = bench.judging(move |_| {
        looks += 1;
        if looks == 1 {
            let stop = Record::CancelAsked(sinew_contract::CancelAsked {
                run: "r1-00000007".parse().expect("a run id"),
                reason: "of no run here".to_owned(),
            });
            let other = Draft::new(principal("person:mia"), stop).touching("key/k1");
            journal.append_now(vec![other], Expect::Anything).expect("taken");
        }
        Verdict::Run
    });
    let house = begin(&bench).await;
    bench.until("run-ended", 1).await;
    house.down().await;
    let story = "event | run-started | cancel-asked | decided intended | done | stepped run-ended";
    assert_eq!(bench.story(), story);
    assert_eq!((bench.rooms.requests.lock().expect("not poisoned").len(), carried(&bench)), (2, vec![1]));
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_policy_decides_sends_nothing() {
    let bench = pay();
    let journal = Arc::clone(&bench.journal);
    let bench = bench.judging(move |_| {
        let run = journal.entries().iter().find_map(|e| e.header.run).expect("a run");
        let asked = Record::CancelAsked(sinew_contract::CancelAsked { run, reason: "no".to_owned() });
        let draft = Draft::new(principal("person:mia"), asked).of_run(run).touching(format!("run/{run}"));
        journal.append_now(vec![draft], Expect::Anything).expect("taken");
        Verdict::Run
    });
    let house = begin(&bench).await;
    bench.until("run-ended", 1).await;
    bench.quiet().await;
    house.down().await;
    assert_eq!(bench.story(), "event | run-started | cancel-asked | run-ended");
    assert!(carried(&bench).is_empty());
}

#[tokio::test]
async fn an_act_on_its_way_comes_to_its_outcome_when_its_run_is_cancelled() {
    for (reply, outcome) in
        [(Reply::Done, "done"), (Reply::Fail(None), "failed"), (Reply::LostAnswer, "unknown… | done")]
    {
        let bench = pay_with(&[reply]);
        bench.hop.close_door();
        let house = begin(&bench).await;
        bench.until("intended", 1).await;
        house.desk.cancel(bench.first_run(), principal("person:mia"), "stop".to_owned()).await.expect("taken");
        bench.until("run-ended", 1).await;
        bench.hop.door.add_permits(1);
        bench.until("concluded", 1).await;
        bench.quiet().await;
        house.down().await;
        let story = format!("event | run-started | decided intended | cancel-asked | run-ended | {outcome}");
        assert_eq!(bench.story(), story, "{reply:?}: and it is not tried again");
        assert_eq!(bench.ends(), [RunEnd::Cancelled { reason: "stop".to_owned() }]);
    }
}

#[tokio::test]
async fn what_a_cancelled_run_left_open_is_settled_at_the_restart() {
    for (gated, reply, rest) in
        [(false, Reply::Done, "done"), (true, Reply::Done, "done"), (false, Reply::LostRequest, "failed")]
    {
        let bench = pay_with(&[reply]).judging(move |r| if r.approved || !gated { Verdict::Run } else { Verdict::Ask });
        bench.hop.close_door();
        let house = begin(&bench).await;
        if gated {
            bench.until("gate-opened", 1).await;
            house.approve().await;
        }
        bench.until("intended", 1).await;
        house.desk.cancel(bench.first_run(), principal("person:mia"), "stop".to_owned()).await.expect("taken");
        bench.until("run-ended", 1).await;
        house.down().await;
        if reply.applies() {
            bench.hop.target().done.insert("k1".to_owned());
        }
        let bench = bench.crashed();
        let house = bench.up().await;
        bench.until("concluded", 1).await;
        bench.quiet().await;
        house.down().await;
        assert_eq!((bench.story().as_str(), carried(&bench)), (rest, vec![]), "asked, never sent; gated: {gated}");
    }
}

#[tokio::test]
async fn a_try_that_a_cancelled_run_would_have_repeated_is_given_up_at_the_restart() {
    let bench = pay_with(&[Reply::Fail(None)]);
    let house = begin(&bench).await;
    bench.until("concluded", 1).await;
    house.desk.cancel(bench.first_run(), principal("person:mia"), "stop".to_owned()).await.expect("taken");
    bench.until("run-ended", 1).await;
    house.down().await;
    let bench = bench.crashed();
    let house = bench.up().await;
    bench.until("concluded", 2).await;
    house.down().await;
    assert_eq!((bench.story().as_str(), carried(&bench)), ("failed", vec![1]), "so that its key is free again");
}

#[tokio::test]
async fn the_same_key_gives_the_first_receipt_and_other_arguments_are_refused() {
    let bench = pay();
    let house = begin(&bench).await;
    bench.until("run-ended", 1).await;
    bench.go("o1", "k1");
    bench.until("run-ended", 2).await;
    bench.go("o2", "k1");
    bench.until("run-ended", 3).await;
    house.down().await;
    let outcomes: Vec<_> = bench
        .journal
        .entries()
        .iter()
        .filter_map(|e| match &e.record {
            Record::Concluded(concluded) => Some(concluded.outcome.clone()),
            _ => None,
        })
        .collect();
    assert!(matches!(&outcomes[1], Outcome::Done { first: Some(_), .. }), "{outcomes:?}");
    assert!(matches!(&outcomes[2], Outcome::Refused { by, .. } if by == "key"), "{outcomes:?}");
    assert_eq!(carried(&bench), [1]);
}
