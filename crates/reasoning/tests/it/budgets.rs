//! Budgets: nothing goes out that does not fit, nothing resets them, and a crash never under-charges.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sinew_contract::Record;
use sinew_reasoning::Amount;
use sinew_testkit::MemoryJournal;

use crate::house::{House, question, said, start_run, two};
use crate::upstream::{Say, Upstream};

fn good() -> Say {
    Say::json(&said("{\"action\":\"hold\"}"))
}

#[tokio::test]
async fn a_call_that_could_go_over_is_not_made_and_the_next_rung_answers() {
    let (one, other) = (Upstream::new([good()]).await, Upstream::new([good()]).await);
    for (budget, calls) in [
        ("action = { calls = 0 }", 0),
        ("day = { calls = 2 }", 2),
        ("month = { calls = 2 }", 2),
        ("run = { calls = 2 }", 2),
        ("playbooks = { triage = { calls = 2 } }", 2),
        ("day = { micros = 1 }", 0),
        ("day = { tokens = 50 }", 0),
    ] {
        let house = House::new(&two(&one.url(), &other.url(), &format!("[budgets]\n{budget}"))).await;
        for step in 1..=4 {
            let mut ask = question(step);
            ask.more.playbook = Some("triage".parse().expect("plain"));
            (ask.template, ask.schema) = (Some("letter".to_owned()), json!({}));
            let rung = house.answer(&ask).await.expect("a template is left").rung;
            let expected = if step <= calls { "one/first" } else { "template" };
            assert_eq!(rung, expected, "{budget}, question {step}");
        }
        assert_eq!(house.calls().len(), usize::try_from(calls).expect("small"), "{budget}");
    }
}

#[tokio::test]
async fn what_was_used_counts_on_after_a_restart_and_starts_anew_with_the_day() {
    let (one, other) = (Upstream::new([good()]).await, Upstream::new([good()]).await);
    let config = two(&one.url(), &other.url(), "[budgets]\nday = { calls = 3 }");
    let house = House::new(&config).await;
    for step in 1..=2 {
        house.answer(&question(step)).await.expect("it fits");
    }
    assert_eq!(house.reasoner.used().0, Amount { calls: 2, tokens: 220, micros: 240 });
    let (journal, clock) = house.close().await;
    let house = House::over(&config, journal, clock).await;
    assert_eq!(
        house.reasoner.used().0,
        Amount { calls: 2, tokens: 220, micros: 240 },
        "an end in order gives back the rest"
    );
    house.answer(&question(3)).await.expect("it fits");
    house.answer(&question(4)).await.expect_err("three calls a day");
    house.clock.advance(Duration::from_secs(86_400));
    house.answer(&question(5)).await.expect("a new day");
}

/// The process dies at every point of the log: what the provider was asked is never more than what the next process
/// counts as used.
#[tokio::test]
async fn a_crash_at_any_point_never_under_charges() {
    let unfit = || Say::json(&said("no"));
    let script = [good(), unfit(), good(), Say::fault(503, &[], ""), good(), Say::fault(200, &[], "{"), good()];
    let (one, other) = (Upstream::new(script).await, Upstream::new([good()]).await);
    let config = two(&one.url(), &other.url(), "[budgets]\nday = { calls = 1000 }");
    let house = House::new(&config).await;
    let run = start_run(&house.journal, "triage").await;
    for step in 1..=12 {
        let mut ask = question(step);
        ask.effect.run = run;
        house.clock.advance(Duration::from_secs(1));
        house.answer(&ask).await.expect("one of both");
    }
    let (journal, clock) = house.kill();
    let entries = journal.entries();
    assert!(entries.iter().any(|e| matches!(e.record, Record::BudgetReserved(_))));
    let is_call = |entry: &Arc<sinew_contract::Entry>| matches!(entry.record, Record::ModelCalled(_));
    assert_eq!(entries.iter().filter(|e| is_call(e)).count(), one.asked().len() + other.asked().len());
    for len in 1..=entries.len() {
        // The call whose record would come next has been sent by now.
        let asked = entries.iter().take(len + 1).filter(|e| is_call(e)).count();
        let left = MemoryJournal::over(&entries[..len], Arc::clone(&clock) as _);
        let house = House::over(&config, Arc::new(left), Arc::clone(&clock)).await;
        let used = house.reasoner.used().0;
        assert!(used.calls >= u64::try_from(asked).expect("small"), "{asked} calls at entry {len}, {used:?} counted");
        house.kill();
    }
}

#[tokio::test]
async fn a_run_that_was_alive_in_a_crash_is_charged_for_the_call_that_the_log_may_not_show() {
    let (one, other) = (Upstream::new([good()]).await, Upstream::new([good()]).await);
    let config = two(&one.url(), &other.url(), "[budgets]\nrun = { calls = 2 }");
    let house = House::new(&config).await;
    let run = start_run(&house.journal, "triage").await;
    let mut ask = question(1);
    ask.effect.run = run;
    house.answer(&ask).await.expect("it fits");
    let (journal, clock) = house.kill();
    let house = House::over(&config, journal, clock).await;
    ask.effect.step = 2;
    house.answer(&ask).await.expect_err("one call is known, and one may have been made");
}
