//! What the room promises: the returns policy means what its words say, and anything odd is refused.

mod returns;
mod verdicts;

use std::fs;
use std::path::Path;

use serde_json::json;
use sinew_contract::Request;
use sinew_policy::Cedar;

/// The policies of the returns deployment, as they are shipped.
fn returns() -> Cedar {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/returns/policies/returns.cedar");
    let text = fs::read_to_string(path).expect("the deployment is in the repository");
    Cedar::load(&[("returns.cedar".to_owned(), text)]).expect("the shipped policies are valid")
}

fn cedar(text: &str) -> Cedar {
    Cedar::load(&[("test.cedar".to_owned(), text.to_owned())]).expect("a valid policy")
}

/// A refund that nobody would stop.
fn refund() -> Request {
    serde_json::from_value(json!({
        "principal": "agent:return-clerk", "scope": "main", "playbook": "return-intake",
        "capability": "shop.refund", "class": "compensable", "device": "shop",
        "amount_minor": 3990, "currency": "EUR", "args_trust": "verified", "control_trust": "verified",
        "evidence_age_s": 2, "confidence_permille": 1000,
        "approved": false, "duplicate": false, "compensates": false,
        "args": { "rma": "RMA-100001", "order": "O-1", "line": 1, "amount": { "minor": 3990, "currency": "EUR" } },
    }))
    .expect("a whole request")
}
