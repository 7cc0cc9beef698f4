//! Where memory lies: one private trait for the writer, one for readers, one file per backend.
//!
//! Knows rows and changes, not what they mean (`project`) and not who asks (`memory`, `recall`).

pub(crate) mod sqlite;

use sinew_contract::{EffectId, EntryRef, GateId, RunId, Scope, Seq};

use crate::error::MemoryError;
use crate::health::HealthQuery;
use crate::items::{Catalogues, Embedder, FoundItem, Search};
use crate::project::Projection;
use crate::sql::Table;
use crate::views::{EffectRow, GateRow, GateStatus, RunFilter, RunRow, ScanRow, TimelineRow, Totals};

/// The one writer. Each call is one transaction: whole or not at all, also after a crash.
pub(crate) trait Store: Send {
    /// The last entry folded; `Seq::ZERO` and the zero digest for none.
    fn head(&self) -> EntryRef;

    /// Applies what a batch of entries means, and moves the head to the last of them.
    fn apply(&mut self, batch: &[Projection<'_>], head: EntryRef) -> Result<(), MemoryError>;

    /// Forgets everything, so that all can be folded again.
    fn reset(&mut self) -> Result<(), MemoryError>;
}

/// One reader; sees only whole batches.
pub(crate) trait Reader: Send {
    fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, MemoryError>;
    fn run(&self, scope: &Scope, run: RunId) -> Result<Option<RunRow>, MemoryError>;
    fn timeline(&self, scope: &Scope, run: RunId) -> Result<Vec<TimelineRow>, MemoryError>;
    fn effects(&self, scope: &Scope, run: RunId) -> Result<Vec<EffectRow>, MemoryError>;
    fn effect(&self, scope: &Scope, effect: EffectId) -> Result<Option<EffectRow>, MemoryError>;
    fn gates(&self, scope: &Scope, status: Option<GateStatus>, limit: usize) -> Result<Vec<GateRow>, MemoryError>;
    fn gate(&self, scope: &Scope, gate: GateId) -> Result<Option<GateRow>, MemoryError>;
    fn scans(&self, scope: &Scope, limit: usize) -> Result<Vec<ScanRow>, MemoryError>;
    fn totals(&self, scope: &Scope) -> Result<Totals, MemoryError>;
    fn samples(&self, query: &HealthQuery) -> Result<Vec<Sample>, MemoryError>;
    fn search(
        &self,
        catalogues: &Catalogues,
        search: &Search,
        embed: Option<&Embedder>,
    ) -> Result<Vec<FoundItem>, MemoryError>;
    fn things(&self, find: &Find<'_>) -> Result<Vec<Found>, MemoryError>;
    fn query(&mut self, sql: &str) -> Result<Table, MemoryError>;
}

/// What one run gives to the health numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub started_us: i64,
    pub ended: bool,
    pub faulted: bool,
    pub verdict_us: Option<i64>,
    pub cost_micros: i64,
    pub touches: u64,
    pub acts: u64,
    pub acts_done: u64,
    pub acts_failed: u64,
}

/// What to look for in what is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Find<'a> {
    pub scope: &'a Scope,
    /// The part of their name before the colon; none for all.
    pub kind: Option<&'a str>,
    pub subject: Option<&'a str>,
    /// At most so many candidates, the newest.
    pub limit: usize,
}

/// One thing found, before it is scored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub content: serde_json::Value,
    pub at_us: i64,
    pub sources: Vec<String>,
    pub confidence_permille: u16,
    pub seq: Seq,
}
