//! What each entry means to memory: a pure function from an entry to changes.
//!
//! Knows records, not tables: a store carries the changes out, in order, in one transaction with the watermark.

use serde_json::Value;
use sinew_contract::{
    Answer, Class, Command, Concluded, Cost, Decided, EffectId, Entry, Event, GateAnswered, GateOpened, Marked, Noted,
    Outcome, Recalled, Record, Remembered, RunEnd, RunStarted, Stepped, Timestamp,
};

use crate::timeline::{Said, say};
use crate::twin::{Sighting, sightings};
use crate::views::GateStatus;

/// The event type that scans come in.
const SCAN: &str = "sinew.scan.v1";

/// One entry with all that it means.
#[derive(Debug)]
pub(crate) struct Projection<'e> {
    pub entry: &'e Entry,
    /// How it is said to people; none for entries that say nothing to them.
    pub said: Option<Said>,
    pub changes: Vec<Change<'e>>,
}

/// One thing to change in a store. The entry's own header (scope, seq, run, time) belongs to it.
#[derive(Debug)]
pub(crate) enum Change<'e> {
    Event(&'e Event),
    Scan(Scan<'e>),
    RunStarted(&'e RunStarted),
    Stepped(&'e Stepped),
    /// The run has come to its first verdict, unless it had before.
    Verdict,
    Decided(&'e Decided),
    Intended(&'e Command),
    Concluded(&'e Concluded),
    Cost {
        effect: EffectId,
        what: &'e str,
        cost: Cost,
    },
    GateOpened(&'e GateOpened),
    GateClosed {
        answered: &'e GateAnswered,
        status: GateStatus,
    },
    Touched {
        person: &'e str,
        did: &'static str,
        gate: Option<sinew_contract::GateId>,
    },
    Item(Item<'e>),
    Marked(&'e Marked),
    Recalled(&'e Recalled),
    Seen {
        sighting: Sighting,
        source: String,
    },
    RunEnded(&'e RunEnd),
}

/// Something to remember, whoever said so.
#[derive(Debug)]
pub(crate) struct Item<'e> {
    pub kind: &'e str,
    pub subject: &'e str,
    /// What a fact says of its subject.
    pub predicate: Option<&'e str>,
    pub content: &'e Value,
    pub sources: &'e [String],
    pub method: &'e str,
    pub parents: &'e [String],
    pub key: &'e str,
    pub confidence_permille: u16,
    pub valid_from: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub schema: u32,
}

/// What memory keeps of a scan event.
#[derive(Debug)]
pub(crate) struct Scan<'e> {
    pub event: &'e str,
    pub name: &'e str,
    pub verdict: &'e str,
    pub code: Option<&'e str>,
    pub image: Option<&'e str>,
}

/// Says what an entry means.
pub(crate) fn project(entry: &Entry) -> Projection<'_> {
    Projection { entry, said: say(entry), changes: changes(entry) }
}

fn changes(entry: &Entry) -> Vec<Change<'_>> {
    match &entry.record {
        Record::Event(event) => on_event(event),
        Record::RunStarted(started) => vec![Change::RunStarted(started)],
        Record::Stepped(stepped) => vec![Change::Stepped(stepped)],
        Record::Proposed(proposed) => match &proposed.answer {
            Ok(proposal) => costs(proposed.effect, &proposal.rung, proposal.cost).into_iter().collect(),
            Err(_) => Vec::new(),
        },
        Record::ModelCalled(call) if !call.answered => costs(call.effect, &call.route, call.cost).into_iter().collect(),
        Record::Remembered(remembered) => vec![Change::Item(of_run(remembered))],
        Record::Noted(noted) => vec![Change::Item(of_person(noted))],
        Record::Marked(marked) => vec![Change::Marked(marked)],
        Record::Recalled(recalled) => vec![Change::Recalled(recalled)],
        // Who writes it folds the log again: what was sealed for the subject is no more.
        Record::Forgotten(_) => Vec::new(),
        Record::Decided(decided) => on_decided(decided),
        Record::GateOpened(opened) => vec![Change::GateOpened(opened), Change::Verdict],
        Record::GateAnswered(answered) => on_answer(answered),
        Record::Intended(intended) => vec![Change::Intended(&intended.command)],
        Record::Concluded(concluded) => on_concluded(concluded),
        Record::CancelAsked(_) => touch(entry, "cancel").into_iter().collect(),
        Record::Stop(stop) => touch(entry, if stop.engaged { "stop" } else { "resume" }).into_iter().collect(),
        Record::RunEnded(ended) => vec![Change::Verdict, Change::RunEnded(&ended.end)],
        Record::Booted(_)
        | Record::TimerSet(_)
        | Record::TimerFired(_)
        | Record::ModelCalled(_)
        | Record::BudgetReserved(_)
        | Record::Granted(_)
        | Record::Reflexed(_)
        | Record::Dropped(_)
        | Record::Muted(_)
        | Record::Answered(_)
        | Record::Endorsed(_)
        | Record::GateVoted(_)
        | Record::Erased => Vec::new(),
    }
}

/// A fact of a run says of what it is in its content.
fn of_run(item: &Remembered) -> Item<'_> {
    let predicate = item.content.get("predicate").and_then(Value::as_str).filter(|_| item.item_kind == "fact");
    Item {
        kind: &item.item_kind,
        subject: &item.subject,
        predicate,
        content: &item.content,
        sources: &item.sources,
        method: "playbook",
        parents: &[],
        key: &item.key,
        confidence_permille: item.confidence_permille,
        valid_from: None,
        valid_until: None,
        expires: None,
        schema: 1,
    }
}

fn of_person(item: &Noted) -> Item<'_> {
    Item {
        kind: &item.item_kind,
        subject: &item.subject,
        predicate: item.predicate.as_deref(),
        content: &item.content,
        sources: &item.sources,
        method: &item.method,
        parents: &item.parents,
        key: &item.key,
        confidence_permille: item.confidence_permille,
        valid_from: item.valid_from,
        valid_until: item.valid_until,
        expires: item.expires,
        schema: item.schema,
    }
}

fn on_event(event: &Event) -> Vec<Change<'_>> {
    let mut changes = vec![Change::Event(event)];
    changes.extend(scan(event).map(Change::Scan));
    changes
}

fn scan(event: &Event) -> Option<Scan<'_>> {
    if event.event_type != SCAN {
        return None;
    }
    let text = |pointer: &str| event.data.pointer(pointer).and_then(Value::as_str);
    let name = event.subject.as_deref().or_else(|| text("/scan")).unwrap_or(&event.id);
    let verdict = text("/verdict").unwrap_or("unread");
    Some(Scan { event: &event.id, name, verdict, code: text("/code"), image: text("/image/digest") })
}

/// A look-up is no verdict: the run has said nothing yet about what is to happen to the world.
fn on_decided(decided: &Decided) -> Vec<Change<'_>> {
    let mut changes = vec![Change::Decided(decided)];
    if decided.request.class != Class::Pure {
        changes.push(Change::Verdict);
    }
    changes
}

fn on_answer(answered: &GateAnswered) -> Vec<Change<'_>> {
    let (status, did) = match (&answered.by, answered.answer) {
        (None, _) => (GateStatus::Expired, None),
        (Some(_), Answer::Approve) => (GateStatus::Approved, Some("approve")),
        (Some(_), Answer::Refuse) => (GateStatus::Refused, Some("refuse")),
    };
    let touched = answered.by.as_ref().zip(did).map(|(person, did)| Change::Touched {
        person: person.as_str(),
        did,
        gate: Some(answered.gate),
    });
    std::iter::once(Change::GateClosed { answered, status }).chain(touched).collect()
}

fn on_concluded(concluded: &Concluded) -> Vec<Change<'_>> {
    let mut changes = vec![Change::Concluded(concluded)];
    changes.extend(costs(concluded.effect, concluded.capability.as_str(), concluded.cost));
    if let Outcome::Done { receipt, .. } = &concluded.outcome {
        let seen = |sighting| Change::Seen { sighting, source: concluded.effect.to_string() };
        changes.extend(sightings(receipt).into_iter().map(seen));
    }
    changes
}

fn costs(effect: EffectId, what: &str, cost: Cost) -> Option<Change<'_>> {
    (cost != Cost::default()).then_some(Change::Cost { effect, what, cost })
}

/// Only a person's hand is a touch; what the house or a device does by itself is none.
fn touch<'e>(entry: &'e Entry, did: &'static str) -> Option<Change<'e>> {
    let principal = entry.header.principal.as_str();
    principal.starts_with("person:").then_some(Change::Touched { person: principal, did, gate: None })
}
