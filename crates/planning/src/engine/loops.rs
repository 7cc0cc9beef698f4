//! Loops: a list of tasks for each item, with the item and its place as variables.
//!
//! Does not know other tasks. Each turn begins with what the turn before gave.

use std::sync::Arc;

use sinew_contract::Fault;
use sinew_expr::Step;

use super::flow::Flow;
use super::live::{Active, ForState, Live, State};
use super::step::Next;
use crate::faults;
use crate::playbook::{Action, ForEach, Task};
use crate::switched::off;

/// A loop over more items is a mistake: each turn is kept in the log.
const TURNS_MAX: usize = 10_000;

impl Live {
    /// Begins a loop.
    pub fn begin_loop(&mut self, task: &Task, each: &ForEach, input: Flow) -> Result<Next, Fault> {
        let items = self.in_task(task, |scope| scope.template(&each.items, &input))?;
        match items.value.as_array().map(Vec::len) {
            None => return Err(faults::validation("`in` gave no list")),
            Some(len) if len > TURNS_MAX => {
                return Err(faults::validation(format!("`in` gave {len} items; a loop has at most {TURNS_MAX}")));
            }
            Some(_) => {}
        }
        // How often tasks are done rests on the list.
        self.branch_on(&items.labels);
        let labels = Arc::new(items.labels.at(&Step::Any));
        self.set_state(State::For(ForState { items: items.value, at: 0, labels }));
        self.turn(task, each, input)
    }

    /// The tasks of a turn are done.
    pub fn turned(&mut self, output: Flow) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let Some(Active { task, state: State::For(state), .. }) = self.active_mut() else {
            return Err(faults::runtime("a loop lost its place"));
        };
        state.at += 1;
        let task = playbook.task(*task);
        let Action::For(each) = &task.action else { return Err(faults::runtime("a loop lost its task")) };
        self.turn(task, each, output)
    }

    fn turn(&mut self, task: &Task, each: &ForEach, flow: Flow) -> Result<Next, Fault> {
        let Some(Active { state: State::For(state), .. }) = self.active() else {
            return Err(faults::runtime("a loop lost its place"));
        };
        if state.items.as_array().is_none_or(|items| state.at >= items.len()) {
            return Ok(Next::Done(flow));
        }
        if let Some(condition) = each.while_holds.as_ref().filter(|_| !off("while")) {
            let (holds, labels) = self.in_task(task, |scope| scope.holds(condition, &flow))?;
            self.branch_on(&labels);
            if !holds {
                return Ok(Next::Done(flow));
            }
        }
        Ok(self.open(each.body, flow))
    }
}
