//! An unknown is settled by asking, never by repeating.

use std::time::Duration;

use serde_json::json;
use sinew_contract::*;

use crate::bench::*;

async fn unknown(bench: &Bench) -> EntryRef {
    bench.shop.will_write(Err(failure(ErrorKind::Broken, "cut")));
    let permit = bench.intend(&pay(1, "k/1", "O-1", 500)).await;
    assert_eq!(bench.act.carry_out(permit).await.word(), "unknown");
    permit
}

fn missing() -> Result<serde_json::Value, Failure> {
    Err(failure(ErrorKind::Missing, "404"))
}

#[tokio::test]
async fn what_the_target_has_is_done_and_what_it_refused_is_refused() {
    let bench = Bench::new();
    let permit = unknown(&bench).await;
    bench.shop.will_read(Ok(json!({ "applied": true, "result": { "refund": "rf-9" } })));
    let outcome = bench.act.settle(permit).await;
    assert_eq!(outcome, Outcome::Done { receipt: json!({ "refund": "rf-9" }), first: None });
    let asked = bench.shop.asked.lock().expect("not poisoned").clone();
    assert_eq!(asked, [(json!({ "method": "GET", "path": "/effects/{key}" }), json!({ "key": "k/1" }))]);
    bench.shop.will_read(Ok(json!({ "applied": false, "result": { "detail": "refunded before" } })));
    let refused = Outcome::Refused { by: "target".to_owned(), reason: "refunded before".to_owned() };
    assert_eq!(bench.act.settle(permit).await, refused);
    assert_eq!(bench.shop.calls(), 1);
}

#[tokio::test]
async fn not_found_is_believed_only_when_asked_after_expiry_and_skew() {
    let bench = Bench::new();
    let sent = bench.clock.now().wall;
    let permit = unknown(&bench).await;
    bench.shop.will_read(missing());
    let settling = tokio::spawn({
        let act = bench.act.clone();
        async move { act.settle(permit).await }
    });
    bench.clock.wait_for_sleepers(1).await;
    assert_eq!(bench.shop.questions(), 1);
    bench.shop.will_read(Ok(json!({ "applied": true, "result": 1 })));
    assert!(bench.clock.advance_to_next_sleeper());
    assert_eq!(bench.clock.now().wall, sent.after(Duration::from_millis(2_250)));
    assert_eq!(settling.await.expect("settled"), Outcome::Done { receipt: json!(1), first: None }, "it came late");
    bench.shop.will_read(missing());
    let gone =
        Outcome::Failed { reason: "the target never saw it, and it has expired".to_owned(), retry_after_ms: None };
    assert_eq!(bench.act.settle(permit).await, gone);
    assert_eq!((bench.shop.calls(), bench.shop.questions()), (1, 3));
}

#[tokio::test]
async fn a_wall_clock_that_jumps_ahead_does_not_make_not_found_believable() {
    let bench = Bench::new();
    let permit = unknown(&bench).await;
    bench.clock.set_wall(bench.clock.now().wall.after(Duration::from_secs(3600)));
    bench.shop.will_read(missing());
    bench.shop.will_read(missing());
    let boot = bench.clock.now().boot;
    let settling = tokio::spawn({
        let act = bench.act.clone();
        async move { act.settle(permit).await }
    });
    bench.clock.wait_for_sleepers(1).await;
    assert!(bench.clock.advance_to_next_sleeper());
    assert_eq!(settling.await.expect("settled").word(), "failed");
    assert_eq!(bench.clock.now().boot.0 - boot.0, 2_250_000);
}

#[tokio::test]
async fn after_a_reboot_the_wall_clock_decides_alone() {
    let bench = Bench::new();
    let permit = unknown(&bench).await;
    bench.clock.advance(Duration::from_millis(2_250));
    bench.clock.set_boot(BootTime(5_000_000));
    bench.shop.will_read(missing());
    assert_eq!(bench.act.settle(permit).await.word(), "failed");
}

#[tokio::test]
async fn a_silent_target_is_asked_with_backoff_for_as_long_as_it_takes() {
    let bench = Bench::new();
    let permit = unknown(&bench).await;
    let kinds = [ErrorKind::Busy, ErrorKind::Late, ErrorKind::Broken];
    for kind in kinds.into_iter().cycle().take(9) {
        bench.shop.will_read(Err(failure(kind, "silent")));
    }
    bench.shop.will_read(Ok(json!({ "applied": true, "result": null })));
    let settling = tokio::spawn({
        let act = bench.act.clone();
        async move { act.settle(permit).await }
    });
    let mut waits = Vec::new();
    for _ in 0..9 {
        bench.clock.wait_for_sleepers(1).await;
        let before = bench.clock.now().wall;
        assert!(bench.clock.advance_to_next_sleeper());
        waits.push(bench.clock.now().wall.since(before).as_millis());
        let asked = waits.len();
        // The sleeper leaves only when its task runs again; the next question is the sign that it did.
        while bench.shop.questions() == asked {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
    assert_eq!(settling.await.expect("settled").word(), "done");
    assert_eq!(bench.shop.calls(), 1);
}

#[tokio::test]
async fn asking_goes_on_while_stop_is_pressed() {
    let bench = Bench::new();
    let permit = unknown(&bench).await;
    let stop = Stop { scope: StopScope::All, engaged: true, reason: "smoke".to_owned() };
    bench.act.halt(&stop).expect("pressed");
    bench.shop.will_read(Ok(json!({ "applied": true, "result": null })));
    assert_eq!(bench.act.settle(permit).await.word(), "done");
}

#[tokio::test]
async fn what_cannot_be_asked_stays_unknown() {
    let bench = Bench::new();
    let mut undo = wish(1, "unpay", "u", json!({ "refund": "rf-1" }));
    undo.effect.step = 2;
    let permit = bench.intend(&undo).await;
    assert_eq!(bench.act.settle(permit).await.word(), "unknown", "its manifest has no question");
    let permit = unknown(&bench).await;
    for answer in [Err(failure(ErrorKind::Denied, "egress")), Err(failure(ErrorKind::Invalid, "400")), Ok(json!({}))] {
        bench.shop.will_read(answer);
        assert_eq!(bench.act.settle(permit).await.word(), "unknown");
    }
}

#[tokio::test]
async fn a_look_up_without_an_outcome_may_be_asked_again() {
    let bench = Bench::new();
    let permit = bench.intend(&wish(1, "http.get", "k", json!({ "uri": "http://shop.local/" }))).await;
    assert_eq!(bench.act.settle(permit).await.word(), "failed");
    assert_eq!(bench.web.questions(), 0);
}
