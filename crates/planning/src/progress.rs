//! How far each wish has come on the effect path, folded from the log.
//!
//! The engine knows only questions and last answers; what lies between (decided, gate, intent, unknown) is here. So a
//! restarted dispatcher goes on where the log ends. Pure: no clock, no I/O, no port.
//!
//! ```text
//! (nothing) -> Waiting(gate) -> Answered -> Sent(intent) -> Again(attempt) -> Sent … -> (gone: concluded)
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use sinew_contract::{
    Answer, Class, Command, Concluded, Digest, EffectId, Entry, EntryRef, Gate, GateAnswered, GateId, Outcome,
    PlaybookName, PrincipalId, Record, RunId, Scope, Seq, Timestamp,
};

/// Where a wish stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// A person is asked.
    Waiting(GateId),
    /// The person has answered.
    Answered(GateId, Answer, Option<PrincipalId>),
    /// A command may have gone out; its outcome is not in the log.
    Sent(Sent),
    /// The last try surely had no effect; another may follow.
    Again(Sent, Pause),
}

/// Since when a wish waits for its next try, and how long the target asked it to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pause {
    pub since: Timestamp,
    pub retry_after_ms: Option<u64>,
}

impl Stage {
    fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Sent(sent) | Self::Again(sent, _) => Some(sent),
            Self::Waiting(_) | Self::Answered(..) => None,
        }
    }
}

/// A journaled intent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// The line in the log.
    pub permit: EntryRef,
    /// The decision that it rests on.
    pub decision: Seq,
    /// The order.
    pub command: Command,
    /// The tenant.
    pub scope: Scope,
}

impl Sent {
    /// Says whether the question may be asked again without a second thought.
    pub fn is_pure(&self) -> bool {
        self.command.class == Class::Pure
    }
}

/// A gate as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct GateState {
    /// Its number.
    pub id: GateId,
    /// The wish that waits.
    pub effect: EffectId,
    /// The card.
    pub gate: Gate,
    /// The answer, once it is closed.
    pub answer: Option<(Answer, Option<PrincipalId>)>,
    /// The wish that used up the approval.
    pub used_by: Option<EffectId>,
    /// Who has said yes while more are needed.
    pub votes: BTreeSet<PrincipalId>,
}

/// What the first entry of a run says about all of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    pub playbook: PlaybookName,
    pub scope: Scope,
    pub observed: Timestamp,
    /// Who started it: the agent, or a person by hand.
    pub by: PrincipalId,
    /// Somebody wants it to end: nothing new may be begun for it.
    pub cancelled: bool,
}

/// What happens by itself when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A wait is over.
    Timer(EffectId),
    /// A gate that nobody answered is refused.
    Gate(GateId),
}

/// The fold. What a run needs here is gone when the run has ended, but for commands without a last word.
#[derive(Debug, Default)]
pub struct Progress {
    folded: Seq,
    /// Runs that have not ended.
    runs: HashMap<RunId, Origin>,
    stages: HashMap<EffectId, Stage>,
    gates: HashMap<GateId, GateState>,
    gates_of: HashMap<RunId, Vec<GateId>>,
    timers: BTreeMap<EffectId, Timestamp>,
    /// Waits and gates that are open, the earliest first.
    due: BTreeSet<(Timestamp, Due)>,
}

impl Progress {
    /// The last entry that has been folded in.
    pub fn folded(&self) -> Seq {
        self.folded
    }

    /// A gate of a run that has not ended.
    pub fn gate(&self, id: GateId) -> Option<&GateState> {
        self.gates.get(&id)
    }

    /// The gates that wait for an answer, in the order in which they opened.
    pub fn open_gates(&self) -> Vec<&GateState> {
        let mut open: Vec<_> = self.gates.values().filter(|g| g.answer.is_none()).collect();
        open.sort_by_key(|g| g.id);
        open
    }

    /// A run that has not ended.
    pub(crate) fn origin(&self, run: RunId) -> Option<&Origin> {
        self.runs.get(&run)
    }

    /// Up to where the log shows that this run goes on; none where it has ended or is to end.
    pub(crate) fn live_as_of(&self, run: RunId) -> Option<Seq> {
        self.origin(run).filter(|origin| !origin.cancelled).map(|_| self.folded)
    }

    /// When the next wait or gate falls due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Hands out what has fallen due and is still open, each once.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut taken = Vec::new();
        while let Some((_, due)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            taken.push(due);
        }
        taken
    }

    /// Commands that may have gone out or be tried again, and have no last word in the log.
    pub(crate) fn unsettled(&self) -> Vec<(Sent, Stage)> {
        let mut sent: Vec<_> = self.stages.values().filter_map(|s| Some((s.sent()?.clone(), s.clone()))).collect();
        sent.sort_by_key(|(sent, _)| sent.permit.seq);
        sent
    }

    pub(crate) fn stage(&self, effect: EffectId) -> Option<&Stage> {
        self.stages.get(&effect)
    }

    /// When a wait is due, where its timer is set already.
    pub(crate) fn timer(&self, effect: EffectId) -> Option<Timestamp> {
        self.timers.get(&effect).copied()
    }

    /// Says whether an approval may be used for these bytes: it was given, in this run, for this digest, and not used before.
    pub(crate) fn approves(&self, id: GateId, digest: Digest, effect: EffectId) -> bool {
        self.gates.get(&id).is_some_and(|g| {
            let given = matches!(g.answer, Some((Answer::Approve, Some(_)))) && g.effect.run == effect.run;
            given && g.gate.preimage.is_some() && g.gate.digest == digest && g.used_by.is_none_or(|by| by == effect)
        })
    }

    /// Folds one entry in. Entries come in order, without a gap.
    pub fn apply(&mut self, entry: &Entry) {
        self.folded = entry.seq();
        match &entry.record {
            Record::RunStarted(started) => self.begin(entry, &started.playbook),
            Record::CancelAsked(asked) => {
                if let Some(origin) = self.runs.get_mut(&asked.run) {
                    origin.cancelled = true;
                }
            }
            Record::Decided(decided) => {
                if let Some(state) = decided.approval.and_then(|id| self.gates.get_mut(&id)) {
                    state.used_by = Some(decided.effect);
                }
            }
            Record::GateOpened(opened) => self.open(entry, opened.effect, &opened.gate),
            Record::GateAnswered(answered) => self.answer(answered),
            Record::GateVoted(vote) => {
                if let Some(state) = self.gates.get_mut(&vote.gate) {
                    state.votes.insert(vote.by.clone());
                }
            }
            Record::Intended(intended) => self.send(entry, &intended.command),
            Record::Concluded(concluded) => self.conclude(entry, concluded),
            Record::TimerSet(timer) => self.wait(timer.effect, timer.due),
            Record::TimerFired(timer) => self.wake(timer.effect),
            Record::RunEnded(_) => self.forget(entry.header.run),
            _ => {}
        }
    }

    fn begin(&mut self, entry: &Entry, playbook: &PlaybookName) {
        let Some(run) = entry.header.run else { return };
        let (scope, observed) = (entry.header.scope.clone(), entry.header.observed);
        let by = entry.header.principal.clone();
        self.runs.insert(run, Origin { playbook: playbook.clone(), scope, observed, by, cancelled: false });
    }

    /// A gate of a run that has ended would wait for nobody.
    fn open(&mut self, entry: &Entry, effect: EffectId, gate: &Gate) {
        if !self.runs.contains_key(&effect.run) {
            return;
        }
        let id = GateId(entry.seq());
        self.stages.insert(effect, Stage::Waiting(id));
        self.due.insert((gate.expires, Due::Gate(id)));
        self.gates.insert(
            id,
            GateState { id, effect, gate: gate.clone(), answer: None, used_by: None, votes: BTreeSet::new() },
        );
        self.gates_of.entry(effect.run).or_default().push(id);
    }

    fn answer(&mut self, answered: &GateAnswered) {
        let Some(state) = self.gates.get_mut(&answered.gate) else { return };
        state.answer = Some((answered.answer, answered.by.clone()));
        self.due.remove(&(state.gate.expires, Due::Gate(state.id)));
        let stage = Stage::Answered(answered.gate, answered.answer, answered.by.clone());
        self.stages.insert(answered.effect, stage);
    }

    fn send(&mut self, entry: &Entry, command: &Command) {
        let decision = entry.header.cause.unwrap_or(Seq::ZERO);
        let scope = entry.header.scope.clone();
        let sent = Sent { permit: entry.reference(), decision, command: command.clone(), scope };
        self.stages.insert(command.effect, Stage::Sent(sent));
    }

    fn conclude(&mut self, entry: &Entry, concluded: &Concluded) {
        if concluded.last {
            self.stages.remove(&concluded.effect);
            return;
        }
        let Outcome::Failed { retry_after_ms, .. } = concluded.outcome else { return };
        if let Some(sent) = self.stages.get(&concluded.effect).and_then(Stage::sent) {
            let again = Stage::Again(sent.clone(), Pause { since: entry.header.recorded, retry_after_ms });
            self.stages.insert(concluded.effect, again);
        }
    }

    fn wait(&mut self, effect: EffectId, due: Timestamp) {
        if self.runs.contains_key(&effect.run) {
            self.timers.insert(effect, due);
            self.due.insert((due, Due::Timer(effect)));
        }
    }

    fn wake(&mut self, effect: EffectId) {
        if let Some(due) = self.timers.remove(&effect) {
            self.due.remove(&(due, Due::Timer(effect)));
        }
    }

    /// A run that ended needs nothing of this any more; its gates close with it. What it has sent is still to be settled.
    fn forget(&mut self, run: Option<RunId>) {
        let Some(run) = run else { return };
        self.runs.remove(&run);
        for id in self.gates_of.remove(&run).unwrap_or_default() {
            let Some(state) = self.gates.remove(&id) else { continue };
            self.due.remove(&(state.gate.expires, Due::Gate(id)));
            if self.stages.get(&state.effect).is_some_and(|stage| stage.sent().is_none()) {
                self.stages.remove(&state.effect);
            }
        }
        let waits: Vec<_> = self.timers.range(effects_of(run)).map(|(effect, _)| *effect).collect();
        waits.into_iter().for_each(|effect| self.wake(effect));
    }
}

/// All that one run can ask.
pub(crate) fn effects_of(run: RunId) -> RangeInclusive<EffectId> {
    EffectId { run, step: 0 }..=EffectId { run, step: u32::MAX }
}
