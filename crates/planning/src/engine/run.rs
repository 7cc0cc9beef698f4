//! A run as others see it, and what is kept of it when it has ended.
//!
//! Does not know how a run moves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sinew_contract::{EffectId, Label, PlaybookName, RunEnd, RunId, RunStarted, Seq, Stepped, Timestamp};

use super::evidence::Seen;
use super::flow::{Context, Flow, confidence, label_of_input};
use super::live::{Live, Moment};
use crate::Playbook;

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
    /// The question of another run that this run answers.
    pub parent: Option<EffectId>,
    /// See `RunStatus`.
    pub status: RunStatus,
    /// When it ended.
    pub ended: Option<Timestamp>,
    pub(super) live: Option<Box<Live>>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits for an answer.
    Live,
    /// It came to its end with an output.
    Completed,
    /// It came to its end with an error.
    Faulted,
    /// A person ended it.
    Cancelled,
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

impl Run {
    pub(super) fn new(id: RunId, started: &RunStarted, at: Timestamp) -> Self {
        Self {
            id,
            playbook: started.playbook.clone(),
            version: started.version.clone(),
            started: at,
            trigger: started.trigger,
            parent: started.parent,
            status: RunStatus::Live,
            ended: None,
            live: None,
        }
    }

    /// What the run waits for; none while it moves and when it has ended.
    pub fn waiting(&self) -> Option<EffectId> {
        self.live.as_deref()?.waiting()
    }

    /// Says whether any part of the run waits for this answer.
    pub fn waits_for(&self, id: EffectId) -> bool {
        self.live.as_deref().is_some_and(|live| live.strand_waiting_for(id).is_some())
    }

    /// JSON pointer of the task that the run stands at.
    pub fn at(&self) -> Option<String> {
        self.live.as_deref()?.pointer()
    }

    /// Drops all that it knew; only how and when it ended is kept.
    pub(super) fn end(&mut self, end: &RunEnd, at: Timestamp) {
        self.status = match end {
            RunEnd::Completed { .. } => RunStatus::Completed,
            RunEnd::Faulted { .. } => RunStatus::Faulted,
            RunEnd::Cancelled { .. } => RunStatus::Cancelled,
        };
        self.ended = Some(at);
        self.live = None;
    }
}

impl Live {
    /// A run before its first task.
    ///
    /// `label` is what the entry says about the trust of the input; where it says nothing, the kind of event does.
    pub(super) fn new(
        id: RunId,
        playbook: Arc<Playbook>,
        started: &RunStarted,
        label: Option<&Label>,
        now: Moment,
    ) -> Self {
        let label = label.cloned().unwrap_or_else(|| label_of_input(&started.input, started.trigger.is_some()));
        let met = label.clone();
        let raw = Flow::new(started.input.clone(), label);
        Self {
            id,
            playbook,
            started: now.at,
            input: raw.clone(),
            seen: Seen::new(&raw.value, confidence(&raw.value)),
            raw,
            context: Context::empty(),
            met,
            control: Label::owned(),
            control_closed: true,
            frames: Vec::new(),
            strand: 0,
            parked: BTreeMap::new(),
            parents: BTreeMap::new(),
            ready: VecDeque::new(),
            strands: 0,
            timeout: None,
            orphans: Vec::new(),
            ended_with: None,
            queue: VecDeque::new(),
            steps: 0,
            acts: Vec::new(),
            held: VecDeque::new(),
            approved: BTreeMap::new(),
            subjects: BTreeSet::new(),
            endorsed: None,
        }
    }
}
