//! What would have happened: a known history under a known edit gives exactly the expected rows.

use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{Decision, Digest, Policy, Request, Verdict};
use sinew_planning::{Alternative, History, Range, Report, Thresholds, what_if};

use super::bench::{Bench, PAY, on_go};
use crate::world::playbook;

/// Decides by the order's name alone.
struct ByOrder(fn(&str) -> Verdict);

impl Policy for ByOrder {
    fn decide(&self, request: &Request) -> Decision {
        let word = (self.0)(request.args["order"].as_str().unwrap_or_default());
        let verdict = if request.approved && word == Verdict::Ask { Verdict::Run } else { word };
        Decision { verdict, reasons: vec!["as told".to_owned()], policy: Digest::ZERO }
    }

    fn digest(&self) -> Digest {
        Digest::ZERO
    }
}

/// `small` runs, `large` is approved by a person, `odd` is refused by a person, `bad` is refused by policy.
fn yesterday(order: &str) -> Verdict {
    match order {
        "small" => Verdict::Run,
        "bad" => Verdict::Refuse,
        _ => Verdict::Ask,
    }
}

/// One run per order, in this order.
async fn past() -> History {
    let text = on_go("p", PAY);
    let bench = Bench::new(std::slice::from_ref(&text)).judging(|request| {
        let word = yesterday(request.args["order"].as_str().unwrap_or_default());
        if request.approved && word == Verdict::Ask { Verdict::Run } else { word }
    });
    let house = bench.up().await;
    for (at, order) in ["small", "large", "odd", "bad"].iter().enumerate() {
        bench.go(order, &format!("k-{order}"));
        if matches!(*order, "large" | "odd") {
            let gates = if *order == "large" { 1 } else { 2 };
            bench.until("gate-opened", gates).await;
            if *order == "large" { house.approve().await } else { house.refuse().await }
        }
        bench.until("run-ended", at + 1).await;
    }
    house.down().await;
    let mut history = History::new([playbook(&text)]);
    bench.journal.entries().iter().for_each(|entry| history.read(entry));
    history
}

fn under(history: &History, policy: fn(&str) -> Verdict, thresholds: Thresholds) -> Report {
    let policy = ByOrder(policy);
    let alternative = Alternative { policy: Some(&policy), thresholds, playbooks: Vec::new() };
    what_if(history, &alternative, &Range::default())
}

/// The rows without names and times: changes of each run that goes otherwise.
fn rows(report: &Report) -> Value {
    json!(report.rows.iter().map(|row| &row.changes).collect::<Vec<_>>())
}

fn decision(order: &str, was: &str, now: &str) -> Value {
    json!({ "what": "decision", "capability": "shop.refund", "key": format!("k-{order}"), "amount_minor": 0,
            "was": was, "now": now, "reasons": ["as told"] })
}

fn gates(was: usize, now: usize) -> Value {
    json!({ "what": "gates", "was": was, "now": now })
}

fn cost(was: i64, now: i64) -> Value {
    json!({ "what": "cost", "was_micros": was, "now_micros": now })
}

fn outcome(was: &str, now: &str) -> Value {
    json!({ "what": "outcome", "was": was, "now": now })
}

const NO_PERSON: &str = "faulted: urn:sinew:error:refused-by-person";
const NO_POLICY: &str = "faulted: urn:sinew:error:refused-by-policy";

#[tokio::test]
async fn a_known_edit_over_a_known_history_gives_exactly_the_expected_rows() {
    let history = past().await;
    let plain = Thresholds::default();
    let same = under(&history, yesterday, plain);
    assert_eq!((same.runs, same.changed, rows(&same)), (4, 0, json!([])), "the same policy changes nothing");

    let stricter = under(&history, |order| if order == "bad" { Verdict::Refuse } else { Verdict::Ask }, plain);
    let expected = json!([[decision("small", "run", "ask"), gates(0, 1), cost(5, 0), outcome("completed", "waits")]]);
    assert_eq!((rows(&stricter), stricter.gates), (expected, (2, 3)), "what ran would wait for a person");

    let freer = under(&history, |order| if order == "odd" { Verdict::Ask } else { Verdict::Run }, plain);
    let never = "undetermined: `shop.refund` would be done, and was never done";
    let expected = json!([
        [decision("large", "ask", "run"), gates(1, 0)],
        [decision("bad", "refuse", "run"), outcome(NO_POLICY, never)],
    ]);
    assert_eq!((rows(&freer), freer.undetermined), (expected, 1), "nothing is made up about what was never done");

    let closed = under(&history, |_| Verdict::Refuse, plain);
    let expected = json!([
        [decision("small", "run", "refuse"), cost(5, 0), outcome("completed", NO_POLICY)],
        [decision("large", "ask", "refuse"), gates(1, 0), cost(5, 0), outcome("completed", NO_POLICY)],
        [decision("odd", "ask", "refuse"), gates(1, 0), outcome(NO_PERSON, NO_POLICY)],
    ]);
    assert_eq!((rows(&closed), closed.gates, closed.cost_micros), (expected, (2, 0), (10, 0)));
}

#[tokio::test]
async fn thresholds_ask_where_policy_would_not_and_ranges_choose_runs() {
    let history = past().await;
    let sure = Thresholds { ask_below_permille: Some(1001), ask_above_minor: None };
    let report = under(&history, yesterday, sure);
    assert_eq!(report.rows.len(), 1, "only what ran unattended passes the limit");
    let reasons = &rows(&report)[0][0]["reasons"];
    assert_eq!(*reasons, json!(["agreement below 1001 per mille"]));
    let policy = ByOrder(yesterday);
    let alternative = Alternative { policy: Some(&policy), thresholds: sure, playbooks: Vec::new() };
    let run = report.rows[0].run;
    let only = what_if(&history, &alternative, &Range { run: Some(run), ..Range::default() });
    let early = what_if(&history, &alternative, &Range { to: Some(sinew_contract::Timestamp(0)), ..Range::default() });
    assert_eq!((only.runs, only.changed, early.runs), (1, 1, 0));
}

#[tokio::test]
async fn another_playbook_takes_another_way_and_what_it_newly_asks_is_said_to_be_unknown() {
    let history = past().await;
    let other = |tasks: &str| playbook(&on_go("p", tasks));
    let ends = |report: &Report| report.rows.iter().map(|row| json!(row.changes)).collect::<Vec<_>>();
    let policy = ByOrder(yesterday);
    let under = |tasks: &str| {
        let playbooks = vec![other(tasks)];
        let alternative = Alternative { policy: Some(&policy), thresholds: Thresholds::default(), playbooks };
        what_if(&history, &alternative, &Range::default())
    };
    let guarded = format!("  - first: {{ set: '${{ . }}' }}\n{PAY}");
    let report = under(&guarded);
    assert_eq!(report.undetermined, 0, "the same question is found under another number: {:?}", ends(&report));
    let elsewhere = PAY.replace("shop.refund", "shop.restock");
    let report = under(&elsewhere);
    assert_eq!((report.changed, report.undetermined), (4, 4));
}

#[test]
fn nothing_is_read_but_the_history() {
    let nothing = History::new([Arc::clone(&playbook(&on_go("p", PAY)))]);
    assert_eq!(under(&nothing, yesterday, Thresholds::default()), Report::default());
}
