//! Questions that move nothing: to reasoning, to memory, to a person, to the clock; and the end of a run.
//!
//! Each answer is journaled together with the notes that wait for a ride.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{
    Ask, Draft, EffectId, Evidence, Expect, Failure, Fault, Gate, GateOpened, Preimage, Prepared, Proposed,
    RecallQuery, Recalled, Record, Remembered, Scope, Seq, TimerFired, TimerSet, Wish,
};
use sinew_expr::digest_of;
use tracing::debug;

use super::{Shared, draft};
use crate::{ApproveAsk, Effect, RecallAsk};

/// Carries out one question that is no act, and journals its answer.
pub(super) async fn carry_out(
    shared: &Shared,
    question: Effect,
    mut notes: Vec<Draft>,
    cause: Option<Seq>,
) -> Result<(), Failure> {
    let answer = match question {
        Effect::Infer(ask) => Some(infer(shared, *ask, cause).await),
        Effect::Recall(ask) => Some(recall(shared, *ask, cause).await),
        Effect::Remember(fact) => Some(remember(shared, *fact, cause)),
        Effect::Approve(ask) => open_gate(shared, *ask, cause),
        Effect::Timer { effect, due } => set_timer(shared, effect, due, cause),
        Effect::End { run, cause, end } => {
            let record = Record::RunEnded(sinew_contract::RunEnded { end });
            Some(draft::of_run(shared, run, Some(cause), record))
        }
        Effect::Note { run, cause, stepped } => Some(draft::note(shared, run, cause, stepped)),
        Effect::Act(_) => None,
    };
    notes.extend(answer);
    if notes.is_empty() {
        return Ok(());
    }
    shared.append(notes, Expect::Anything).await.map(drop)
}

async fn infer(shared: &Shared, ask: Ask, cause: Option<Seq>) -> Draft {
    let answer = shared.ports.model.answer(&ask).await.map_err(|failure| fault("unanswered", 503, &failure));
    let record = Record::Proposed(Proposed { effect: ask.effect, answer });
    draft::of_run(shared, ask.effect.run, cause, record)
}

async fn recall(shared: &Shared, ask: RecallAsk, cause: Option<Seq>) -> Draft {
    let query = RecallQuery {
        store: ask.store,
        subject: ask.subject,
        about: ask.about,
        limit: ask.limit,
        at_least: cause.unwrap_or(ask.effect.run.seq),
        scope: Scope::main(),
    };
    let answer = shared.ports.recall.recall(query).await.map_err(|failure| fault("recall", 503, &failure));
    draft::of_run(shared, ask.effect.run, cause, Record::Recalled(Recalled { effect: ask.effect, answer }))
}

fn remember(shared: &Shared, fact: Remembered, cause: Option<Seq>) -> Draft {
    let subjects = vec![fact.subject.clone()];
    let mut draft = draft::of_run(shared, fact.effect.run, cause, Record::Remembered(fact));
    draft.subjects = subjects;
    draft
}

/// The draft that opens a gate for a playbook's own `approve`; none where it is open already.
fn open_gate(shared: &Shared, ask: ApproveAsk, cause: Option<Seq>) -> Option<Draft> {
    if shared.progress().stage(ask.effect).is_some() {
        debug!(effect = %ask.effect, "gate is open already");
        return None;
    }
    let run = ask.effect.run;
    let gate = gate_of(shared, ask);
    Some(draft::of_run(shared, run, cause, Record::GateOpened(gate)))
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

fn set_timer(shared: &Shared, effect: EffectId, due: sinew_contract::Timestamp, cause: Option<Seq>) -> Option<Draft> {
    let set = shared.progress().timer(effect).is_some();
    (!set).then(|| draft::of_run(shared, effect.run, cause, Record::TimerSet(TimerSet { effect, due })))
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
