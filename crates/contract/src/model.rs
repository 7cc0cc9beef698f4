//! What stands in the log of a question to a model: each call with the raw bytes of both ways, and what was set aside
//! for calls before they went out.
//!
//! Does not know wires, prices or ladders.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BlobRef, Cost, Digest, EffectId, PlaybookName, Scope};

/// What one question may use, over all of its calls: retries, repairs and other models included. None is no limit of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskLimits {
    /// Calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// Tokens, in and out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of the deployment's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<i64>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What a playbook adds to a question for the rungs that are models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskMore {
    /// One model by its name in the deployment, instead of the ladder of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// See `AskLimits`.
    #[serde(default)]
    pub limits: AskLimits,
    /// Checks beyond the schema, by name, as reasoning documents them. Null for none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub checks: Value,
    /// The conversation that the question goes on, as reasoning documents it. Null for none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub conversation: Value,
    /// The playbook that asks, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<PlaybookName>,
    /// The tenant of the run; `main` where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Somebody is told when a low rung answers.
    #[serde(default)]
    pub critical: bool,
}

/// Bytes that are kept unaltered: short texts in the record itself, all else as a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// As they are.
    Text(String),
    /// Elsewhere.
    Blob(BlobRef),
}

/// One call to a model came to an end. Keys are never in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCalled {
    /// Which question.
    pub effect: EffectId,
    /// The role that was asked.
    pub role: String,
    /// Provider and model, as in `local/small`.
    pub route: String,
    /// 1 for the first call of its question.
    pub attempt: u32,
    /// Digest of the canonical question.
    pub asked: Digest,
    /// The body that was sent.
    pub request: Kept,
    /// The body that came back, as far as it came.
    pub response: Kept,
    /// Its answer became the proposal.
    pub answered: bool,
    /// How it ended, in one word: `answered`, `invalid`, `cut`, `refused`, `rate-limited`, …
    pub ended: String,
    /// Tokens that went in.
    pub tokens_in: u64,
    /// Of these, how many the provider had in its cache.
    #[serde(default)]
    pub tokens_cached: u64,
    /// Tokens that came out.
    pub tokens_out: u64,
    /// The provider did not say, so the tokens are our estimate.
    #[serde(default)]
    pub estimated: bool,
    /// What it cost, charged whether the answer was of use or not.
    pub cost: Cost,
    /// What it had drawn from what was set aside, in tokens: never less than it could use.
    #[serde(default)]
    pub drawn_tokens: u64,
    /// The same, in millionths of the deployment's currency.
    #[serde(default)]
    pub drawn_micros: i64,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Set aside for calls that may go out from now on; what is not settled by `ModelCalled` counts as used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReserved {
    /// How many calls.
    pub calls: u32,
    /// How many tokens, in and out.
    pub tokens: u64,
    /// Millionths of the deployment's currency.
    pub micros: i64,
    /// The process ended in order: nothing is under way, and what was not used is given back.
    #[serde(default)]
    pub closed: bool,
}
