//! The drafts that the dispatcher writes, each in one place.
//!
//! Does not know when they are written; see `act` and `ask`.

use serde_json::{Value, json};
use sinew_contract::{
    Answered, Cause, Draft, EffectId, Entry, Event, Fault, Label, OfRun, PlaybookName, PrincipalId, Record, RunEnd,
    RunEnded, RunId, RunStarted, Seq, Stepped, Timestamp,
};

use super::Shared;
use crate::SpawnAsk;
use crate::engine::ENGINE_VERSION;
use crate::playbook::{Playbook, TICK, TICK_SOURCE};

/// The first entry of a run. There is one for each event and playbook, since one starter alone writes them.
pub(super) fn run_started(shared: &Shared, entry: &Entry, event: &Event, playbook: &Playbook, input: Value) -> Draft {
    let record = pinned(shared, playbook, Some(entry.seq()), input);
    let mut draft = Draft::new(shared.settings.agent.clone(), record).caused_by(entry.seq());
    draft.run = OfRun::Starts;
    draft.scope = entry.header.scope.clone();
    draft.observed = Some(event.time);
    // Who took the event in says how far it may be trusted; where nobody says, its kind does.
    draft.labels = entry.labels.get("").map(|label| (String::new(), label.clone())).into_iter().collect();
    draft
}

/// The first entry of a run that no event started.
pub(crate) fn started_by_hand(shared: &Shared, playbook: &Playbook, input: Value, by: PrincipalId) -> Draft {
    let mut draft = Draft::new(by, pinned(shared, playbook, None, input));
    draft.run = OfRun::Starts;
    draft
}

/// What a run keeps for life.
fn pinned(shared: &Shared, playbook: &Playbook, trigger: Option<Seq>, input: Value) -> Record {
    Record::RunStarted(RunStarted {
        playbook: playbook.name().clone(),
        version: playbook.version().to_owned(),
        digest: playbook.digest(),
        engine: ENGINE_VERSION,
        policy: shared.ports.policy.digest(),
        catalogue: shared.settings.catalogue,
        trigger,
        parent: None,
        input,
    })
}

/// The first entry of a run inside of a run.
pub(super) fn child_started(shared: &Shared, ask: &SpawnAsk, playbook: &Playbook, cause: Option<Seq>) -> Draft {
    let record = Record::RunStarted(RunStarted {
        playbook: playbook.name().clone(),
        version: playbook.version().to_owned(),
        digest: playbook.digest(),
        engine: ENGINE_VERSION,
        policy: shared.ports.policy.digest(),
        catalogue: shared.settings.catalogue,
        trigger: None,
        parent: Some(ask.effect),
        input: ask.input.clone(),
    });
    let mut draft = of_run(shared, ask.effect.run, cause, record);
    draft.run = OfRun::Starts;
    draft
}

/// An event of a run's own.
pub(super) fn emitted(shared: &Shared, effect: EffectId, event: Event, cause: Option<Seq>) -> Draft {
    let time = event.time;
    let mut draft = of_run(shared, effect.run, cause, Record::Event(event));
    draft.observed = Some(time);
    draft
}

/// The clock starts a playbook.
pub(super) fn tick(shared: &Shared, playbook: &PlaybookName, due: Timestamp, now: Timestamp) -> Draft {
    let event = Event {
        id: format!("{playbook}/{due}"),
        source: TICK_SOURCE.to_owned(),
        event_type: TICK.to_owned(),
        time: now,
        subject: Some(playbook.to_string()),
        data: json!({ "due": due.to_string() }),
    };
    Draft::new(shared.settings.agent.clone(), Record::Event(event))
}

/// A question that cannot be carried out at all.
pub(super) fn unanswerable(shared: &Shared, effect: EffectId, fault: Fault, cause: Option<Seq>) -> Draft {
    let record = Record::Answered(Answered { effect, answer: Err(fault), label: Label::owned() });
    of_run(shared, effect.run, cause, record)
}

/// A passed task.
pub(super) fn note(shared: &Shared, run: RunId, cause: Seq, stepped: Stepped) -> Draft {
    of_run(shared, run, Some(cause), Record::Stepped(stepped))
}

/// The end of a run.
pub(super) fn ended(shared: &Shared, run: RunId, cause: Seq, end: RunEnd) -> Draft {
    of_run(shared, run, Some(cause), Record::RunEnded(RunEnded { end }))
}

/// Any record of a run; without a known cause, the run's own first entry is the cause.
pub(super) fn of_run(shared: &Shared, run: RunId, cause: Option<Seq>, record: Record) -> Draft {
    let mut draft = Draft::new(shared.settings.agent.clone(), record).of_run(run);
    draft.cause = Cause::Entry(cause.unwrap_or(run.seq));
    draft.scope = shared.scope_of(run);
    draft
}

/// The key that a cancellation touches, and all that must not be begun once it stands.
pub(crate) fn guard_of(run: RunId) -> String {
    format!("run/{run}")
}
