//! Runs: what they cost in appends, in which order they start, what they wait for.

use std::time::Duration;

use sinew_contract::{Record, RunEnd, Seq};

use super::bench::{Bench, on_go};
use crate::world::{playbook, principal};

const PURE: &str = "  - a: { set: { x: 1 } }\n  - b: { set: { y: '${ .x }' } }\n";

/// Plays one event to the end of its run and tells the log.
async fn story(tasks: &str) -> String {
    let bench = Bench::new(&[on_go("p", tasks)]);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("run-ended", 1).await;
    house.down().await;
    bench.story()
}

#[tokio::test]
async fn pure_tasks_cost_two_appends_and_answers_ride_with_the_notes() {
    let infer = "  - a: { set: { x: 1 } }\n  - i: { call: 'infer:1.0.0@default', with: { instruction: judge, schema: { type: object }, rules: return-decision } }\n";
    let recall =
        "  - r: { call: 'recall:1.0.0@default', with: { store: customers, query: { subject: 'customer:c1' } } }\n";
    let remember = "  - m: { call: 'remember:1.0.0@default', with: { kind: fact, subject: 'customer:c1', content: 1, sources: [x], idempotencyKey: k } }\n";
    let cases = [
        (PURE, "event | run-started | stepped stepped run-ended"),
        (infer, "event | run-started | stepped proposed | stepped run-ended"),
        (recall, "event | run-started | recalled | stepped run-ended"),
        (remember, "event | run-started | remembered | stepped run-ended"),
    ];
    for (tasks, expected) in cases {
        assert_eq!(story(tasks).await, expected, "{tasks}");
    }
}

#[tokio::test]
async fn runs_start_in_the_order_of_their_events_also_after_a_crash() {
    let texts = [on_go("p", PURE), on_go("q", PURE)];
    let bench = Bench::new(&texts);
    bench.boot(1);
    for n in 0..20 {
        bench.go("o", &format!("k{n}"));
    }
    let house = bench.up().await;
    for n in 20..40 {
        bench.go("o", &format!("k{n}"));
    }
    bench.until("run-ended", 80).await;
    house.down().await;
    let started = |entry: &std::sync::Arc<sinew_contract::Entry>| match &entry.record {
        Record::RunStarted(started) => Some((started.trigger, started.playbook.to_string())),
        _ => None,
    };
    let started: Vec<_> = bench.journal.entries().iter().filter_map(started).collect();
    let mut sorted = started.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((started.len(), &started), (80, &sorted), "each once, in order");
}

#[tokio::test]
async fn a_playbook_that_is_new_does_not_start_on_what_happened_before_it() {
    let bench = Bench::new(&[on_go("old", PURE)]);
    bench.boot(1);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("run-ended", 1).await;
    house.down().await;
    let left = Bench::over(&[on_go("new", PURE)], &bench.journal.entries(), bench.clock, bench.hop.target.clone());
    left.boot(2);
    let house = left.up().await;
    let later = left.go("o2", "k2");
    left.until("run-ended", 2).await;
    left.quiet().await;
    house.down().await;
    let triggers: Vec<_> = left
        .journal
        .entries()
        .iter()
        .filter_map(|e| match &e.record {
            Record::RunStarted(started) => Some((started.playbook.to_string(), started.trigger)),
            _ => None,
        })
        .collect();
    assert_eq!(triggers, [("old".to_owned(), Some(Seq(2))), ("new".to_owned(), Some(later))]);
}

#[tokio::test]
async fn a_wait_survives_a_restart_and_ends_in_its_time() {
    let bench = Bench::new(&[on_go("p", "  - w: { wait: PT1M }\n  - a: { set: { x: 1 } }\n")]);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("timer-set", 1).await;
    house.down().await;
    bench.clock.advance(Duration::from_secs(59));
    let bench = bench.crashed();
    let house = bench.up().await;
    bench.quiet().await;
    assert_eq!(bench.story(), "", "it is set already and not due");
    bench.clock.advance(Duration::from_secs(1));
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "timer-fired | stepped stepped run-ended");
}

#[tokio::test]
async fn a_recall_that_is_asked_again_sees_what_its_run_remembered() {
    let tasks = "  - m: { call: 'remember:1.0.0@default', with: { kind: fact, subject: 'customer:c1', content: 1, sources: [x], idempotencyKey: k } }\n\
                 \u{20} - r: { call: 'recall:1.0.0@default', with: { store: customers, query: { subject: 'customer:c1' } } }\n";
    let texts = [on_go("p", tasks)];
    let bench = Bench::new(&texts);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("run-ended", 1).await;
    house.down().await;
    let entries = bench.journal.entries();
    let cut = entries.iter().position(|e| matches!(e.record, Record::Remembered(_))).expect("remembered") + 1;
    let bench = Bench::over(&texts, &entries[..cut], bench.clock, bench.hop.target.clone());
    let house = bench.up().await;
    bench.until("run-ended", 1).await;
    house.down().await;
    let asked: Vec<_> = bench.rooms.recalls.lock().expect("not poisoned").iter().map(|q| q.at_least).collect();
    assert_eq!(asked, [entries[cut - 1].seq()]);
}

#[tokio::test]
async fn a_cancelled_wait_ends_the_run_and_nothing_fires_later() {
    let bench = Bench::new(&[on_go("p", "  - w: { wait: PT1M }\n")]);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("timer-set", 1).await;
    let by = principal("person:mia");
    house.desk.cancel(bench.first_run(), by, "wrong parcel".to_owned()).await.expect("taken");
    bench.until("run-ended", 1).await;
    house.desk.catch_up().await.expect("it runs");
    bench.clock.advance(Duration::from_secs(61));
    bench.quiet().await;
    house.down().await;
    assert_eq!(bench.story(), "event | run-started | timer-set | cancel-asked | run-ended");
    assert_eq!(bench.ends(), [RunEnd::Cancelled { reason: "wrong parcel".to_owned() }]);
}

/// The same playbook with another durability.
fn strict(text: &str) -> String {
    text.replace("version: '1.0.0' }", "version: '1.0.0', metadata: { sinew: { durability: strict } } }")
}

#[tokio::test]
async fn a_strict_run_enters_a_task_when_the_one_before_it_is_on_disk_also_after_a_crash() {
    let three = format!("{PURE}  - c: {{ set: {{ z: '${{ .y }}' }} }}\n");
    let texts = [strict(&on_go("p", &three))];
    let bench = Bench::new(&texts);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "event | run-started | stepped | stepped | stepped run-ended");
    // Cut off after any entry, it goes on from there and comes to the same end.
    let whole = bench.journal.entries();
    for kept in 2..whole.len() {
        let again = Bench::over(&texts, &whole[..kept], bench.clock.clone(), bench.hop.target.clone());
        let house = again.up().await;
        again.until("run-ended", 1).await;
        house.down().await;
        let records = |bench: &Bench| bench.journal.entries().iter().map(|e| e.record.clone()).collect::<Vec<_>>();
        assert_eq!(records(&again), records(&bench), "cut off after {kept}");
    }
}

#[tokio::test]
async fn a_run_started_by_hand_is_acknowledged_with_its_first_entry_and_ends_by_itself() {
    let text = on_go("p", PURE);
    let bench = Bench::new(std::slice::from_ref(&text));
    let house = bench.up().await;
    let by = principal("person:mia");
    let run = house.desk.start(&playbook(&text), serde_json::json!([]), by.clone()).await.expect("it starts");
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!(bench.story(), "run-started | stepped stepped run-ended");
    let first = &bench.journal.entries()[0];
    assert_eq!((first.header.run, &first.header.principal), (Some(run), &by), "whoever started it stands in the log");
}
