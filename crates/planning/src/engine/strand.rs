//! Strands: the lines of tasks that a run follows side by side, and what is given up when one of them ends early.
//!
//! Does not know tasks. One strand moves at a time; the others are parked with their lists. Which one moves is decided by the
//! entries alone, so the order is the same each time the log is folded.

use std::iter::successors;
use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{EffectId, Label, Outcome, RunEnd, Trust};
use sinew_expr::Labels;

use super::flow::Flow;
use super::live::{Active, DoneAct, ForkState, Frame, Live, Moment, Phase, State, StrandId, TryState};
use super::step::Next;
use crate::playbook::{Action, BlockId, Fork, TaskId};
use crate::switched::off;
use crate::{Effect, faults};

impl Live {
    /// The lists of a strand, outermost first.
    fn frames_of(&self, strand: StrandId) -> &[Frame] {
        if strand == self.strand { &self.frames } else { self.parked.get(&strand).map_or(&[], Vec::as_slice) }
    }

    /// How many lists a strand stands in.
    pub fn depth_of(&self, strand: StrandId) -> usize {
        self.frames_of(strand).len()
    }

    /// All lists around a strand's place, innermost first, those of the strands that wait for it included.
    fn around(&self, strand: StrandId) -> impl Iterator<Item = &Frame> {
        let up = successors(Some(strand), |id| self.parents.get(id).map(|(parent, _)| *parent));
        up.flat_map(|id| self.frames_of(id).iter().rev())
    }

    /// A variable that a task around binds: an error that is being dealt with, an item, a place.
    pub fn bound(&self, name: &str) -> Option<(Arc<Value>, Arc<Labels>)> {
        self.around(self.strand).find_map(|frame| self.binds(frame.active.as_ref()?, name))
    }

    /// What an error says may quote whatever the run has met.
    pub fn labels_of_error(&self) -> Arc<Labels> {
        Arc::new(Label::new("error", Trust::Observed).join(&self.met).into())
    }

    fn binds(&self, active: &Active, name: &str) -> Option<(Arc<Value>, Arc<Labels>)> {
        match (&self.playbook.task(active.task).action, &active.state) {
            (Action::Try(_, catch), State::Try(TryState { phase: Phase::Handler(fault), .. }))
                if catch.name == name =>
            {
                Some((Arc::clone(fault), self.labels_of_error()))
            }
            (Action::For(each), State::For(state)) => {
                let label = Arc::clone(&state.labels);
                match name {
                    name if name == each.each => {
                        Some((Arc::new(state.items.get(state.at).cloned().unwrap_or(Value::Null)), label))
                    }
                    name if name == each.at => Some((Arc::new(json!(state.at)), label)),
                    _ => None,
                }
            }
            (Action::Listen(listen), State::Listen(state)) => {
                let each = listen.each.as_ref()?;
                let label = Arc::new(Labels::from(state.label.clone().unwrap_or_else(Label::owned)));
                match name {
                    name if name == each.item => Some((state.item.clone()?, label)),
                    name if name == each.at => Some((Arc::new(json!(state.outputs.len())), label)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The tries whose tasks are being run, outermost first.
    pub fn tries(&self) -> Vec<TaskId> {
        self.tries_at(self.strand)
    }

    fn tries_at(&self, strand: StrandId) -> Vec<TaskId> {
        let in_body = |frame: &Frame| {
            let active = frame.active.as_ref()?;
            matches!(active.state, State::Try(TryState { phase: Phase::Body, .. })).then_some(active.task)
        };
        let mut tries: Vec<_> = self.around(strand).filter_map(in_body).collect();
        tries.reverse();
        tries
    }

    /// The try around, by its name, whose handler is being run.
    pub fn handling(&self, name: &str) -> Option<TaskId> {
        self.around(self.strand).find_map(|frame| {
            let active = frame.active.as_ref()?;
            let handles = matches!(active.state, State::Try(TryState { phase: Phase::Handler(_), .. }));
            (handles && &*self.playbook.task(active.task).name == name).then_some(active.task)
        })
    }

    /// All strands, the run's own first.
    pub fn strand_ids(&self) -> Vec<StrandId> {
        let mut ids: Vec<_> = self.parked.keys().copied().chain([self.strand]).collect();
        ids.sort_unstable();
        ids
    }

    /// The strand whose innermost task waits for this answer.
    pub fn strand_waiting_for(&self, id: EffectId) -> Option<StrandId> {
        let waits = |strand: &StrandId| {
            let active = self.frames_of(*strand).last().and_then(|frame| frame.active.as_ref());
            active.is_some_and(|active| active.waiting == Some(id))
        };
        if waits(&self.strand) { Some(self.strand) } else { self.parked.keys().copied().find(waits) }
    }

    /// The strand and the list in it whose task is ended by this timer.
    pub fn place_of_timeout(&self, id: EffectId) -> Option<(StrandId, usize)> {
        self.place_where(|active| active.timeout == Some(id))
    }

    /// The strand and the list in it of the first task that is such.
    pub fn place_where(&self, such: impl Fn(&Active) -> bool) -> Option<(StrandId, usize)> {
        self.strand_ids().into_iter().find_map(|strand| {
            let at = self.frames_of(strand).iter().position(|frame| frame.active.as_ref().is_some_and(&such))?;
            Some((strand, at))
        })
    }

    /// The task that is being run in one list of a strand.
    pub fn active_at(&self, (strand, at): (StrandId, usize)) -> Option<&Active> {
        self.frames_of(strand).get(at)?.active.as_ref()
    }

    pub fn active_at_mut(&mut self, (strand, at): (StrandId, usize)) -> Option<&mut Active> {
        let frames = if strand == self.strand { &mut self.frames } else { self.parked.get_mut(&strand)? };
        frames.get_mut(at)?.active.as_mut()
    }

    /// Lets another strand move.
    pub fn switch_to(&mut self, strand: StrandId) {
        if strand == self.strand {
            return;
        }
        let frames = self.parked.remove(&strand).unwrap_or_default();
        let before = std::mem::replace(&mut self.frames, frames);
        if !before.is_empty() {
            self.parked.insert(self.strand, before);
        }
        self.strand = strand;
    }

    /// Begins branches: each is a strand of its own, and the first begins first.
    pub fn fork(&mut self, fork: &Fork, input: &Flow) -> Next {
        let outputs = fork.branches.iter().map(|_| None).collect();
        self.set_state(State::Fork(ForkState { outputs, open: fork.branches.len(), compete: fork.compete }));
        for (at, block) in fork.branches.iter().enumerate() {
            self.begin_branch(*block, at, input.clone());
        }
        Next::Wait
    }

    fn begin_branch(&mut self, block: BlockId, at: usize, input: Flow) {
        self.strands += 1;
        self.parked.insert(self.strands, vec![Frame { block, at: 0, active: None }]);
        self.parents.insert(self.strands, (self.strand, at));
        self.ready.push_back((self.strands, Next::Enter(input)));
    }

    /// The strand that moves has come to its end.
    pub fn strand_done(&mut self, output: Flow, now: Moment) -> Next {
        let Some((parent, at)) = self.parents.remove(&self.strand) else { return Next::End(output) };
        self.switch_to(parent);
        let Some(Active { state: State::Fork(state), .. }) = self.active_mut() else {
            return Next::Fault(faults::runtime("a branch lost its fork"));
        };
        state.open -= 1;
        if state.compete && !off("compete") {
            self.give_up_children(parent, now);
            return Next::Done(output);
        }
        if let Some(slot) = state.outputs.get_mut(at) {
            *slot = Some(output);
        }
        if state.open > 0 {
            return Next::Wait;
        }
        let outputs: Vec<Flow> = std::mem::take(&mut state.outputs).into_iter().flatten().collect();
        let label = outputs.iter().fold(Label::owned(), |all, flow| all.join(&flow.label()));
        Next::Done(Flow::new(outputs.into_iter().map(|flow| Arc::unwrap_or_clone(flow.value)).collect(), label))
    }

    /// A branch failed: the strand that waits for it goes on with the error, the other branches are given up.
    ///
    /// False for the run's own strand, which nobody waits for.
    pub fn up_to_parent(&mut self, now: Moment) -> bool {
        let Some((parent, _)) = self.parents.remove(&self.strand) else { return false };
        self.switch_to(parent);
        self.give_up_children(parent, now);
        true
    }

    /// Ends the strands that a strand waits for, and what they have asked.
    fn give_up_children(&mut self, of: StrandId, now: Moment) {
        let children: Vec<_> = self.parents.iter().filter(|(_, (up, _))| *up == of).map(|(id, _)| *id).collect();
        for child in children {
            self.give_up_children(child, now);
            for frame in self.parked.remove(&child).unwrap_or_default() {
                let tries = self.tries_at(child);
                self.give_up(frame, tries, now);
            }
            self.parents.remove(&child);
            self.ready.retain(|(strand, _)| *strand != child);
            self.held.retain(|(strand, _)| *strand != child);
        }
    }

    /// Leaves a list early: timers and questions of the task in it are withdrawn.
    fn give_up(&mut self, frame: Frame, tries: Vec<TaskId>, now: Moment) {
        let Some(active) = frame.active else { return };
        self.release(&active, now);
        if let Some(Effect::Act(ask)) = active.waiting.and_then(|id| self.withdraw(id, now)) {
            self.stray(&active, &ask, tries);
        }
        if let State::Child(Some(child)) = active.state {
            self.orphans.push(child);
        }
    }

    /// Leaves the innermost list early.
    pub fn drop_frame(&mut self, now: Moment) {
        let Some(frame) = self.frames.pop() else { return };
        if matches!(frame.active.as_ref().map(|active| &active.state), Some(State::Fork(_))) {
            self.give_up_children(self.strand, now);
        }
        let tries = self.tries();
        self.give_up(frame, tries, now);
    }

    /// Leaves everything.
    pub fn drop_all(&mut self, now: Moment) {
        self.switch_to(0);
        while !self.frames.is_empty() {
            self.drop_frame(now);
        }
        self.ready.clear();
        self.held.clear();
        if let Some(id) = self.timeout.take() {
            self.withdraw(id, now);
        }
    }

    /// The timer of a task that is left is not waited for any more.
    pub fn release(&mut self, active: &Active, now: Moment) {
        if let Some(id) = active.timeout {
            self.withdraw(id, now);
        }
    }

    /// Takes a question back. Notes that ride with it may be lost with it: the log may show them, and need not.
    fn withdraw(&mut self, id: EffectId, now: Moment) -> Option<Effect> {
        let at = self.queue.iter().position(|asked| asked.effect.id() == Some(id))?;
        let asked = self.queue.remove(at)?;
        let rides = |note: &&mut super::live::Asked| note.cause == asked.cause && asked.cause != now.seq;
        let notes = self.queue.iter_mut().take(at).filter(rides);
        notes.filter(|note| matches!(note.effect, Effect::Note { .. })).for_each(|note| note.is_lost = true);
        Some(asked.effect)
    }

    /// An act that is on its way while nobody waits for it any more: until its end is known, nobody knows whether it was done.
    fn stray(&mut self, active: &Active, ask: &crate::ActAsk, tries: Vec<TaskId>) {
        let undoable = super::saga::undo_of(&self.playbook.task(active.task).action).is_some();
        if !undoable || ask.wish.compensates.is_some() {
            return;
        }
        self.remember_act(DoneAct {
            effect: ask.wish.effect,
            capability: ask.wish.capability.to_string(),
            key: ask.wish.key.clone(),
            task: active.task,
            args: Arc::new(ask.wish.args.clone()),
            receipt: None,
            label: Label::new(ask.wish.capability.as_str(), Trust::Observed).join(&ask.args_label),
            tries,
            undone: false,
        });
    }

    /// What became of a stray.
    pub fn settle_stray(&mut self, id: EffectId, outcome: &Outcome) {
        match outcome {
            Outcome::Done { receipt, first: None } => {
                self.acts.iter_mut().filter(|act| act.effect == id).for_each(|act| act.receipt = Some(receipt.clone()));
            }
            Outcome::Unknown { .. } => {}
            _ => self.acts.retain(|act| act.effect != id),
        }
    }

    /// Time is up for the task in one list: everything inside of it is left, and it fails.
    pub fn interrupt(&mut self, (strand, at): (StrandId, usize), now: Moment) -> Next {
        self.switch_to(strand);
        while self.frames.len() > at + 1 {
            self.drop_frame(now);
        }
        let (block, place) = self.frames.last().map_or((self.playbook.root, 0), |frame| (frame.block, frame.at));
        self.drop_frame(now);
        // The list stays, without its task, so that the error has its place.
        self.frames.push(Frame { block, at: place, active: None });
        Next::Fault(faults::timeout("the task took longer than it may"))
    }

    /// Time is up for the whole run.
    pub fn out_of_time(&mut self, now: Moment) {
        self.timeout = None;
        let error = faults::timeout("the run took longer than it may");
        self.finish(RunEnd::Faulted { error }, now);
    }
}
