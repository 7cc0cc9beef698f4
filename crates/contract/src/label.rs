//! Where a value comes from and how far it may be trusted.
//!
//! Labels join through expressions, models and memory; trust is lifted only by a journaled endorsement.
//! Does not know the expressions themselves: `sinew-expr` carries labels through them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How far a value may be trusted; the order is the order of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Text or pictures that anybody could have made: mail, OCR, a web page, what a model made of them.
    Untrusted,
    /// Seen by our own sensors or read from a partner's system, not cross-checked.
    Observed,
    /// Checked by a validator and matched in a system of record, or endorsed by a person.
    Verified,
    /// Written by the owner: configuration, playbook, rules.
    Owned,
}

/// Who may see a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    /// Anyone.
    Public,
    /// The team.
    #[default]
    Internal,
    /// About a person.
    Personal,
    /// Never shown, logged or sent to a model.
    Secret,
}

/// The label of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The sources it was made from, as in `scan`, `shop`, `playbook`, `model:rules`.
    pub origin: BTreeSet<String>,
    /// The least trust of all that went into it.
    pub trust: Trust,
    /// The greatest sensitivity of all that went into it.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}

impl Label {
    /// A label with one origin and the default sensitivity.
    pub fn new(origin: impl Into<String>, trust: Trust) -> Self {
        Self { origin: BTreeSet::from([origin.into()]), trust, sensitivity: Sensitivity::default() }
    }

    /// What stands in the playbook itself.
    pub fn owned() -> Self {
        Self { origin: BTreeSet::new(), trust: Trust::Owned, sensitivity: Sensitivity::Public }
    }

    /// The label of a value made from both: all origins, the lesser trust, the greater sensitivity.
    ///
    /// Commutative, associative and idempotent; `owned` is its neutral element.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        self.origin.extend(other.origin.iter().cloned());
        self.trust = self.trust.min(other.trust);
        self.sensitivity = self.sensitivity.max(other.sensitivity);
        self
    }
}

/// JSON pointer (RFC 6901) -> label of the value that stands there. `""` is the whole.
pub type LabelMap = BTreeMap<String, Label>;
