//! What the log says of each run: what it asked, what it was answered, what was decided, how it ended.
//!
//! Folds the log with the playbooks that its runs are pinned to, so that each recorded answer is known by its question.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{
    Answer, Concluded, Cost, Decision, Digest, EffectId, Entry, PlaybookName, Record, Request, RunEnd, RunId,
    RunStarted, Timestamp,
};
use sinew_expr::digest_value;

use super::{Course, Decided};
use crate::{Effect, Engine, Playbook};

/// All runs of a log, each with what became of its questions.
#[derive(Debug)]
pub struct History {
    engine: Engine,
    pinned: BTreeMap<Digest, Arc<Playbook>>,
    runs: BTreeMap<RunId, Past>,
    last: Timestamp,
}

/// One run as it was.
#[derive(Debug)]
pub(super) struct Past {
    pub id: RunId,
    pub begun: RunStarted,
    pub started: Timestamp,
    /// The playbook that it is pinned to, where it is still known.
    pub playbook: Option<Arc<Playbook>>,
    /// In the order of asking.
    pub questions: Vec<Question>,
    pub path: Vec<String>,
    pub gates: usize,
    pub cost: Cost,
    pub cancelled: Option<String>,
    pub end: Option<RunEnd>,
    at: BTreeMap<EffectId, usize>,
}

/// One question, and everything that the log says about it.
#[derive(Debug)]
pub(super) struct Question {
    /// What it asks, without its number.
    pub asks: Digest,
    /// The record that answered it, and when.
    pub answer: Option<(Record, Timestamp)>,
    /// What policy was asked and said, in order.
    pub decided: Vec<(Request, Decision)>,
    pub key: String,
    /// What a person said at its gate.
    pub person: Option<(Answer, Record)>,
    /// Whether a command may have left for it.
    pub sent: bool,
}

impl Question {
    /// The last word on an act.
    pub fn concluded(&self) -> Option<&Concluded> {
        match &self.answer {
            Some((Record::Concluded(concluded), _)) => Some(concluded),
            _ => None,
        }
    }
}

impl History {
    /// A history of nothing yet; `pinned` are the playbooks that the log's runs are pinned to.
    pub fn new(pinned: impl IntoIterator<Item = Arc<Playbook>>) -> Self {
        let mut engine = Engine::new([]);
        let pinned: BTreeMap<_, _> = pinned.into_iter().map(|playbook| (playbook.digest(), playbook)).collect();
        pinned.values().for_each(|playbook| engine.keep(Arc::clone(playbook)));
        Self { engine, pinned, runs: BTreeMap::new(), last: Timestamp::default() }
    }

    /// Takes the next entry of the log; they come in order, from the first.
    pub fn read(&mut self, entry: &Entry) {
        self.last = self.last.max(entry.header.recorded);
        self.note(entry);
        for effect in self.engine.apply(entry) {
            if let Some(past) = effect.id().and_then(|id| self.runs.get_mut(&id.run)) {
                past.asked(&effect);
            }
        }
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Past> {
        self.runs.values()
    }

    /// When the last entry was recorded.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// Names of the playbooks of all runs.
    pub fn playbooks(&self) -> impl Iterator<Item = &PlaybookName> {
        self.runs.values().map(|past| &past.begun.playbook)
    }

    fn note(&mut self, entry: &Entry) {
        let Some(id) = entry.header.run else { return };
        if let Record::RunStarted(begun) = &entry.record {
            let playbook = self.pinned.get(&begun.digest).cloned();
            self.runs.insert(id, Past::new(id, begun, entry.header.recorded, playbook));
            return;
        }
        if let Some(past) = self.runs.get_mut(&id) {
            past.note(entry);
        }
    }
}

impl Past {
    fn new(id: RunId, begun: &RunStarted, started: Timestamp, playbook: Option<Arc<Playbook>>) -> Self {
        let begun = begun.clone();
        let (questions, path, at) = (Vec::new(), Vec::new(), BTreeMap::new());
        let cost = Cost::default();
        Self { id, begun, started, playbook, questions, path, gates: 0, cost, cancelled: None, end: None, at }
    }

    fn asked(&mut self, effect: &Effect) {
        let (Some(id), Some(asks)) = (effect.id(), asks(effect)) else { return };
        let key = if let Effect::Act(ask) = effect { ask.wish.key.clone() } else { String::new() };
        self.at.insert(id, self.questions.len());
        let question = Question { asks, answer: None, decided: Vec::new(), key, person: None, sent: false };
        self.questions.push(question);
    }

    fn note(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Stepped(stepped) => self.path.push(stepped.task.clone()),
            Record::GateOpened(_) => self.gates += 1,
            Record::Concluded(concluded) => self.pay(concluded.cost),
            Record::Proposed(proposed) => {
                if let Ok(proposal) = &proposed.answer {
                    self.pay(proposal.cost);
                }
            }
            Record::CancelAsked(asked) => self.cancelled = Some(asked.reason.clone()),
            Record::RunEnded(ended) => self.end = Some(ended.end.clone()),
            _ => {}
        }
        let at = entry.record.effect().and_then(|effect| self.at.get(&effect)).copied();
        if let Some(question) = at.and_then(|at| self.questions.get_mut(at)) {
            question.note(entry);
        }
    }

    fn pay(&mut self, cost: Cost) {
        self.cost.micros = self.cost.micros.saturating_add(cost.micros);
    }

    /// How it went, as the log has it.
    pub fn course(&self) -> Course {
        let first = |question: &Question| {
            let (request, decision) = question.decided.first()?;
            Some(decided(request, &question.key, decision.verdict, decision.reasons.clone()))
        };
        Course {
            outcome: self.end.as_ref().map_or("waits".to_owned(), outcome),
            decisions: self.questions.iter().filter_map(first).collect(),
            gates: self.gates,
            cost_micros: self.cost.micros,
            path: self.path.clone(),
        }
    }
}

impl Question {
    fn note(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Decided(decided) => self.decided.push((decided.request.clone(), decided.decision.clone())),
            Record::Intended(_) => self.sent = true,
            Record::GateAnswered(answered) => self.person = Some((answered.answer, entry.record.clone())),
            Record::GateOpened(_) | Record::TimerSet(_) => {}
            Record::Concluded(concluded) if !concluded.last => {}
            record => self.answer = Some((record.clone(), entry.header.recorded)),
        }
    }
}

/// One row of decisions.
pub(super) fn decided(request: &Request, key: &str, verdict: sinew_contract::Verdict, reasons: Vec<String>) -> Decided {
    Decided {
        capability: request.capability.clone(),
        key: key.to_owned(),
        amount_minor: request.amount_minor,
        currency: request.currency.clone(),
        verdict,
        reasons,
    }
}

/// How a run ended, in one phrase.
pub(super) fn outcome(end: &RunEnd) -> String {
    match end {
        RunEnd::Completed { .. } => "completed".to_owned(),
        RunEnd::Faulted { error } => format!("faulted: {}", error.error_type),
        RunEnd::Cancelled { .. } => "cancelled".to_owned(),
    }
}

/// What a question asks, without its number: the same question of another course has the same digest. None for kinds
/// that the record cannot answer.
pub(super) fn asks(effect: &Effect) -> Option<Digest> {
    let value: Value = match effect {
        Effect::Infer(ask) => {
            json!(["infer", ask.role, ask.instruction, ask.inputs, ask.schema, ask.rules, ask.template])
        }
        Effect::Recall(ask) => json!(["recall", ask.store, ask.subject, ask.about, ask.limit]),
        Effect::Remember(ask) => json!(["remember", ask.fact.key, ask.fact.subject, ask.fact.content]),
        Effect::Act(ask) => json!(["act", ask.wish.capability, ask.wish.args]),
        Effect::Approve(ask) => {
            json!(["approve", ask.question, ask.proposal.as_ref().map(|(name, args)| json!([name, args]))])
        }
        _ => return None,
    };
    Some(digest_value(&value))
}
