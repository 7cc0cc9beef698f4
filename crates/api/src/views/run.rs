//! A run: one row of the list, and the whole timeline.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinew_contract::{Digest, EffectId, GateId, PlaybookName, RunId, Seq};
use utoipa::{IntoParams, ToSchema};

use super::When;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// It goes on by itself.
    Running,
    /// It waits for a person.
    Waiting,
    /// It ended with an output.
    Completed,
    /// It ended with an error that nobody caught.
    Faulted,
    /// A person ended it.
    Cancelled,
}

impl RunStatus {
    /// All of them, in the order in which the page offers them.
    pub const ALL: [Self; 5] = [Self::Running, Self::Waiting, Self::Completed, Self::Faulted, Self::Cancelled];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Faulted => "faulted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Says whether nothing more will happen.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Faulted | Self::Cancelled)
    }
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Only those that stand so.
    #[serde(default)]
    #[param(inline)]
    pub status: Option<RunStatus>,
    /// At most so many; 1 to 500, 50 where none is given.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only those that started before this run: the last of the page before.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub before: Option<RunId>,
}

impl RunQuery {
    /// The limit within its range.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, 500)
    }
}

/// A run in a list: no payloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunRow {
    /// Its id.
    #[schema(value_type = String, example = "r42-9f3a1c2d")]
    pub run: RunId,
    /// What it is about, in words, as in `RMA-100123, Trail shoe 42`; untrusted text.
    pub title: String,
    /// The playbook.
    #[schema(value_type = String, example = "return-intake")]
    pub playbook: PlaybookName,
    /// Its version.
    pub version: String,
    /// How it stands.
    pub status: RunStatus,
    /// What came of it, in few words, as in `refunded 42.00 EUR, restocked`; empty while it is not known.
    #[serde(default)]
    pub result: String,
    /// When it started.
    pub started: When,
    /// When it ended.
    pub ended: Option<When>,
    /// From the event to the end, or until now, in milliseconds; time at gates included.
    pub took_ms: u64,
    /// What it has cost, in millionths of the deployment's currency.
    pub cost_micros: i64,
    /// The gate that it waits at.
    #[schema(value_type = Option<String>, example = "g57")]
    pub gate: Option<GateId>,
}

/// What kind of thing a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Something came in.
    Sense,
    /// Memory was asked or told.
    Remember,
    /// A question was answered by rules, a template or a model.
    Think,
    /// Policy decided, or the playbook branched.
    Decide,
    /// A person was asked or answered.
    Gate,
    /// A command went out or came to its end.
    Act,
    /// It waited for a time.
    Wait,
    /// The run started or ended.
    Run,
}

impl Phase {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sense => "sense",
            Self::Remember => "remember",
            Self::Think => "think",
            Self::Decide => "decide",
            Self::Gate => "gate",
            Self::Act => "act",
            Self::Wait => "wait",
            Self::Run => "run",
        }
    }
}

/// How a step came out; shown as a sign and a word, never as colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// It waits, or is not known yet.
    Open,
    /// Somebody should look.
    Bad,
}

/// A name and a value, to be shown as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// The name, as in `key`.
    pub name: String,
    /// The value, as text.
    pub value: String,
}

impl Detail {
    /// Both, from anything that is text.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// Seq of the entry that says so.
    #[schema(value_type = u64)]
    pub seq: Seq,
    /// When it was recorded.
    pub at: When,
    /// What kind of thing it is.
    pub phase: Phase,
    /// In words, as in `Refund 42.00 EUR for order 1043`.
    pub title: String,
    /// One word for how it came out, as in `done`, `refused`, `asked`; empty where there is none.
    #[serde(default)]
    pub outcome: String,
    /// How it came out.
    #[serde(default)]
    pub tone: Tone,
    /// How long it took, in milliseconds, where that is known.
    pub took_ms: Option<u64>,
    /// What it cost, in millionths of the deployment's currency.
    #[serde(default)]
    pub cost_micros: i64,
    /// Its number among the questions of the run.
    #[schema(value_type = Option<String>, example = "r42-9f3a1c2d/7")]
    pub effect: Option<EffectId>,
    /// The gate, where it is about one.
    #[schema(value_type = Option<String>, example = "g57")]
    pub gate: Option<GateId>,
    /// What else is known: keys, reasons, digests.
    #[serde(default)]
    pub details: Vec<Detail>,
    /// The payload, where it helps: arguments, answer, receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// A run with its timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// As in the list.
    #[serde(flatten)]
    pub row: RunRow,
    /// Seq of the scan or event that started it.
    #[schema(value_type = Option<u64>)]
    pub trigger: Option<Seq>,
    /// Digest of the playbook that it keeps for life.
    #[schema(value_type = String)]
    pub playbook_digest: Digest,
    /// Digest of the policy set when it started.
    #[schema(value_type = String)]
    pub policy_digest: Digest,
    /// Somebody asked it to end; why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// The error that ended it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The workflow input.
    pub input: Value,
    /// The workflow output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What happened, in order.
    pub steps: Vec<StepView>,
}

/// Why a run should end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// In words; up to 500 characters.
    #[serde(default)]
    pub reason: String,
}
