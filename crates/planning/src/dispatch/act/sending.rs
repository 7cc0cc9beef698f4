//! From the decision to the outcome: intent, command, the next try, and what became of a command nobody heard of.
//!
//! Does not decide. A command goes out once for each intent, and only by the actuator's hand.

use std::sync::Arc;
use std::time::Duration;

use sinew_contract::{
    Cause, Command, Deadline, Decision, EntryRef, ErrorKind, Expect, Failure, GateId, Intended, Manifest, Outcome,
    Prepared, Record, Request, Retry, Seq,
};

use super::{Path, draft};
use crate::progress::{Pause, Sent, Stage};

impl Path {
    /// Finds out and journals how a command ended whose run has ended; whatever that is, it is not tried again.
    pub(in crate::dispatch) async fn settle_only(mut self, stage: Stage) -> Result<(), Failure> {
        match stage {
            Stage::Sent(sent) if !sent.is_pure() => {
                let outcome = self.shared.ports.actuator.settle(sent.permit).await;
                self.conclude(Vec::new(), Some(sent.permit.seq), outcome, true).await
            }
            Stage::Sent(sent) | Stage::Again(sent, _) => self.give_up(&sent).await,
            Stage::Waiting(_) | Stage::Answered(..) => Ok(()),
        }
    }

    /// Journals decision and intent together, the keys guarded, then hands the intent to the actuator.
    pub(super) async fn send(
        &mut self,
        since: Seq,
        prepared: &Prepared,
        request: Request,
        decision: Decision,
        approval: Option<GateId>,
    ) -> Result<(), Failure> {
        let command = self.command(prepared);
        let mut decided = self.decided(request, decision, approval);
        decided.touches.extend(approval.map(|gate| format!("approval/{gate}")));
        let at = self.notes.len();
        let mut intended = self.draft(Record::Intended(Intended { command: command.clone() }));
        intended.cause = Cause::InBatch(at);
        intended.touches = guarded(&command);
        let entries = self.append(vec![decided, intended], Expect::Untouched { since }).await?;
        let [.., decision, permit] = entries.as_slice() else { return Err(miscounted()) };
        let sent = Sent { permit: *permit, decision: decision.seq, command, scope: self.scope.clone() };
        self.carry_out(sent).await
    }

    /// Sends the command, once, and deals with how it ended.
    async fn carry_out(&mut self, sent: Sent) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let closed = |e| Failure::new(ErrorKind::Broken, "the command queue was closed").caused_by(e);
        let turn = shared.sending.acquire().await.map_err(closed)?;
        let outcome = shared.ports.actuator.carry_out(sent.permit).await;
        drop(turn);
        self.ended(sent, outcome).await
    }

    async fn ended(&mut self, sent: Sent, outcome: Outcome) -> Result<(), Failure> {
        let intent = Some(sent.permit.seq);
        match outcome {
            Outcome::Failed { reason, retry_after_ms } => self.failed(sent, reason, retry_after_ms).await,
            Outcome::Unknown { .. } => {
                self.conclude(Vec::new(), intent, outcome, false).await?;
                Box::pin(self.settle(sent)).await
            }
            ended => self.conclude(Vec::new(), intent, ended, true).await,
        }
    }

    /// It surely had no effect: another try follows, as long as the manifest allows one and the run goes on.
    async fn failed(&mut self, sent: Sent, reason: String, retry_after_ms: Option<u64>) -> Result<(), Failure> {
        let over = self.shared.progress().live_as_of(self.run()).is_none();
        let counts = self.cut_off != Some(sent.permit.seq);
        let last = over || (counts && sent.command.attempt >= self.retry().attempts_max);
        let outcome = Outcome::Failed { reason, retry_after_ms };
        self.conclude(Vec::new(), Some(sent.permit.seq), outcome, last).await?;
        if last {
            return Ok(());
        }
        let pause = Pause { since: self.shared.ports.clock.now().wall, retry_after_ms };
        Box::pin(self.again(sent, pause)).await
    }

    /// Finds out what became of a command whose outcome is not in the log. Never repeats it to find out.
    pub(super) async fn settle(&mut self, sent: Sent) -> Result<(), Failure> {
        if sent.is_pure() {
            return self.resend(sent).await;
        }
        match self.shared.ports.actuator.settle(sent.permit).await {
            unknown @ Outcome::Unknown { .. } => self.conclude(Vec::new(), Some(sent.permit.seq), unknown, true).await,
            known => self.ended(sent, known).await,
        }
    }

    /// Waits its turn, then tries once more under the same key.
    pub(super) async fn again(&mut self, sent: Sent, pause: Pause) -> Result<(), Failure> {
        let asked = pause.retry_after_ms.map(Duration::from_millis);
        let wait = asked.unwrap_or_else(|| backoff(&self.retry(), sent.command.attempt));
        let clock = Arc::clone(&self.shared.ports.clock);
        clock.sleep_until(pause.since.after(wait)).await;
        self.resend(sent).await
    }

    /// Journals an intent for the next try and sends it, unless the run is to end.
    async fn resend(&mut self, sent: Sent) -> Result<(), Failure> {
        loop {
            let Some(since) = self.shared.progress().live_as_of(self.run()) else { return self.give_up(&sent).await };
            let command = self.next_try(&sent.command);
            match self.intend_again(since, sent.decision, &command).await {
                Err(failure) if failure.kind() == ErrorKind::Conflict => self.shared.catch_up().await?,
                Err(failure) => return Err(failure),
                Ok(permit) => return Box::pin(self.carry_out(Sent { permit, command, ..sent })).await,
            }
        }
    }

    async fn intend_again(&mut self, since: Seq, decision: Seq, command: &Command) -> Result<EntryRef, Failure> {
        let mut draft = self.draft(Record::Intended(Intended { command: command.clone() }));
        draft.cause = Cause::Entry(decision);
        draft.touches = guarded(command);
        let entries = self.append(vec![draft], Expect::Untouched { since }).await?;
        entries.last().copied().ok_or_else(miscounted)
    }

    /// The last word on a command that surely had no effect and that nobody waits for any more.
    async fn give_up(&mut self, sent: &Sent) -> Result<(), Failure> {
        let outcome = Outcome::Failed { reason: "its run has ended".to_owned(), retry_after_ms: None };
        self.conclude(Vec::new(), Some(sent.permit.seq), outcome, true).await
    }

    fn command(&self, prepared: &Prepared) -> Command {
        let manifest = &prepared.manifest;
        Command {
            effect: self.effect(),
            attempt: 1,
            capability: manifest.name.clone(),
            class: manifest.class,
            manifest: prepared.manifest_digest,
            device: manifest.device.clone(),
            operation: manifest.operation.clone(),
            args: self.ask.wish.args.clone(),
            key: self.ask.wish.key.clone(),
            natural_key: prepared.natural_key.clone(),
            expires: self.deadline(manifest),
        }
    }

    /// The same command with the next number and a fresh deadline; with the old one where the manifest is gone.
    fn next_try(&mut self, last: &Command) -> Command {
        let expires = self.manifest().map_or(last.expires, |manifest| self.deadline(&manifest));
        Command { attempt: last.attempt.saturating_add(1), expires, ..last.clone() }
    }

    fn deadline(&self, manifest: &Manifest) -> Deadline {
        Deadline::within(self.shared.ports.clock.now(), Duration::try_from(manifest.expiry).unwrap_or_default())
    }

    /// The manifest: as the decision saw it, or looked up once after a restart; none where it is gone.
    fn manifest(&mut self) -> Option<Arc<Manifest>> {
        if self.manifest.is_none() {
            self.manifest = self.shared.ports.actuator.prepare(&self.ask.wish).ok().map(|found| found.manifest);
        }
        self.manifest.clone()
    }

    fn retry(&mut self) -> Retry {
        self.manifest().map(|manifest| manifest.retry.clone()).unwrap_or_default()
    }

    pub(super) fn price(&mut self) -> i64 {
        self.manifest().map_or(0, |manifest| manifest.price.micros)
    }
}

/// The keys that a command reserves for ever, and the one that keeps it from leaving a run that is to end.
fn guarded(command: &Command) -> Vec<String> {
    let natural = command.natural_key.iter().map(|key| format!("natural/{}/{key}", command.capability));
    [format!("key/{}", command.key), draft::guard_of(command.effect.run)].into_iter().chain(natural).collect()
}

fn miscounted() -> Failure {
    Failure::new(ErrorKind::Broken, "the journal lost count of a batch")
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
