//! Every branch of the returns playbook, from a scan to its end, against a scripted shop.

use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{Answer, Endorsed, Outcome, Record, RunEnd, Seq, Trust};
use sinew_planning::{ActAsk, ApproveAsk, Effect, Playbook};

use crate::world::{World, answered, concluded, done, output, playbook, proposed, recalled, refused, scan};

pub const TEXT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deployments/returns/playbooks/return-intake.yaml"));

/// One way in which the world may be.
#[derive(Clone)]
pub struct Case {
    verdict: &'static str,
    codes: &'static [&'static str],
    /// Look-ups that fail before the shop answers.
    down: u32,
    /// Stop is pressed at the first look-up, and released right after it.
    stopped: bool,
    judgement: Value,
    matches: Value,
    refund: Outcome,
    restock: Outcome,
    void: Outcome,
    message: Outcome,
    person: Answer,
}

impl Case {
    pub fn plain() -> Self {
        Self {
            verdict: "read",
            codes: &["RMA-100123"],
            down: 0,
            stopped: false,
            judgement: json!({ "verdict": "accept", "restockable": true, "reason": "in time and unopened" }),
            matches: json!([order("RMA-100123")]),
            refund: done(json!({ "refund": "rf-1" })),
            restock: done(json!({ "movement": "mv-1" })),
            void: done(json!({ "voided": true })),
            message: done(json!({ "message": "ms-1" })),
            person: Answer::Approve,
        }
    }

    fn answer(&mut self, effect: &Effect) -> Vec<Record> {
        match effect {
            Effect::Infer(ask) if ask.role == "judge" => vec![proposed(ask.effect, self.judgement.clone())],
            Effect::Infer(ask) => vec![proposed(ask.effect, json!({ "subject": "Your return", "body": "Hello" }))],
            Effect::Recall(ask) => {
                let earlier = json!({ "id": "i1", "content": { "what": "return", "rma": "RMA-1" } });
                vec![recalled(ask.effect, &json!([earlier]))]
            }
            Effect::Remember(ask) => vec![Record::Remembered(ask.fact.clone())],
            Effect::Approve(ask) => vec![answered(ask.effect, self.person, Some("person:ana"))],
            Effect::Act(ask) => matched(ask).into_iter().chain([concluded(effect, self.outcome(ask))]).collect(),
            other => panic!("no answer to {other:?}"),
        }
    }

    fn outcome(&mut self, ask: &ActAsk) -> Outcome {
        match ask.wish.capability.as_str() {
            "http.get" if std::mem::take(&mut self.stopped) => refused("stopped"),
            "http.get" if self.down > 0 => {
                self.down -= 1;
                Outcome::Failed { reason: "connection refused".to_owned(), retry_after_ms: None }
            }
            "http.get" => {
                let uri = ask.wish.args["uri"].as_str().unwrap_or_default();
                let known = uri.ends_with("/RMA-100123") || self.verdict == "read";
                let matches = if known { self.matches.clone() } else { json!([]) };
                done(json!({ "status": 200, "content": { "code": "x", "matches": matches } }))
            }
            "shop.refund" => self.refund.clone(),
            "shop.restock" => self.restock.clone(),
            "shop.refund-void" => self.void.clone(),
            "shop.message" => self.message.clone(),
            other => panic!("no answer to {other}"),
        }
    }
}

/// What the shop's word about a scan that is sure is journaled as.
fn matched(ask: &ActAsk) -> Option<Record> {
    let sure =
        ask.wish.capability.as_str() == "http.get" && ask.args_label.origin.iter().all(|origin| origin == "scan");
    let names = ["rma", "order", "line", "sku", "price", "customer/id", "days_since_delivery", "condition"];
    let facts = names.map(|name| format!("/matches/*/{name}")).to_vec();
    let (record, validator) = ("shop.local".to_owned(), "all passes agree".to_owned());
    sure.then(|| Record::Endorsed(Endorsed { effect: ask.wish.effect, record, validator, facts }))
}

pub fn order(rma: &str) -> Value {
    json!({
        "rma": rma, "order": "O-7", "line": 1, "customer": { "id": "c17", "name": "Ana", "email": "a@example.org" },
        "sku": "SKU-1", "ean": "4006381333931", "title": "Kettle", "price": { "minor": 1990, "currency": "EUR" },
        "delivered_on": "2026-11-10", "announced_on": "2026-11-18", "days_since_delivery": 12, "condition": "unopened",
        "reason": "too loud", "restockable": true,
    })
}

/// Plays a case from the scan on; the world afterwards, and how the run ended.
pub fn play(playbook: &Arc<Playbook>, mut case: Case) -> (World, RunEnd) {
    let mut world = World::new(playbook);
    world.append(None, Record::Event(scan(case.verdict, case.codes)));
    let (starter, input) = world.engine.starts(&world.log[0]).pop().expect("the scan starts the playbook");
    let (_, effects) = world.start(&starter, input, Some(Seq(1)));
    let end = world.settle(effects, &mut |effect| case.answer(effect)).expect("the run ends");
    assert_eq!(world.engine.divergences(), [], "the log proves the fold");
    assert_eq!(world.engine.pending(), [], "nothing is left open");
    (world, end)
}

fn with(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::plain();
    change(&mut case);
    case
}

/// The cases, each with its outcome and the questions it leads to.
pub fn cases() -> Vec<(&'static str, Case, &'static str, Vec<&'static str>)> {
    let look = "get http://shop.local/returns/RMA-100123";
    let (recall, keep) = ("recall customer:c17", "remember customer:c17");
    let judge = "infer judge";
    let tell = ["infer writer", "act shop.message"];
    let plain =
        [&[look, recall, judge, "act shop.refund", "act shop.restock"][..], &tell, &[keep, "completed"]].concat();
    let refused_plain = [&[look, recall, judge][..], &tell, &[keep, "completed"]].concat();
    let unsure = json!({ "verdict": "unsure", "restockable": false, "reason": "opened and dear" });
    vec![
        ("accepted", Case::plain(), "refunded", plain.clone()),
        (
            "accepted but not for stock",
            with(|c| c.judgement["restockable"] = json!(false)),
            "refunded",
            [&[look, recall, judge, "act shop.refund"][..], &tell, &[keep, "completed"]].concat(),
        ),
        ("refused by the rules", with(|c| c.judgement["verdict"] = json!("refuse")), "refused", refused_plain),
        (
            "unsure about a whole article, and a person says yes",
            with(|c| c.judgement = json!({ "verdict": "unsure", "restockable": true, "reason": "many returns" })),
            "refunded",
            [
                &[look, recall, judge, "approve a proposal", "act shop.refund", "act shop.restock"][..],
                &tell,
                &[keep, "completed"],
            ]
            .concat(),
        ),
        (
            "unsure about what is not for stock, and a person says yes",
            with(|c| c.judgement = unsure.clone()),
            "refunded",
            [&[look, recall, judge, "approve a proposal", "act shop.refund"][..], &tell, &[keep, "completed"]].concat(),
        ),
        (
            "unsure, and a person says no",
            with(|c| {
                c.judgement = unsure.clone();
                c.person = Answer::Refuse;
            }),
            "refused",
            [&[look, recall, judge, "approve a proposal"][..], &tell, &[keep, "completed"]].concat(),
        ),
        (
            "above the limit, and the person asked by policy says no",
            with(|c| c.refund = refused("person")),
            "refused",
            [&[look, recall, judge, "act shop.refund"][..], &tell, &[keep, "completed"]].concat(),
        ),
        (
            "refunded before by another run",
            with(|c| c.refund = refused("duplicate")),
            "duplicate",
            vec![look, recall, judge, "act shop.refund", "completed"],
        ),
        (
            "refunded before, and a person let the receipt pass",
            with(|c| c.refund = Outcome::Done { receipt: json!({ "refund": "rf-0" }), first: Some(Seq(3)) }),
            "duplicate",
            vec![look, recall, judge, "act shop.refund", "completed"],
        ),
        (
            "restocking fails, so the refund is undone",
            with(|c| c.restock = refused("target")),
            "needs-operator",
            vec![look, recall, judge, "act shop.refund", "act shop.restock", "act shop.refund-void", keep, "completed"],
        ),
        (
            "restocking fails and the undo is stuck",
            with(|c| {
                c.restock = refused("target");
                c.void = refused("target");
            }),
            "needs-operator",
            vec![look, recall, judge, "act shop.refund", "act shop.restock", "act shop.refund-void", keep, "completed"],
        ),
        (
            "nobody knows whether it was refunded",
            with(|c| c.refund = Outcome::Unknown { reason: "the reply was lost".to_owned() }),
            "needs-operator",
            vec![look, recall, judge, "act shop.refund", keep, "completed"],
        ),
        (
            "far above the limit: policy refuses",
            with(|c| c.refund = refused("policy")),
            "needs-operator",
            vec![look, recall, judge, "act shop.refund", keep, "completed"],
        ),
        ("the message fails, the money stands", with(|c| c.message = refused("target")), "refunded", plain.clone()),
        (
            "no code in the picture, handled by hand",
            with(|c| {
                c.verdict = "unread";
                c.codes = &[];
            }),
            "handled",
            vec!["approve", "completed"],
        ),
        (
            "no code in the picture, and nobody answers",
            with(|c| {
                c.verdict = "unread";
                c.codes = &[];
                c.person = Answer::Refuse;
            }),
            "refused",
            vec!["approve", "completed"],
        ),
        ("an unknown code", with(|c| c.matches = json!([])), "handled", vec![look, "approve", "completed"]),
        (
            "a product with two open returns",
            with(|c| c.matches = json!([order("RMA-1"), order("RMA-2")])),
            "handled",
            vec![look, "approve", "completed"],
        ),
        (
            "two codes, one of them an open return",
            with(|c| {
                c.verdict = "conflict";
                c.codes = &["RMA-999999", "RMA-100123"];
            }),
            "refunded",
            [
                &[look, "get http://shop.local/returns/RMA-999999", recall, judge, "approve a proposal"][..],
                &["act shop.refund", "act shop.restock"],
                &tell,
                &[keep, "completed"],
            ]
            .concat(),
        ),
        (
            "two codes, and the person says it is neither",
            with(|c| {
                c.verdict = "conflict";
                c.codes = &["RMA-999999", "RMA-100123"];
                c.person = Answer::Refuse;
            }),
            "refused",
            vec![look, "get http://shop.local/returns/RMA-999999", recall, judge, "approve a proposal", "completed"],
        ),
        (
            "two codes, none of them known",
            with(|c| {
                c.verdict = "conflict";
                c.codes = &["RMA-999998", "RMA-999999"];
            }),
            "handled",
            vec![
                "get http://shop.local/returns/RMA-999998",
                "get http://shop.local/returns/RMA-999999",
                "approve",
                "completed",
            ],
        ),
        (
            "the shop is down for a while",
            with(|c| c.down = 2),
            "refunded",
            [&[look, "timer", look, "timer"][..], &plain].concat(),
        ),
        (
            "the shop stays down",
            with(|c| c.down = 99),
            "handled",
            [[look, "timer"].repeat(7), vec![look, "approve", "completed"]].concat(),
        ),
    ]
}

#[test]
fn every_branch_ends_as_it_should_and_asks_no_more_than_it_must() {
    let playbook = playbook(TEXT);
    for (what, case, outcome, questions) in cases() {
        let (world, end) = play(&playbook, case);
        let output = output(end);
        assert_eq!(
            (output["outcome"].as_str(), world.questions()),
            // The run's own time limit comes first.
            (Some(outcome), owned(&[vec!["timer"], questions].concat())),
            "{what}: {output}"
        );
        let paid = outcome == "refunded";
        assert_eq!((output["refund"] == "rf-1", output["amount"].is_object()), (paid, paid), "{what}: {output}");
    }
}

fn owned(questions: &[&str]) -> Vec<String> {
    questions.iter().map(|&question| question.to_owned()).collect()
}

#[test]
fn a_shop_that_is_down_for_two_minutes_is_ridden_out() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, with(|c| c.down = 99));
    let first = world.log.iter().position(|e| matches!(e.record, Record::TimerFired(_))).expect("a timer");
    let last = world.log.iter().rposition(|e| matches!(e.record, Record::TimerFired(_))).expect("a timer");
    let micros = world.log[last].header.recorded.0 - world.log[first].header.recorded.0;
    assert!(micros >= 120_000_000, "the look-up was tried for {micros} µs after the first pause");
}

#[test]
fn what_stop_held_back_is_never_tried_again() {
    let playbook = playbook(TEXT);
    let looks = |world: &World| acts(world).iter().filter(|ask| ask.wish.capability.as_str() == "http.get").count();
    let (world, end) = play(&playbook, with(|c| c.stopped = true));
    let RunEnd::Faulted { error } = end else { panic!("the run goes on: {end:?}") };
    assert_eq!((error.error_type.as_str(), looks(&world)), ("urn:sinew:error:stopped", 1));
    assert!(!world.log.iter().any(|e| matches!(e.record, Record::TimerFired(_))), "it waits for nothing");
}

#[test]
fn keys_are_bound_to_return_and_run_and_an_undo_to_what_it_undoes() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, with(|c| c.restock = refused("target")));
    let acts = acts(&world);
    let keys: Vec<&str> = acts.iter().map(|ask| ask.wish.key.as_str()).collect();
    let run = "r2-00000007";
    let expected = [
        format!("{run}/2"),
        format!("refund/RMA-100123/{run}"),
        format!("restock/RMA-100123/{run}"),
        format!("undo/refund/RMA-100123/{run}"),
    ];
    assert_eq!(keys, expected);
    assert_eq!(acts[3].wish.compensates, Some(acts[1].wish.effect));
    assert_eq!(acts[3].wish.args, json!({ "refund": "rf-1" }));
    assert_eq!(acts[3].args_label.trust, Trust::Observed, "a receipt is what the target says");
}

fn acts(world: &World) -> Vec<&ActAsk> {
    world.asked.iter().filter_map(|effect| if let Effect::Act(ask) = effect { Some(&**ask) } else { None }).collect()
}

fn approvals(world: &World) -> Vec<&ApproveAsk> {
    world
        .asked
        .iter()
        .filter_map(|effect| if let Effect::Approve(ask) = effect { Some(&**ask) } else { None })
        .collect()
}

#[test]
fn trust_follows_the_values() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, Case::plain());
    let trust: Vec<_> =
        acts(&world).iter().map(|ask| (ask.wish.capability.to_string(), ask.args_label.trust)).collect();
    let expected = [
        ("http.get", Trust::Observed),
        ("shop.refund", Trust::Verified),
        ("shop.restock", Trust::Verified),
        ("shop.message", Trust::Observed),
    ];
    assert_eq!(trust, expected.map(|(name, trust)| (name.to_owned(), trust)));

    let (world, _) = play(
        &playbook,
        with(|c| {
            c.verdict = "conflict";
            c.codes = &["RMA-999999", "RMA-100123"];
        }),
    );
    let asks = acts(&world);
    let refund = asks.iter().find(|ask| ask.wish.capability.as_str() == "shop.refund").expect("refunded");
    assert_eq!(asks[0].args_label.trust, Trust::Observed, "nobody vouches for two codes");
    assert_eq!(refund.args_label.trust, Trust::Verified, "a person has endorsed these bytes");
    let proposal = approvals(&world)[0].proposal.clone().expect("a proposal");
    assert_eq!((proposal.0.as_str(), &proposal.1), ("shop.refund", &refund.wish.args), "the same bytes");
    assert_eq!(refund.approval.map(|gate| gate.to_string()).as_deref(), Some("g57"));
}

#[test]
fn a_person_sees_the_picture_the_codes_and_what_is_known() {
    let playbook = playbook(TEXT);
    let judgement = json!({ "verdict": "unsure", "restockable": false, "reason": "opened and dear" });
    let (world, _) = play(&playbook, with(|c| c.judgement = judgement));
    let asks = approvals(&world);
    let evidence = serde_json::to_value(&asks[0].evidence).expect("serializes");
    let kinds: Vec<&str> = evidence.as_array().expect("a list").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(kinds, ["image", "fact", "fact", "memory", "fact", "fact", "fact", "fact"]);
    assert_eq!(evidence[0]["quad"][0], json!([1.0, 2.0]), "the place of the first claim");
    assert_eq!(asks[0].why, ["the rules are not sure", "opened and dear"]);
    assert_eq!(asks[0].approvers.role, "returns-lead");
    assert_eq!(asks[0].expires.as_hours(), 24);
}

#[test]
fn a_code_cannot_leave_its_place_in_the_address() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, with(|c| c.codes = &["../admin?x=1#"]));
    let uri = acts(&world)[0].wish.args["uri"].clone();
    assert_eq!(uri, json!("http://shop.local/returns/..%2Fadmin%3Fx%3D1%23"));
}
