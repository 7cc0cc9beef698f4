//! Events: what a run emits, and what it hears.
//!
//! Does not know who else hears an event. A listener hears what is journaled after it began: nothing is kept for later.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sinew_contract::{EffectId, Event, Fault, Label};

use super::flow::{Flow, join_into};
use super::live::{Active, ListenState, Live, Moment, State, StrandId};
use super::scope::Scope;
use super::step::{Next, shaped};
use crate::playbook::{Action, Consume, Correlate, EventFilter, Listen, Mode, Task, Template, Until};
use crate::switched::off;
use crate::{Effect, faults};

/// A listener that has consumed so many without an end is a mistake: all of it is one value.
const HEARD_MAX: usize = 10_000;

/// An event on its way through the listeners of a run.
#[derive(Debug)]
pub(crate) struct Heard<'e> {
    /// CloudEvents JSON.
    pub event: &'e Value,
    pub label: &'e Label,
}

/// What one listener makes of an event.
#[derive(Debug, Default)]
struct Verdict {
    /// The filter that consumes it, and the values that later events must share.
    taken: Option<(usize, Vec<(String, Value)>)>,
    /// The filter of `until` that it passes.
    until: Option<usize>,
}

impl Live {
    /// Asks for an event to be journaled; it is the output of the task.
    pub(super) fn emit(&mut self, task: &Task, with: &Template, input: &Flow, now: Moment) -> Result<Next, Fault> {
        let with = self.in_task(task, |scope| scope.template(with, input))?;
        let effect = self.next_id();
        let text = |name: &str| with.value.get(name).and_then(Value::as_str).map(str::to_owned);
        let event_type = text("type").filter(|text| !text.is_empty());
        let event = Event {
            id: text("id").unwrap_or_else(|| effect.to_string()),
            source: text("source").unwrap_or_else(|| format!("/playbooks/{}", self.playbook.name())),
            event_type: event_type.ok_or_else(|| faults::validation("an event needs a `type`, as a text"))?,
            time: now.at,
            subject: text("subject"),
            data: with.value.get("data").cloned().unwrap_or(Value::Null),
        };
        self.set_state(State::Recall(with.label()));
        Ok(self.ask(effect, Effect::Emit(effect, Box::new(event)), now))
    }

    /// The question that this event of the run's own answers.
    pub fn emitting(&self, found: &Event) -> Option<EffectId> {
        self.queue.iter().find_map(|asked| match &asked.effect {
            Effect::Emit(effect, event) if **event == *found => Some(*effect),
            _ => None,
        })
    }

    /// An event was journaled.
    pub(super) fn emitted(&mut self, event: &Event) -> Next {
        let label = match self.active().map(|active| &active.state) {
            Some(State::Recall(label)) => Label::clone(label),
            _ => Label::owned(),
        };
        Next::Done(Flow::new(cloud_event(event), label))
    }

    /// Begins to listen.
    pub(super) fn listen(&mut self, listen: &Listen) -> Next {
        let until = match &listen.to.until {
            Some(Until::Heard(until)) => until.filters.len(),
            _ => 0,
        };
        self.set_state(State::Listen(Box::new(ListenState {
            matched: vec![false; listen.to.filters.len()],
            until_matched: vec![false; until],
            ..ListenState::default()
        })));
        Next::Wait
    }

    /// Says whether any strand listens.
    pub fn listens(&self) -> bool {
        self.playbook.listens && self.place_where(is_listening).is_some()
    }

    /// Lets every listener hear an event, in the order of the strands; says whether one consumed it.
    pub fn hear(&mut self, heard: &Heard<'_>, now: Moment) -> bool {
        let strands = self.strand_ids().into_iter();
        let listeners: Vec<_> = strands.flat_map(|strand| self.listeners_in(strand)).collect();
        let mut took = false;
        for place in listeners {
            let Some(verdict) = self.concerns(place, heard) else { continue };
            took = true;
            join_into(&mut self.met, heard.label);
            if let Some(next) = self.take_event(place, verdict, heard) {
                self.switch_to(place.0);
                self.drive(next, now);
            }
        }
        took
    }

    /// The places in a strand where it listens, outermost first.
    fn listeners_in(&self, strand: StrandId) -> Vec<(StrandId, usize)> {
        let places = (0..self.depth_of(strand)).map(|at| (strand, at));
        places.filter(|place| self.active_at(*place).is_some_and(is_listening)).collect()
    }

    /// What a listener makes of an event, where the event concerns it.
    fn concerns(&self, place: (StrandId, usize), heard: &Heard<'_>) -> Option<Verdict> {
        let active = self.active_at(place)?;
        let (task, state) = (self.playbook.task(active.task), listening(active).filter(|state| !state.is_over)?);
        let Action::Listen(listen) = &task.action else { return None };
        let scope = Scope::of_task(self, task, active);
        let until = match &listen.to.until {
            Some(Until::Heard(until)) => {
                filter_for(until, &state.until_matched, &scope, heard, active, state).map(|(at, _)| at)
            }
            _ => None,
        };
        let taken = match until {
            Some(_) => None,
            None => filter_for(&listen.to, &state.matched, &scope, heard, active, state),
        };
        (taken.is_some() || until.is_some()).then_some(Verdict { taken, until })
    }

    /// Notes an event in the state of a listener; says what the strand does now, where it does anything.
    fn take_event(&mut self, place: (StrandId, usize), verdict: Verdict, heard: &Heard<'_>) -> Option<Next> {
        let playbook = Arc::clone(&self.playbook);
        let Action::Listen(listen) = &playbook.task(self.active_at(place)?.task).action else { return None };
        let State::Listen(state) = &mut self.active_at_mut(place)?.state else { return None };
        state.label = Some(state.label.take().unwrap_or_else(Label::owned).join(heard.label));
        if let Some(slot) = verdict.until.and_then(|at| state.until_matched.get_mut(at)) {
            *slot = true;
        }
        if let (Some(_), Some(Until::Heard(until))) = (verdict.until, &listen.to.until) {
            state.is_over |= until.mode != Mode::All || state.until_matched.iter().all(|matched| *matched);
        }
        if let Some((at, shared)) = verdict.taken {
            state.shared.extend(shared);
            if let Some(slot) = state.matched.get_mut(at) {
                *slot = true;
            }
            let told = listen.read.tell(heard.event);
            state.heard.push(told.clone());
            if listen.each.is_some() {
                state.backlog.push_back(told);
            }
            state.is_over |= match (listen.to.mode, &listen.to.until) {
                (Mode::One, _) | (Mode::Any, None) => true,
                (Mode::Any, Some(_)) if off("until") => true,
                (Mode::All, _) => state.matched.iter().all(|matched| *matched),
                (Mode::Any, Some(_)) => state.heard.len() >= HEARD_MAX,
            };
        }
        self.after_event(place, listen)
    }

    fn after_event(&mut self, place: (StrandId, usize), listen: &Listen) -> Option<Next> {
        if let Some(Until::Holds(until)) = &listen.to.until {
            let active = self.active_at(place)?;
            let (task, state) = (self.playbook.task(active.task), listening(active)?);
            let label = state.label.clone().unwrap_or_else(Label::owned);
            let dot = Flow::new(Value::Array(state.heard.clone()), label);
            match Scope::of_task(self, task, active).holds(until, &dot) {
                Ok((holds, _)) => {
                    let State::Listen(state) = &mut self.active_at_mut(place)?.state else { return None };
                    state.is_over |= holds;
                }
                Err(fault) => return Some(Next::Fault(fault)),
            }
        }
        let state = listening(self.active_at(place)?)?;
        // While a turn is being run, its end goes on with the next.
        if state.item.is_some() { None } else { Some(Next::Listened) }
    }

    /// The innermost task listens, and no turn is being run: the next turn, the end, or more silence.
    pub(super) fn listened(&mut self) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let Some(Active { task, input, state: State::Listen(state), .. }) = self.active_mut() else {
            return Err(faults::runtime("a listener lost its place"));
        };
        let Action::Listen(listen) = &playbook.task(*task).action else {
            return Err(faults::runtime("a listener lost its task"));
        };
        let Some(each) = listen.each.as_ref().filter(|_| !off("foreach")) else {
            if !state.is_over {
                return Ok(Next::Wait);
            }
            let label = state.label.take().unwrap_or_else(Label::owned);
            return Ok(Next::Done(Flow::new(Value::Array(std::mem::take(&mut state.heard)), label)));
        };
        if let Some(item) = state.backlog.pop_front() {
            let (item, label) = (Arc::new(item), state.label.clone().unwrap_or_else(Label::owned));
            state.item = Some(Arc::clone(&item));
            let input = input.clone();
            return match each.body {
                Some(body) => Ok(self.open(body, input)),
                None => self.turn_heard(&Flow { value: item, labels: Arc::new(label.into()) }, false),
            };
        }
        if !state.is_over {
            return Ok(Next::Wait);
        }
        let label = state.label.take().unwrap_or_else(Label::owned);
        Ok(Next::Done(Flow::new(Value::Array(std::mem::take(&mut state.outputs)), label)))
    }

    /// The tasks about one event are done.
    pub(super) fn turn_heard(&mut self, output: &Flow, exited: bool) -> Result<Next, Fault> {
        let playbook = Arc::clone(&self.playbook);
        let active = self.active().ok_or_else(|| faults::runtime("a listener lost its place"))?;
        let task = playbook.task(active.task);
        let Action::Listen(listen) = &task.action else { return Err(faults::runtime("a listener lost its task")) };
        let Some(each) = &listen.each else { return Err(faults::runtime("a listener lost its turn")) };
        let scope = Scope::of_task(self, task, active);
        let output = shaped(&scope, &each.output, output)?;
        let exported = match &each.export.template {
            Some(_) => Some(shaped(&Scope { output: Some(&output), ..scope }, &each.export, &output)?),
            None => None,
        };
        if let Some(context) = exported {
            self.context.export(context);
        }
        let Some(Active { state: State::Listen(state), .. }) = self.active_mut() else {
            return Err(faults::runtime("a listener lost its place"));
        };
        state.label = Some(state.label.take().unwrap_or_else(Label::owned).join(&output.label()));
        state.outputs.push(Arc::unwrap_or_clone(output.value));
        state.item = None;
        if exited {
            state.is_over = true;
            state.backlog.clear();
        }
        Ok(Next::Listened)
    }
}

fn is_listening(active: &Active) -> bool {
    listening(active).is_some_and(|state| !state.is_over)
}

fn listening(active: &Active) -> Option<&ListenState> {
    match &active.state {
        State::Listen(state) => Some(state),
        _ => None,
    }
}

/// The filter that an event passes, and the values that it shares; for `all`, the first without its event.
fn filter_for(
    to: &Consume,
    matched: &[bool],
    scope: &Scope<'_>,
    heard: &Heard<'_>,
    active: &Active,
    state: &ListenState,
) -> Option<(usize, Vec<(String, Value)>)> {
    if to.filters.is_empty() {
        return Some((0, Vec::new()));
    }
    let open = |at: &usize| to.mode != Mode::All || matched.get(*at) == Some(&false);
    let filters = to.filters.iter().enumerate().filter(|(at, _)| open(at));
    let mut passed = filters.filter_map(|(at, filter)| Some((at, passes(filter, scope, heard, active, state)?)));
    passed.next()
}

fn passes(
    filter: &EventFilter,
    scope: &Scope<'_>,
    heard: &Heard<'_>,
    active: &Active,
    state: &ListenState,
) -> Option<Vec<(String, Value)>> {
    if !filter.matches(heard.event, scope) {
        return None;
    }
    let dot = Flow::new(heard.event.clone(), heard.label.clone());
    let mut shared = Vec::with_capacity(filter.correlate.len());
    for correlate in filter.correlate.iter().filter(|_| !off("correlate")) {
        let found = scope.expr(&correlate.from, &dot).ok()?.value;
        match expected(correlate, scope, active, state)? {
            Some(expected) if expected != *found => return None,
            Some(_) => {}
            None => shared.push((correlate.name.clone(), Arc::unwrap_or_clone(found))),
        }
    }
    Some(shared)
}

/// What a correlation must be; nothing yet, where no event has said it.
fn expected(correlate: &Correlate, scope: &Scope<'_>, active: &Active, state: &ListenState) -> Option<Option<Value>> {
    match &correlate.expect {
        Some(expect) => scope.template(expect, &active.input).ok().map(|flow| Some(Value::clone(&flow.value))),
        None => Some(state.shared.get(&correlate.name).cloned()),
    }
}

/// An event as CloudEvents 1.0 JSON.
pub(crate) fn cloud_event(event: &Event) -> Value {
    let mut members = Map::from_iter([
        ("specversion".to_owned(), json!("1.0")),
        ("id".to_owned(), json!(event.id)),
        ("source".to_owned(), json!(event.source)),
        ("type".to_owned(), json!(event.event_type)),
        ("time".to_owned(), json!(event.time.to_string())),
    ]);
    if let Some(subject) = &event.subject {
        members.insert("subject".to_owned(), json!(subject));
    }
    members.insert("data".to_owned(), event.data.clone());
    Value::Object(members)
}
