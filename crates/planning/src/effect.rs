//! What the fold asks of the world. The fold only asks; `dispatch` carries the question out and journals the answer.
//!
//! Does not know ports: an effect is data, and the same fold gives the same effects, byte for byte.

use jiff::SignedDuration;
use serde_json::Value;
use sinew_contract::{
    Approvers, Ask, CapabilityName, Digest, EffectId, Event, Evidence, GateId, Label, PlaybookName, Remembered, RunEnd,
    RunId, Seq, Stepped, Timestamp, Wish,
};
use sinew_expr::Labels;

/// One question of one run.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Journal that a task was passed. Needs no answer; rides with the next commit. Must be journaled in this order.
    Note {
        /// Which run.
        run: RunId,
        /// The entry whose fold passed it.
        cause: Seq,
        /// The fact.
        stepped: Stepped,
    },
    /// Ask reasoning. Answered by `Record::Proposed`.
    Infer(Box<Ask>),
    /// Ask memory. Answered by `Record::Recalled`.
    Recall(Box<RecallAsk>),
    /// Remember. Answered by the `Record::Remembered` itself.
    Remember(Box<RememberAsk>),
    /// Act. Answered by `Record::Concluded` with `last`.
    Act(Box<ActAsk>),
    /// Begin another run. Answered by the end of the run whose `Record::RunStarted` names this question as its parent.
    Spawn(Box<SpawnAsk>),
    /// Journal an event of the run's own. Answered by that `Record::Event`.
    Emit(EffectId, Box<Event>),
    /// Ask a person. Answered by `Record::GateAnswered`.
    Approve(Box<ApproveAsk>),
    /// Wait. Answered by `Record::TimerFired`.
    Timer {
        /// Which wait.
        effect: EffectId,
        /// Until when.
        due: Timestamp,
    },
    /// The run has ended. Answered by `Record::RunEnded`.
    End {
        /// Which run.
        run: RunId,
        /// The entry whose fold ended it.
        cause: Seq,
        /// How.
        end: RunEnd,
    },
}

/// A wish for a run inside of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct SpawnAsk {
    /// Which wish.
    pub effect: EffectId,
    /// Of which playbook.
    pub playbook: PlaybookName,
    /// Of which version; none is the one that is offered now.
    pub version: Option<String>,
    /// Of exactly this one, where it is known.
    pub digest: Option<Digest>,
    /// Its workflow input.
    pub input: Value,
    /// The label of the input, and of what was branched on to come here.
    pub label: Label,
}

/// A question to memory.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallAsk {
    /// Which wish.
    pub effect: EffectId,
    /// Which store.
    pub store: String,
    /// About whom.
    pub subject: Option<String>,
    /// About what.
    pub about: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Something to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct RememberAsk {
    /// What.
    pub fact: Remembered,
    /// The label of its content; kept with it, so that memory lifts nobody's trust.
    pub label: Label,
}

/// A wish to act, with what policy and the person at the gate want to know.
#[derive(Clone, Debug, PartialEq)]
pub struct ActAsk {
    /// What, with which arguments, under which key.
    pub wish: Wish,
    /// An approval that the playbook obtained before, as the token of `approve`.
    pub approval: Option<GateId>,
    /// The joined label of the arguments.
    pub args_label: Label,
    /// The labels of each of them.
    pub args_labels: Labels,
    /// The joined label of what was branched on.
    pub control_label: Label,
    /// Whatever untrusted was branched on was one of a closed list.
    pub control_closed: bool,
    /// Agreement of checks behind the run's trigger, 0 to 1000; 1000 where the trigger claims nothing.
    pub confidence_permille: u16,
    /// What to show when policy asks a person: the trigger's picture, the last recalled items, the last proposal.
    pub evidence: Vec<Evidence>,
    /// Names of those the arguments are about, as in `customer:c17`.
    pub subjects: Vec<String>,
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct ApproveAsk {
    /// Which wish.
    pub effect: EffectId,
    /// In words.
    pub question: String,
    /// What would be done, where it is about one act.
    pub proposal: Option<(CapabilityName, Value)>,
    /// Who may answer.
    pub approvers: Approvers,
    /// Refused by itself after this long.
    pub expires: SignedDuration,
    /// Why it stopped here.
    pub why: Vec<String>,
    /// What to show.
    pub evidence: Vec<Evidence>,
    /// Agreement of checks, 0 to 1000.
    pub confidence_permille: u16,
}

impl Effect {
    /// The id under which its answer comes; none for notes and ends.
    pub fn id(&self) -> Option<EffectId> {
        match self {
            Self::Note { .. } | Self::End { .. } => None,
            Self::Infer(ask) => Some(ask.effect),
            Self::Recall(ask) => Some(ask.effect),
            Self::Remember(ask) => Some(ask.fact.effect),
            Self::Act(ask) => Some(ask.wish.effect),
            Self::Approve(ask) => Some(ask.effect),
            Self::Spawn(ask) => Some(ask.effect),
            Self::Emit(effect, _) | Self::Timer { effect, .. } => Some(*effect),
        }
    }
}
