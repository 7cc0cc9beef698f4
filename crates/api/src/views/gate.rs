//! A gate: one row of the inbox, the approval card, and a person's reply.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinew_contract::{Answer, CapabilityName, Class, Digest, GateId, PlaybookName, PrincipalId, RunId};
use utoipa::{IntoParams, ToSchema};

use super::{Money, PictureRef, When};

/// How a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateStatus {
    /// Nobody has answered.
    Waiting,
    /// A person approved.
    Approved,
    /// A person refused.
    Refused,
    /// Time ran out, which refuses.
    Expired,
}

impl GateStatus {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// Which gates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GateQuery {
    /// Only those that stand so.
    #[serde(default)]
    #[param(inline)]
    pub status: Option<GateStatus>,
    /// At most so many; 1 to 500, 50 where none is given.
    #[serde(default)]
    pub limit: Option<u32>,
}

impl GateQuery {
    /// The limit within its range.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, 500)
    }
}

/// A gate in the inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateRow {
    /// Its id.
    #[schema(value_type = String, example = "g57")]
    pub gate: GateId,
    /// The run that waits.
    #[schema(value_type = String, example = "r42-9f3a1c2d")]
    pub run: RunId,
    /// Its playbook.
    #[schema(value_type = String, example = "return-intake")]
    pub playbook: PlaybookName,
    /// How it stands.
    pub status: GateStatus,
    /// The question.
    pub question: String,
    /// What would happen, in words.
    pub what: String,
    /// The money that it would move.
    pub amount: Option<Money>,
    /// Why it stopped here, in words.
    pub why: Vec<String>,
    /// Agreement of checks, 0 to 1000.
    pub confidence_permille: u16,
    /// Who may answer.
    pub role: String,
    /// When it was asked.
    pub opened: When,
    /// Refused by itself after this.
    pub expires: When,
    /// Who answered; none while it waits and when time ran out.
    #[schema(value_type = Option<String>, example = "person:ana")]
    pub by: Option<PrincipalId>,
    /// When it was answered.
    pub answered: Option<When>,
}

/// What exactly would be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExactRequest {
    /// The capability.
    #[schema(value_type = String, example = "shop.refund")]
    pub capability: CapabilityName,
    /// The version of its manifest.
    pub manifest_version: u32,
    /// How bad it can be: `pure`, `idempotent`, `compensable`, `irreversible`, `physical`.
    #[schema(value_type = String, example = "compensable")]
    pub class: Class,
    /// The capability that undoes it, where one does.
    #[schema(value_type = Option<String>, example = "shop.refund-void")]
    pub undo: Option<CapabilityName>,
    /// The arguments.
    pub args: Value,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum EvidenceView {
    /// A picture, and the corners of the part that matters.
    Image {
        /// The picture.
        image: PictureRef,
        /// Its width in pixels; 0 where it is not known.
        width: u32,
        /// Its height in pixels; 0 where it is not known.
        height: u32,
        /// `[[x, y]; n]` in pixels; empty shows the whole picture.
        quad: Vec<[f32; 2]>,
        /// What was read there, in words, as in `RMA-100123 (code-128)`; empty where nothing was.
        #[serde(default)]
        caption: String,
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

/// What became of gates like this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrackRecord {
    /// Gates of the same capability and playbook that a person answered.
    pub answered: u64,
    /// Of these, refused.
    pub refused: u64,
}

/// A gate with its whole card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// As in the inbox.
    #[serde(flatten)]
    pub row: GateRow,
    /// What the answer is bound to; send it back with the answer.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// What if it is wrong.
    pub risk: String,
    /// What exactly would be sent; none where the question is not about one act.
    pub request: Option<ExactRequest>,
    /// What to look at.
    pub evidence: Vec<EvidenceView>,
    /// What became of gates like this one.
    pub record: TrackRecord,
    /// Principals who may not answer.
    #[schema(value_type = Vec<String>)]
    pub not_by: Vec<PrincipalId>,
    /// What the run has cost so far, in millionths of the deployment's currency.
    pub cost_micros: i64,
    /// The note of whoever answered.
    #[serde(default)]
    pub note: String,
}

/// The words for `Answer` in the OpenAPI document.
#[derive(ToSchema)]
#[schema(as = Answer, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum AnswerWord {
    /// Do it.
    Approve,
    /// Do not.
    Refuse,
}

/// A person's answer to a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateReply {
    /// The answer.
    #[schema(value_type = AnswerWord)]
    pub answer: Answer,
    /// The digest that the person saw.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Why; up to 500 characters.
    #[serde(default)]
    pub note: String,
}
