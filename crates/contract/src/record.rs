//! Every kind of fact that the journal can hold, as one closed enum.
//!
//! A new kind is a change of the ground: rare, additive, versioned, told in `docs/decisions/`. Codes are never reused.
//! Payloads are stored as JSON; a field added later has a default, a field is never given a new meaning.
//!
//! ```text
//! event -> run-started -> stepped* -> proposed | recalled | decided -> intended -> concluded -> … -> run-ended
//!                                                     └ gate-opened -> gate-answered ┘
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Answer, BudgetReserved, CapabilityName, Command, Cost, Decision, Digest, Dropped, EffectId, Event, Gate, GateId,
    Granted, Label, ModelCalled, Muted, Outcome, PlaybookName, PrincipalId, Proposal, Reflexed, Request, RunId, Seq,
    Timestamp,
};

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "data")]
pub enum Record {
    /// A process opened the log.
    Booted(Booted),
    /// Something happened outside.
    Event(Event),
    /// A run began.
    RunStarted(RunStarted),
    /// A run passed a task.
    Stepped(Stepped),
    /// A question was answered.
    Proposed(Proposed),
    /// Memory was asked.
    Recalled(Recalled),
    /// Something is to be remembered.
    Remembered(Remembered),
    /// Policy decided about a wish.
    Decided(Decided),
    /// A person is asked.
    GateOpened(GateOpened),
    /// A gate closed.
    GateAnswered(GateAnswered),
    /// A command may go out; nothing goes out without this line.
    Intended(Intended),
    /// A command came to an end.
    Concluded(Concluded),
    /// A run waits for a time.
    TimerSet(TimerSet),
    /// The time came.
    TimerFired(TimerFired),
    /// Somebody wants a run to end.
    CancelAsked(CancelAsked),
    /// A run ended.
    RunEnded(RunEnded),
    /// Stop was pressed or released.
    Stop(Stop),
    /// A question that only the engine knows the meaning of was answered.
    Answered(Answered),
    /// A model was called.
    ModelCalled(ModelCalled),
    /// Something was set aside for calls to models.
    BudgetReserved(BudgetReserved),
    /// Policy answered a reflex rule.
    Granted(Granted),
    /// What a reflex rule did.
    Reflexed(Reflexed),
    /// Something was dropped, and counted.
    Dropped(Dropped),
    /// A device is not listened to, or is again.
    Muted(Muted),
    /// Something that was seen was checked and matched: it may be trusted further from here on.
    Endorsed(Endorsed),
    /// One of several persons who are asked has said yes; more are needed.
    GateVoted(GateVoted),
    /// Something is to be remembered that no run said.
    Noted(Box<Noted>),
    /// What is remembered is pinned, let go or ended.
    Marked(Marked),
    /// Something was forgotten, and counted.
    Forgotten(Forgotten),
    /// The payload was sealed for a subject whose key has been erased. Never written, only read.
    Erased,
}

impl Record {
    /// The code in the header; never reused.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Erased => 0,
            Self::Booted(_) => 1,
            Self::Event(_) => 2,
            Self::RunStarted(_) => 3,
            Self::Stepped(_) => 4,
            Self::Proposed(_) => 5,
            Self::Recalled(_) => 6,
            Self::Remembered(_) => 7,
            Self::Decided(_) => 8,
            Self::GateOpened(_) => 9,
            Self::GateAnswered(_) => 10,
            Self::Intended(_) => 11,
            Self::Concluded(_) => 12,
            Self::TimerSet(_) => 13,
            Self::TimerFired(_) => 14,
            Self::CancelAsked(_) => 15,
            Self::RunEnded(_) => 16,
            Self::Stop(_) => 17,
            Self::Answered(_) => 18,
            Self::ModelCalled(_) => 40,
            Self::BudgetReserved(_) => 41,
            Self::Noted(_) => 50,
            Self::Marked(_) => 51,
            Self::Forgotten(_) => 52,
            Self::Granted(_) => 60,
            Self::Reflexed(_) => 61,
            Self::Dropped(_) => 62,
            Self::Muted(_) => 63,
            Self::Endorsed(_) => 35,
            Self::GateVoted(_) => 36,
        }
    }

    /// The name of the kind that a code stands for; `unknown` for codes of later versions.
    pub const fn kind_name(code: u16) -> &'static str {
        match code {
            0 => "erased",
            1 => "booted",
            2 => "event",
            3 => "run-started",
            4 => "stepped",
            5 => "proposed",
            6 => "recalled",
            7 => "remembered",
            8 => "decided",
            9 => "gate-opened",
            10 => "gate-answered",
            11 => "intended",
            12 => "concluded",
            13 => "timer-set",
            14 => "timer-fired",
            15 => "cancel-asked",
            16 => "run-ended",
            17 => "stop",
            18 => "answered",
            40 => "model-called",
            41 => "budget-reserved",
            50 => "noted",
            51 => "marked",
            52 => "forgotten",
            60 => "granted",
            61 => "reflexed",
            62 => "dropped",
            63 => "muted",
            35 => "endorsed",
            36 => "gate-voted",
            _ => "unknown",
        }
    }

    /// The name of this record's kind.
    pub const fn kind(&self) -> &'static str {
        Self::kind_name(self.code())
    }

    /// The effect that this record answers or advances, where it is about one.
    pub const fn effect(&self) -> Option<EffectId> {
        match self {
            Self::Proposed(r) => Some(r.effect),
            Self::Recalled(r) => Some(r.effect),
            Self::Remembered(r) => Some(r.effect),
            Self::Decided(r) => Some(r.effect),
            Self::GateOpened(r) => Some(r.effect),
            Self::GateAnswered(r) => Some(r.effect),
            Self::Intended(r) => Some(r.command.effect),
            Self::Concluded(r) => Some(r.effect),
            Self::TimerSet(r) => Some(r.effect),
            Self::TimerFired(r) => Some(r.effect),
            Self::Answered(r) => Some(r.effect),
            Self::ModelCalled(r) => Some(r.effect),
            Self::Endorsed(r) => Some(r.effect),
            Self::GateVoted(r) => Some(r.effect),
            _ => None,
        }
    }
}

/// A process opened the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Booted {
    /// Version of the binary.
    pub version: String,
    /// Digest of the deployment: playbooks, policies, capabilities, rules, templates.
    pub catalogue: Digest,
    /// Digest of the policy set.
    pub policy: Digest,
}

/// A run began; it keeps these digests for life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Which playbook.
    pub playbook: PlaybookName,
    /// Its version, from its document.
    pub version: String,
    /// Digest of its canonical JSON.
    pub digest: Digest,
    /// Version of the engine's semantics.
    pub engine: u32,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the deployment.
    pub catalogue: Digest,
    /// The event that started it; none when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Seq>,
    /// The question of another run that this run answers with its end: it is that run's child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EffectId>,
    /// The workflow input, before `input.from`.
    pub input: Value,
}

/// A run passed a task: pure, so it rides with whatever comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stepped {
    /// JSON pointer of the task in the playbook.
    pub task: String,
    /// Digest of the transformed output, and of the context after it.
    pub output: Digest,
    /// The branch that was taken, where it was a switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went: Option<String>,
}

/// A question was answered, or could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// Which wish.
    pub effect: EffectId,
    /// The answer, or why there is none.
    pub answer: Result<Proposal, Fault>,
}

/// Memory was asked; the answer is frozen here, so that replay does not see newer memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// Which wish.
    pub effect: EffectId,
    /// The items, or why there are none.
    pub answer: Result<Value, Fault>,
}

/// A question that only the engine knows the meaning of was answered: an observation, a plan, a child that cannot begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Which wish.
    pub effect: EffectId,
    /// The answer, or why there is none.
    pub answer: Result<Value, Fault>,
    /// Where the answer comes from.
    pub label: Label,
}

/// Something is to be remembered; memory folds it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Which wish.
    pub effect: EffectId,
    /// `fact`, `document`, `procedure`, `preference`, `episode`.
    pub item_kind: String,
    /// What it is about, as in `customer:c17`.
    pub subject: String,
    /// What is to be remembered.
    pub content: Value,
    /// Where it comes from; never empty.
    pub sources: Vec<String>,
    /// The same key twice is once.
    pub key: String,
    /// 0 to 1000.
    pub confidence_permille: u16,
}

/// Something is to be remembered, by a person, an import or a house rule. The header says when it was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// `fact`, `document`, `procedure`, `preference`, `episode`.
    pub item_kind: String,
    /// What it is about, as in `customer:c17`.
    pub subject: String,
    /// What a fact says of its subject, as in `address`: the newer word about the same stands in place of the older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// What is to be remembered.
    pub content: Value,
    /// Where it comes from; never empty.
    pub sources: Vec<String>,
    /// How it came to be known: `human`, `sensor`, `tool`, `import` or `model@<id>`.
    pub method: String,
    /// Items that it was made of, by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The same key twice is once.
    pub key: String,
    /// 0 to 1000.
    pub confidence_permille: u16,
    /// From when it holds; none is from when it was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Until when it holds, exclusive; afterwards it is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// When it is to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Version of the content's shape.
    pub schema: u32,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Never evicted.
    Pinned,
    /// Not pinned any more.
    Unpinned,
    /// It does not hold any more.
    Expired,
    /// Evicted: its content goes, its key and this line stay.
    Evicted,
}

/// What is remembered is pinned, let go or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// Which items.
    pub keys: Vec<String>,
    /// What becomes of them.
    pub mark: Mark,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A subject's key was erased, and all that was made of what it sealed. Does not say whose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    /// How many items.
    pub items: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Policy decided about a wish. The guarded keys are reserved in the same commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Which wish.
    pub effect: EffectId,
    /// What policy was asked.
    pub request: Request,
    /// What it said.
    pub decision: Decision,
    /// The gate whose approval was used up by this decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<GateId>,
}

/// A person is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateOpened {
    /// Which wish waits.
    pub effect: EffectId,
    /// The card.
    pub gate: Gate,
}

/// A gate closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateAnswered {
    /// Which wish waited.
    pub effect: EffectId,
    /// Which gate.
    pub gate: GateId,
    /// What was answered.
    pub answer: Answer,
    /// By whom; none when time ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PrincipalId>,
    /// The digest that the person saw.
    pub digest: Digest,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A command may go out. Actuation reads this line back before it moves.
///
/// The decision that it rests on is the `cause` in its header: both stand in one commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intended {
    /// The order.
    pub command: Command,
}

/// A command came to an end, or to an unknown that is being settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concluded {
    /// Which wish.
    pub effect: EffectId,
    /// Which intent; none where it never came to one (refused by policy or a person).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Seq>,
    /// What.
    pub capability: CapabilityName,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Cost,
    /// Nothing more will be said about this wish; the run goes on from here.
    pub last: bool,
}

/// A run waits for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerSet {
    /// Which wait.
    pub effect: EffectId,
    /// Until when.
    pub due: Timestamp,
}

/// The time came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerFired {
    /// Which wait.
    pub effect: EffectId,
}

/// Somebody wants a run to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancelAsked {
    /// Which run.
    pub run: RunId,
    /// Why.
    pub reason: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunEnd {
    /// With an output.
    Completed {
        /// The workflow output.
        output: Value,
    },
    /// With an error that nobody caught.
    Faulted {
        /// The error.
        error: Fault,
    },
    /// By a person.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// A run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// How.
    pub end: RunEnd,
}

/// An error inside a playbook (Open Workflow DSL, "Error": RFC 9457 problem details).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// A URI that names the kind of error.
    #[serde(rename = "type")]
    pub error_type: String,
    /// HTTP-like status.
    pub status: u16,
    /// In words.
    pub title: String,
    /// In more words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// JSON pointer of the task where it arose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// What a stop covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope", content = "name")]
pub enum StopScope {
    /// Everything.
    All,
    /// All runs of one playbook.
    Playbook(PlaybookName),
    /// One device or connector.
    Device(crate::DeviceId),
}

/// Stop was pressed or released. The latch in memory and the stop file come first; this line when it is possible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// What.
    pub scope: StopScope,
    /// Pressed, or released. Release never restarts anything.
    pub engaged: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Something that was seen was checked by a validator and matched in a system of record.
///
/// Stands before the outcome of the look-up that it is about, in the same commit. Trust is lifted by this line or by a
/// person's approval, and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsed {
    /// The look-up.
    pub effect: EffectId,
    /// The system of record that knows it, as in `shop.local`.
    pub record: String,
    /// What was checked before it was asked about, in words.
    pub validator: String,
    /// JSON pointers into what the system of record said, of values that are verified now; `*` stands for every item or
    /// member of one step, and `""` for all of it.
    pub facts: Vec<String>,
}

/// One of several persons who are asked has said yes. The gate stays open until as many as it asks for have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateVoted {
    /// Which wish waits.
    pub effect: EffectId,
    /// Which gate.
    pub gate: GateId,
    /// By whom.
    pub by: PrincipalId,
    /// The digest that the person saw.
    pub digest: Digest,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
