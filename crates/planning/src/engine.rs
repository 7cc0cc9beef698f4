//! The fold that runs playbooks: entries in, effects out. Pure: no clock, disk, net, random source or hash order.
//!
//! Does not know who carries effects out. Time comes from the entries alone, so the same log gives the same effects.
//!
//! ```text
//! entry -> apply -> effects: a note per passed task, then one question, or the end
//!            ^                                              |
//!            └────────── its answer, journaled ─────────────┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Digest, Entry, PlaybookName, RunId, Seq, Stepped, Timestamp};

use crate::{Effect, Playbook};

/// The version of the engine's semantics: stands in every `run-started`.
pub const ENGINE_VERSION: u32 = 1;

/// All runs of one log, folded.
#[derive(Debug, Default)]
pub struct Engine {
    playbooks: BTreeMap<Digest, Arc<Playbook>>,
    runs: BTreeMap<RunId, Run>,
    divergences: Vec<Divergence>,
    folded: Seq,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Which.
    pub id: RunId,
    /// Of which playbook.
    pub playbook: PlaybookName,
    /// Of which version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// The event that started it.
    pub trigger: Option<Seq>,
    /// See `RunStatus`.
    pub status: RunStatus,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits for an answer.
    Live,
    /// It came to its end; only that is kept.
    Ended,
    /// Its log says something else than its playbook: it asks for nothing any more, a person must look.
    Diverged,
}

/// A place where the log and the fold say different things.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// In which run.
    pub run: RunId,
    /// At which entry.
    pub seq: Seq,
    /// What the fold had passed and expected to read; none where it expected nothing.
    pub expected: Option<Stepped>,
    /// What the log says, where it is about a passed task.
    pub found: Option<Stepped>,
    /// In words.
    pub what: String,
}

impl Engine {
    /// An engine that starts and continues runs of these playbooks.
    pub fn new(playbooks: impl IntoIterator<Item = Arc<Playbook>>) -> Self {
        let mut engine = Self::default();
        engine.offer(playbooks);
        engine
    }

    /// Replaces the playbooks that new events start; runs keep the version they began with.
    pub fn offer(&mut self, playbooks: impl IntoIterator<Item = Arc<Playbook>>) {
        self.playbooks.extend(playbooks.into_iter().map(|p| (p.digest(), p)));
    }

    /// The playbook with this digest, current or still held by a run.
    pub fn playbook(&self, digest: Digest) -> Option<&Arc<Playbook>> {
        self.playbooks.get(&digest)
    }

    /// Folds the next entry in and returns what it makes the runs ask for. Entries come in order, without a gap.
    pub fn apply(&mut self, entry: &Entry) -> Vec<Effect> {
        self.folded = entry.seq();
        Vec::new()
    }

    /// Everything that was asked and has no answer yet, notes not yet journaled included, in the order of asking.
    pub fn pending(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// The playbooks that an event starts, each with the workflow input (an array of CloudEvents, as the DSL says).
    pub fn starts(&self, entry: &Entry) -> Vec<(Arc<Playbook>, Value)> {
        let _ = entry;
        Vec::new()
    }

    /// Events that match a playbook and have no run of it yet: what a crash between event and start left behind.
    ///
    /// Starts are journaled in the order of events, so an event before one that has been started was considered then.
    pub fn unstarted(&self) -> Vec<(Seq, Arc<Playbook>, Value)> {
        Vec::new()
    }

    /// A run, live or ended.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// All runs, in the order in which they started.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Where log and fold disagree; empty is the proof that a replay is true.
    pub fn divergences(&self) -> &[Divergence] {
        &self.divergences
    }

    /// The last entry folded in.
    pub const fn folded(&self) -> Seq {
        self.folded
    }
}
