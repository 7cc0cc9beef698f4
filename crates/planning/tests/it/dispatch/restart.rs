//! The law of restarts: whatever a crash leaves of a log, a new dispatcher over it comes to the same end, and nothing
//! that was done is done again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sinew_contract::{Answer, Entry, Record, RunEnd, Verdict};
use sinew_planning::Reply as Card;
use sinew_testkit::SimClock;

use super::bench::{Bench, House, PAY, on_go};
use super::hop::{Reply, Target};

/// One way that things can go.
struct Case {
    name: &'static str,
    tasks: String,
    /// Orders and keys of the events, each sent when the run before it has ended.
    events: &'static [(&'static str, &'static str)],
    replies: &'static [Reply],
    asks: bool,
    /// What people answer at every gate; nobody answers where there is none.
    answer: Option<Answer>,
}

fn cases() -> Vec<Case> {
    let plain = |name, replies| Case {
        name,
        tasks: PAY.to_owned(),
        events: &[("o1", "k1")],
        replies,
        asks: false,
        answer: Some(Answer::Approve),
    };
    let everything = "  - a: { set: '${ . }' }\n  - r: { call: 'recall:1.0.0@default', with: { store: customers, query: { subject: 'customer:c1' } } }\n  - g: { call: http, with: { method: get, endpoint: 'https://h.example/x' } }\n  - i: { call: 'infer:1.0.0@default', with: { instruction: judge, schema: { type: object }, rules: return-decision } }\n  - w: { wait: PT30S }\n  - m: { call: 'remember:1.0.0@default', with: { kind: fact, subject: 'customer:c1', content: 1, sources: [x], idempotencyKey: k } }\n";
    let again: &[(&str, &str)] = &[("o1", "k1"), ("o1", "k2")];
    vec![
        plain("done", &[Reply::Done]),
        plain("refused by the target", &[Reply::Refuse]),
        plain("failed, then done", &[Reply::Fail(None), Reply::Fail(Some(7_000)), Reply::Done]),
        plain("failed for good", &[Reply::Fail(None)]),
        plain("the reply was lost", &[Reply::LostAnswer]),
        plain("the request was lost", &[Reply::LostRequest, Reply::Done]),
        Case { asks: true, ..plain("approved", &[Reply::Done]) },
        Case { asks: true, answer: Some(Answer::Refuse), ..plain("refused by a person", &[Reply::Done]) },
        Case { asks: true, answer: None, ..plain("nobody answers", &[Reply::Done]) },
        Case { events: again, ..plain("the same thing again, let pass", &[Reply::Done]) },
        Case { events: again, answer: Some(Answer::Refuse), ..plain("the same thing again, refused", &[Reply::Done]) },
        Case { tasks: everything.to_owned(), ..plain("every kind of question", &[]) },
    ]
}

/// What must be the same however often we were interrupted.
#[derive(Debug, PartialEq)]
struct Outcome {
    ends: Vec<RunEnd>,
    done: BTreeSet<String>,
    doubled: Vec<String>,
}

impl Case {
    fn bench(&self, entries: &[Arc<Entry>], clock: Arc<SimClock>, done: BTreeSet<String>) -> Bench {
        let target = Target { done, replies: self.replies.to_vec(), ..Target::default() };
        let asks = self.asks;
        let texts = [on_go("p", &self.tasks)];
        Bench::over(&texts, entries, clock, Arc::new(Mutex::new(target)))
            .judging(move |request| if asks && !request.approved { Verdict::Ask } else { Verdict::Run })
    }

    /// Plays the outside (senders, people, time) until all runs have ended.
    async fn play(&self, bench: &Bench) -> Outcome {
        let house = bench.up().await;
        // 200: seconds; nothing here waits longer than a gate's minute.
        for _ in 0..200 {
            bench.quiet().await;
            let count = |kind: &str| bench.journal.entries().iter().filter(|e| e.record.kind() == kind).count();
            match self.events.get(count("event")) {
                Some((order, key)) if count("event") == count("run-ended") => drop(bench.go(order, key)),
                None if count("run-ended") == self.events.len() => break,
                _ if self.answered(&house).await => {}
                _ => bench.clock.advance(Duration::from_secs(1)),
            }
        }
        house.down().await;
        let target = bench.hop.target();
        Outcome {
            ends: bench.ends().into_iter().map(unnumbered).collect(),
            done: target.done.clone(),
            doubled: target.doubled.clone(),
        }
    }

    async fn answered(&self, house: &House) -> bool {
        let Some(answer) = self.answer.filter(|_| !house.desk.open_gates().is_empty()) else { return false };
        let card = Card { answer, ..house.card().await };
        house.desk.answer(card).await.is_ok()
    }

    /// What the target had done when the crash came, at the most and at the least that the log allows.
    fn worlds(&self, entries: &[Arc<Entry>]) -> [BTreeSet<String>; 2] {
        let target = Target { replies: self.replies.to_vec(), ..Target::default() };
        let sent = |entry: &Arc<Entry>| match &entry.record {
            Record::Intended(intended) => Some((entry.seq(), intended.command.clone())),
            _ => None,
        };
        let sent: Vec<_> = entries.iter().filter_map(sent).collect();
        let applies = |n: u32| target.reply(n).applies();
        let answered = |seq| entries.iter().any(|e| matches!(&e.record, Record::Concluded(c) if c.intent == Some(seq)));
        let most = sent.iter().filter(|(_, command)| applies(command.attempt) && is_effect(command));
        let least = most.clone().filter(|(seq, _)| answered(*seq));
        [most.map(|(_, c)| c.key.clone()).collect(), least.map(|(_, c)| c.key.clone()).collect()]
    }
}

/// The place of an earlier intent in the log depends on how often it was tried; what it gave does not.
fn unnumbered(mut end: RunEnd) -> RunEnd {
    if let RunEnd::Completed { output: Value::Object(output) } = &mut end {
        output.remove("first");
    }
    end
}

fn is_effect(command: &sinew_contract::Command) -> bool {
    command.class != sinew_contract::Class::Pure
}

#[tokio::test]
async fn cut_after_any_entry_it_comes_to_the_same_end_and_doubles_nothing() {
    let mut cuts = 0;
    for case in cases() {
        let clock = Arc::new(SimClock::default());
        let whole = case.bench(&[], Arc::clone(&clock), BTreeSet::new());
        let expected = case.play(&whole).await;
        assert_eq!(expected.ends.len(), case.events.len(), "{}: {}", case.name, whole.story());
        assert!(expected.doubled.is_empty(), "{}", case.name);
        let entries = whole.journal.entries();
        for at in 0..=entries.len() {
            let left = &entries[..at];
            for done in case.worlds(left) {
                let bench = case.bench(left, Arc::new(SimClock::at(clock_at(left))), done.clone());
                let found = case.play(&bench).await;
                let story = bench.story();
                assert_eq!(found, expected, "{}, cut after entry {at}, done {done:?}: {story}", case.name);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 200, "{cuts} cuts");
}

/// When the crash came.
fn clock_at(entries: &[Arc<Entry>]) -> sinew_contract::Timestamp {
    entries.last().map_or(sinew_contract::Timestamp(crate::world::START), |entry| entry.header.recorded)
}
