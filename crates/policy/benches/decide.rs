//! How long one decision takes on the shipped returns policy. Prints microseconds; judged by people and by the roof's bench.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use sinew_contract::{Policy, Request};
use sinew_policy::Cedar;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/returns/policies/returns.cedar");
    let text = std::fs::read_to_string(path).expect("the deployment is in the repository");
    let cedar = Cedar::load(&[("returns.cedar".to_owned(), text)]).expect("valid policies");
    let request: Request = serde_json::from_value(json!({
        "principal": "agent:return-clerk", "scope": "main", "playbook": "return-intake",
        "capability": "shop.refund", "class": "compensable", "device": "shop",
        "amount_minor": 3990, "currency": "EUR", "args_trust": "verified", "control_trust": "verified",
        "evidence_age_s": 2, "confidence_permille": 1000, "approved": false, "duplicate": false, "compensates": false,
        "args": { "rma": "RMA-100001", "order": "O-1", "line": 1, "amount": { "minor": 3990, "currency": "EUR" } },
    }))
    .expect("a whole request");
    let rounds = 20_000_u32;
    let mut micros: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(cedar.decide(black_box(&request)));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros.get((f64::from(rounds) * share) as usize).copied().unwrap_or_default();
    println!("decide: p50 {:.1} us, p99 {:.1} us, {rounds} rounds", at(0.5), at(0.99));
}
