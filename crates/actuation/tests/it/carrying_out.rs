//! Before a device is touched: the permit, the approval, the trust, the clock and the latch.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::*;

use crate::bench::*;

#[tokio::test]
async fn a_good_permit_is_carried_out_once_and_exactly_as_written() {
    let bench = Bench::new();
    let permit = bench.intend(&pay(1, "k", "O-1", 500)).await;
    let outcome = bench.act.carry_out(permit).await;
    assert_eq!(outcome, Outcome::Done { receipt: json!({ "refund": "rf-1" }), first: None });
    let written = bench.shop.written.lock().expect("not poisoned").clone();
    let entry = bench.log.read(permit.seq, 1).expect("readable");
    let Some(Record::Intended(intended)) = entry.first().map(|e| &e.record) else { panic!("an intent") };
    assert_eq!(written, std::slice::from_ref(&intended.command));
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "key");
    assert_eq!(bench.shop.calls(), 1);
}

#[tokio::test]
async fn a_forged_permit_never_reaches_the_device() {
    let bench = Bench::new();
    let good = bench.intend(&pay(1, "k", "O-1", 500)).await;
    let decision = EntryRef { seq: Seq(good.seq.0 - 1), ..good };
    let forged = [
        EntryRef { hash: Digest::ZERO, ..good },
        EntryRef { seq: Seq(good.seq.0 + 1), ..good },
        EntryRef { seq: Seq::ZERO, ..good },
        decision,
    ];
    for permit in forged {
        assert_eq!(refused_by(&bench.act.carry_out(permit).await), "permit", "{permit:?}");
        assert_eq!(bench.act.settle(permit).await.word(), "unknown", "{permit:?}");
    }
    assert_eq!((bench.shop.calls(), bench.shop.questions()), (0, 0));
}

#[tokio::test]
async fn an_intent_whose_decision_does_not_carry_it_never_reaches_the_device() {
    async fn check(by: &str, bend: impl FnOnce(&mut Decided, &mut Command)) {
        let bench = Bench::new();
        let permit = bench.intend_with(&pay(1, "k", "O-1", 500), bend).await;
        let outcome = bench.act.carry_out(permit).await;
        assert_eq!(refused_by(&outcome), by, "{outcome:?}");
        assert_eq!(bench.shop.calls(), 0);
    }
    check("permit", |d, _| d.decision.verdict = Verdict::Refuse).await;
    check("permit", |d, _| d.decision.verdict = Verdict::Ask).await;
    check("permit", |d, _| d.effect.step = 2).await;
    check("permit", |_, c| c.args["order"] = json!("O-2")).await;
    check("permit", |_, c| c.args["amount"]["minor"] = json!(501)).await;
    check("permit", |_, c| c.device = "http".parse().expect("plain")).await;
    check("permit", |_, c| c.capability = "unpay".parse().expect("plain")).await;
    check("permit", |_, c| c.class = Class::Pure).await;
    check("manifest", |_, c| c.operation = json!({ "method": "POST", "path": "/other" })).await;
    check("trust", |d, _| d.request.args_trust = Trust::Observed).await;
    check("approval", |d, _| d.request.approved = true).await;
    check("approval", |d, _| d.approval = Some(GateId(Seq(1)))).await;
}

#[tokio::test]
async fn an_intent_of_another_run_than_its_decision_is_refused() {
    let bench = Bench::new();
    let wish = pay(1, "k", "O-1", 500);
    let first = bench.intend(&wish).await;
    let entry = bench.log.read(first.seq, 1).expect("readable").first().cloned().expect("the intent");
    let other = RunId { log: LogTag(7), seq: Seq(9) };
    let copy = draft(entry.record.clone()).of_run(other).caused_by(Seq(first.seq.0 - 1));
    let permit = bench.append(vec![copy]).await.first().copied().expect("one entry");
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "permit");
}

/// A gate for a wish, approved by Ana; the gate's preimage and the answer can be bent.
async fn approved(bench: &Bench, wish: &Wish, bend: impl FnOnce(&mut Preimage, &mut GateAnswered)) -> GateId {
    let prepared = bench.prepare(wish);
    let mut preimage = Preimage {
        version: 1,
        capability: wish.capability.clone(),
        manifest_version: prepared.manifest.version,
        manifest: prepared.manifest_digest,
        args: wish.args.clone(),
    };
    let gate = GateId(bench.log.tail().seq.next());
    let mut answered = GateAnswered {
        effect: wish.effect,
        gate,
        answer: Answer::Approve,
        by: Some("person:ana".parse().expect("plain")),
        digest: sinew_expr::digest_of(&preimage),
        note: String::new(),
    };
    bend(&mut preimage, &mut answered);
    let opened = Gate {
        question: "Pay?".to_owned(),
        why: Vec::new(),
        what: prepared.what,
        risk: String::new(),
        digest: sinew_expr::digest_of(&preimage),
        preimage: Some(preimage),
        evidence: Vec::new(),
        approvers: Approvers { role: "lead".to_owned(), quorum: 1, not_by: Vec::new() },
        confidence_permille: 0,
        expires: Timestamp(0),
    };
    let opened = draft(Record::GateOpened(GateOpened { effect: wish.effect, gate: opened }));
    bench.append(vec![opened, draft(Record::GateAnswered(answered))]).await;
    gate
}

fn rests_on(gate: GateId) -> impl FnOnce(&mut Decided, &mut Command) {
    move |decided, _| {
        decided.request.approved = true;
        decided.request.args_trust = Trust::Observed;
        decided.approval = Some(gate);
    }
}

#[tokio::test]
async fn an_approval_opens_the_way_for_its_own_bytes_and_one_act_only() {
    let bench = Bench::new();
    let wish = pay(1, "k", "O-1", 500);
    let gate = approved(&bench, &wish, |_, _| {}).await;
    let permit = bench.intend_with(&wish, rests_on(gate)).await;
    assert_eq!(bench.act.carry_out(permit).await.word(), "done");
    let other = pay(2, "other", "O-1", 500);
    let reused = bench.intend_with(&other, rests_on(gate)).await;
    assert_eq!(refused_by(&bench.act.carry_out(reused).await), "approval");
    assert_eq!(bench.shop.calls(), 1);
}

#[tokio::test]
async fn an_approval_for_other_bytes_or_by_nobody_opens_nothing() {
    async fn check(bend: impl FnOnce(&mut Preimage, &mut GateAnswered)) {
        let bench = Bench::new();
        let wish = pay(1, "k", "O-1", 500);
        let gate = approved(&bench, &wish, bend).await;
        let permit = bench.intend_with(&wish, rests_on(gate)).await;
        assert_eq!(refused_by(&bench.act.carry_out(permit).await), "approval");
        assert_eq!(bench.shop.calls(), 0);
    }
    check(|_, a| a.answer = Answer::Refuse).await;
    check(|_, a| a.by = None).await;
    check(|_, a| a.digest = Digest::ZERO).await;
    check(|p, a| {
        p.args["amount"]["minor"] = json!(499);
        a.digest = sinew_expr::digest_of(p);
    })
    .await;
    check(|p, a| {
        p.manifest = Digest::ZERO;
        a.digest = sinew_expr::digest_of(p);
    })
    .await;
}

#[tokio::test]
async fn a_late_command_never_leaves_on_either_clock() {
    let bench = Bench::new();
    let late = |outcome: Outcome| {
        assert_eq!(outcome, Outcome::Failed { reason: "expired before it left".to_owned(), retry_after_ms: None });
    };
    let permit = bench.intend(&pay(1, "a", "O-1", 500)).await;
    bench.clock.advance(Duration::from_secs(2));
    late(bench.act.carry_out(permit).await);
    let permit = bench.intend(&pay(2, "b", "O-2", 500)).await;
    bench.clock.set_boot(BootTime(bench.clock.now().boot.0 + 2_000_000));
    late(bench.act.carry_out(permit).await);
    let permit = bench.intend(&pay(3, "c", "O-3", 500)).await;
    bench.clock.set_wall(bench.clock.now().wall.after(Duration::from_secs(2)));
    late(bench.act.carry_out(permit).await);
    assert_eq!(bench.shop.calls(), 0);
    let permit = bench.intend(&pay(4, "d", "O-4", 500)).await;
    bench.clock.advance(Duration::from_micros(1_999_999));
    assert_eq!(bench.act.carry_out(permit).await.word(), "done");
}

#[tokio::test]
async fn stop_wins_also_after_a_restart_and_release_starts_nothing() {
    let mut bench = Bench::new();
    let stop = |engaged| Stop { scope: StopScope::All, engaged, reason: "smoke".to_owned() };
    let permit = bench.intend(&pay(1, "a", "O-1", 500)).await;
    bench.act.halt(&stop(true)).expect("pressed");
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "stopped");
    bench.act.halt(&stop(false)).expect("released");
    assert_eq!(refused_by(&bench.act.carry_out(permit).await), "key", "what was stopped stays stopped");
    bench.act.halt(&stop(true)).expect("pressed");
    bench.restart();
    let permit = bench.intend(&pay(2, "b", "O-2", 500)).await;
    let outcome = bench.act.carry_out(permit).await;
    assert!(
        matches!(&outcome, Outcome::Refused { reason, .. } if reason.ends_with("everything: smoke")),
        "{outcome:?}"
    );
    assert_eq!(bench.shop.calls(), 0);
    bench.act.halt(&stop(false)).expect("released");
    assert_eq!(bench.go(&pay(3, "c", "O-3", 500)).await.word(), "done");
}

#[tokio::test]
async fn a_damaged_stop_file_means_stopped() {
    let mut bench = Bench::new();
    std::fs::write(bench.dir.path().join("stop"), "sinew-stop 1 \0\0\0").expect("written");
    bench.restart();
    let outcome = bench.go(&pay(1, "a", "O-1", 500)).await;
    assert!(matches!(&outcome, Outcome::Refused { by, reason } if by == "stopped" && reason.contains("is damaged")));
    assert_eq!(bench.shop.calls(), 0);
}

#[tokio::test]
async fn what_the_device_says_becomes_one_of_four_outcomes() {
    let rows: [(Result<Reply, Failure>, &str, Option<u64>); 9] = [
        (Ok(Reply::Accepted(Value::Null)), "done", None),
        (Ok(Reply::Refused("no".to_owned())), "target", None),
        (Ok(Reply::Busy { retry_after_ms: Some(7), reason: "later".to_owned() }), "failed", Some(7)),
        (Err(failure(ErrorKind::Busy, "refused connection")), "failed", None),
        (Err(failure(ErrorKind::Late, "late")), "failed", None),
        (Err(failure(ErrorKind::Denied, "host")), "egress", None),
        (Err(failure(ErrorKind::Invalid, "bad")), "target", None),
        (Err(failure(ErrorKind::Broken, "cut")), "unknown", None),
        (Err(failure(ErrorKind::Conflict, "odd")), "unknown", None),
    ];
    for (n, (reply, expected, after)) in (1..).zip(rows) {
        let bench = Bench::new();
        bench.shop.will_write(reply);
        let outcome = bench.go(&pay(n, "k", "O-1", 500)).await;
        assert_eq!(refused_by(&outcome), expected);
        let found = if let Outcome::Failed { retry_after_ms, .. } = outcome { retry_after_ms } else { None };
        assert_eq!(found, after);
        assert_eq!(bench.shop.calls(), 1);
    }
}

#[tokio::test]
async fn a_look_up_is_read_and_never_written() {
    let rows: [(Result<Value, Failure>, &str); 5] = [
        (Ok(json!({ "status": 200 })), "done"),
        (Err(failure(ErrorKind::Missing, "404")), "target"),
        (Err(failure(ErrorKind::Denied, "host")), "egress"),
        (Err(failure(ErrorKind::Busy, "503")), "failed"),
        (Err(failure(ErrorKind::Broken, "cut")), "failed"),
    ];
    for (answer, expected) in rows {
        let bench = Bench::new();
        bench.web.will_read(answer);
        let look = wish(1, "http.get", "k", json!({ "uri": "http://shop.local/returns/1" }));
        assert_eq!(refused_by(&bench.go(&look).await), expected);
        assert_eq!((bench.web.calls(), bench.web.questions()), (0, 1));
        assert_eq!(bench.prepare(&look).standing, Standing::Fresh, "a look-up takes no key");
    }
}
