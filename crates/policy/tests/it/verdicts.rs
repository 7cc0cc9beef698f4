//! Deny by default, errors deny, and a decision says why.

use sinew_contract::{Policy, Verdict};
use sinew_policy::Cedar;

use crate::{cedar, refund, returns};

#[test]
fn no_policies_refuse_everything_and_say_so() {
    let decision = Cedar::load(&[]).expect("an empty set is valid").decide(&refund());
    assert_eq!(decision.verdict, Verdict::Refuse);
    assert_eq!(decision.reasons, ["no policy permits `shop.refund` to `agent:return-clerk`"]);
}

#[test]
fn an_error_inside_a_policy_refuses_even_where_another_permits() {
    let text = r#"
        @id("all") @reason("everything") permit(principal, action, resource);
        @id("sum") @reason("overflows") forbid(principal, action, resource) when { context.amount_minor + 1 < 0 };
    "#;
    let cedar = cedar(text);
    assert_eq!(cedar.decide(&refund()).verdict, Verdict::Run);
    let mut request = refund();
    request.amount_minor = i64::MAX;
    let decision = cedar.decide(&request);
    assert_eq!(decision.verdict, Verdict::Refuse);
    assert!(decision.reasons.iter().all(|reason| reason.contains("`sum`")), "{:?}", decision.reasons);
}

#[test]
fn a_decision_names_its_policies_their_reasons_and_the_digest() {
    let returns = returns();
    let check = |amount, verdict, reason: &str| {
        let mut request = refund();
        request.amount_minor = amount;
        let decision = returns.decide(&request);
        assert_eq!(
            (decision.verdict, decision.reasons, decision.policy),
            (verdict, vec![reason.to_owned()], returns.digest())
        );
    };
    check(10_000, Verdict::Run, "refund-small: a refund up to 100.00 EUR on a fresh, verified scan needs nobody");
    check(10_001, Verdict::Ask, "refund-with-approval: a refund up to 500.00 EUR is made when a person says so");
    check(50_000, Verdict::Ask, "refund-with-approval: a refund up to 500.00 EUR is made when a person says so");
    check(50_001, Verdict::Refuse, "refund-above-limit: a refund above 500.00 EUR is never made here");
}

#[test]
fn every_fact_of_a_request_can_be_spoken_of() {
    let text = r#"
        @id("all-facts") @reason("each fact as it was handed in")
        permit(principal == Agent::"return-clerk", action == Action::"ActUnattended", resource == Capability::"shop.refund")
        when {
            resource in Class::"compensable" && context.scope == "main" && context.playbook == "return-intake" &&
            context.device == "shop" && context.host == "" && context.amount_minor == 3990 && context.currency == "EUR" &&
            context.args_trust == Trust::"verified" && context.control_trust == Trust::"verified" &&
            context.evidence_age_s == 2 && context.confidence_permille == 1000 && !context.approved &&
            !context.duplicate && !context.compensates && context.args.containsAll(["/order=O-1", "/line=1", "/amount/minor=3990"])
        };
    "#;
    assert_eq!(cedar(text).decide(&refund()).verdict, Verdict::Run);
}

#[test]
fn a_principal_is_an_agent_a_person_or_the_system() {
    let text = r#"
        @id("agent") @reason("r") permit(principal == Agent::"a", action == Action::"ActUnattended", resource);
        @id("person") @reason("r") permit(principal == Person::"a", action == Action::"Act", resource);
        @id("system") @reason("r") permit(principal == System::"device:a", action == Action::"ActUnattended", resource);
    "#;
    let cedar = cedar(text);
    let rows = [
        ("agent:a", Verdict::Run),
        ("person:a", Verdict::Ask),
        ("device:a", Verdict::Run),
        ("a", Verdict::Refuse),
        ("agent:a:b", Verdict::Refuse),
    ];
    for (principal, expected) in rows {
        let mut request = refund();
        request.principal = principal.parse().expect("a plain name");
        assert_eq!(cedar.decide(&request).verdict, expected, "{principal}");
    }
}
