//! The order to the last hop, and the four ways it can end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CapabilityName, Class, Deadline, DeviceId, Digest, EffectId, Seq};

/// What one thing cost us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Millionths of the deployment's currency.
    pub micros: i64,
    /// Tokens, where a model was asked.
    #[serde(default)]
    pub tokens: u64,
}

/// A durable intent: everything that the last hop needs, and nothing that it may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Which wish.
    pub effect: EffectId,
    /// 1 for the first try.
    pub attempt: u32,
    /// What.
    pub capability: CapabilityName,
    /// How bad it can be.
    pub class: Class,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Who does it.
    pub device: DeviceId,
    /// How; read by the driver.
    pub operation: Value,
    /// With what.
    pub args: Value,
    /// The idempotency key.
    pub key: String,
    /// The thing itself, where the manifest names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_key: Option<String>,
    /// Past this it must not leave our last hop, and the target refuses it.
    pub expires: Deadline,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It happened, once.
    Done {
        /// What the target answered.
        receipt: Value,
        /// The earlier intent whose receipt this is, where nothing new was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Seq>,
    },
    /// The target, a person, policy or a latch said no; it did not happen and will not by itself.
    Refused {
        /// Who said no, in one word: `target`, `person`, `policy`, `stopped`, `key`.
        by: String,
        /// Why.
        reason: String,
    },
    /// It surely did not happen; the same key may be tried again.
    Failed {
        /// Why.
        reason: String,
        /// How long the target asked us to wait, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Nobody knows. Never repeated; the target is asked by key, or a person.
    Unknown {
        /// What was seen last.
        reason: String,
    },
}

impl Outcome {
    /// The one word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// The answer of a target to a command that it surely received.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It did it, or had done it before under this key.
    Accepted(Value),
    /// It says no, for good.
    Refused(String),
    /// It surely did nothing and says to come back.
    Busy {
        /// After how many milliseconds, where it says.
        retry_after_ms: Option<u64>,
        /// What it said.
        reason: String,
    },
}
