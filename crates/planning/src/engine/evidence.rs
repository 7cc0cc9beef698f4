//! What a person at a gate is shown: the picture that started it, what was read, remembered and proposed.
//!
//! Does not know gates; it only keeps what the run has seen.

use serde_json::Value;
use sinew_contract::{BlobRef, Claim, Evidence, Proposal};

/// At most so many claims and remembered items are shown; a card is for reading.
const SHOWN_MAX: usize = 8;

/// What a run has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    trigger: Vec<Evidence>,
    memory: Vec<Evidence>,
    proposal: Option<Evidence>,
    /// Agreement of checks behind the trigger.
    pub confidence_permille: u16,
}

impl Seen {
    /// What the trigger shows: its picture, with the place of the first claim, and each claim.
    pub fn new(input: &Value, confidence_permille: u16) -> Self {
        let claims: Vec<Claim> = input.pointer("/0/data/claims").and_then(read).unwrap_or_default();
        let blob: Option<BlobRef> = input.pointer("/0/data/image").and_then(read);
        let quad = claims.first().map(|claim| claim.quad.clone()).unwrap_or_default();
        let image = blob.map(|blob| Evidence::Image { blob, quad });
        let fact = |claim: &Claim| Evidence::Fact {
            name: format!("{} ({} of 1000)", claim.format, claim.confidence_permille),
            value: Value::String(claim.value.clone()),
        };
        let trigger = image.into_iter().chain(claims.iter().take(SHOWN_MAX).map(fact)).collect();
        Self { trigger, memory: Vec::new(), proposal: None, confidence_permille }
    }

    /// What memory gave last.
    pub fn recalled(&mut self, answer: &Value) {
        let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
        let card = |item: &Value| {
            let text = |name: &str| item.get(name).map(plain).unwrap_or_default();
            Evidence::Memory { id: text("id"), text: text("content") }
        };
        self.memory = items.take(SHOWN_MAX).map(card).collect();
    }

    /// What was proposed last.
    pub fn proposed(&mut self, proposal: &Proposal) {
        self.proposal =
            Some(Evidence::Fact { name: format!("proposed by {}", proposal.rung), value: proposal.value.clone() });
    }

    /// All of it, in the order in which a person reads.
    pub fn cards(&self) -> Vec<Evidence> {
        self.trigger.iter().chain(&self.proposal).chain(&self.memory).cloned().collect()
    }
}

/// Texts as they are, others as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// What a playbook adds: the members of a mapping by name, the items of a list by number.
pub(crate) fn added(value: Option<&Value>) -> Vec<Evidence> {
    let fact = |name: String, value: &Value| Evidence::Fact { name, value: value.clone() };
    match value {
        Some(Value::Object(members)) => members.iter().map(|(name, value)| fact(name.clone(), value)).collect(),
        Some(Value::Array(items)) => items.iter().zip(1..).map(|(item, n)| fact(format!("note {n}"), item)).collect(),
        _ => Vec::new(),
    }
}
