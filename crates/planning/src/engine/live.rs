//! A run that has not ended: where it stands, what it knows, what it has asked.
//!
//! Does not know how it moves; that is `step`. Small numbers name places in the playbook, so that many runs can wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{
    CapabilityName, EffectId, Endorsed, Evidence, Fault, GateId, Label, RunEnd, RunId, Seq, Stepped, Timestamp, Trust,
};
use sinew_expr::Labels;

use super::evidence::Seen;
use super::flow::{Context, Flow, join_into};
use super::step::Next;
use crate::Effect;
use crate::playbook::{BlockId, Playbook, Task, TaskId, Then};

/// The entry that is being folded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub seq: Seq,
    pub at: Timestamp,
}

/// A run that has not ended.
#[derive(Debug)]
pub(crate) struct Live {
    pub id: RunId,
    pub playbook: Arc<Playbook>,
    pub started: Timestamp,
    /// The workflow input as it came.
    pub raw: Flow,
    /// The same after `input.from`.
    pub input: Flow,
    pub context: Context,
    /// The joined label of all that was branched on so far.
    pub control: Label,
    /// Whatever untrusted was branched on was one of a closed list.
    pub control_closed: bool,
    /// The joined label of all that has come in so far.
    pub met: Label,
    /// The lists in which the strand that moves stands, innermost last.
    pub frames: Vec<Frame>,
    /// Which strand that is; 0 is the run's own.
    pub strand: StrandId,
    /// The strands beside it.
    pub parked: BTreeMap<StrandId, Vec<Frame>>,
    /// Which strand waits for a branch, and which of its branches that is.
    pub parents: BTreeMap<StrandId, (StrandId, usize)>,
    /// Strands that have something to do before the next entry.
    pub ready: VecDeque<(StrandId, Next)>,
    /// How many branches there were.
    pub strands: u32,
    /// The timer of the whole run.
    pub timeout: Option<EffectId>,
    /// Children that nobody waits for any more.
    pub orphans: Vec<RunId>,
    /// The label of the output, once it has ended.
    pub ended_with: Option<Label>,
    /// What was asked and has no answer, and notes that are not journaled, in the order of asking.
    pub queue: VecDeque<Asked>,
    /// How many questions there were.
    pub steps: u32,
    /// Acts that were done and can be undone, in order.
    pub acts: Vec<DoneAct>,
    /// What the next task gets, where it may not be entered before what was passed is on disk.
    pub held: VecDeque<(StrandId, Flow)>,
    /// What persons have approved.
    pub approved: BTreeMap<GateId, (CapabilityName, Arc<Value>)>,
    /// What a person at a gate is shown.
    pub seen: Seen,
    /// Whom the run is about.
    pub subjects: BTreeSet<String>,
    /// What a system of record vouches for in the answer that comes next.
    pub endorsed: Option<Endorsed>,
}

/// A line of tasks, one after the other; a fork has several.
pub(crate) type StrandId = u32;

/// One list of tasks that is being run.
#[derive(Debug)]
pub(crate) struct Frame {
    pub block: BlockId,
    pub at: usize,
    /// The task at `at`, once it was entered.
    pub active: Option<Active>,
}

/// A task that was entered and is not done.
#[derive(Debug)]
pub(crate) struct Active {
    pub task: TaskId,
    pub input: Flow,
    pub started: Timestamp,
    /// The question that it waits for.
    pub waiting: Option<EffectId>,
    /// The timer that ends it.
    pub timeout: Option<EffectId>,
    /// Where a switch went.
    pub went: Option<(String, Then)>,
    pub state: State,
}

/// What a task remembers between questions.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing.
    Plain,
    /// A try.
    Try(TryState),
    /// A compensation.
    Undo(UndoState),
    /// An act, with what it was asked with.
    Act(Arc<Value>),
    /// A look into memory, with the label of what it was asked with.
    Recall(Label),
    /// A loop.
    For(ForState),
    /// Branches.
    Fork(ForkState),
    /// A listener.
    Listen(Box<ListenState>),
    /// A child, once it has begun.
    Child(Option<RunId>),
    /// A call that an OpenAPI document describes, while the document is on its way.
    Document,
}

/// How a loop stands.
#[derive(Debug)]
pub(crate) struct ForState {
    pub items: Arc<Value>,
    pub at: usize,
    /// Of each item.
    pub labels: Arc<Labels>,
}

/// How branches stand.
#[derive(Debug)]
pub(crate) struct ForkState {
    /// What each has given, in the order in which they are written.
    pub outputs: Vec<Option<Flow>>,
    pub open: usize,
    pub compete: bool,
}

/// How a listener stands.
#[derive(Debug, Default)]
pub(crate) struct ListenState {
    /// What was consumed.
    pub heard: Vec<Value>,
    /// The filters that have had their event, and those of `until`.
    pub matched: Vec<bool>,
    pub until_matched: Vec<bool>,
    /// The values that events must share.
    pub shared: BTreeMap<String, Value>,
    /// What waits for its turn.
    pub backlog: VecDeque<Value>,
    /// The event whose turn it is.
    pub item: Option<Arc<Value>>,
    /// What each turn gave.
    pub outputs: Vec<Value>,
    pub label: Option<Label>,
    /// No further event is consumed.
    pub is_over: bool,
}

/// How a try stands.
#[derive(Debug, Default)]
pub(crate) struct TryState {
    pub phase: Phase,
    /// Repetitions so far.
    pub attempts: u32,
    /// When the first error came.
    pub first_error: Option<Timestamp>,
}

/// What a try is doing.
#[derive(Debug, Default)]
pub(crate) enum Phase {
    /// Its tasks.
    #[default]
    Body,
    /// Waiting before its tasks are tried again.
    Pause,
    /// What it does about this error.
    Handler(Arc<Value>),
}

/// How a compensation stands.
#[derive(Debug, Default)]
pub(crate) struct UndoState {
    /// Acts to undo, the next one last.
    pub left: Vec<usize>,
    pub undone: Vec<Value>,
    pub stuck: Vec<Value>,
    /// Whether what is stuck is an error.
    pub faults: bool,
}

/// An act that was done, or perhaps was, and can be undone.
#[derive(Debug)]
pub(crate) struct DoneAct {
    pub effect: EffectId,
    pub capability: String,
    pub key: String,
    /// The task, which says how to undo it.
    pub task: TaskId,
    pub args: Arc<Value>,
    /// None where nobody knows whether it was done.
    pub receipt: Option<Value>,
    /// The label of arguments and receipt together.
    pub label: Label,
    /// The tries it was done in.
    pub tries: Vec<TaskId>,
    pub undone: bool,
}

/// A question, a note or the end, and the entry that made the run ask.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub cause: Seq,
    pub effect: Effect,
    /// A note that may never be journaled: the question that it rides with was withdrawn.
    pub is_lost: bool,
}

impl Live {
    /// Puts something into the queue.
    pub fn push(&mut self, now: Moment, effect: Effect) {
        self.queue.push_back(Asked { cause: now.seq, effect, is_lost: false });
    }

    /// The id of the next question.
    pub fn next_id(&mut self) -> EffectId {
        self.steps += 1;
        EffectId { run: self.id, step: self.steps }
    }

    /// The task that was entered last, and its state.
    pub fn active(&self) -> Option<&Active> {
        self.frames.last()?.active.as_ref()
    }

    pub fn active_mut(&mut self) -> Option<&mut Active> {
        self.frames.last_mut()?.active.as_mut()
    }

    /// The question that the run waits for, where it waits for one; the first, where there are several.
    pub fn waiting(&self) -> Option<EffectId> {
        let in_strand = |frames: &[Frame]| frames.last()?.active.as_ref()?.waiting;
        in_strand(&self.frames).or_else(|| self.parked.values().find_map(|frames| in_strand(frames)))
    }

    /// Takes an answered question out of the queue.
    pub fn take(&mut self, id: EffectId) -> Option<Effect> {
        let at = self.queue.iter().position(|asked| asked.effect.id() == Some(id))?;
        self.queue.remove(at).map(|asked| asked.effect)
    }

    /// The first note that must still be journaled.
    pub fn next_note(&self) -> Option<&Stepped> {
        self.queue.iter().filter(|asked| !asked.is_lost).find_map(|asked| match &asked.effect {
            Effect::Note { stepped, .. } => Some(stepped),
            _ => None,
        })
    }

    /// Takes a note that came back out of the queue; says whether it was expected.
    ///
    /// Notes of strands that run side by side ride with different answers, so they may come back in another order.
    pub fn take_note(&mut self, found: &Stepped) -> bool {
        let is_it = |asked: &Asked| matches!(&asked.effect, Effect::Note { stepped, .. } if stepped == found);
        let at = self.queue.iter().position(is_it);
        at.and_then(|at| self.queue.remove(at)).is_some()
    }

    /// The end, where the run has come to it.
    pub fn end(&self) -> Option<&RunEnd> {
        self.queue.iter().rev().find_map(|asked| match &asked.effect {
            Effect::End { end, .. } => Some(end),
            _ => None,
        })
    }

    /// JSON pointer of the task that the run stands at.
    pub fn pointer(&self) -> Option<String> {
        let frame = self.frames.last()?;
        let id = self.playbook.block(frame.block).get(frame.at)?;
        Some(self.playbook.task(*id).pointer.to_string())
    }

    /// Joins what was branched on.
    pub fn branch_on(&mut self, labels: &Labels) {
        let label = labels.whole();
        self.control_closed &= label.trust > Trust::Untrusted || labels.is_closed();
        join_into(&mut self.control, &label);
    }

    /// Joins what has come in, and hands it on.
    pub fn meet(&mut self, flow: Flow) -> Flow {
        join_into(&mut self.met, &flow.label());
        flow
    }

    /// What a person at a gate is shown.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.seen.cards()
    }
}

/// Names the place of an error, where it has none.
pub(crate) fn placed(mut fault: Fault, task: &Task) -> Fault {
    fault.instance.get_or_insert_with(|| task.pointer.to_string());
    fault
}
