//! The returns policy against a second evaluator, written from the policy's words and sharing no code with the first.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sinew_contract::{Class, Policy, Request, Trust, Verdict};

use crate::{refund, returns};

/// What the owner of the shop wants, read aloud.
fn naive(r: &Request) -> Verdict {
    let clerk = r.principal.as_str() == "agent:return-clerk";
    let trusted_branch = r.control_trust != Trust::Untrusted;
    let (unattended, attended) = match r.capability.as_str() {
        "http.get" => {
            let uri = r.args.get("uri").and_then(Value::as_str).unwrap_or_default();
            let shop = uri == "http://shop.local" || uri.starts_with("http://shop.local/");
            (r.class == Class::Pure && shop && r.args_trust != Trust::Untrusted, false)
        }
        "shop.refund" if r.amount_minor > 50_000 => (false, false),
        "shop.refund" => {
            let euros = r.currency == "EUR" && r.amount_minor >= 1;
            let fresh = (0..86_400).contains(&r.evidence_age_s);
            let sure = r.confidence_permille >= 900 && r.args_trust >= Trust::Verified && trusted_branch;
            (clerk && euros && r.amount_minor <= 10_000 && fresh && sure, clerk && euros)
        }
        "shop.restock" => (clerk && trusted_branch, clerk),
        "shop.message" => (clerk && trusted_branch && r.args_trust != Trust::Untrusted, clerk),
        "shop.refund-void" | "shop.unstock" => (r.compensates, false),
        _ => (false, false),
    };
    match (unattended, attended) {
        (true, _) if !r.duplicate || r.approved => Verdict::Run,
        (true, _) => Verdict::Ask,
        (false, true) if r.approved => Verdict::Run,
        (false, true) => Verdict::Ask,
        (false, false) => Verdict::Refuse,
    }
}

/// A request whose every field stands near an edge of some rule.
fn random(chance: &mut StdRng) -> Request {
    let mut pick = |all: &[&'static str]| *all.choose(chance).expect("a list with something in it");
    let capability = pick(&[
        "shop.refund",
        "shop.refund",
        "shop.refund",
        "shop.refund-void",
        "shop.restock",
        "shop.unstock",
        "shop.message",
        "http.get",
        "shop.close",
        "http.post",
    ]);
    let principal = pick(&["agent:return-clerk", "agent:return-clerk", "agent:other", "person:ana", "return-clerk"]);
    let class = pick(&["pure", "pure", "compensable", "irreversible"]);
    let currency = pick(&["EUR", "EUR", "EUR", "USD", ""]);
    let uri = pick(&[
        "http://shop.local/returns/1",
        "http://shop.local",
        "http://evil.example/",
        "http://shop.local@evil.example/",
        "http://shop.local.evil.example/",
        "",
        "file:///etc/passwd",
    ]);
    let trust = [Trust::Untrusted, Trust::Observed, Trust::Verified, Trust::Verified, Trust::Owned];
    let amounts = [i64::MIN, -1, 0, 1, 3_990, 9_999, 10_000, 10_001, 49_999, 50_000, 50_001, i64::MAX];
    let ages = [-1, 0, 5, 86_399, 86_400, i64::MAX];
    let sure = [0, 899, 900, 1_000, 1_000];
    let mut of = |all: &[i64]| *all.choose(chance).expect("a list with something in it");
    let (amount_minor, evidence_age_s, confidence_permille) = (of(&amounts), of(&ages), of(&sure));
    let mut any_trust = || *trust.choose(chance).expect("a list with something in it");
    let (args_trust, control_trust) = (any_trust(), any_trust());
    Request {
        principal: principal.parse().expect("a plain name"),
        capability: capability.parse().expect("a plain name"),
        class: serde_json::from_value(json!(class)).expect("a class"),
        currency: currency.to_owned(),
        amount_minor,
        evidence_age_s,
        confidence_permille,
        args_trust,
        control_trust,
        approved: chance.random(),
        duplicate: chance.random_bool(0.2),
        compensates: chance.random(),
        args: json!({ "uri": uri, "amount": { "minor": amount_minor } }),
        ..refund()
    }
}

#[test]
fn cedar_and_a_plain_reading_of_the_policy_agree() {
    let seed = 0x5e_ed0f;
    let mut chance = StdRng::seed_from_u64(seed);
    let returns = returns();
    let mut seen = [0_u32; 3];
    for case in 0..5_000 {
        let request = random(&mut chance);
        let expected = naive(&request);
        seen[expected as usize] += 1;
        let decision = returns.decide(&request);
        assert_eq!(decision.verdict, expected, "seed {seed:#x}, case {case}: {request:#?}\n{:?}", decision.reasons);
        assert!(!decision.reasons.is_empty());
    }
    assert!(seen.iter().all(|count| *count > 200), "the cases reach every verdict: {seen:?}");
}

#[test]
fn a_decision_replays_from_its_record() {
    let mut chance = StdRng::seed_from_u64(7);
    let (first, second) = (returns(), returns());
    for _ in 0..200 {
        let request = random(&mut chance);
        let text = serde_json::to_string(&request).expect("a request is JSON");
        let again: Request = serde_json::from_str(&text).expect("its own JSON");
        assert_eq!(first.decide(&request), second.decide(&again));
    }
}
