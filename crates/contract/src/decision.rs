//! May this principal do this to that, now: the question to policy, and its answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CapabilityName, Class, Digest, EffectId, PlaybookName, PrincipalId, Scope, Trust};

/// Everything that policy may look at. Integers only: minor units, seconds, per mille.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who wants it.
    pub principal: PrincipalId,
    /// In which scope.
    pub scope: Scope,
    /// The playbook on whose behalf.
    pub playbook: PlaybookName,
    /// What.
    pub capability: CapabilityName,
    /// How bad it can be.
    pub class: Class,
    /// The device that would do it.
    pub device: String,
    /// Money moved, in minor units; 0 where none is.
    pub amount_minor: i64,
    /// ISO 4217 code; empty where no money moves.
    pub currency: String,
    /// The least trust among the arguments.
    pub args_trust: Trust,
    /// The least trust among the values that were branched on to get here.
    pub control_trust: Trust,
    /// JSON pointers of the arguments that are trusted less than the capability needs; see `Manifest::trust_needed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<String>,
    /// Whatever untrusted value was branched on is one of a closed list.
    #[serde(default)]
    pub control_closed: bool,
    /// Age of the event that started the run.
    pub evidence_age_s: i64,
    /// Agreement of checks behind the proposal, 0 to 1000; 1000 where nothing was guessed.
    pub confidence_permille: i64,
    /// A person has approved these exact bytes.
    pub approved: bool,
    /// The natural key was used before, by another run.
    pub duplicate: bool,
    /// It undoes an earlier act of the same run.
    pub compensates: bool,
    /// The arguments themselves, for rules about them.
    pub args: Value,
}

/// Run, ask a person, or refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It may run unattended.
    Run,
    /// It may run when a person says so.
    Ask,
    /// It may not run.
    Refuse,
}

/// Policy's answer, with what it needs to be replayed from its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// See `Verdict`.
    pub verdict: Verdict,
    /// Ids of the policies that decided, and errors, in words a person understands.
    pub reasons: Vec<String>,
    /// Digest of the policy set and its schema.
    pub policy: Digest,
}

/// A wish of a run to act, before anything has been checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Who asks, and its number.
    pub effect: EffectId,
    /// What.
    pub capability: CapabilityName,
    /// With which arguments.
    pub args: Value,
    /// Once per key, for ever.
    pub key: String,
    /// The act that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensates: Option<EffectId>,
}
