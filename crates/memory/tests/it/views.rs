//! What people see of runs, gates, acts and health.

use serde_json::json;
use sinew_contract::{Answer, Class, Cost, ErrorKind, GateId, Outcome, Record, RunEnd, Scope, Seq, Timestamp, Verdict};
use sinew_memory::{GateStatus, HealthQuery, Phase, RunFilter, RunStatus};

use crate::story::{MS, START, Story, effect, everything, fault, folded, named, refunded};

fn main_scope() -> Scope {
    Scope::main()
}

#[tokio::test]
async fn a_run_says_how_it_went_and_what_it_cost() {
    let mut story = Story::default();
    let run = refunded(&mut story, "a.jpg");
    let (memory, _folder) = folded(&story).await;
    let row = memory.run(&main_scope(), run).await.expect("it is there");
    assert_eq!((row.status, row.outcome.as_deref()), (RunStatus::Completed, Some("refunded")));
    assert_eq!((row.trigger, row.trigger_name.as_deref()), (Some(Seq(1)), Some("a.jpg")));
    assert_eq!(row.cost, Cost { micros: 2_040, tokens: 12 });
    // The look-up was decided about at the third entry; the refund, which is the verdict, at the ninth.
    assert_eq!(row.verdict_us, Some(8 * MS));
    assert_eq!(row.output, Some(json!({"outcome": "refunded"})));
}

#[tokio::test]
async fn a_timeline_tells_the_whole_way_from_the_scan_on() {
    let mut story = Story::default();
    let other = refunded(&mut story, "other.jpg");
    let run = refunded(&mut story, "a.jpg");
    let (memory, _folder) = folded(&story).await;
    let rows = memory.run_timeline(&main_scope(), run).await.expect("it is there");
    let told: Vec<_> = rows.iter().map(|row| (row.phase, row.title.as_str())).collect();
    assert_eq!(
        told,
        [
            (Phase::Sense, "a.jpg came in"),
            (Phase::Run, "return-intake 1.0.0 began"),
            (Phase::Decide, "http.get may run"),
            (Phase::Act, "http.get goes to shop"),
            (Phase::Act, "http.get done"),
            (Phase::Think, "lookUp"),
            (Phase::Think, "rules answered"),
            (Phase::Think, "route: went to accept"),
            (Phase::Decide, "shop.refund may run"),
            (Phase::Act, "shop.refund goes to shop"),
            (Phase::Act, "shop.refund done"),
            (Phase::Remember, "remembered about customer:c17"),
            (Phase::Run, "ended: refunded"),
        ]
    );
    assert!(rows.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert_eq!(rows.iter().map(|row| row.cost.micros).sum::<i64>(), 2_040);
    assert_ne!(other, run);
}

#[tokio::test]
async fn runs_are_listed_newest_first_and_filtered() {
    let story = everything();
    let (memory, _folder) = folded(&story).await;
    let names = async |filter: RunFilter| -> Vec<Option<String>> {
        memory.list_runs(filter).await.expect("readable").into_iter().map(|row| row.trigger_name).collect()
    };
    let some = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
    let all = names(RunFilter::default()).await;
    assert_eq!(all.iter().flatten().collect::<Vec<_>>(), ["e.jpg", "d.jpg", "c.jpg", "b.jpg", "a.jpg"]);
    assert_eq!(all.len(), 6, "one run was started by nobody's scan");
    let status = |status| RunFilter { status: Some(status), ..RunFilter::default() };
    assert_eq!(names(status(RunStatus::Waiting)).await, some(&["e.jpg"]));
    assert_eq!(names(status(RunStatus::Running)).await, some(&["d.jpg"]));
    assert_eq!(names(status(RunStatus::Faulted)).await, some(&["c.jpg"]));
    assert_eq!(names(status(RunStatus::Cancelled)).await, [None]);
    let named_b = RunFilter { trigger_name: Some("b.jpg".to_owned()), ..RunFilter::default() };
    assert_eq!(names(named_b).await, some(&["b.jpg"]));
    let none = RunFilter { playbook: Some("other".to_owned()), ..RunFilter::default() };
    assert!(names(none).await.is_empty());
}

#[tokio::test]
async fn a_second_page_follows_the_first() {
    let (memory, _folder) = folded(&everything()).await;
    let page = |before| RunFilter { before, limit: 4, ..RunFilter::default() };
    let first = memory.list_runs(page(None)).await.expect("readable");
    let second = memory.list_runs(page(first.last().map(|row| row.run))).await.expect("readable");
    assert_eq!((first.len(), second.len()), (4, 2));
    assert!(first.iter().all(|row| second.iter().all(|other| other.run.seq < row.run.seq)));
}

#[tokio::test]
async fn gates_open_close_expire_and_are_withdrawn() {
    let (memory, _folder) = folded(&everything()).await;
    let scope = main_scope();
    let count = async |status| memory.gates(&scope, Some(status), 100).await.expect("readable").len();
    for status in GateStatus::ALL {
        let expected = usize::from(*status != GateStatus::Approved);
        assert_eq!(count(*status).await, expected, "{status:?}");
    }
    let open = memory.open_gates(&scope).await.expect("readable");
    let gate = open.first().expect("one waits");
    assert_eq!((gate.trigger_name.as_deref(), gate.playbook.as_str()), (Some("e.jpg"), "return-intake"));
    assert_eq!(memory.gate(&scope, gate.gate).await.expect("it is there"), *gate);
    assert_eq!(gate.card.what, "Refund 39.90 EUR");
    let refused = memory.gates(&scope, Some(GateStatus::Refused), 9).await.expect("readable");
    assert_eq!(refused.first().and_then(|gate| gate.by.as_deref()), Some("person:ana"));
}

#[tokio::test]
async fn a_run_goes_on_when_its_gate_is_approved() {
    let mut story = Story::default();
    let run = story.scan_and_run("a.jpg", "conflict");
    let gate = story.open_gate(effect(run, 1));
    let (memory, _folder) = folded(&story).await;
    let status = async || {
        let row = memory.run(&main_scope(), run).await.expect("it is there");
        (row.status, row.touches)
    };
    assert_eq!(status().await, (RunStatus::Waiting, 0));
    story.answer(effect(run, 1), gate, Answer::Approve, Some("person:ana"));
    memory.fold(story.entries.clone()).await.expect("it folds");
    assert_eq!(status().await, (RunStatus::Running, 1));
}

#[tokio::test]
async fn an_act_tells_its_tries_and_its_last_word() {
    let mut story = Story::default();
    let run = story.start(None);
    let (id, what) = (effect(run, 1), "shop.refund");
    story.decide(id, what, Class::Compensable, Verdict::Ask);
    story.decide(id, what, Class::Compensable, Verdict::Run);
    story.intend(id, what, Class::Compensable, 1);
    story.conclude(id, what, Outcome::Failed { reason: "busy".to_owned(), retry_after_ms: None }, 5, false);
    story.intend(id, what, Class::Compensable, 2);
    story.conclude(id, what, Outcome::Unknown { reason: "no reply".to_owned() }, 5, false);
    let (memory, _folder) = folded(&story).await;
    let row = memory.effect(&main_scope(), id).await.expect("it is there");
    assert_eq!((row.outcome.as_deref(), row.settled, row.latency_us), (Some("unknown"), false, None));
    story.conclude(id, what, Outcome::Done { receipt: json!({"refund": "rf-1"}), first: None }, 5, true);
    memory.fold(story.entries.clone()).await.expect("it folds");
    let row = memory.effect(&main_scope(), id).await.expect("it is there");
    assert_eq!((row.outcome.as_deref(), row.settled, row.attempts), (Some("done"), true, 2));
    assert_eq!((row.result, row.latency_us), (Some(json!({"refund": "rf-1"})), Some(4 * MS)));
    assert_eq!((row.verdict.as_deref(), row.cost.micros), (Some("run"), 15));
    assert_eq!(row.key.as_deref(), Some(format!("shop.refund/{id}").as_str()));
    assert_eq!(memory.run_effects(&main_scope(), run).await.expect("readable").len(), 1);
}

#[tokio::test]
async fn a_wish_that_was_refused_before_any_intent_is_there_too() {
    let mut story = Story::default();
    let run = story.start(None);
    let refused = Outcome::Refused { by: "key".to_owned(), reason: "other arguments".to_owned() };
    story.conclude(effect(run, 1), "shop.refund", refused, 0, true);
    let (memory, _folder) = folded(&story).await;
    let row = memory.effect(&main_scope(), effect(run, 1)).await.expect("it is there");
    assert_eq!((row.outcome.as_deref(), row.key, row.attempts), (Some("refused"), None, 0));
}

#[tokio::test]
async fn nothing_of_one_scope_is_seen_from_another() {
    let story = everything();
    let (memory, _folder) = folded(&story).await;
    let other: Scope = named("tenant-2");
    let theirs = memory.list_runs(RunFilter { scope: other.clone(), ..RunFilter::default() }).await.expect("readable");
    assert_eq!(theirs.len(), 1);
    let run = theirs.first().expect("one").run;
    let failure = memory.run(&main_scope(), run).await.expect_err("it is another's");
    assert_eq!(failure.kind(), ErrorKind::Missing);
    assert_eq!(memory.run_timeline(&main_scope(), run).await.map_err(|e| e.kind()), Err(ErrorKind::Missing));
    assert!(memory.run_effects(&main_scope(), run).await.expect("readable").is_empty());
    assert!(memory.open_gates(&other).await.expect("readable").is_empty());
    assert_eq!(memory.scans(&other, 10).await.expect("readable").len(), 1);
    let nobody: Scope = named("nobody");
    let nothing = memory.totals(&nobody).await.expect("readable");
    assert_eq!((nothing.events, nothing.runs, nothing.cost), (0, 0, Cost::default()));
}

#[tokio::test]
async fn what_does_not_exist_is_missing() {
    let (memory, _folder) = folded(&everything()).await;
    let scope = main_scope();
    let run = named("r999-07070707");
    assert_eq!(memory.run(&scope, run).await.map_err(|e| e.kind()), Err(ErrorKind::Missing));
    assert_eq!(memory.gate(&scope, GateId(Seq(999))).await.map_err(|e| e.kind()), Err(ErrorKind::Missing));
    assert_eq!(memory.effect(&scope, effect(run, 1)).await.map_err(|e| e.kind()), Err(ErrorKind::Missing));
}

#[tokio::test]
async fn totals_count_everything_once() {
    let story = everything();
    let (memory, _folder) = folded(&story).await;
    let totals = memory.totals(&main_scope()).await.expect("readable");
    assert_eq!((totals.events, totals.scans_read, totals.scans_unread, totals.scans_conflict), (5, 2, 2, 1));
    let runs = (totals.runs, totals.running, totals.waiting, totals.completed, totals.faulted, totals.cancelled);
    assert_eq!(runs, (6, 1, 1, 2, 1, 1));
    assert_eq!((totals.gates, totals.gates_open, totals.person_touches), (4, 1, 1));
    let acts: Vec<_> = totals.acts.iter().map(|a| (a.capability.as_str(), a.outcome.as_str(), a.count)).collect();
    assert_eq!(acts, [("http.get", "done", 1), ("shop.refund", "done", 1), ("shop.refund", "unknown", 1)]);
    assert_eq!((totals.as_of, totals.cost.micros), (story.last(), 2_040));
}

#[tokio::test]
async fn scans_know_their_run() {
    let mut story = Story::default();
    let run = refunded(&mut story, "a.jpg");
    let (memory, _folder) = folded(&story).await;
    let scans = memory.scans(&main_scope(), 10).await.expect("readable");
    let scan = scans.first().expect("one");
    assert_eq!((scan.name.as_str(), scan.code.as_deref(), scan.run), ("a.jpg", Some("RMA-1"), Some(run)));
    assert!(scan.image.is_some());
}

#[tokio::test]
async fn health_looks_at_its_window_and_leaves_look_ups_out() {
    let mut story = Story::default();
    refunded(&mut story, "a.jpg");
    let run = story.scan_and_run("b.jpg", "read");
    story.decide(effect(run, 1), "shop.refund", Class::Compensable, Verdict::Run);
    story.intend(effect(run, 1), "shop.refund", Class::Compensable, 1);
    story.conclude(
        effect(run, 1),
        "shop.refund",
        Outcome::Failed { reason: "no".to_owned(), retry_after_ms: None },
        0,
        true,
    );
    story.end(run, RunEnd::Faulted { error: fault() });
    let (memory, _folder) = folded(&story).await;
    let query = |since, until| HealthQuery {
        scope: main_scope(),
        playbook: None,
        since: Timestamp(since),
        until: Timestamp(until),
        points: 4,
    };
    let health = memory.health(query(START, START + 1_000 * MS)).await.expect("readable");
    assert_eq!((health.runs, health.faulted, health.acts, health.acts_failed), (2, 1, 2, 1));
    assert_eq!((health.failure_permille, health.cost_per_action_micros), (Some(500), Some(2_040)));
    assert_eq!(health.verdict.map(|v| (v.p50_us, v.p95_us, v.count)), Some((2 * MS, 8 * MS, 2)));
    assert_eq!(health.trend.iter().map(|point| point.runs).sum::<u64>(), 2);
    let before = memory.health(query(0, START)).await.expect("readable");
    assert_eq!((before.runs, before.failure_permille), (0, None));
    let other = HealthQuery { playbook: Some("other".to_owned()), ..query(START, START + 1_000 * MS) };
    assert_eq!(memory.health(other).await.expect("readable").runs, 0);
}

#[tokio::test]
async fn a_clock_that_runs_backwards_makes_no_negative_latency() {
    let mut story = Story::default();
    let event = match &everything().entries.first().expect("there are entries").record {
        Record::Event(event) => event.clone(),
        other => panic!("a story begins with an event, not {other:?}"),
    };
    story.push_observed(None, Record::Event(event), START + 3_600_000 * MS);
    let run = story.start(Some(Seq(1)));
    story.complete(run, "handled");
    let (memory, _folder) = folded(&story).await;
    assert_eq!(memory.run(&main_scope(), run).await.expect("it is there").verdict_us, Some(0));
}
