//! The one effect path, as far as planning walks it: wish, policy, perhaps a person, durable intent, outcome.
//!
//! Does not know how anything is done: that is the actuator's. Every step is in the log before the next is taken, so
//! after a crash the walk goes on from the stage that the log shows.
//!
//! ```text
//! prepare -> decide -+-> refuse ------------------------------> concluded
//!                    +-> ask  -> gate-opened … gate-answered -> decide again
//!                    +-> run  -> intended -> carry out -+-> done, refused -> concluded
//!                                   ^                   +-> failed --+ (again, same key)
//!                                   |                   +-> unknown -> settle -+
//!                                   +----------------------------------------- +
//! ```

use std::sync::Arc;
use std::time::Duration;

use sinew_contract::{
    Answer, Cause, Command, Concluded, Cost, Deadline, Decided, Decision, Draft, ErrorKind, Expect, Failure, Gate,
    GateId, GateOpened, Intended, Label, OfRun, Outcome, Prepared, Record, Request, Retry, Seq, Standing, Timestamp,
    Verdict, Wish,
};
use sinew_expr::digest_of;

use super::{Shared, ask, draft};
use crate::ActAsk;
use crate::progress::{Sent, Stage};

/// One wish on its way.
pub(super) struct Path {
    shared: Arc<Shared>,
    ask: Arc<ActAsk>,
    notes: Vec<Draft>,
    cause: Option<Seq>,
}

impl Path {
    pub(super) fn new(shared: Arc<Shared>, ask: Arc<ActAsk>, notes: Vec<Draft>, cause: Option<Seq>) -> Self {
        Self { shared, ask, notes, cause }
    }

    /// A walk for a command whose run has ended, of which the log shows no last word.
    pub(super) fn orphan(shared: Arc<Shared>, command: Command) -> Self {
        let wish = Wish {
            effect: command.effect,
            capability: command.capability,
            args: command.args,
            key: command.key,
            compensates: None,
        };
        let ask = ActAsk {
            wish,
            approval: None,
            args_label: Label::owned(),
            control_label: Label::owned(),
            confidence_permille: 0,
            evidence: Vec::new(),
            subjects: Vec::new(),
        };
        Self::new(shared, Arc::new(ask), Vec::new(), None)
    }

    /// Finds out and journals how a command ended; whatever that is, it is not tried again.
    pub(super) async fn settle_only(mut self, sent: Sent) -> Result<(), Failure> {
        let outcome = if sent.is_pure() {
            Outcome::Failed { reason: "its run has ended".to_owned(), retry_after_ms: None }
        } else {
            self.shared.ports.actuator.settle(sent.permit).await
        };
        let price = if matches!(outcome, Outcome::Done { .. }) { self.price() } else { 0 };
        self.conclude(Vec::new(), Some(sent.permit.seq), outcome, true, price).await.map(drop)
    }

    /// Goes on from where the log says this wish stands.
    pub(super) async fn walk(mut self) -> Result<(), Failure> {
        let stage = self.shared.progress().stage(self.ask.wish.effect).cloned();
        match stage {
            None => self.decide(self.ask.approval).await,
            Some(Stage::Waiting(_)) => self.flush().await,
            Some(Stage::Answered(gate, Answer::Approve, Some(_))) => self.decide(Some(gate)).await,
            Some(Stage::Answered(_, _, by)) => {
                let reason = by.map_or("nobody answered in time".to_owned(), |by| format!("refused by `{by}`"));
                self.refused_by_person(reason).await
            }
            Some(Stage::Sent(sent)) => self.settle(sent).await,
            Some(Stage::Again(sent)) => self.again(sent, None).await,
        }
    }

    /// Asks policy, and journals the decision together with what follows from it, in one commit.
    async fn decide(&mut self, approval: Option<GateId>) -> Result<(), Failure> {
        loop {
            let prepared = match self.shared.ports.actuator.prepare(&self.ask.wish) {
                Ok(prepared) => prepared,
                Err(failure) => return self.refuse("manifest", failure.to_string()).await,
            };
            if let Some(ended) = self.already(&prepared, approval).await? {
                return ended;
            }
            let approval = approval.filter(|gate| self.covers(*gate, &prepared));
            let request = self.request(&prepared, approval.is_some())?;
            let decision = self.shared.ports.policy.decide(&request);
            let done = match decision.verdict {
                Verdict::Refuse => {
                    let reason = decision.reasons.join("; ");
                    let decided = self.decided(request, decision, None);
                    return self.conclude(vec![decided], None, refused("policy", reason), true, 0).await.map(drop);
                }
                Verdict::Ask => self.open_gate(&prepared, request, decision).await,
                Verdict::Run => self.send(&prepared, request, decision, approval).await,
            };
            match done {
                Err(failure) if failure.kind() == ErrorKind::Conflict => self.shared.catch_up().await,
                other => return other,
            }
        }
    }

    /// What the keys alone decide: a repeat, a misuse, an intent in flight, a duplicate that a person has looked at.
    async fn already(
        &mut self,
        prepared: &Prepared,
        approval: Option<GateId>,
    ) -> Result<Option<Result<(), Failure>>, Failure> {
        match &prepared.standing {
            Standing::Repeat { first, outcome: Outcome::Done { receipt, .. } } => {
                let outcome = Outcome::Done { receipt: receipt.clone(), first: Some(*first) };
                Ok(Some(self.conclude(Vec::new(), None, outcome, true, 0).await.map(drop)))
            }
            Standing::Repeat { outcome, .. } => {
                Ok(Some(self.conclude(Vec::new(), None, outcome.clone(), true, 0).await.map(drop)))
            }
            Standing::KeyMisused { first } => {
                let reason = format!("the key was used with other arguments by entry {first}");
                Ok(Some(self.refuse("key", reason).await))
            }
            Standing::Duplicate { first, outcome, .. } if approval.is_some() => {
                let outcome = match outcome {
                    Some(Outcome::Done { receipt, .. }) => {
                        Outcome::Done { receipt: receipt.clone(), first: Some(*first) }
                    }
                    _ => refused("duplicate", format!("entry {first} has the same natural key and has not ended")),
                };
                Ok(Some(self.conclude(Vec::new(), None, outcome, true, 0).await.map(drop)))
            }
            _ => Ok(None),
        }
    }

    /// Says whether the approval behind this gate is for exactly these bytes.
    fn covers(&self, gate: GateId, prepared: &Prepared) -> bool {
        let digest = digest_of(&ask::preimage(prepared, &self.ask.wish));
        self.shared.progress().approves(gate, digest, self.ask.wish.effect)
    }

    fn request(&self, prepared: &Prepared, approved: bool) -> Result<Request, Failure> {
        let (playbook, scope, observed) = self.origin()?;
        let (amount_minor, currency) = prepared.amount.clone().unwrap_or_default();
        let age = self.shared.ports.clock.now().wall.since(observed);
        Ok(Request {
            principal: self.shared.settings.agent.clone(),
            scope,
            playbook,
            capability: self.ask.wish.capability.clone(),
            class: prepared.manifest.class,
            device: prepared.manifest.device.to_string(),
            amount_minor,
            currency,
            args_trust: self.ask.args_label.trust,
            control_trust: self.ask.control_label.trust,
            evidence_age_s: i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
            confidence_permille: i64::from(self.ask.confidence_permille),
            approved,
            duplicate: matches!(prepared.standing, Standing::Duplicate { .. }),
            compensates: self.ask.wish.compensates.is_some(),
            args: self.ask.wish.args.clone(),
        })
    }

    /// The playbook, scope and time of observation behind this run, from its first entry.
    fn origin(&self) -> Result<(sinew_contract::PlaybookName, sinew_contract::Scope, Timestamp), Failure> {
        let run = self.ask.wish.effect.run;
        let entries = self.shared.ports.journal.read(run.seq, 1)?;
        match entries.first().map(|e| (&e.record, &e.header)) {
            Some((Record::RunStarted(started), header)) => {
                Ok((started.playbook.clone(), header.scope.clone(), header.observed))
            }
            _ => Err(Failure::new(ErrorKind::Broken, format!("entry {} does not start run `{run}`", run.seq))),
        }
    }

    /// Journals decision and gate together; the run waits.
    async fn open_gate(&mut self, prepared: &Prepared, request: Request, decision: Decision) -> Result<(), Failure> {
        let mut why = decision.reasons.clone();
        let mut evidence = self.ask.evidence.clone();
        if let Standing::Duplicate { first, run, outcome } = &prepared.standing {
            let ended = outcome.as_ref().map_or("has not ended", Outcome::word);
            why.insert(0, format!("the same thing was done before: run {run}, entry {first}, {ended}"));
            evidence.push(ask::fact("first done in", run.to_string()));
        }
        let preimage = ask::preimage(prepared, &self.ask.wish);
        let settings = &self.shared.settings;
        let gate = Gate {
            question: "Policy asks a person first. Shall this be done?".to_owned(),
            why,
            what: prepared.what.clone(),
            risk: prepared.manifest.risk.clone(),
            digest: digest_of(&preimage),
            preimage: Some(preimage),
            evidence,
            approvers: settings.approvers.clone(),
            confidence_permille: self.ask.confidence_permille,
            expires: self.shared.ports.clock.now().wall.after(settings.gate_life),
        };
        let decided = self.decided(request, decision, None);
        let at = self.notes.len();
        let mut opened = self.draft(Record::GateOpened(GateOpened { effect: self.ask.wish.effect, gate }));
        opened.cause = Cause::InBatch(at);
        let batch = self.with_notes(vec![decided, opened]);
        self.append(batch, Expect::Anything).await.map(drop)
    }

    /// Journals decision and intent together, the keys guarded, then hands the intent to the actuator.
    async fn send(
        &mut self,
        prepared: &Prepared,
        request: Request,
        decision: Decision,
        approval: Option<GateId>,
    ) -> Result<(), Failure> {
        let command = self.command(prepared, 1);
        let mut decided = self.decided(request, decision, approval);
        decided.touches.extend(approval.map(|gate| format!("approval/{gate}")));
        let at = self.notes.len();
        let mut intended = self.draft(Record::Intended(Intended { command: command.clone() }));
        intended.cause = Cause::InBatch(at);
        intended.touches = guarded(&command);
        let batch = self.with_notes(vec![decided, intended]);
        let expect = Expect::Untouched { since: prepared.as_of };
        let appended = self.append(batch, expect).await?;
        let [.., decision, permit] = appended.entries.as_slice() else {
            return Err(Failure::new(ErrorKind::Broken, "the journal lost count of a batch"));
        };
        self.carry_out(Sent { permit: *permit, decision: decision.seq, command }).await
    }

    /// Sends the command, once, and deals with how it ended.
    async fn carry_out(&mut self, sent: Sent) -> Result<(), Failure> {
        let outcome = {
            let _turn = self
                .shared
                .sending
                .acquire()
                .await
                .map_err(|e| Failure::new(ErrorKind::Broken, "the command queue was closed").caused_by(e))?;
            self.shared.ports.actuator.carry_out(sent.permit).await
        };
        self.ended(sent, outcome).await
    }

    async fn ended(&mut self, sent: Sent, outcome: Outcome) -> Result<(), Failure> {
        match outcome {
            Outcome::Failed { reason, retry_after_ms } => {
                let last = sent.command.attempt >= self.retry().attempts_max;
                let outcome = Outcome::Failed { reason, retry_after_ms };
                self.conclude(Vec::new(), Some(sent.permit.seq), outcome, last, 0).await?;
                if last { Ok(()) } else { Box::pin(self.again(sent, retry_after_ms)).await }
            }
            Outcome::Unknown { .. } => {
                self.conclude(Vec::new(), Some(sent.permit.seq), outcome, false, 0).await?;
                Box::pin(self.settle(sent)).await
            }
            ended => {
                let price = if matches!(ended, Outcome::Done { .. }) { self.price() } else { 0 };
                self.conclude(Vec::new(), Some(sent.permit.seq), ended, true, price).await.map(drop)
            }
        }
    }

    /// Finds out what became of a command whose outcome is not in the log. Never repeats it to find out.
    async fn settle(&mut self, sent: Sent) -> Result<(), Failure> {
        if sent.is_pure() {
            return self.resend(sent).await;
        }
        match self.shared.ports.actuator.settle(sent.permit).await {
            unknown @ Outcome::Unknown { .. } => {
                self.conclude(Vec::new(), Some(sent.permit.seq), unknown, true, 0).await.map(drop)
            }
            known => self.ended(sent, known).await,
        }
    }

    /// Waits its turn, then tries once more under the same key.
    async fn again(&mut self, sent: Sent, retry_after_ms: Option<u64>) -> Result<(), Failure> {
        let wait = retry_after_ms.map_or_else(|| backoff(&self.retry(), sent.command.attempt), Duration::from_millis);
        let clock = Arc::clone(&self.shared.ports.clock);
        clock.sleep_until(clock.now().wall.after(wait)).await;
        self.resend(sent).await
    }

    async fn resend(&mut self, sent: Sent) -> Result<(), Failure> {
        let mut command = sent.command;
        command.attempt = command.attempt.saturating_add(1);
        command.expires = self.deadline_like(&command);
        let mut draft = self.draft(Record::Intended(Intended { command: command.clone() }));
        draft.cause = Cause::Entry(sent.decision);
        draft.touches = guarded(&command);
        let appended = self.append(vec![draft], Expect::Anything).await?;
        let Some(permit) = appended.entries.last().copied() else {
            return Err(Failure::new(ErrorKind::Broken, "the journal lost count of a batch"));
        };
        Box::pin(self.carry_out(Sent { permit, decision: sent.decision, command })).await
    }

    fn command(&self, prepared: &Prepared, attempt: u32) -> Command {
        let manifest = &prepared.manifest;
        let life = Duration::try_from(manifest.expiry).unwrap_or_default();
        Command {
            effect: self.ask.wish.effect,
            attempt,
            capability: manifest.name.clone(),
            class: manifest.class,
            manifest: prepared.manifest_digest,
            device: manifest.device.clone(),
            operation: manifest.operation.clone(),
            args: self.ask.wish.args.clone(),
            key: self.ask.wish.key.clone(),
            natural_key: prepared.natural_key.clone(),
            expires: Deadline::within(self.shared.ports.clock.now(), life),
        }
    }

    /// A fresh deadline of the manifest's length; the old one's where the manifest is gone.
    fn deadline_like(&self, command: &Command) -> Deadline {
        match self.shared.ports.actuator.prepare(&self.ask.wish) {
            Ok(prepared) => self.command(&prepared, command.attempt).expires,
            Err(_) => command.expires,
        }
    }

    fn retry(&self) -> Retry {
        self.shared.ports.actuator.prepare(&self.ask.wish).map(|p| p.manifest.retry.clone()).unwrap_or_default()
    }

    fn price(&self) -> i64 {
        self.shared.ports.actuator.prepare(&self.ask.wish).map_or(0, |p| p.manifest.price.micros)
    }

    async fn refused_by_person(&mut self, reason: String) -> Result<(), Failure> {
        let standing = self.shared.ports.actuator.prepare(&self.ask.wish).map(|p| p.standing);
        let by = if matches!(standing, Ok(Standing::Duplicate { .. })) { "duplicate" } else { "person" };
        self.refuse(by, reason).await
    }

    async fn refuse(&mut self, by: &str, reason: String) -> Result<(), Failure> {
        self.conclude(Vec::new(), None, refused(by, reason), true, 0).await.map(drop)
    }

    async fn conclude(
        &mut self,
        mut before: Vec<Draft>,
        intent: Option<Seq>,
        outcome: Outcome,
        last: bool,
        price: i64,
    ) -> Result<(), Failure> {
        let concluded = Concluded {
            effect: self.ask.wish.effect,
            intent,
            capability: self.ask.wish.capability.clone(),
            outcome,
            cost: Cost { micros: price, tokens: 0 },
            last,
        };
        let mut draft = self.draft(Record::Concluded(concluded));
        if let Some(seq) = intent {
            draft.cause = Cause::Entry(seq);
        }
        before.push(draft);
        let batch = self.with_notes(before);
        self.append(batch, Expect::Anything).await.map(drop)
    }

    fn decided(&self, request: Request, decision: Decision, approval: Option<GateId>) -> Draft {
        let effect = self.ask.wish.effect;
        let mut draft = self.draft(Record::Decided(Decided { effect, request, decision, approval }));
        draft.labels.insert("/request/args".to_owned(), self.ask.args_label.clone());
        draft.labels.insert(String::new(), self.ask.control_label.clone());
        draft
    }

    fn draft(&self, record: Record) -> Draft {
        let mut draft = draft::of_run(&self.shared, self.ask.wish.effect.run, self.cause, record);
        draft.run = OfRun::Is(self.ask.wish.effect.run);
        draft.subjects.clone_from(&self.ask.subjects);
        draft
    }

    /// The waiting notes, then these.
    fn with_notes(&self, drafts: Vec<Draft>) -> Vec<Draft> {
        self.notes.iter().cloned().chain(drafts).collect()
    }

    /// Appends; what rode along is not sent twice.
    async fn append(&mut self, batch: Vec<Draft>, expect: Expect) -> Result<sinew_contract::Appended, Failure> {
        let appended = self.shared.append(batch, expect).await?;
        self.notes.clear();
        Ok(appended)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.notes);
        if batch.is_empty() { Ok(()) } else { self.shared.append(batch, Expect::Anything).await.map(drop) }
    }
}

/// The keys that a command reserves for ever.
fn guarded(command: &Command) -> Vec<String> {
    let natural = command.natural_key.iter().map(|key| format!("natural/{}/{key}", command.capability));
    std::iter::once(format!("key/{}", command.key)).chain(natural).collect()
}

fn refused(by: &str, reason: String) -> Outcome {
    Outcome::Refused { by: by.to_owned(), reason }
}

/// Doubles with each try, up to the manifest's longest wait.
fn backoff(retry: &Retry, attempt: u32) -> Duration {
    let first = Duration::try_from(retry.backoff).unwrap_or_default();
    let longest = Duration::try_from(retry.backoff_max).unwrap_or_default();
    first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_longest_wait() {
        let retry = Retry::default();
        let waits: Vec<_> = [1, 2, 3, 8, 9, 40, u32::MAX].map(|n| backoff(&retry, n).as_millis()).into();
        assert_eq!(waits, [200, 400, 800, 25_600, 30_000, 30_000, 30_000]);
    }
}
