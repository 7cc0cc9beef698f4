//! Questions that move nothing: to reasoning, to memory, to a person, to the clock; and the end of a run.
//!
//! Each answer is journaled together with the notes that wait for a ride.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{
    Ask, Draft, EffectId, ErrorKind, Evidence, Expect, Failure, Fault, Gate, GateOpened, Preimage, Prepared, Proposed,
    RecallQuery, Recalled, Record, Seq, TimerFired, TimerSet, Wish,
};
use sinew_expr::digest_of;

use super::{Shared, draft, trust};
use crate::{ApproveAsk, Effect, RecallAsk, RememberAsk};

/// Carries out one question that is no act, and journals its answer. What was `begun` before is not begun again.
pub(super) async fn carry_out(
    shared: &Shared,
    question: Effect,
    begun: bool,
    mut notes: Vec<Draft>,
    cause: Option<Seq>,
) -> Result<(), Failure> {
    let answer = match question {
        Effect::Infer(ask) => Some(infer(shared, *ask, cause).await),
        Effect::Recall(ask) => Some(recall(shared, *ask, cause).await),
        Effect::Remember(ask) => Some(remember(shared, *ask, cause)),
        Effect::Approve(ask) if !begun => return open_gate(shared, *ask, notes, cause).await,
        Effect::Timer { effect, due } if !begun => {
            Some(draft::of_run(shared, effect.run, cause, Record::TimerSet(TimerSet { effect, due })))
        }
        Effect::End { run, cause, end } => Some(draft::ended(shared, run, cause, end)),
        Effect::Note { run, cause, stepped } => Some(draft::note(shared, run, cause, stepped)),
        Effect::Emit(effect, event) => Some(draft::emitted(shared, effect, *event, cause)),
        Effect::Act(_) | Effect::Spawn(_) | Effect::Approve(_) | Effect::Timer { .. } => None,
    };
    notes.extend(answer);
    if notes.is_empty() { Ok(()) } else { append(shared, notes).await }
}

/// Appends what passed tasks and ended runs have to say, together; where the log cannot take it all at once, one by one.
pub(super) async fn ride(shared: &Shared, riding: Vec<Vec<Draft>>) -> Result<(), Failure> {
    if riding.len() > 1 {
        match shared.append(riding.concat(), Expect::Anything).await {
            Err(failure) if failure.kind() == ErrorKind::Invalid => {}
            other => return other.map(drop),
        }
    }
    for one in riding {
        append(shared, one).await?;
    }
    Ok(())
}

/// Appends an answer; one that the log cannot take is answered by an error of the playbook instead.
async fn append(shared: &Shared, mut batch: Vec<Draft>) -> Result<(), Failure> {
    let answer = batch.last().cloned();
    let refused = match shared.append(batch.clone(), Expect::Anything).await {
        Err(failure) if failure.kind() == ErrorKind::Invalid => failure,
        other => return other.map(drop),
    };
    let Some((answer, record)) = answer.and_then(|draft| unanswered(&draft.record, &refused).map(|r| (draft, r)))
    else {
        return Err(refused);
    };
    batch.pop();
    batch.push(Draft { record, ..answer });
    shared.append(batch, Expect::Anything).await.map(drop)
}

/// The same answer as an error, where there can be one.
fn unanswered(answer: &Record, failure: &Failure) -> Option<Record> {
    let fault = |name| fault(name, 503, failure);
    match answer {
        Record::Proposed(Proposed { effect, .. }) => {
            Some(Record::Proposed(Proposed { effect: *effect, answer: Err(fault("unanswered")) }))
        }
        Record::Recalled(Recalled { effect, .. }) => {
            Some(Record::Recalled(Recalled { effect: *effect, answer: Err(fault("recall")) }))
        }
        _ => None,
    }
}

async fn infer(shared: &Shared, mut ask: Ask, cause: Option<Seq>) -> Draft {
    let scope = shared.scope_of(ask.effect.run);
    ask.more.scope = Some(scope.clone());
    let answer = shared.ports.model.answer(&ask).await.map_err(|failure| fault("unanswered", 503, &failure));
    let record = Record::Proposed(Proposed { effect: ask.effect, answer });
    Draft { scope, ..draft::of_run(shared, ask.effect.run, cause, record) }
}

async fn recall(shared: &Shared, ask: RecallAsk, cause: Option<Seq>) -> Draft {
    let scope = shared.scope_of(ask.effect.run);
    // After a restart the cause is not known any more; what the run has remembered before stands before the fold's place.
    let at_least = cause.unwrap_or_else(|| shared.progress().folded());
    let query = RecallQuery {
        store: ask.store,
        subject: ask.subject,
        about: ask.about,
        limit: ask.limit,
        at_least,
        scope: scope.clone(),
    };
    let answer = shared.ports.recall.recall(query).await.map_err(|failure| fault("recall", 503, &failure));
    let labels = answer.as_ref().map(|items| trust::of_items(shared, items)).unwrap_or_default();
    let record = Record::Recalled(Recalled { effect: ask.effect, answer });
    Draft { scope, labels, ..draft::of_run(shared, ask.effect.run, cause, record) }
}

fn remember(shared: &Shared, RememberAsk { fact, label }: RememberAsk, cause: Option<Seq>) -> Draft {
    let subjects = vec![fact.subject.clone()];
    let mut draft = draft::of_run(shared, fact.effect.run, cause, Record::Remembered(fact));
    draft.subjects = subjects;
    draft.labels.insert(trust::CONTENT.to_owned(), label);
    draft
}

/// Opens a gate for a playbook's own `approve`, unless the run is to end.
async fn open_gate(shared: &Shared, ask: ApproveAsk, notes: Vec<Draft>, cause: Option<Seq>) -> Result<(), Failure> {
    let run = ask.effect.run;
    let opened = Record::GateOpened(gate_of(shared, ask));
    let opened = draft::of_run(shared, run, cause, opened).touching(draft::guard_of(run));
    let batch: Vec<_> = notes.into_iter().chain([opened]).collect();
    loop {
        let Some(since) = shared.progress().live_as_of(run) else { return Ok(()) };
        match shared.append(batch.clone(), Expect::Untouched { since }).await {
            Err(failure) if failure.kind() == ErrorKind::Conflict => shared.catch_up().await?,
            other => return other.map(drop),
        }
    }
}

fn gate_of(shared: &Shared, mut ask: ApproveAsk) -> GateOpened {
    let prepared = ask.proposal.take().map(|(capability, args)| {
        let wish = Wish { effect: ask.effect, capability, args, key: String::new(), compensates: None };
        let prepared = shared.ports.actuator.prepare(&wish);
        (wish, prepared)
    });
    let (what, risk, preimage) = match prepared {
        Some((wish, Ok(prepared))) => {
            let preimage = preimage(&prepared, &wish);
            (prepared.what, prepared.manifest.risk.clone(), Some(preimage))
        }
        Some((wish, Err(failure))) => {
            ask.why.push(format!("`{}` cannot be proposed: {failure}", wish.capability));
            (String::new(), String::new(), None)
        }
        None => (String::new(), String::new(), None),
    };
    let life = Duration::try_from(ask.expires).unwrap_or(shared.settings.gate_life);
    let digest = preimage.as_ref().map_or_else(|| digest_of(&(&ask.question, &ask.evidence)), digest_of);
    let gate = Gate {
        question: ask.question,
        why: ask.why,
        what,
        risk,
        preimage,
        digest,
        evidence: ask.evidence,
        approvers: ask.approvers,
        confidence_permille: ask.confidence_permille,
        expires: shared.ports.clock.now().wall.after(life),
    };
    GateOpened { effect: ask.effect, gate }
}

/// What an approval of this wish is bound to.
pub(super) fn preimage(prepared: &Prepared, wish: &Wish) -> Preimage {
    Preimage {
        version: 1,
        capability: wish.capability.clone(),
        manifest_version: prepared.manifest.version,
        manifest: prepared.manifest_digest,
        args: wish.args.clone(),
    }
}

/// Journals that a wait is over.
pub(super) async fn fire(shared: &Shared, effect: EffectId) -> Result<(), Failure> {
    let record = Record::TimerFired(TimerFired { effect });
    shared.append(vec![draft::of_run(shared, effect.run, None, record)], Expect::Anything).await.map(drop)
}

/// A port's failure as a playbook's error.
fn fault(name: &str, status: u16, failure: &Failure) -> Fault {
    Fault {
        error_type: format!("urn:sinew:error:{name}"),
        status,
        title: failure.to_string(),
        detail: std::error::Error::source(failure).map(ToString::to_string),
        instance: None,
    }
}

/// A fact for a card.
pub(super) fn fact(name: &str, value: impl Into<Value>) -> Evidence {
    Evidence::Fact { name: name.to_owned(), value: json!(value.into()) }
}
