//! Policy, reasoning and memory, as plain functions of what they are asked: whoever asks again hears the same.

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{
    Ask, Cost, Decision, Digest, Failure, Label, Model, Policy, Proposal, Recall, RecallQuery, Request, Trust, Verdict,
};

/// All three.
pub(crate) struct Rooms;

impl Policy for Rooms {
    /// Small amounts run, others are asked about, one in nine is refused.
    fn decide(&self, request: &Request) -> Decision {
        let verdict = match request.amount_minor {
            n if n % 9 == 8 => Verdict::Refuse,
            n if n > 5_000 && !request.approved => Verdict::Ask,
            _ if request.duplicate && !request.approved => Verdict::Ask,
            _ => Verdict::Run,
        };
        Decision { verdict, reasons: vec!["by amount".to_owned()], policy: Digest::ZERO }
    }

    fn digest(&self) -> Digest {
        Digest::ZERO
    }
}

#[async_trait]
impl Model for Rooms {
    async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure> {
        let price = ask.inputs.get("price_minor").and_then(Value::as_u64).unwrap_or(0);
        let verdict = ["accept", "accept", "refuse", "unsure"][usize::try_from(price % 4).unwrap_or(0)];
        let value = if ask.template.is_some() {
            json!({ "subject": "Your return", "body": "Thank you." })
        } else {
            json!({ "verdict": verdict, "restockable": price.is_multiple_of(2), "reason": "by price" })
        };
        Ok(Proposal {
            value,
            rung: "rules".to_owned(),
            because: Vec::new(),
            asked: Digest::ZERO,
            cost: Cost::default(),
            label: Label::new("rules", Trust::Observed),
        })
    }
}

#[async_trait]
impl Recall for Rooms {
    async fn recall(&self, _: RecallQuery) -> Result<Value, Failure> {
        Ok(json!({ "items": [], "as_of": 1 }))
    }
}
