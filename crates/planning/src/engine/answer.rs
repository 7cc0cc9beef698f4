//! From a journaled answer back into the run: what was asked has now an output, or an error.
//!
//! Does not know how the answer came about.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sinew_contract::{
    Answer, Concluded, EffectId, Entry, Fault, GateAnswered, Label, LabelMap, Outcome, Proposal, Recalled, Record,
    Trust,
};
use sinew_expr::Labels;

use super::flow::{Flow, join_into};
use super::live::{DoneAct, Live, Moment, State};
use super::step::Next;
use crate::playbook::Action;
use crate::{ActAsk, Effect, faults};

/// What an answer did.
pub(crate) enum Answered {
    /// The run went on.
    Taken,
    /// It is about something that the run does not wait for any more, or that only the dispatcher waits for.
    Ignored,
    /// It cannot be an answer to what was asked.
    Absurd(String),
}

impl Live {
    /// Takes an answer and goes on until the next question or the end.
    pub fn answer(&mut self, id: EffectId, entry: &Entry, now: Moment) -> Answered {
        if id.step > self.steps {
            return Answered::Absurd(format!("`{}` answers {id}, which was never asked", entry.record.kind()));
        }
        if let Record::TimerFired(_) = &entry.record
            && self.times_out(id, now)
        {
            return Answered::Taken;
        }
        let Some(strand) = self.strand_waiting_for(id) else {
            if let Record::Concluded(concluded) = &entry.record {
                self.settle_stray(id, &concluded.outcome);
            }
            return Answered::Ignored;
        };
        let Some(asked) =
            self.queue.iter().find(|asked| asked.effect.id() == Some(id)).map(|asked| asked.effect.clone())
        else {
            return Answered::Ignored;
        };
        if let Record::Endorsed(endorsed) = &entry.record {
            self.endorsed = Some(endorsed.clone());
            return Answered::Ignored;
        }
        let next = match next_after(&asked, entry, now) {
            Ok(Some(next)) => next,
            Ok(None) => return Answered::Ignored,
            Err(problem) => return Answered::Absurd(problem),
        };
        self.take(id);
        self.switch_to(strand);
        let next = next(self);
        self.drive(next, now);
        Answered::Taken
    }

    /// A timer that ends a task or the run; says whether it was one.
    fn times_out(&mut self, id: EffectId, now: Moment) -> bool {
        if self.timeout == Some(id) {
            self.take(id);
            self.out_of_time(now);
            return true;
        }
        let Some(place) = self.place_of_timeout(id) else { return false };
        self.take(id);
        let next = self.interrupt(place, now);
        self.drive(next, now);
        true
    }

    /// The run whose parent waits has begun or ended, or an event of the run's own stands in the log.
    pub fn go_on_with(&mut self, id: EffectId, now: Moment, next: impl FnOnce(&mut Self) -> Next) -> bool {
        let Some(strand) = self.strand_waiting_for(id) else { return false };
        self.switch_to(strand);
        let next = next(self);
        if !matches!(next, Next::Wait)
            && let Some(active) = self.active_mut()
        {
            active.waiting = None;
        }
        self.drive(next, now);
        true
    }

    /// The innermost task waits no more.
    fn go_on(&mut self, then: impl FnOnce(&mut Self) -> Result<Next, Fault>) -> Next {
        if let Some(active) = self.active_mut() {
            active.waiting = None;
        }
        then(self).unwrap_or_else(Next::Fault)
    }

    fn proposed(&mut self, answer: Result<Proposal, Fault>, asked: &Label, schema: &Value) -> Result<Next, Fault> {
        let proposal = answer?;
        self.seen.proposed(&proposal);
        let label = label_of_answer(&proposal, asked);
        let labels = closed_by(schema, &label);
        Ok(Next::Done(self.meet(Flow::new(proposal.value, labels))))
    }

    fn recalled(&mut self, answer: Result<Value, Fault>, mut label: Label) -> Result<Next, Fault> {
        let items = answer?;
        self.seen.recalled(&items);
        if let Some(State::Recall(asked)) = self.active().map(|active| &active.state) {
            join_into(&mut label, asked);
        }
        Ok(Next::Done(self.meet(Flow::new(items, label))))
    }

    fn timer_fired(&mut self) -> Next {
        if let Some(active) = self.active_mut() {
            active.waiting = None;
        }
        if let Some(next) = self.resume_try() {
            return next;
        }
        match self.active() {
            Some(active) => Next::Done(active.input.clone()),
            None => Next::Fault(faults::runtime("a wait lost its place")),
        }
    }

    fn gate_answered(
        &mut self,
        proposal: Option<(sinew_contract::CapabilityName, Value)>,
        answered: &GateAnswered,
        now: Moment,
    ) -> Next {
        let approved = answered.answer == Answer::Approve;
        if let Some((capability, args)) = proposal.filter(|_| approved) {
            self.approved.insert(answered.gate, (capability, Arc::new(args)));
        }
        let output = json!({
            "decision": if approved { "approve" } else { "reject" },
            "by": answered.by.as_ref().map(ToString::to_string),
            "at": now.at.to_string(),
            "note": answered.note,
            "token": answered.gate.to_string(),
        });
        Next::Done(Flow::new(output, Label::new("person", Trust::Verified)))
    }

    fn concluded(&mut self, ask: &ActAsk, concluded: &Concluded, now: Moment) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let task = self.active().map(|active| active.task);
        let task = task.expect("invariant: who waits for an act stands at its task");
        match &playbook.task(task).action {
            Action::Http(http) => self.http_answered(http, task, ask, &concluded.outcome),
            Action::OpenApi(call) => self.openapi_answered(call, task, ask, &concluded.outcome, now),
            Action::Call(_) if matches!(self.active().map(|a| &a.state), Some(State::Undo(_))) => {
                self.undone(&concluded.outcome, now)
            }
            Action::Call(call) => {
                let is_undoable = call.undo.is_some();
                self.acted(is_undoable, task, ask, &concluded.outcome)
            }
            _ => Err(faults::runtime("an act answers a task that does not act")),
        }
    }

    /// An act of the playbook itself.
    pub(super) fn acted(
        &mut self,
        is_undoable: bool,
        task: crate::playbook::TaskId,
        ask: &ActAsk,
        outcome: &Outcome,
    ) -> Result<Next, Fault> {
        let args = match self.active_mut().map(|active| std::mem::replace(&mut active.state, State::Plain)) {
            Some(State::Act(args)) => args,
            _ => Arc::new(ask.wish.args.clone()),
        };
        let label = Label::new(ask.wish.capability.as_str(), Trust::Observed).join(&ask.args_label);
        let (receipt, ours) = match outcome {
            Outcome::Done { receipt, first } => (Some(receipt.clone()), first.is_none()),
            Outcome::Unknown { .. } => (None, true),
            Outcome::Refused { .. } | Outcome::Failed { .. } => (None, false),
        };
        if is_undoable && ours {
            let tries = self.tries();
            let (capability, key) = (ask.wish.capability.to_string(), ask.wish.key.clone());
            let (args, receipt) = (Arc::clone(&args), receipt.clone());
            self.remember_act(DoneAct {
                effect: ask.wish.effect,
                capability,
                key,
                task,
                args,
                receipt,
                label: label.clone(),
                tries,
                undone: false,
            });
        }
        if let Some(fault) = faults::of_outcome(outcome) {
            return Err(fault);
        }
        let mut output = Map::new();
        output.insert("receipt".to_owned(), receipt.unwrap_or(Value::Null));
        output.insert("args".to_owned(), Arc::unwrap_or_clone(args));
        output.insert("outcome".to_owned(), json!("done"));
        if let Outcome::Done { first: Some(first), .. } = outcome {
            output.insert("first".to_owned(), json!(first));
        }
        let labels =
            Labels::object([("receipt".to_owned(), label.into()), ("args".to_owned(), ask.args_labels.clone())]);
        Ok(Next::Done(self.meet(Flow::new(Value::Object(output), labels))))
    }
}

/// What a run does with an answer.
type Step = Box<dyn FnOnce(&mut Live) -> Next>;

/// What the run does next; none where the record is not the answer, an error where it contradicts the question.
fn next_after(asked: &Effect, entry: &Entry, now: Moment) -> Result<Option<Step>, String> {
    let record = &entry.record;
    let step: Step = match (asked, record) {
        (Effect::Infer(ask), Record::Proposed(proposed)) => {
            let (answer, ask) = (proposed.answer.clone(), ask.clone());
            Box::new(move |live| live.go_on(|live| live.proposed(answer, &ask.label, &ask.schema)))
        }
        (Effect::Recall(_), Record::Recalled(recalled)) => {
            let (answer, label) = (recalled.answer.clone(), label_of_items(recalled, &entry.labels));
            Box::new(move |live| live.go_on(|live| live.recalled(answer, label)))
        }
        (Effect::Remember(ask), Record::Remembered(found)) if ask.fact != *found => {
            return Err("what was remembered is not what the run asked to remember".to_owned());
        }
        (Effect::Remember(ask), Record::Remembered(_)) => {
            let id = ask.fact.effect.to_string();
            Box::new(move |live| live.go_on(|_| Ok(Next::Done(Flow::new(json!({ "id": id }), Label::owned())))))
        }
        (Effect::Act(ask), Record::Concluded(concluded)) if ask.wish.capability != concluded.capability => {
            return Err(format!("`{}` was asked for, `{}` was done", ask.wish.capability, concluded.capability));
        }
        (Effect::Act(_), Record::Concluded(concluded)) if !concluded.last => return Ok(None),
        (Effect::Act(ask), Record::Concluded(concluded)) => {
            let (ask, concluded) = (ask.clone(), concluded.clone());
            Box::new(move |live| live.go_on(|live| live.concluded(&ask, &concluded, now)))
        }
        (Effect::Act(ask), Record::Intended(intended)) if ask.wish.args != intended.command.args => {
            return Err(format!("an intent of `{}` has other arguments than the run asked with", ask.wish.capability));
        }
        (Effect::Approve(ask), Record::GateAnswered(answered)) => {
            let (proposal, answered) = (ask.proposal.clone(), answered.clone());
            Box::new(move |live| live.go_on(|live| Ok(live.gate_answered(proposal, &answered, now))))
        }
        (Effect::Timer { .. }, Record::TimerFired(_)) => Box::new(Live::timer_fired),
        (Effect::Spawn(_), Record::Answered(answered)) => {
            let answer = answered.answer.clone().map(|value| Flow::new(value, answered.label.clone()));
            Box::new(move |live| live.go_on(|_| answer.map(Next::Done)))
        }
        (
            _,
            Record::Decided(_)
            | Record::GateOpened(_)
            | Record::GateAnswered(_)
            | Record::GateVoted(_)
            | Record::Intended(_)
            | Record::TimerSet(_),
        ) => {
            return Ok(None);
        }
        (_, record) => return Err(format!("`{}` is no answer to what was asked", record.kind())),
    };
    Ok(Some(step))
}

/// An answer is trusted no further than what it was made from, whatever the port says of it. A table or a template of the
/// owner adds nothing of its own; anything else guesses, so that its answer is observed at best.
fn label_of_answer(proposal: &Proposal, asked: &Label) -> Label {
    let label = proposal.label.clone().join(asked);
    let guessed = !matches!(proposal.rung.as_str(), "rules" | "template");
    if guessed { label.join(&Label::new(proposal.rung.as_str(), Trust::Observed)) } else { label }
}

/// The label of what memory gave, as it was journaled with it; items of which nothing was journaled are untrusted.
fn label_of_items(recalled: &Recalled, labels: &LabelMap) -> Label {
    let count = |answer: &Value| answer.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let none = recalled.answer.as_ref().map_or(0, count) == 0;
    let unsaid = || Label::new("memory", if none { Trust::Observed } else { Trust::Untrusted });
    labels.get("").cloned().unwrap_or_else(unsaid)
}

/// The labels of an answer, of which the members that the schema enumerates are closed.
fn closed_by(schema: &Value, label: &Label) -> Labels {
    let mut labels = Labels::from(label.clone());
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, _) in members.filter(|(_, schema)| is_closed(schema)) {
        labels.set(&sinew_expr::json::pointer_step(name), Labels::from(label.clone()).closed());
    }
    labels
}

fn is_closed(schema: &Value) -> bool {
    ["enum", "const"].iter().any(|word| schema.get(word).is_some())
        || schema.get("type").is_some_and(|t| t == "boolean")
}
