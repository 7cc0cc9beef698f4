//! A gate waits for a person. An approval is bound to the exact bytes of what will happen.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BlobRef, CapabilityName, Digest, PrincipalId, Timestamp};

/// What an approval is bound to: the digest of this value's canonical JSON. Another byte, another digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preimage {
    /// Version of this structure.
    pub version: u32,
    /// What would be done.
    pub capability: CapabilityName,
    /// The version of its manifest.
    pub manifest_version: u32,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// With which arguments.
    pub args: Value,
}

/// One piece of evidence on the card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Evidence {
    /// A picture, and the corners of the part that matters.
    Image {
        /// The picture.
        blob: BlobRef,
        /// `[[x, y]; n]` in pixels.
        #[serde(default)]
        quad: Vec<[f32; 2]>,
    },
    /// A named fact.
    Fact {
        /// Its name.
        name: String,
        /// Its value.
        value: Value,
    },
    /// A remembered item.
    Memory {
        /// Its id.
        id: String,
        /// What it says.
        text: String,
    },
}

/// Who may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// The role, as in `returns-lead`.
    pub role: String,
    /// How many of them.
    pub quorum: u32,
    /// Principals who may not answer.
    #[serde(default, rename = "notBy")]
    pub not_by: Vec<PrincipalId>,
}

/// What a person may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Do it.
    Approve,
    /// Do not.
    Refuse,
}

/// A question to a person: has an owner, a deadline, and an outcome when nobody answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The question.
    pub question: String,
    /// Why it stopped here, in words.
    pub why: Vec<String>,
    /// What would happen, in words; from the manifest's title.
    pub what: String,
    /// What if it is wrong; from the manifest.
    pub risk: String,
    /// The bytes; absent where the question is not about one act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<Preimage>,
    /// Digest of the canonical preimage, or of the question where there is none.
    pub digest: Digest,
    /// What the person may look at.
    pub evidence: Vec<Evidence>,
    /// Who may answer.
    pub approvers: Approvers,
    /// Agreement of checks, 0 to 1000.
    pub confidence_permille: u16,
    /// Refused by itself after this.
    pub expires: Timestamp,
}
