//! A question to a model, a rule or a template, and its checked answer. A proposal moves nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AskMore, Cost, Digest, EffectId, Label};

/// A question with everything that it may be answered from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Who asks.
    pub effect: EffectId,
    /// The role that names the ladder: `judge`, `writer`, …
    pub role: String,
    /// What is wanted, in words.
    pub instruction: String,
    /// What may be looked at.
    pub inputs: Value,
    /// JSON Schema 2020-12 that the answer must match.
    pub schema: Value,
    /// A decision table (`rules/<name>`) for the rules rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// A template (`templates/<name>`) for the template rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What concerns models alone.
    #[serde(default)]
    pub more: AskMore,
    /// The label of all inputs together.
    pub label: Label,
}

/// A checked answer: it matches the schema of its question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The answer.
    pub value: Value,
    /// The rung that answered: `rules`, `template`, a provider and model.
    pub rung: String,
    /// What it rests on: the rule's id, the template's name.
    pub because: Vec<String>,
    /// Digest of the canonical question, the cache and replay key.
    pub asked: Digest,
    /// What the call that answered cost. Calls before it stand in the log by themselves, as `ModelCalled`.
    pub cost: Cost,
    /// The label of the answer: never above the label of what went in.
    pub label: Label,
}
