//! Before matter moves, and when nobody speaks any more: envelope, interlocks, the dead man.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sinew_actuation::Manifests;
use sinew_contract::*;

use crate::bench::*;

fn open(run: u64, opening: impl Into<Value>) -> Wish {
    wish(run, "open-valve", &format!("k{run}"), json!({ "opening": opening.into() }))
}

/// The guard says that it is closed.
async fn guard(bench: &Bench, holds: Value) {
    let event = Event {
        id: format!("g{}", bench.clock.now().boot.0),
        source: "/devices/valve".to_owned(),
        event_type: "sinew.interlock.v1".to_owned(),
        time: bench.clock.now().wall,
        subject: Some("guard-closed".to_owned()),
        data: json!({ "holds": holds }),
    };
    bench.append(vec![draft(Record::Event(event))]).await;
}

/// What the valve was told, by path.
fn told(bench: &Bench) -> Vec<String> {
    let written = bench.valve.written.lock().expect("not poisoned");
    written.iter().map(|c| c.operation["path"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Lets so much time pass while the dead man watches.
async fn pass(bench: &Bench, ms: u64) {
    let act = Arc::clone(&bench.act);
    let watching = act.keep_safe();
    let passing = async {
        for _ in 0..ms {
            bench.clock.wait_for_sleepers(1).await;
            bench.clock.advance(Duration::from_millis(1));
            // The watcher is woken; it has to have its turn before the next millisecond.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        () = watching => panic!("it watches for as long as it is awaited"),
        () = passing => {}
    }
}

#[tokio::test]
async fn matter_moves_within_its_envelope_while_the_interlock_holds() {
    let rows = [
        (json!(true), json!(40), "done"),
        (json!(true), json!(80.1), "envelope"),
        (json!(true), json!(-1), "envelope"),
        (json!(true), json!(1e300), "envelope"),
        (json!(false), json!(40), "interlock"),
        (json!("true"), json!(40), "interlock"),
    ];
    for (holds, opening, expected) in rows {
        let bench = Bench::new();
        guard(&bench, holds.clone()).await;
        let permit = bench.intend(&open(1, opening.clone())).await;
        assert_eq!(refused_by(&bench.act.carry_out(permit).await), expected, "{holds} {opening}");
        assert_eq!(bench.valve.calls(), usize::from(expected == "done"));
    }
}

#[tokio::test]
async fn an_interlock_of_which_nobody_speaks_or_that_is_of_another_boot_does_not_hold() {
    let bench = Bench::new();
    let permit = bench.intend(&open(1, 10)).await;
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "interlock");
    guard(&bench, json!(true)).await;
    bench.clock.advance(Duration::from_millis(501));
    let permit = bench.intend(&open(2, 10)).await;
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "interlock");
}

#[tokio::test]
async fn silence_reaches_the_safe_state_within_the_period() {
    let bench = Bench::new();
    guard(&bench, json!(true)).await;
    let permit = bench.intend(&open(1, 40)).await;
    assert_eq!(bench.act.carry_out(permit).await.word(), "done");
    pass(&bench, 499).await;
    assert_eq!(told(&bench), ["/opening"]);
    pass(&bench, 10).await;
    assert_eq!(told(&bench), ["/opening", "/close"]);
    let events = bench.act.made_safe();
    assert_eq!(
        events.iter().map(|e| (e.source.as_str(), e.data["why"].clone())).collect::<Vec<_>>(),
        [("/devices/valve", json!("silence"))]
    );
    pass(&bench, 2_000).await;
    assert_eq!(told(&bench).len(), 2, "once it is there it is left alone");
}

#[tokio::test]
async fn a_further_command_starts_the_period_anew() {
    let bench = Bench::new();
    for run in 1..=4 {
        guard(&bench, json!(true)).await;
        let permit = bench.intend(&open(run, 40)).await;
        assert_eq!(bench.act.carry_out(permit).await.word(), "done");
        pass(&bench, 300).await;
    }
    assert_eq!(told(&bench), ["/opening"; 4]);
}

#[tokio::test]
async fn stop_brings_it_to_its_safe_state_at_once_and_says_when_it_is_not_there_yet() {
    for scope in [StopScope::All, StopScope::Device("valve".parse().expect("plain"))] {
        let bench = Bench::new();
        guard(&bench, json!(true)).await;
        let permit = bench.intend(&open(1, 40)).await;
        assert_eq!(bench.act.carry_out(permit).await.word(), "done");
        let stop = Stop { scope: scope.clone(), engaged: true, reason: "smoke".to_owned() };
        bench.act.halt(&stop).expect("a disk");
        let standing = |bench: &Bench| bench.act.standing_of(&scope)[&"valve".parse().expect("plain")];
        assert_eq!(standing(&bench), sinew_actuation::Halted::Unknown);
        pass(&bench, 1).await;
        assert_eq!(told(&bench), ["/opening", "/close"], "{scope:?}");
        assert_eq!(standing(&bench), sinew_actuation::Halted::FinishedBefore);
        // Release moves nothing.
        bench.act.halt(&Stop { engaged: false, ..stop }).expect("a disk");
        pass(&bench, 50).await;
        assert_eq!(told(&bench).len(), 2);
    }
}

#[tokio::test]
async fn a_device_that_does_not_take_its_safe_state_is_told_again() {
    let bench = Bench::new();
    guard(&bench, json!(true)).await;
    bench.valve.will_write(Ok(Reply::Accepted(json!(null))));
    bench.valve.will_write(Err(failure(ErrorKind::Broken, "cut")));
    bench.valve.will_write(Err(failure(ErrorKind::Busy, "away")));
    let permit = bench.intend(&open(1, 40)).await;
    bench.act.carry_out(permit).await;
    pass(&bench, 600).await;
    assert_eq!(told(&bench), ["/opening", "/close", "/close", "/close"]);
}

#[test]
fn a_physical_manifest_without_its_terms_or_with_an_unbounded_number_is_not_taken() {
    let bench = Bench::new();
    let parts = bench.parts();
    let good = texts().pop().expect("the valve").1;
    let rows = [
        (good.clone(), None),
        (good.split("[physical]").next().unwrap_or_default().to_owned(), Some("without its terms")),
        (good.replace("[physical.envelope.\"/opening\"]", "[physical.envelope.\"/opening2\"]"), Some("leads nowhere")),
        (
            good.replace(
                "{ opening = { type = \"number\" } }",
                "{ opening = { type = \"number\" }, extra = { type = \"integer\" } }",
            ),
            Some("no range"),
        ),
        (good.replace("additionalProperties = false\n", ""), Some("nothing unknown")),
        (good.replace("dead-man = \"500ms\"", "dead-man = \"0s\""), Some("above zero")),
        (good.replace("max = 80.0", "max = inf"), Some("finite")),
        (good.replace("max = 80.0", "max = nan"), Some("finite")),
    ];
    for (text, expected) in rows {
        let found = Manifests::load(&[("v.toml".to_owned(), text.clone())], &parts.devices);
        let said = found.err().map(|e| e.to_string());
        match expected {
            None => assert_eq!(said, None),
            Some(part) => assert!(said.as_ref().is_some_and(|s| s.contains(part)), "{part}: {said:?}\n{text}"),
        }
    }
}
