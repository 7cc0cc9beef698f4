//! Undoing what a try has done, in reverse, each undo an act of its own.
//!
//! Does not know targets. Only what this run did itself is undone: where an act only got an earlier receipt again, the thing
//! belongs to whoever did it. What nobody knows to be done is stuck, for a person.

use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{Fault, Label, Outcome, Trust, Wish};

use super::flow::Flow;
use super::live::{DoneAct, Live, Moment, State, UndoState};
use super::step::Next;
use crate::faults;
use crate::playbook::{Action, Expr, Undo, Uses, Vars};

impl Live {
    /// Keeps an act that can be undone.
    pub(super) fn remember_act(&mut self, act: DoneAct) {
        self.acts.push(act);
    }

    /// Begins a compensation.
    pub(super) fn compensate(&mut self, with: &Value, now: Moment) -> Result<Next, Fault> {
        let scope = with.get("scope").and_then(Value::as_str).unwrap_or_default();
        let Some(of) = self.handling(scope) else {
            return Err(faults::validation(format!(
                "there is no try `{scope}` around this whose error is being handled"
            )));
        };
        let in_scope = |act: &DoneAct| !act.undone && act.tries.contains(&of);
        let left = self.acts.iter().enumerate().filter(|(_, act)| in_scope(act)).map(|(at, _)| at).collect();
        let faults = with.get("onStuck").is_none_or(|word| word == "fault");
        self.set_state(State::Undo(UndoState { left, faults, ..UndoState::default() }));
        self.undo_next(now)
    }

    /// Undoes the last act that is left, or is done.
    fn undo_next(&mut self, now: Moment) -> Result<Next, Fault> {
        while let Some(at) = self.undo_state().and_then(|state| state.left.last().copied()) {
            match self.undo_wish_of(at) {
                Ok((wish, label)) => return Ok(self.act(wish, None, label.into(), now)),
                Err(reason) => self.settle_undo(at, Err(reason)),
            }
        }
        self.undo_done()
    }

    fn undo_wish_of(&mut self, at: usize) -> Result<(Wish, Label), String> {
        let playbook = Arc::clone(&self.playbook);
        let act = self.acts.get(at).expect("invariant: places of acts are taken from the list");
        let Some(receipt) = &act.receipt else { return Err("nobody knows whether it was done".to_owned()) };
        let Some(undo) = undo_of(&playbook.task(act.task).action) else { return Err("nothing undoes it".to_owned()) };
        let input = Arc::new(json!({ "args": *act.args, "receipt": receipt }));
        let (args, label) = (evaluate(&undo.args_from, &input)?, act.label.clone());
        let (key, effect) = (act.key.clone(), act.effect);
        let wish = self.undo_wish(undo.capability.clone(), args, &key, effect);
        Ok((wish, label))
    }

    /// Takes the outcome of the undo that was asked last.
    pub(super) fn undone(&mut self, outcome: &Outcome, now: Moment) -> Result<Next, Fault> {
        let at = self.undo_state().and_then(|state| state.left.last().copied());
        let at = at.expect("invariant: an undo that was asked is the last of those left");
        let result = match outcome {
            Outcome::Done { receipt, .. } => Ok(receipt.clone()),
            Outcome::Refused { reason, .. } | Outcome::Failed { reason, .. } | Outcome::Unknown { reason } => {
                Err(format!("{}: {reason}", outcome.word()))
            }
        };
        self.settle_undo(at, result);
        self.undo_next(now)
    }

    fn settle_undo(&mut self, at: usize, result: Result<Value, String>) {
        let act = self.acts.get_mut(at).expect("invariant: places of acts are taken from the list");
        act.undone = result.is_ok();
        let mut line = json!({ "capability": act.capability, "key": act.key });
        let Some(state) = self.undo_state_mut() else { return };
        state.left.pop();
        match result {
            Ok(receipt) => {
                line["receipt"] = receipt;
                state.undone.push(line);
            }
            Err(reason) => {
                line["reason"] = Value::String(reason);
                state.stuck.push(line);
            }
        }
    }

    fn undo_done(&mut self) -> Result<Next, Fault> {
        let Some(state) = self.undo_state_mut() else { return Err(faults::runtime("a compensation lost its place")) };
        let (undone, stuck) = (std::mem::take(&mut state.undone), std::mem::take(&mut state.stuck));
        if state.faults && !stuck.is_empty() {
            return Err(faults::stuck(Value::Array(stuck).to_string()));
        }
        let output = json!({ "undone": undone, "stuck": stuck });
        Ok(Next::Done(Flow::new(output, Label::new("undo", Trust::Observed))))
    }

    fn undo_state(&self) -> Option<&UndoState> {
        match &self.active()?.state {
            State::Undo(state) => Some(state),
            _ => None,
        }
    }

    fn undo_state_mut(&mut self) -> Option<&mut UndoState> {
        match &mut self.active_mut()?.state {
            State::Undo(state) => Some(state),
            _ => None,
        }
    }
}

pub(super) fn undo_of(action: &Action) -> Option<&Undo> {
    match action {
        Action::Call(call) => call.undo.as_ref(),
        Action::Http(http) => http.undo.as_ref(),
        _ => None,
    }
}

/// `argsFrom` looks at nothing but its input.
fn evaluate(expr: &Expr, input: &Arc<Value>) -> Result<Value, String> {
    struct Nothing;
    impl Vars for Nothing {
        fn var(&self, _: &str, _: &Uses) -> Arc<Value> {
            Arc::new(Value::Null)
        }
    }
    expr.eval(input, &Nothing).map(Arc::unwrap_or_clone).map_err(|error| error.to_string())
}
