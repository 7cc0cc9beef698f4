//! An effect happens once per key and once per thing, for ever.

use serde_json::json;
use sinew_contract::*;

use crate::bench::*;

fn done() -> Outcome {
    Outcome::Done { receipt: json!({ "refund": "rf-1" }), first: None }
}

#[tokio::test]
async fn the_same_key_gives_the_first_receipt_again_and_other_arguments_are_refused() {
    let mut bench = Bench::new();
    let wish = pay(1, "k", "O-1", 500);
    assert_eq!(bench.prepare(&wish).standing, Standing::Fresh);
    assert_eq!(bench.go(&wish).await, done());
    for _ in 0..2 {
        let repeat = Standing::Repeat { first: Seq(2), outcome: done() };
        assert_eq!(bench.prepare(&wish).standing, repeat);
        assert_eq!(bench.prepare(&pay(9, "k", "O-1", 500)).standing, repeat);
        let misused = Standing::KeyMisused { first: Seq(2) };
        assert_eq!(bench.prepare(&pay(1, "k", "O-1", 501)).standing, misused);
        assert_eq!(bench.prepare(&pay(1, "k", "O-2", 500)).standing, misused);
        bench.restart();
    }
}

#[tokio::test]
async fn the_same_thing_under_another_key_is_a_duplicate_until_it_surely_did_not_happen() {
    let bench = Bench::new();
    let (one, two) = (pay(1, "k1", "O-1", 500), pay(2, "k2", "O-1", 900));
    let permit = bench.intend(&one).await;
    let standing = || bench.prepare(&two).standing;
    let duplicate = |outcome| Standing::Duplicate { first: permit.seq, outcome, run: one.effect.run };
    assert_eq!(standing(), duplicate(None));
    assert_eq!(bench.prepare(&pay(2, "k2", "O-2", 900)).standing, Standing::Fresh);
    let unknown = Outcome::Unknown { reason: "cut".to_owned() };
    bench.conclude(&one, permit, unknown, false).await;
    assert_eq!((standing(), bench.prepare(&one).standing), (duplicate(None), Standing::InFlight(permit.seq)));
    let failed = Outcome::Failed { reason: "busy".to_owned(), retry_after_ms: None };
    bench.conclude(&one, permit, failed.clone(), false).await;
    assert_eq!(standing(), duplicate(None), "the same wish will try again");
    let again = bench.intend(&one).await;
    bench.conclude(&one, again, failed, true).await;
    assert_eq!(standing(), Standing::Fresh);
    assert_eq!(bench.prepare(&one).standing, Standing::Fresh, "the same key may be tried again");
}

#[tokio::test]
async fn a_refusal_frees_the_thing_and_a_final_unknown_does_not() {
    let refused = |by: &str| Outcome::Refused { by: by.to_owned(), reason: "no".to_owned() };
    let unknown = Outcome::Unknown { reason: "cut".to_owned() };
    let rows = [
        (refused("target"), true, "repeat"),
        (refused("stopped"), true, "fresh"),
        (refused("egress"), true, "fresh"),
        (refused("key"), false, "in flight"),
        (unknown, false, "repeat"),
        (done(), false, "repeat"),
    ];
    for (outcome, free, same_key) in rows {
        let bench = Bench::new();
        let one = pay(1, "k1", "O-1", 500);
        let permit = bench.intend(&one).await;
        bench.conclude(&one, permit, outcome.clone(), true).await;
        let other = bench.prepare(&pay(2, "k2", "O-1", 500)).standing;
        assert_eq!(matches!(other, Standing::Fresh), free, "{outcome:?} {other:?}");
        let own = match bench.prepare(&one).standing {
            Standing::Fresh => "fresh",
            Standing::InFlight(_) => "in flight",
            Standing::Repeat { .. } => "repeat",
            _ => "other",
        };
        assert_eq!(own, same_key, "{outcome:?}");
    }
}

#[tokio::test]
async fn an_act_that_was_undone_frees_its_thing_and_keeps_its_key() {
    let mut bench = Bench::new();
    let one = pay(1, "k1", "O-1", 500);
    bench.go(&one).await;
    let mut undo = wish(1, "unpay", "undo/k1", json!({ "refund": "rf-1" }));
    undo.effect.step = 2;
    undo.compensates = Some(one.effect);
    let permit = bench.intend(&undo).await;
    let two = pay(2, "k2", "O-1", 500);
    assert!(matches!(bench.prepare(&two).standing, Standing::Duplicate { .. }), "not undone yet");
    bench.conclude(&undo, permit, done(), true).await;
    for _ in 0..2 {
        assert_eq!(bench.prepare(&two).standing, Standing::Fresh);
        assert!(matches!(bench.prepare(&one).standing, Standing::Repeat { .. }));
        bench.restart();
    }
}

#[tokio::test]
async fn what_only_looks_like_an_undo_frees_nothing() {
    let one = pay(1, "k1", "O-1", 500);
    // Neither the key's name alone, nor another run, nor an undo of something else.
    let rows = [(1, "undo/k1", None), (5, "undo/k1", Some(one.effect)), (1, "undo/k2", Some(one.effect))];
    for (run, key, compensates) in rows {
        let bench = Bench::new();
        bench.go(&one).await;
        let mut undo = Wish { compensates, ..wish(run, "unpay", key, json!({ "refund": "rf-1" })) };
        undo.effect.step = 2;
        assert_eq!(bench.go(&undo).await, done());
        let standing = bench.prepare(&pay(2, "k2", "O-1", 500)).standing;
        assert!(matches!(standing, Standing::Duplicate { .. }), "{run} {key}: {standing:?}");
    }
}

#[tokio::test]
async fn voiding_a_second_payment_does_not_free_a_thing_that_the_first_still_holds() {
    let bench = Bench::new();
    bench.go(&pay(1, "k1", "O-1", 500)).await;
    let second = pay(2, "k2", "O-1", 500);
    bench.go(&second).await;
    let mut undo = wish(2, "unpay", "undo/k2", json!({ "refund": "rf-2" }));
    undo.effect.step = 2;
    undo.compensates = Some(second.effect);
    bench.go(&undo).await;
    let standing = bench.prepare(&pay(3, "k3", "O-1", 500)).standing;
    assert!(matches!(standing, Standing::Duplicate { run, .. } if run.seq == Seq(1)), "{standing:?}");
}

#[tokio::test]
async fn a_key_in_doubt_is_not_sent_again_before_it_is_settled() {
    let bench = Bench::new();
    let one = pay(1, "k1", "O-1", 500);
    bench.shop.will_write(Err(failure(ErrorKind::Broken, "cut")));
    let permit = bench.intend(&one).await;
    assert_eq!(bench.act.carry_out(permit).await.word(), "unknown");
    let again = bench.intend(&one).await;
    assert_eq!(refused_by(&bench.act.carry_out(again).await), "key");
    bench.shop.will_read(Ok(json!({ "applied": false, "result": null })));
    assert_eq!(refused_by(&bench.act.settle(permit).await), "target");
    let third = bench.intend(&one).await;
    assert_eq!(bench.act.carry_out(third).await.word(), "done");
    assert_eq!(bench.shop.calls(), 2);
}

#[tokio::test]
async fn after_a_restart_older_intents_are_settled_and_never_carried_out() {
    let mut bench = Bench::new();
    let one = pay(1, "k1", "O-1", 500);
    let permit = bench.intend(&one).await;
    bench.restart();
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "key");
    let again = bench.intend(&one).await;
    assert_eq!(refused_by(&bench.act.carry_out(again).await), "key", "the first is not settled");
    bench.clock.advance(std::time::Duration::from_millis(2_250));
    bench.shop.will_read(Err(failure(ErrorKind::Missing, "404")));
    assert_eq!(bench.act.settle(permit).await.word(), "failed");
    let third = bench.intend(&one).await;
    assert_eq!(bench.act.carry_out(third).await.word(), "done");
    assert_eq!(bench.shop.calls(), 1);
}

#[tokio::test]
async fn folding_twice_is_folding_once() {
    let bench = Bench::new();
    let one = pay(1, "k1", "O-1", 500);
    bench.go(&one).await;
    let before = bench.prepare(&one);
    for entry in bench.log.read(Seq(1), 10).expect("readable") {
        bench.act.observe(&entry);
    }
    assert_eq!(bench.prepare(&one), before);
    assert_eq!(before.as_of, bench.log.tail().seq);
}

#[tokio::test]
async fn a_wish_is_checked_and_put_into_words() {
    let bench = Bench::new();
    let prepared = bench.prepare(&pay(1, "k", "O-1", 500));
    assert_eq!(prepared.what, "Pay 5.00 EUR for O-1");
    assert_eq!(prepared.amount, Some((500, "EUR".to_owned())));
    assert_eq!(prepared.natural_key.as_deref(), Some(r#"["O-1"]"#));
    let check = |capability: &str, args, kind, word: &str| {
        let failure = bench.act.prepare(&wish(1, capability, "k", args)).expect_err("a bad wish");
        assert_eq!(failure.kind(), kind);
        assert!(failure.to_string().contains(word), "{failure}");
    };
    check("steal", json!({}), ErrorKind::Missing, "there are: http.get, http.head, open-valve, pay, unpay");
    check("unpay", json!({}), ErrorKind::Invalid, "refund");
    check("unpay", json!({ "refund": "x", "more": 1 }), ErrorKind::Invalid, "more");
    let amount = json!({ "minor": 1e30, "currency": "EUR" });
    check("pay", json!({ "order": "O-1", "amount": amount }), ErrorKind::Invalid, "not a whole number");
}

#[tokio::test]
async fn a_key_that_has_ended_is_not_used_again_whatever_stands_in_the_log() {
    let bench = Bench::new();
    let one = pay(1, "k1", "O-1", 500);
    assert_eq!(bench.go(&one).await.word(), "done");
    // An intent that planning would never write: the key has its last word.
    let again = bench.intend(&one).await;
    let outcome = bench.act.carry_out(again).await;
    assert_eq!(refused_by(&outcome), "key", "{outcome:?}");
    assert_eq!(bench.shop.calls(), 1);
}
