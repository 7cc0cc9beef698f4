//! The manifest of one thing that Sinew can do to the world: its class, its keys, its undo, its limits.
//!
//! The same manifest serves local actions, HTTP, MCP tools and devices. Does not know how the operation is carried
//! out: `operation` is opaque here and read by the driver of `device`.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CapabilityName, DeviceId, Trust};

/// What may go wrong when it is done, or done twice; decides retry, replay and approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Changes nothing: a look-up.
    Pure,
    /// Twice is the same as once.
    Idempotent,
    /// Can be undone by another capability.
    Compensable,
    /// Cannot be undone: a message, a payment out.
    Irreversible,
    /// Moves matter: needs `physical` terms.
    Physical,
}

impl Class {
    /// The name as it stands in manifests and in policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Compensable => "compensable",
            Self::Irreversible => "irreversible",
            Self::Physical => "physical",
        }
    }
}

/// How a capability is described; one file in `capabilities/`, checked whole at load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// As in `shop.refund`.
    pub name: CapabilityName,
    /// Grows with every change of meaning; approvals bind to it.
    pub version: u32,
    /// What will happen, for a person: a sentence with `{pointer}` places and `{$money}`, as in `Refund {$money} for {rma}`.
    pub title: String,
    /// What it means when it is wrong, for the person at the gate.
    pub risk: String,
    /// See `Class`.
    pub class: Class,
    /// The device or connector that does it.
    pub device: DeviceId,
    /// How that device does it; read by its driver.
    pub operation: Value,
    /// JSON Schema 2020-12 of the arguments.
    pub args: Value,
    /// JSON pointer into the arguments -> the least trust that a value there must have; `""` is all of them.
    #[serde(default)]
    pub trust: BTreeMap<String, Trust>,
    /// JSON pointers into the arguments that name the thing itself (order and line), unique for ever.
    #[serde(default)]
    pub natural_key: Vec<String>,
    /// How to ask the target, by key, whether it was done.
    #[serde(default)]
    pub reconcile: Option<Reconcile>,
    /// How it is undone.
    #[serde(default)]
    pub compensation: Option<Compensation>,
    /// Where the money that it moves stands in the arguments.
    #[serde(default)]
    pub amount: Option<AmountAt>,
    /// What one call costs us.
    #[serde(default)]
    pub price: Price,
    /// How long a command may live; the target refuses it past that. Default 10 s.
    #[serde(default = "default_expiry")]
    pub expiry: SignedDuration,
    /// How far the target's clock may be from ours; added before "not found" is believed. Default 1 s.
    #[serde(default = "default_skew")]
    pub clock_skew_max: SignedDuration,
    /// What may be tried again, and how often.
    #[serde(default)]
    pub retry: Retry,
    /// Terms without which nothing physical moves.
    #[serde(default)]
    pub physical: Option<Physical>,
}

impl Manifest {
    /// JSON pointer into the arguments -> the least trust that a value there must have for it to be done unattended.
    ///
    /// Where the manifest says nothing: all of it verified, where a mistake costs something; observed, where twice is once;
    /// anything, where nothing changes.
    pub fn trust_needed(&self) -> BTreeMap<String, Trust> {
        if !self.trust.is_empty() {
            return self.trust.clone();
        }
        let least = match self.class {
            Class::Pure => Trust::Untrusted,
            Class::Idempotent => Trust::Observed,
            Class::Compensable | Class::Irreversible | Class::Physical => Trust::Verified,
        };
        BTreeMap::from([(String::new(), least)])
    }
}

const fn default_expiry() -> SignedDuration {
    SignedDuration::from_secs(10)
}
const fn default_skew() -> SignedDuration {
    SignedDuration::from_secs(1)
}

/// A question to the target: was this key done?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reconcile {
    /// Read by the driver; `{key}` stands for the idempotency key.
    pub operation: Value,
    /// JSON pointer into the answer to a boolean: false says that the target refused it. None: found means done.
    #[serde(default)]
    pub applied: Option<String>,
    /// JSON pointer into the answer to the receipt. None: the whole answer.
    #[serde(default)]
    pub receipt: Option<String>,
}

/// The undo of a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Compensation {
    /// The capability that undoes it.
    pub capability: CapabilityName,
    /// jq over `{args, receipt}` that makes its arguments.
    pub args_from: String,
}

/// Where an amount stands in the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmountAt {
    /// JSON pointer to an integer in minor units.
    pub minor: String,
    /// JSON pointer to an ISO 4217 code.
    pub currency: String,
}

/// What one call costs us, in millionths of a currency unit so that a fraction of a cent is an integer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// Millionths of a euro (or of the deployment's currency).
    pub micros: i64,
}

/// Tries after an outcome that surely had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retry {
    /// Tries in all, the first included.
    pub attempts_max: u32,
    /// Wait before the second; doubles with each.
    pub backoff: SignedDuration,
    /// The longest wait.
    pub backoff_max: SignedDuration,
}

impl Default for Retry {
    fn default() -> Self {
        // 8 tries, 0.2 s doubling to 30 s: rides out about a minute and a half of a target that restarts.
        Self { attempts_max: 8, backoff: SignedDuration::from_millis(200), backoff_max: SignedDuration::from_secs(30) }
    }
}

/// IEC 60204-1 stop category that the hardware maps our stop to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCategory {
    /// Power off at once.
    #[serde(rename = "0")]
    Zero,
    /// Controlled stop, then power off.
    #[serde(rename = "1")]
    One,
    /// Controlled stop, power stays.
    #[serde(rename = "2")]
    Two,
}

/// The range of one argument, in its own unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Envelope {
    /// UCUM unit of all three.
    pub unit: String,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Greatest change per second.
    pub slew_per_s: Option<f64>,
}

/// What must be known of an actuator before it may move. No terms, no actuation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Physical {
    /// The operation that brings it to its safe state.
    pub safe_state: Value,
    /// Silence longer than this brings it there.
    pub dead_man: SignedDuration,
    /// Most commands per second.
    pub rate_max_per_s: f64,
    /// JSON pointer into the arguments -> its range.
    pub envelope: BTreeMap<String, Envelope>,
    /// Conditions that must hold, by name.
    #[serde(default)]
    pub interlocks: Vec<String>,
    /// How the hardware stops.
    pub stop_category: StopCategory,
    /// Whether keeping the last command is safe.
    pub hold_is_safe: bool,
}
