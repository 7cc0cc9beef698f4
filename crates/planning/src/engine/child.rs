//! Runs inside of runs: a task that waits for the end of another playbook.
//!
//! Does not know how a child runs: it is a run like any other, whose end is an answer to its parent.

use sinew_contract::{EffectId, Fault, Label, RunEnd, RunId};

use super::flow::{Flow, join_into};
use super::live::{Live, Moment, State};
use super::step::Next;
use crate::playbook::{Action, Child, Task};
use crate::{Effect, SpawnAsk, faults};

impl Live {
    /// Asks for a child.
    pub(super) fn spawn(&mut self, task: &Task, child: &Child, input: &Flow, now: Moment) -> Result<Next, Fault> {
        let given = match &child.input {
            Some(template) => self.in_task(task, |scope| scope.template(template, input))?,
            None => input.clone(),
        };
        let effect = self.next_id();
        self.set_state(State::Child(None));
        let ask = SpawnAsk {
            effect,
            playbook: child.name.clone(),
            version: child.version.clone(),
            digest: None,
            input: (*given.value).clone(),
            label: given.label().join(&self.control),
        };
        Ok(self.ask(effect, Effect::Spawn(Box::new(ask)), now))
    }

    /// Says whether the task behind this question wants to know the end of its child.
    pub fn awaits(&self, id: EffectId) -> bool {
        let place = self.place_where(|active| active.waiting == Some(id));
        let task = place.and_then(|place| self.active_at(place)).map(|active| self.playbook.task(active.task));
        matches!(task.map(|task| &task.action), Some(Action::Run(child)) if child.is_awaited)
    }

    /// The child has begun; the task waits for its end, or goes on at once where nobody wants to know.
    pub(super) fn child_began(&mut self, child: RunId, is_awaited: bool) -> Next {
        if !is_awaited {
            let input = self.active().map(|active| active.input.clone());
            return input.map_or_else(|| Next::Fault(faults::runtime("a child lost its parent")), Next::Done);
        }
        self.set_state(State::Child(Some(child)));
        Next::Wait
    }

    /// The child has ended.
    pub(super) fn child_ended(&mut self, end: &RunEnd, label: &Label) -> Next {
        match end {
            RunEnd::Completed { output } => Next::Done(self.meet(Flow::new(output.clone(), label.clone()))),
            RunEnd::Faulted { error } => {
                join_into(&mut self.met, label);
                Next::Fault(Fault { instance: None, ..error.clone() })
            }
            RunEnd::Cancelled { reason } => {
                Next::Fault(faults::runtime(format!("the playbook was cancelled: {reason}")))
            }
        }
    }
}
