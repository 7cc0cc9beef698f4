//! What the roof can ask for: one typed row per thing that people look at.
//!
//! Knows no SQL (that is `store`) and no page (that is `api`); times are wall-clock microseconds, money is millionths.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinew_contract::{Cost, Digest, EffectId, Gate, GateId, RunId, Scope, Seq, Timestamp};

/// Declares an enum of plain words with its text form, as it stands in the tables.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word, as it stands in tables and JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// How a run stands.
    RunStatus {
        /// Something is being done for it.
        Running = "running",
        /// It waits for a person.
        Waiting = "waiting",
        /// It ended with an output.
        Completed = "completed",
        /// It ended with an error that nobody caught.
        Faulted = "faulted",
        /// A person ended it.
        Cancelled = "cancelled",
    }
}

words! {
    /// How a gate stands.
    GateStatus {
        /// It waits for a person.
        Open = "open",
        /// A person said yes.
        Approved = "approved",
        /// A person said no.
        Refused = "refused",
        /// Nobody answered in time, which is a no.
        Expired = "expired",
        /// Its run ended before anybody answered.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// The part of a run's way that an entry belongs to, for people.
    Phase {
        /// Something was seen.
        Sense = "sense",
        /// Memory was asked, or something was put into it.
        Remember = "remember",
        /// A question was answered, or the playbook took a step.
        Think = "think",
        /// Policy decided.
        Decide = "decide",
        /// A person was asked, or answered.
        Gate = "gate",
        /// A command went out, or came to an end.
        Act = "act",
        /// The run began, waited or ended.
        Run = "run",
    }
}

/// Which runs to list; the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFilter {
    /// The tenant.
    pub scope: Scope,
    /// Only runs that stand so.
    pub status: Option<RunStatus>,
    /// Only runs of this playbook.
    pub playbook: Option<String>,
    /// Only runs that were started by the event with this subject (a scan's name).
    pub trigger_name: Option<String>,
    /// Only runs before this one: the last of the page before.
    pub before: Option<RunId>,
    /// At most so many; never more than 1,000.
    pub limit: usize,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { scope: Scope::main(), status: None, playbook: None, trigger_name: None, before: None, limit: 100 }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// Which.
    pub run: RunId,
    /// The tenant.
    pub scope: Scope,
    /// The playbook's name.
    pub playbook: String,
    /// The playbook's version.
    pub version: String,
    /// How it stands.
    pub status: RunStatus,
    /// The entry of the event that started it; none when a person did.
    pub trigger: Option<Seq>,
    /// That event's subject: a scan's name.
    pub trigger_name: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The text at `/outcome` of its output, where there is one.
    pub outcome: Option<String>,
    /// Its output.
    pub output: Option<Value>,
    /// Its error, as RFC 9457 problem details, or `{"reason": …}` of a cancelled run.
    pub error: Option<Value>,
    /// Microseconds from the trigger's own time to the first verdict: a decision about an act that is not pure, a gate,
    /// or the end. None while there is none, or where no event started it.
    pub verdict_us: Option<i64>,
    /// What all of it cost.
    pub cost: Cost,
    /// How often a person had to touch it.
    pub touches: u32,
}

/// One entry of a run, said to people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineRow {
    /// Its place in the log.
    pub seq: Seq,
    /// When the journal took it.
    pub at: Timestamp,
    /// The kind of record, as in `concluded`.
    pub kind: String,
    /// The part of the way.
    pub phase: Phase,
    /// What happened, in a few words.
    pub title: String,
    /// What stands behind it; its shape depends on `kind`.
    pub detail: Value,
    /// What it cost.
    pub cost: Cost,
    /// The wish it is about.
    pub effect: Option<EffectId>,
    /// The entry that brought it about.
    pub cause: Option<Seq>,
    /// Who did it.
    pub principal: String,
}

/// One act: a wish, what was decided about it and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EffectRow {
    /// Which wish.
    pub effect: EffectId,
    /// Of which run.
    pub run: RunId,
    /// What.
    pub capability: String,
    /// How bad it can be.
    pub class: String,
    /// With which arguments.
    pub args: Value,
    /// The idempotency key; none where it never came to an intent.
    pub key: Option<String>,
    /// The thing itself, where the manifest names it.
    pub natural_key: Option<String>,
    /// Policy's last word: `run`, `ask` or `refuse`; none where it was never asked.
    pub verdict: Option<String>,
    /// Policy's reasons.
    pub reasons: Vec<String>,
    /// It undoes an earlier act of the same run.
    pub compensates: bool,
    /// How it ended: `done`, `refused`, `failed` or `unknown`; none while it has not.
    pub outcome: Option<String>,
    /// The receipt, or who said no and why.
    pub result: Option<Value>,
    /// Nothing more will be said about it.
    pub settled: bool,
    /// How many commands went out.
    pub attempts: u32,
    /// What it cost.
    pub cost: Cost,
    /// When it was first decided or intended.
    pub asked: Timestamp,
    /// Microseconds from the first command to the last word.
    pub latency_us: Option<i64>,
}

/// One gate, with its whole card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateRow {
    /// Which.
    pub gate: GateId,
    /// The tenant.
    pub scope: Scope,
    /// The run that waits.
    pub run: RunId,
    /// The wish that waits.
    pub effect: EffectId,
    /// How it stands.
    pub status: GateStatus,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it is refused by itself.
    pub expires: Timestamp,
    /// When it closed.
    pub answered: Option<Timestamp>,
    /// Who closed it; none while it is open and when time ran out.
    pub by: Option<String>,
    /// Why.
    pub note: String,
    /// The digest that an answer must bring.
    pub digest: Digest,
    /// The playbook of the run.
    pub playbook: String,
    /// The subject of the event that started the run.
    pub trigger_name: Option<String>,
    /// The card.
    pub card: Gate,
}

/// One scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScanRow {
    /// The event's id.
    pub event: String,
    /// Its entry.
    pub seq: Seq,
    /// The scan's name (a file name).
    pub name: String,
    /// `read`, `unread` or `conflict`.
    pub verdict: String,
    /// What was read.
    pub code: Option<String>,
    /// The picture.
    pub image: Option<Digest>,
    /// When it was observed.
    pub at: Timestamp,
    /// The run that it started.
    pub run: Option<RunId>,
}

/// How many acts of one capability ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActCount {
    /// What.
    pub capability: String,
    /// `done`, `refused`, `failed`, `unknown`; `open` for those that have not ended.
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// Counts over the whole log of one scope.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// The last entry folded.
    pub as_of: Seq,
    /// Events taken.
    pub events: u64,
    /// Scans by verdict: read, unread, conflict.
    pub scans_read: u64,
    /// See above.
    pub scans_unread: u64,
    /// See above.
    pub scans_conflict: u64,
    /// Runs in all.
    pub runs: u64,
    /// Runs that have not ended and do not wait for a person.
    pub running: u64,
    /// Runs that wait for a person.
    pub waiting: u64,
    /// Runs that ended with an output.
    pub completed: u64,
    /// Runs that ended with an error.
    pub faulted: u64,
    /// Runs that a person ended.
    pub cancelled: u64,
    /// Acts, pure ones included, by capability and outcome.
    pub acts: Vec<ActCount>,
    /// Gates that wait.
    pub gates_open: u64,
    /// Gates ever opened.
    pub gates: u64,
    /// How often a person touched a run.
    pub person_touches: u64,
    /// What everything cost.
    pub cost: Cost,
}
