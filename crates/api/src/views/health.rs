//! How it goes: the three numbers, stop, the audit, and the log in few words.

use serde::{Deserialize, Serialize};
use sinew_contract::{DeviceId, Digest, EffectId, LogId, PrincipalId, RunId, Seq, StopScope};
use utoipa::{IntoParams, ToSchema};

use super::When;

/// One number against its target, with its trend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measure {
    /// The number; none where there is nothing to count yet.
    pub value: Option<f64>,
    /// It should be at most this.
    pub target: Option<f64>,
    /// The same number for equal slices of time or of runs, oldest first; at most 60.
    #[serde(default)]
    pub trend: Vec<f64>,
}

impl Measure {
    /// Says whether it meets its target; none where either is missing.
    pub fn is_met(&self) -> Option<bool> {
        Some(self.value? <= self.target?)
    }
}

/// The three numbers, and how often a person was needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Numbers {
    /// From event to verdict, the middle one, in milliseconds.
    pub latency_p50_ms: Measure,
    /// From event to verdict, the 95th of a hundred, in milliseconds.
    pub latency_p95_ms: Measure,
    /// What one action costs, in millionths of the deployment's currency.
    pub cost_per_action_micros: Measure,
    /// Runs that ended in an error, per thousand.
    pub failures_permille: Measure,
    /// Gates answered by a person, per return.
    pub touches_per_return: Measure,
    /// Runs that these numbers were counted from.
    pub runs: u64,
    /// Actions that these numbers were counted from.
    pub actions: u64,
}

/// How the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It works.
    Ready,
    /// It reads its log and does not act yet.
    Starting,
    /// Stop is pressed.
    Stopped,
    /// It works without something that it should have.
    Degraded,
    /// The log cannot be written: it takes nothing in and does nothing.
    Broken,
}

impl Condition {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Stopped => "stopped",
            Self::Degraded => "degraded",
            Self::Broken => "broken",
        }
    }
}

/// One device or connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// Its name.
    #[schema(value_type = String)]
    pub device: DeviceId,
    /// It answered last time.
    pub up: bool,
    /// What it said last, in few words.
    #[serde(default)]
    pub note: String,
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// How the process stands.
    pub condition: Condition,
    /// Why, where it is not ready.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Version of the binary.
    pub version: String,
    /// The last durable entry.
    #[schema(value_type = u64)]
    pub tail: Seq,
    /// When the process started.
    pub since: When,
    /// The three numbers.
    pub numbers: Numbers,
    /// Gates that wait for a person.
    pub gates_waiting: u64,
    /// When the oldest of them was opened.
    pub oldest_gate: Option<When>,
    /// Runs that are not over.
    pub runs_open: u64,
    /// Acts whose outcome nobody knows yet.
    pub acts_unknown: u64,
    /// Devices and connectors.
    #[serde(default)]
    pub devices: Vec<DeviceView>,
    /// The stops that hold.
    #[serde(default)]
    pub stops: Vec<StopView>,
}

/// What a stop covers, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeWord {
    /// Everything.
    #[default]
    All,
    /// All runs of one playbook.
    Playbook,
    /// One device or connector.
    Device,
}

/// An order to stop or to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopOrder {
    /// What.
    pub scope: StopScope,
    /// Pressed, or released.
    pub engaged: bool,
    /// Why.
    pub reason: String,
}

/// The body of `POST /v1/stop` and `POST /v1/resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopBody {
    /// What it covers; `all` where none is given.
    #[serde(default)]
    pub scope: ScopeWord,
    /// The playbook's or the device's name, where the scope is one.
    #[serde(default)]
    pub name: Option<String>,
    /// Why; up to 500 characters. To go on needs one.
    #[serde(default)]
    pub reason: String,
}

/// A stop that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StopView {
    /// What it covers: `{"scope": "all"}`, `{"scope": "playbook", "name": "…"}`, `{"scope": "device", "name": "…"}`.
    #[schema(value_type = Object)]
    pub covers: StopScope,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Who pressed it.
    #[schema(value_type = Option<String>, example = "person:ana")]
    pub by: Option<PrincipalId>,
    /// When.
    pub at: Option<When>,
}

impl StopView {
    /// What it covers, in words.
    pub fn covers_words(&self) -> String {
        match &self.covers {
            StopScope::All => "everything".into(),
            StopScope::Playbook(name) => format!("playbook {name}"),
            StopScope::Device(name) => format!("device {name}"),
        }
    }
}

/// Whether the log verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// The log's id.
    #[schema(value_type = String)]
    pub log: LogId,
    /// Its length: the seq of the last durable entry.
    #[schema(value_type = u64)]
    pub entries: Seq,
    /// The hash of the last durable entry.
    #[schema(value_type = String)]
    pub head: Digest,
    /// It verifies; none where that was not looked at yet.
    pub ok: Option<bool>,
    /// How far it was verified.
    #[schema(value_type = u64)]
    pub verified_to: Seq,
    /// When.
    pub verified_at: Option<When>,
    /// What is wrong, naming the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Which entries of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EntryQuery {
    /// Only those before this seq.
    #[serde(default)]
    #[param(value_type = Option<u64>)]
    pub before: Option<Seq>,
    /// At most so many; 1 to 500, 50 where none is given.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only those of this run.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub run: Option<RunId>,
}

impl EntryQuery {
    /// The limit within its range.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, 500)
    }
}

/// An entry of the log in few words: no payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryRow {
    /// Its place.
    #[schema(value_type = u64)]
    pub seq: Seq,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// When it was recorded.
    pub at: When,
    /// Its kind, as in `gate-opened`.
    pub kind: String,
    /// In few words.
    pub summary: String,
    /// Who did it.
    #[schema(value_type = String, example = "person:ana")]
    pub principal: PrincipalId,
    /// The run that it belongs to.
    #[schema(value_type = Option<String>, example = "r42-9f3a1c2d")]
    pub run: Option<RunId>,
    /// The question of the run that it answers.
    #[schema(value_type = Option<String>, example = "r42-9f3a1c2d/7")]
    pub effect: Option<EffectId>,
    /// The entry that brought it about.
    #[schema(value_type = Option<u64>)]
    pub cause: Option<Seq>,
}
