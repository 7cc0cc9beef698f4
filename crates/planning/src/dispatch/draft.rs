//! The drafts that the dispatcher writes, each in one place.
//!
//! Does not know when they are written; see `act` and `ask`.

use serde_json::Value;
use sinew_contract::{Cause, Draft, Entry, Event, OfRun, PrincipalId, Record, RunId, RunStarted, Seq, Stepped};

use super::Shared;
use crate::engine::ENGINE_VERSION;
use crate::playbook::Playbook;

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

/// A passed task.
pub(super) fn note(shared: &Shared, run: RunId, cause: Seq, stepped: Stepped) -> Draft {
    of_run(shared, run, Some(cause), Record::Stepped(stepped))
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
