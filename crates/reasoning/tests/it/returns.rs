//! The files of the returns deployment, as they are delivered.

use std::path::Path;

use serde_json::{Value, json};
use sinew_reasoning::Reasoner;

use crate::{answer, ask, pair};

fn file(name: &str) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/returns").join(name);
    let text = std::fs::read_to_string(&path).expect("the deployment has this file");
    pair(name, &text)
}

fn reasoner() -> Reasoner {
    let tables = [file("rules/return-decision.toml")];
    Reasoner::load(&tables, &[file("templates/return-message.toml")]).expect("the deployment loads")
}

#[test]
fn the_deployment_names_what_its_playbook_uses() {
    let reasoner = reasoner();
    assert_eq!(reasoner.names().rules, ["return-decision"]);
    assert_eq!(reasoner.names().templates, ["return-message"]);
}

#[test]
fn returns_are_decided_as_the_shop_says() {
    let reasoner = reasoner();
    let schema = json!({"type": "object", "required": ["verdict", "restockable", "reason"], "additionalProperties": false,
        "properties": {"verdict": {"enum": ["accept", "refuse", "unsure"]}, "restockable": {"type": "boolean"},
            "reason": {"type": "string", "minLength": 1}}});
    let check = |days: i64, condition: Value, price: i64, earlier: i64, expected: (&str, &str, bool)| {
        let inputs = json!({"days_since_delivery": days, "condition": condition, "price_minor": price,
            "earlier_returns": earlier});
        let mut ask = ask(inputs.clone());
        (ask.rules, ask.schema) = (Some("return-decision".to_owned()), schema.clone());
        let proposal = answer(&reasoner, &ask).expect("the table always decides");
        let value = &proposal.value;
        let row = proposal.because.join(" ");
        let got = (row.as_str(), value["verdict"].as_str().unwrap_or(""), value["restockable"] == json!(true));
        assert_eq!(got, (format!("return-decision/{}", expected.0).as_str(), expected.1, expected.2), "{inputs}");
    };
    check(7, json!("unopened"), 1990, 0, ("unopened", "accept", true));
    check(30, json!("unopened"), 1990, 0, ("unopened", "accept", true));
    check(31, json!("unopened"), 1990, 0, ("too-late", "refuse", false));
    check(0, json!("opened"), 15_000, 0, ("opened", "accept", true));
    check(5, json!("opened"), 15_001, 0, ("opened-dear", "unsure", false));
    check(5, json!("unopened"), 40_000, 4, ("unopened", "accept", true));
    check(5, json!("worn"), 1990, 0, ("worn", "refuse", false));
    check(5, json!("worn"), 1990, 9, ("worn", "refuse", false));
    check(5, json!("damaged-in-transit"), 99_900, 0, ("damaged", "accept", false));
    check(90, json!("damaged-in-transit"), 1990, 0, ("damaged-late", "unsure", false));
    check(5, json!("unopened"), 1990, 5, ("many-returns", "unsure", true));
    check(5, json!("damaged-in-transit"), 1990, 5, ("many-returns-damaged", "unsure", false));
    check(45, json!("unopened"), 1990, 5, ("too-late", "refuse", false));
    check(-1, json!("unopened"), 1990, 0, ("not-delivered", "unsure", false));
    check(5, json!("unopened"), 0, 0, ("no-price", "unsure", false));
    check(5, json!("melted"), 1990, 0, ("otherwise", "unsure", false));
    check(5, Value::Null, 1990, 0, ("otherwise", "unsure", false));
}

fn message(inputs: Value) -> Result<Value, sinew_contract::Failure> {
    let mut ask = ask(inputs);
    ask.template = Some("return-message".to_owned());
    ask.schema = json!({"type": "object", "required": ["subject", "body"], "additionalProperties": false,
        "properties": {"subject": {"type": "string", "maxLength": 200}, "body": {"type": "string"}}});
    answer(&reasoner(), &ask).map(|proposal| proposal.value)
}

#[test]
fn a_refunded_customer_is_told_how_much() {
    let inputs = json!({"outcome": "refunded", "name": "Ana Lima", "title": "Rain jacket", "amount_minor": 7990,
        "currency": "EUR", "reason": "It came back in time and unopened."});
    let body = "Hello Ana Lima,\n\nthank you for sending back Rain jacket. We have refunded 79.90 EUR to the way you paid; \
        it usually arrives within five working days.\n\nKind regards\nYour shop";
    assert_eq!(message(inputs).expect("it renders"), json!({"subject": "Your refund for Rain jacket", "body": body}));
}

#[test]
fn a_refused_customer_is_told_why_and_no_amount() {
    let inputs = json!({"outcome": "refused", "name": "Ben", "title": "Boots", "amount_minor": 0, "currency": "EUR",
        "reason": "It has been worn."});
    let body = "Hello Ben,\n\nthank you for sending back Boots. We are sorry that we cannot refund it: It has been worn.\n\n\
        If you see it differently, please reply to this message and a person will look at it again.\n\nKind regards\nYour shop";
    assert_eq!(message(inputs).expect("it renders"), json!({"subject": "Your return of Boots", "body": body}));
}

#[test]
fn there_is_no_letter_for_an_outcome_that_nobody_thought_of() {
    let inputs = json!({"outcome": "maybe", "name": "Ben", "title": "Boots", "amount_minor": 1, "currency": "EUR", "reason": "x"});
    assert!(message(inputs).is_err());
    assert!(message(json!({"outcome": "refunded", "title": "Boots"})).is_err(), "a name is missing");
}

#[test]
fn the_clerk_climbs_only_rungs_that_exist() {
    let agent: toml::Value = toml::from_str(&file("agents/return-clerk.toml").1).expect("the agent is TOML");
    let roles = agent.get("roles").and_then(toml::Value::as_table).expect("the agent has roles");
    let rungs: Vec<_> = roles.values().flat_map(|rungs| rungs.as_array().expect("a ladder is a list")).collect();
    assert!(
        !rungs.is_empty() && rungs.iter().all(|rung| matches!(rung.as_str(), Some("rules" | "template"))),
        "{rungs:?}"
    );
}
