//! The desk: where people answer gates and cancel runs.
//!
//! Does not know pages or tokens: whoever calls says who the person is and which roles that person has.

use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{
    Answer, CancelAsked, Digest, Draft, ErrorKind, Expect, Failure, GateAnswered, GateId, GateVoted, PrincipalId,
    Record, RunId, Seq,
};

use crate::dispatch::{Shared, draft};
use crate::playbook::Playbook;
use crate::progress::GateState;

/// Takes answers of people into the log.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
}

/// An answer of a person.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Which gate.
    pub gate: GateId,
    /// What.
    pub answer: Answer,
    /// The digest that stood on the card which the person saw.
    pub digest: Digest,
    /// Who.
    pub by: PrincipalId,
    /// The roles of that person.
    pub roles: Vec<String>,
    /// Why.
    pub note: String,
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Closes a gate. The same answer by the same person again is harmless.
    ///
    /// # Errors
    /// `Missing` for a gate that does not wait; `Denied` for a person without the role; `Conflict` where it was answered
    /// otherwise, or the card has changed; `Late` past its expiry; `Busy` where the dispatcher has ended.
    pub async fn answer(&self, reply: Reply) -> Result<(), Failure> {
        loop {
            let Some((state, since)) = seen(&self.shared, reply.gate) else {
                return Err(Failure::new(ErrorKind::Missing, format!("no gate `{}` waits", reply.gate)));
            };
            if let Some(repeat) = self.check(&state, &reply)? {
                return repeat;
            }
            let draft = if reply.answer == Answer::Approve && !enough(&state, &reply.by) {
                voted(&self.shared, &state, &reply)
            } else {
                answered(&self.shared, &state, reply.answer, Some(reply.by.clone()), &reply.note)
            };
            match self.shared.append(vec![draft], Expect::Untouched { since }).await {
                Err(failure) if failure.kind() == ErrorKind::Conflict => self.shared.catch_up().await?,
                other => return other.map(drop),
            }
        }
    }

    /// Says no, or that it was said before, or nothing.
    fn check(&self, state: &GateState, reply: &Reply) -> Result<Option<Result<(), Failure>>, Failure> {
        let deny = |kind, text: String| Err(Failure::new(kind, text));
        let gate = &state.gate;
        if let Some((answer, by)) = &state.answer {
            let same = *answer == reply.answer && by.as_ref() == Some(&reply.by);
            return if same { Ok(Some(Ok(()))) } else { deny(ErrorKind::Conflict, closed(state)) };
        }
        if !reply.roles.contains(&gate.approvers.role) {
            return deny(ErrorKind::Denied, format!("gate `{}` asks for the role `{}`", state.id, gate.approvers.role));
        }
        if gate.approvers.not_by.contains(&reply.by) {
            return deny(ErrorKind::Denied, format!("`{}` may not answer gate `{}`", reply.by, state.id));
        }
        if reply.digest != gate.digest {
            return deny(ErrorKind::Conflict, format!("gate `{}` asks about something else now; look again", state.id));
        }
        if gate.approvers.quorum > 1 && self.started(state).as_ref() == Some(&reply.by) {
            return deny(
                ErrorKind::Denied,
                format!("`{}` started this run; others must answer gate `{}`", reply.by, state.id),
            );
        }
        if reply.answer == Answer::Approve && state.votes.contains(&reply.by) {
            return Ok(Some(Ok(())));
        }
        if self.shared.ports.clock.now().wall >= gate.expires {
            return deny(ErrorKind::Late, format!("gate `{}` expired at {}", state.id, gate.expires));
        }
        Ok(None)
    }

    /// Starts a run by hand, and returns when its first entry is on disk: from then on it comes to its end by itself.
    ///
    /// After a crash between call and return the run stands or not; calling twice starts two.
    ///
    /// # Errors
    /// As `Journal::append`.
    pub async fn start(&self, playbook: &Playbook, input: Value, by: PrincipalId) -> Result<RunId, Failure> {
        let draft = draft::started_by_hand(&self.shared, playbook, input, by);
        let appended = self.shared.append(vec![draft], Expect::Anything).await?;
        let lost = || Failure::new(ErrorKind::Broken, "the journal lost count of a batch");
        let seq = appended.entries.first().ok_or_else(lost)?.seq;
        Ok(RunId { log: self.shared.ports.journal.id().tag(), seq })
    }

    /// Who started the run behind a gate.
    fn started(&self, state: &GateState) -> Option<PrincipalId> {
        self.shared.progress().origin(state.effect.run).map(|origin| origin.by.clone())
    }

    /// Asks for a run to end. Whatever it has sent already comes to its outcome all the same.
    ///
    /// # Errors
    /// As `Journal::append`.
    pub async fn cancel(&self, run: RunId, by: PrincipalId, reason: String) -> Result<(), Failure> {
        let record = Record::CancelAsked(CancelAsked { run, reason });
        let mut draft = Draft::new(by, record).of_run(run).touching(draft::guard_of(run));
        draft.scope = self.shared.scope_of(run);
        self.shared.append(vec![draft], Expect::Anything).await.map(drop)
    }

    /// Waits until everything that is durable now has been folded.
    ///
    /// # Errors
    /// `Busy` where the dispatcher has ended.
    pub async fn catch_up(&self) -> Result<(), Failure> {
        self.shared.catch_up().await
    }

    /// The gates that wait.
    pub fn open_gates(&self) -> Vec<GateState> {
        self.shared.progress().open_gates().into_iter().cloned().collect()
    }
}

/// A gate, and up to where the log has been folded: both at one moment, so that no answer can slip in between.
fn seen(shared: &Shared, gate: GateId) -> Option<(GateState, Seq)> {
    let progress = shared.progress();
    progress.gate(gate).map(|state| (state.clone(), progress.folded()))
}

fn closed(state: &GateState) -> String {
    let by = state.answer.as_ref().and_then(|(_, by)| by.as_ref());
    let by = by.map_or("time".to_owned(), ToString::to_string);
    format!("gate `{}` was closed by {by} already", state.id)
}

/// Says whether this person's yes is the last that a gate waits for. Each person counts once.
fn enough(state: &GateState, by: &PrincipalId) -> bool {
    let others = state.votes.iter().filter(|other| *other != by).count();
    u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1) >= state.gate.approvers.quorum
}

/// One yes of several; guards the gate's key, so that two last ones at once do not both count as the last but one.
fn voted(shared: &Shared, state: &GateState, reply: &Reply) -> Draft {
    let (effect, gate, digest) = (state.effect, state.id, state.gate.digest);
    let record = Record::GateVoted(GateVoted { effect, gate, by: reply.by.clone(), digest, note: reply.note.clone() });
    let mut draft = Draft::new(reply.by.clone(), record).of_run(effect.run).caused_by(gate.0);
    draft.scope = shared.scope_of(effect.run);
    draft.touching(format!("gate/{gate}"))
}

/// One gate closes once: the answer guards the gate's own key.
fn answered(shared: &Shared, state: &GateState, answer: Answer, by: Option<PrincipalId>, note: &str) -> Draft {
    let record = Record::GateAnswered(GateAnswered {
        effect: state.effect,
        gate: state.id,
        answer,
        by: by.clone(),
        digest: state.gate.digest,
        note: note.to_owned(),
    });
    let principal = by.unwrap_or_else(|| shared.settings.agent.clone());
    let mut draft = Draft::new(principal, record).of_run(state.effect.run).caused_by(state.id.0);
    draft.scope = shared.scope_of(state.effect.run);
    draft.touching(format!("gate/{}", state.id))
}

/// Refuses a gate that nobody answered in time; does nothing where somebody has.
pub(crate) async fn expire(shared: &Shared, gate: GateId) -> Result<(), Failure> {
    let Some((state, since)) = seen(shared, gate).filter(|(state, _)| state.answer.is_none()) else { return Ok(()) };
    let draft = answered(shared, &state, Answer::Refuse, None, "nobody answered in time");
    match shared.append(vec![draft], Expect::Untouched { since }).await {
        Err(failure) if failure.kind() == ErrorKind::Conflict => Ok(()),
        other => other.map(drop),
    }
}
