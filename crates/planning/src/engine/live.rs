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
use crate::Effect;
use crate::playbook::{Action, BlockId, Playbook, Task, TaskId, Then};

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
    /// The lists it stands in, innermost last.
    pub frames: Vec<Frame>,
    /// What was asked and has no answer, and notes that are not journaled, in the order of asking.
    pub queue: VecDeque<Asked>,
    /// How many questions there were.
    pub steps: u32,
    /// Acts that were done and can be undone, in order.
    pub acts: Vec<DoneAct>,
    /// What the next task gets, where it may not be entered before what was passed is on disk.
    pub held: Option<Flow>,
    /// What persons have approved.
    pub approved: BTreeMap<GateId, (CapabilityName, Arc<Value>)>,
    /// What a person at a gate is shown.
    pub seen: Seen,
    /// Whom the run is about.
    pub subjects: BTreeSet<String>,
    /// What a system of record vouches for in the answer that comes next.
    pub endorsed: Option<Endorsed>,
}

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
}

impl Live {
    /// Puts something into the queue.
    pub fn push(&mut self, now: Moment, effect: Effect) {
        self.queue.push_back(Asked { cause: now.seq, effect });
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

    /// The question that the run waits for, where it waits.
    pub fn waiting(&self) -> Option<EffectId> {
        self.active()?.waiting
    }

    /// Takes an answered question out of the queue.
    pub fn take(&mut self, id: EffectId) -> Option<Effect> {
        let at = self.queue.iter().position(|asked| asked.effect.id() == Some(id))?;
        self.queue.remove(at).map(|asked| asked.effect)
    }

    /// The note that must be journaled next.
    pub fn next_note(&self) -> Option<(usize, &Stepped)> {
        self.queue.iter().enumerate().find_map(|(at, asked)| match &asked.effect {
            Effect::Note { stepped, .. } => Some((at, stepped)),
            _ => None,
        })
    }

    /// The end, where the run has come to it.
    pub fn end(&self) -> Option<&RunEnd> {
        self.queue.iter().rev().find_map(|asked| match &asked.effect {
            Effect::End { end, .. } => Some(end),
            _ => None,
        })
    }

    /// The error that a handler around is dealing with, by the name of its variable.
    pub fn caught(&self, name: &str) -> Option<Arc<Value>> {
        self.frames.iter().rev().find_map(|frame| {
            let active = frame.active.as_ref()?;
            let Action::Try(_, catch) = &self.playbook.task(active.task).action else { return None };
            match &active.state {
                State::Try(TryState { phase: Phase::Handler(fault), .. }) if catch.name == name => {
                    Some(Arc::clone(fault))
                }
                _ => None,
            }
        })
    }

    /// The tries whose tasks are being run, outermost first.
    pub fn tries(&self) -> Vec<TaskId> {
        let in_body = |frame: &Frame| {
            let active = frame.active.as_ref()?;
            matches!(active.state, State::Try(TryState { phase: Phase::Body, .. })).then_some(active.task)
        };
        self.frames.iter().filter_map(in_body).collect()
    }

    /// The try around, by its name, whose handler is being run.
    pub fn handling(&self, name: &str) -> Option<TaskId> {
        self.frames.iter().rev().find_map(|frame| {
            let active = frame.active.as_ref()?;
            let handles = matches!(active.state, State::Try(TryState { phase: Phase::Handler(_), .. }));
            (handles && &*self.playbook.task(active.task).name == name).then_some(active.task)
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
