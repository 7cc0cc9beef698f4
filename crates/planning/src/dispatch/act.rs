//! The one effect path, as far as planning walks it: wish, policy, perhaps a person, durable intent, outcome.
//!
//! Does not know how anything is done: that is the actuator's. Every step is in the log before the next is taken, so
//! after a crash the walk goes on from the stage that the log shows. What comes after the intent is in `sending`.
//!
//! ```text
//! prepare -> decide -+-> refuse ------------------------------> concluded
//!                    +-> ask  -> gate-opened … gate-answered -> decide again
//!                    +-> run  -> intended -> carry out -+-> done, refused -> concluded
//!                                   ^                   +-> failed --+ (again, same key)
//!                                   |                   +-> unknown -> settle -+
//!                                   +----------------------------------------- +
//! ```

mod sending;

use std::sync::Arc;

use sinew_contract::{
    Answer, Cause, Concluded, Cost, Decided, Decision, Draft, EffectId, EntryRef, ErrorKind, Expect, Failure, Gate,
    GateId, GateOpened, Label, Manifest, Outcome, Prepared, Record, Request, RunId, Scope, Seq, Standing, Verdict,
    Wish,
};
use sinew_expr::{Labels, digest_of};

use super::{Shared, ask, draft, trust};
use crate::ActAsk;
use crate::progress::{Sent, Stage};

/// One wish on its way.
pub(super) struct Path {
    shared: Arc<Shared>,
    ask: Arc<ActAsk>,
    scope: Scope,
    notes: Vec<Draft>,
    cause: Option<Seq>,
    /// What the last look at the wish found.
    manifest: Option<Arc<Manifest>>,
    /// The intent that a crash of ours cut off: its try does not count.
    cut_off: Option<Seq>,
}

impl Path {
    pub(super) fn new(shared: Arc<Shared>, ask: Arc<ActAsk>, notes: Vec<Draft>, cause: Option<Seq>) -> Self {
        let scope = shared.scope_of(ask.wish.effect.run);
        Self { shared, ask, scope, notes, cause, manifest: None, cut_off: None }
    }

    /// A walk for a command whose run has ended, of which the log shows no last word.
    pub(super) fn orphan(shared: Arc<Shared>, sent: &Sent) -> Self {
        let command = sent.command.clone();
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
            args_labels: Labels::owned(),
            control_label: Label::owned(),
            control_closed: true,
            confidence_permille: 0,
            evidence: Vec::new(),
            subjects: Vec::new(),
        };
        let (ask, scope) = (Arc::new(ask), sent.scope.clone());
        Self { shared, ask, scope, notes: Vec::new(), cause: None, manifest: None, cut_off: None }
    }

    /// Goes on from where the log says this wish stands.
    pub(super) async fn walk(mut self, stage: Option<Stage>) -> Result<(), Failure> {
        match stage {
            None => self.decide(self.ask.approval).await,
            Some(Stage::Waiting(_)) => self.flush().await,
            Some(Stage::Answered(gate, Answer::Approve, Some(_))) => self.decide(Some(gate)).await,
            Some(Stage::Answered(_, _, by)) => {
                let reason = by.map_or("nobody answered in time".to_owned(), |by| format!("refused by `{by}`"));
                self.refused_by_person(reason).await
            }
            Some(Stage::Sent(sent)) => {
                self.cut_off = Some(sent.permit.seq);
                self.settle(sent).await
            }
            Some(Stage::Again(sent, pause)) => self.again(sent, pause).await,
        }
    }

    /// Decides until nothing has moved between the look at the keys and the commit, or the run is to end.
    async fn decide(&mut self, approval: Option<GateId>) -> Result<(), Failure> {
        loop {
            // Taken before the look: what is folded in between makes the commit conflict instead of going unseen.
            let Some(since) = self.shared.progress().live_as_of(self.run()) else { return Ok(()) };
            match self.decide_as_of(since, approval).await {
                Err(failure) if failure.kind() == ErrorKind::Conflict => self.shared.catch_up().await?,
                other => return other,
            }
        }
    }

    /// Asks policy, and journals the decision together with what follows from it, in one commit.
    async fn decide_as_of(&mut self, since: Seq, approval: Option<GateId>) -> Result<(), Failure> {
        let prepared = match self.shared.ports.actuator.prepare(&self.ask.wish) {
            Ok(prepared) => prepared,
            Err(failure) => return self.refuse("manifest", failure.to_string()).await,
        };
        self.manifest = Some(Arc::clone(&prepared.manifest));
        let approval = approval.filter(|gate| self.covers(*gate, &prepared));
        if let Some(outcome) = self.already(&prepared.standing, approval) {
            return self.conclude(Vec::new(), None, outcome, true).await;
        }
        let request = self.request(&prepared, approval.is_some())?;
        let decision = self.shared.ports.policy.decide(&request);
        match decision.verdict {
            Verdict::Refuse => {
                let outcome = refused("policy", decision.reasons.join("; "));
                let decided = self.decided(request, decision, None);
                self.conclude(vec![decided], None, outcome, true).await
            }
            // Whatever policy thinks of it, the same thing is not done twice without a question.
            Verdict::Run if !request.duplicate => self.send(since, &prepared, request, decision, approval).await,
            Verdict::Run | Verdict::Ask => self.open_gate(since, &prepared, request, decision).await,
        }
    }

    /// What the keys alone decide: a repeat, a misuse, a duplicate that a person has looked at.
    fn already(&self, standing: &Standing, approval: Option<GateId>) -> Option<Outcome> {
        match standing {
            Standing::Fresh => None,
            Standing::Repeat { first, outcome } => Some(first_answer(*first, outcome)),
            Standing::KeyMisused { first } => {
                Some(refused("key", format!("the key was used with other arguments by entry {first}")))
            }
            // A wish that was sent is settled and not decided again; so whoever holds the key, it is not this walk.
            Standing::InFlight(first) => Some(refused("key", format!("entry {first} has the key and has not ended"))),
            Standing::Duplicate { first, outcome, .. } => {
                approval.filter(|gate| self.asked_about_this(*gate)).map(|_| duplicate(*first, outcome.as_ref()))
            }
        }
    }

    /// Says whether this gate was opened for this very wish, so that its card told of the duplicate.
    fn asked_about_this(&self, gate: GateId) -> bool {
        self.shared.progress().gate(gate).is_some_and(|state| state.effect == self.effect())
    }

    /// Says whether the approval behind this gate is for exactly these bytes.
    fn covers(&self, gate: GateId, prepared: &Prepared) -> bool {
        let digest = digest_of(&ask::preimage(prepared, &self.ask.wish));
        self.shared.progress().approves(gate, digest, self.effect())
    }

    fn request(&self, prepared: &Prepared, approved: bool) -> Result<Request, Failure> {
        let origin = self.shared.progress().origin(self.run()).cloned();
        let origin = origin.ok_or_else(|| {
            Failure::new(ErrorKind::Conflict, format!("run `{}` ended while it was being decided about", self.run()))
        })?;
        let (amount_minor, currency) = prepared.amount.clone().unwrap_or_default();
        let age = self.shared.ports.clock.now().wall.since(origin.observed);
        Ok(Request {
            principal: self.shared.settings.agent.clone(),
            scope: origin.scope,
            playbook: origin.playbook,
            capability: self.ask.wish.capability.clone(),
            class: prepared.manifest.class,
            device: prepared.manifest.device.to_string(),
            amount_minor,
            currency,
            args_trust: self.ask.args_label.trust,
            control_trust: self.ask.control_label.trust,
            short: self.short(&prepared.manifest),
            control_closed: self.ask.control_closed,
            evidence_age_s: i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
            confidence_permille: i64::from(self.ask.confidence_permille),
            approved,
            duplicate: matches!(prepared.standing, Standing::Duplicate { .. }),
            compensates: self.ask.wish.compensates.is_some(),
            args: self.ask.wish.args.clone(),
        })
    }

    /// The arguments that are trusted less than the manifest needs.
    fn short(&self, manifest: &Manifest) -> Vec<String> {
        let needed = manifest.trust_needed();
        let trust = |at: &str| self.ask.args_labels.at_pointer(at).whole().trust;
        needed.into_iter().filter(|(at, least)| trust(at) < *least).map(|(at, _)| at).collect()
    }

    /// Journals decision and gate together; the run waits.
    async fn open_gate(
        &mut self,
        since: Seq,
        prepared: &Prepared,
        request: Request,
        decision: Decision,
    ) -> Result<(), Failure> {
        let gate = self.gate(prepared, &decision);
        let decided = self.decided(request, decision, None);
        let at = self.notes.len();
        let mut opened = self.draft(Record::GateOpened(GateOpened { effect: self.effect(), gate }));
        opened.cause = Cause::InBatch(at);
        let opened = opened.touching(draft::guard_of(self.run()));
        self.append(vec![decided, opened], Expect::Untouched { since }).await.map(drop)
    }

    /// The card that a person sees.
    fn gate(&self, prepared: &Prepared, decision: &Decision) -> Gate {
        let mut why = decision.reasons.clone();
        let mut evidence = self.ask.evidence.clone();
        if let Standing::Duplicate { first, run, outcome } = &prepared.standing {
            let ended = outcome.as_ref().map_or("has not ended", Outcome::word);
            why.insert(0, format!("the same thing was done before: run {run}, entry {first}, {ended}"));
            evidence.push(ask::fact("first done in", run.to_string()));
        }
        let preimage = ask::preimage(prepared, &self.ask.wish);
        let settings = &self.shared.settings;
        Gate {
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
        }
    }

    async fn refused_by_person(&mut self, reason: String) -> Result<(), Failure> {
        let standing = self.shared.ports.actuator.prepare(&self.ask.wish).map(|p| p.standing);
        let by = if matches!(standing, Ok(Standing::Duplicate { .. })) { "duplicate" } else { "person" };
        self.refuse(by, reason).await
    }

    async fn refuse(&mut self, by: &str, reason: String) -> Result<(), Failure> {
        self.conclude(Vec::new(), None, refused(by, reason), true).await
    }

    /// Journals how it ended, for this try or for good.
    async fn conclude(
        &mut self,
        mut batch: Vec<Draft>,
        intent: Option<Seq>,
        outcome: Outcome,
        last: bool,
    ) -> Result<(), Failure> {
        let endorsed = match &outcome {
            Outcome::Done { receipt, .. } if last => trust::endorsement(&self.shared, &self.ask, receipt),
            _ => None,
        };
        batch.extend(endorsed.map(|endorsed| self.draft(Record::Endorsed(endorsed))));
        let done_now = intent.is_some() && matches!(outcome, Outcome::Done { .. });
        let concluded = Concluded {
            effect: self.effect(),
            intent,
            capability: self.ask.wish.capability.clone(),
            outcome,
            cost: Cost { micros: if done_now { self.price() } else { 0 }, tokens: 0 },
            last,
        };
        let mut draft = self.draft(Record::Concluded(concluded));
        if let Some(seq) = intent {
            draft.cause = Cause::Entry(seq);
        }
        batch.push(draft);
        self.append(batch, Expect::Anything).await.map(drop)
    }

    fn decided(&self, request: Request, decision: Decision, approval: Option<GateId>) -> Draft {
        let effect = self.effect();
        let mut draft = self.draft(Record::Decided(Decided { effect, request, decision, approval }));
        draft.labels.extend(self.ask.args_labels.to_map("/request/args"));
        draft.labels.insert(String::new(), self.ask.control_label.clone());
        draft
    }

    fn draft(&self, record: Record) -> Draft {
        let mut draft = draft::of_run(&self.shared, self.run(), self.cause, record);
        draft.scope.clone_from(&self.scope);
        draft.subjects.clone_from(&self.ask.subjects);
        draft
    }

    /// Appends the waiting notes, then these; what rode along is not sent twice.
    async fn append(&mut self, drafts: Vec<Draft>, expect: Expect) -> Result<Vec<EntryRef>, Failure> {
        let batch = self.notes.iter().cloned().chain(drafts).collect();
        let appended = self.shared.append(batch, expect).await?;
        self.notes.clear();
        Ok(appended.entries)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.notes.is_empty() { Ok(()) } else { self.append(Vec::new(), Expect::Anything).await.map(drop) }
    }

    fn effect(&self) -> EffectId {
        self.ask.wish.effect
    }

    fn run(&self) -> RunId {
        self.effect().run
    }
}

/// The answer to a wish whose key has had one.
fn first_answer(first: Seq, outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Done { receipt, .. } => Outcome::Done { receipt: receipt.clone(), first: Some(first) },
        other => other.clone(),
    }
}

/// The answer to a person who lets the same thing pass: what was done then, never the deed again.
fn duplicate(first: Seq, outcome: Option<&Outcome>) -> Outcome {
    match outcome {
        Some(done @ Outcome::Done { .. }) => first_answer(first, done),
        other => {
            let ended = other.map_or("has not ended", Outcome::word);
            refused("duplicate", format!("the same thing was asked for by entry {first}, which {ended}"))
        }
    }
}

fn refused(by: &str, reason: String) -> Outcome {
    Outcome::Refused { by: by.to_owned(), reason }
}
