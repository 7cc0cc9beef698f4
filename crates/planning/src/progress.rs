//! How far each wish has come on the effect path, folded from the log.
//!
//! The engine knows only questions and last answers; what lies between (decided, gate, intent, unknown) is here. So a
//! restarted dispatcher goes on where the log ends. Pure: no clock, no I/O, no port.
//!
//! ```text
//! (nothing) -> Waiting(gate) -> Answered -> Sent(intent) -> Again(attempt) -> Sent … -> (gone: concluded)
//! ```

use std::collections::{BTreeMap, HashMap};

use sinew_contract::{
    Answer, Class, Command, Digest, EffectId, Entry, EntryRef, Gate, GateId, Outcome, PrincipalId, Record, RunId, Seq,
    Timestamp,
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
    Again(Sent),
}

impl Stage {
    fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Sent(sent) => Some(sent),
            _ => None,
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
}

/// The fold.
#[derive(Debug, Default)]
pub struct Progress {
    folded: Seq,
    stages: HashMap<EffectId, Stage>,
    gates: HashMap<GateId, GateState>,
    gates_of: HashMap<RunId, Vec<GateId>>,
    timers: BTreeMap<EffectId, Timestamp>,
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

    /// Commands that may have gone out and have no last word in the log.
    pub(crate) fn unsettled(&self) -> Vec<Sent> {
        let mut sent: Vec<_> = self.stages.values().filter_map(Stage::sent).cloned().collect();
        sent.sort_by_key(|s| s.permit.seq);
        sent
    }

    pub(crate) fn stage(&self, effect: EffectId) -> Option<&Stage> {
        self.stages.get(&effect)
    }

    /// When a wait is due, where its timer is set already.
    pub(crate) fn timer(&self, effect: EffectId) -> Option<Timestamp> {
        self.timers.get(&effect).copied()
    }

    /// Says whether an approval may be used for these bytes: it was given, for this digest, and not used before.
    pub(crate) fn approves(&self, id: GateId, digest: Digest, effect: EffectId) -> bool {
        self.gates.get(&id).is_some_and(|g| {
            let given = matches!(g.answer, Some((Answer::Approve, Some(_))));
            given && g.gate.preimage.is_some() && g.gate.digest == digest && g.used_by.is_none_or(|by| by == effect)
        })
    }

    /// Folds one entry in. Entries come in order, without a gap.
    pub fn apply(&mut self, entry: &Entry) {
        self.folded = entry.seq();
        match &entry.record {
            Record::Decided(decided) => {
                if let Some(state) = decided.approval.and_then(|id| self.gates.get_mut(&id)) {
                    state.used_by = Some(decided.effect);
                }
            }
            Record::GateOpened(opened) => self.open(entry, opened.effect, &opened.gate),
            Record::GateAnswered(answered) => self.answer(answered),
            Record::Intended(intended) => self.send(entry, &intended.command),
            Record::Concluded(concluded) => self.conclude(concluded),
            Record::TimerSet(timer) => {
                self.timers.insert(timer.effect, timer.due);
            }
            Record::TimerFired(timer) => {
                self.timers.remove(&timer.effect);
            }
            Record::RunEnded(_) => self.forget(entry.header.run),
            _ => {}
        }
    }

    fn open(&mut self, entry: &Entry, effect: EffectId, gate: &Gate) {
        let id = GateId(entry.seq());
        self.stages.insert(effect, Stage::Waiting(id));
        self.gates.insert(id, GateState { id, effect, gate: gate.clone(), answer: None, used_by: None });
        self.gates_of.entry(effect.run).or_default().push(id);
    }

    fn answer(&mut self, answered: &sinew_contract::GateAnswered) {
        if let Some(state) = self.gates.get_mut(&answered.gate) {
            state.answer = Some((answered.answer, answered.by.clone()));
        }
        let stage = Stage::Answered(answered.gate, answered.answer, answered.by.clone());
        self.stages.insert(answered.effect, stage);
    }

    fn send(&mut self, entry: &Entry, command: &Command) {
        let decision = entry.header.cause.unwrap_or(Seq::ZERO);
        let sent = Sent { permit: entry.reference(), decision, command: command.clone() };
        self.stages.insert(command.effect, Stage::Sent(sent));
    }

    fn conclude(&mut self, concluded: &sinew_contract::Concluded) {
        if concluded.last {
            self.stages.remove(&concluded.effect);
            return;
        }
        let failed = matches!(concluded.outcome, Outcome::Failed { .. });
        if let Some(Stage::Sent(sent)) = self.stages.get(&concluded.effect).filter(|_| failed) {
            let again = Stage::Again(sent.clone());
            self.stages.insert(concluded.effect, again);
        }
    }

    /// A run that ended needs nothing of this any more; its gates close with it.
    fn forget(&mut self, run: Option<RunId>) {
        let Some(run) = run else { return };
        for id in self.gates_of.remove(&run).unwrap_or_default() {
            if let Some(state) = self.gates.remove(&id) {
                self.stages.remove(&state.effect);
            }
        }
        let of_run = EffectId { run, step: 0 }..=EffectId { run, step: u32::MAX };
        let waits: Vec<_> = self.timers.range(of_run).map(|(effect, _)| *effect).collect();
        for effect in waits {
            self.timers.remove(&effect);
        }
    }
}
