//! One run once more: the real fold, asked and answered from the record, with the alternative deciding.
//!
//! Does not know the log's other runs: a run shares nothing with them but what the record already holds.

use std::collections::VecDeque;
use std::sync::Arc;

use sinew_contract::{
    Answer, BootTime, CancelAsked, Concluded, Cost, Digest, EffectId, Entry, GateAnswered, GateId, Header, LogId,
    Outcome, Record, RunEnded, Scope, Seq, TimerFired, Timestamp, Verdict,
};

use super::history::{Past, Question, asks, decided, outcome};
use super::{Alternative, Course};
use crate::{ActAsk, ApproveAsk, Effect, Engine, Playbook};

/// Entries that one run may take; far above any honest run, so that a playbook that loops for ever ends here.
const ENTRIES_MAX: u64 = 100_000;

/// Follows a run under the alternative, up to its end or to where the record has no answer.
pub(super) fn follow(past: &Past, alternative: &Alternative<'_>, last: Timestamp) -> Course {
    let named = alternative.playbooks.iter().find(|playbook| *playbook.name() == past.begun.playbook);
    let Some(playbook) = named.or(past.playbook.as_ref()) else {
        let outcome = format!("undetermined: its playbook with digest {} is not there", past.begun.digest);
        return Course { outcome, ..Course::default() };
    };
    let mut walk = Walk {
        past,
        alternative,
        engine: Engine::new([Arc::clone(playbook)]),
        course: Course::default(),
        used: vec![false; past.questions.len()],
        queue: VecDeque::new(),
        seq: past.id.seq,
        at: past.started,
        last,
    };
    walk.begin(playbook);
    walk.course
}

struct Walk<'a> {
    past: &'a Past,
    alternative: &'a Alternative<'a>,
    engine: Engine,
    course: Course,
    /// Answers of the record that have been given out: the same question asked twice gets the second answer.
    used: Vec<bool>,
    queue: VecDeque<Effect>,
    seq: Seq,
    /// The time of the course: that of the answers it is given.
    at: Timestamp,
    last: Timestamp,
}

/// What becomes of one question.
enum Said {
    /// These records, in order.
    Records(Vec<Record>),
    /// Nobody has said anything yet; nobody had in the record either, or nobody was asked then.
    Waits,
    /// The record cannot tell.
    Unknown(String),
}

impl Walk<'_> {
    fn begin(&mut self, playbook: &Playbook) {
        let mut begun = self.past.begun.clone();
        begun.digest = playbook.digest();
        begun.engine = crate::ENGINE_VERSION;
        playbook.version().clone_into(&mut begun.version);
        self.fold(Record::RunStarted(begun));
        while let Some(effect) = self.queue.pop_front() {
            let said = self.ask(effect);
            let records = match said {
                Said::Records(records) => records,
                Said::Waits => return self.stop("waits".to_owned()),
                Said::Unknown(why) => return self.stop(format!("undetermined: {why}")),
            };
            for record in records {
                self.fold(record);
            }
            if self.seq.0 - self.past.id.seq.0 > ENTRIES_MAX {
                return self.stop(format!("undetermined: it took more than {ENTRIES_MAX} entries"));
            }
        }
        if self.course.outcome.is_empty() {
            "waits".clone_into(&mut self.course.outcome);
        }
    }

    /// The course comes to a place from where it does not go on by itself.
    fn stop(&mut self, outcome: String) {
        let Some(reason) = self.past.cancelled.clone() else {
            self.course.outcome = outcome;
            return;
        };
        // Whoever cancelled it would have done so here too.
        self.queue.clear();
        self.fold(Record::CancelAsked(CancelAsked { run: self.past.id, reason }));
        "cancelled".clone_into(&mut self.course.outcome);
    }

    fn fold(&mut self, record: Record) {
        let entry = self.entry(record);
        self.queue.extend(self.engine.apply(&entry));
    }

    fn entry(&mut self, record: Record) -> Entry {
        let seq = self.seq;
        self.seq = seq.next();
        let header = Header {
            format: 1,
            log: LogId::ZERO,
            epoch: 0,
            seq,
            previous: Digest::ZERO,
            scope: Scope::main(),
            kind: record.code(),
            run: Some(self.past.id),
            cause: None,
            principal: "sinew".parse().expect("`sinew` is a plain name"),
            observed: self.at,
            recorded: self.at,
            boot: BootTime(0),
            subjects: Vec::new(),
            touches: Vec::new(),
            labels: Digest::ZERO,
            payload: Digest::ZERO,
        };
        Entry { header, hash: Digest::ZERO, record, labels: sinew_contract::LabelMap::new() }
    }

    fn ask(&mut self, effect: Effect) -> Said {
        match effect {
            Effect::Note { stepped, .. } => {
                self.course.path.push(stepped.task.clone());
                Said::Records(vec![Record::Stepped(stepped)])
            }
            Effect::End { end, .. } => {
                self.course.outcome = outcome(&end);
                Said::Records(vec![Record::RunEnded(RunEnded { end })])
            }
            Effect::Timer { effect, due } if due <= self.last => {
                self.at = self.at.max(due);
                Said::Records(vec![Record::TimerFired(TimerFired { effect })])
            }
            Effect::Timer { .. } => Said::Waits,
            Effect::Act(ask) => self.act(&ask),
            Effect::Approve(ask) => self.approve(&ask),
            Effect::Remember(ask) => Said::Records(vec![Record::Remembered(ask.fact)]),
            other => self.recorded(&other),
        }
    }

    /// The first unused answer to the same question; the last one again, where all are used.
    fn find(&mut self, effect: &Effect) -> Option<&'_ Question> {
        let wanted = asks(effect)?;
        let same: Vec<_> =
            self.past.questions.iter().enumerate().filter(|(_, q)| q.asks == wanted).map(|(at, _)| at).collect();
        let at = same.iter().find(|at| !self.used.get(**at).copied().unwrap_or(true)).or(same.last()).copied()?;
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
        self.past.questions.get(at)
    }

    fn recorded(&mut self, effect: &Effect) -> Said {
        let Some(id) = effect.id() else { return Said::Records(Vec::new()) };
        let Some(question) = self.find(effect) else { return unknown(effect) };
        let Some((record, at)) = question.answer.clone() else { return Said::Waits };
        self.at = self.at.max(at);
        match record {
            Record::Proposed(mut proposed) => {
                proposed.effect = id;
                if let Ok(proposal) = &proposed.answer {
                    self.pay(proposal.cost);
                }
                Said::Records(vec![Record::Proposed(proposed)])
            }
            Record::Recalled(mut recalled) => {
                recalled.effect = id;
                Said::Records(vec![Record::Recalled(recalled)])
            }
            _ => unknown(effect),
        }
    }

    fn pay(&mut self, cost: Cost) {
        self.course.cost_micros = self.course.cost_micros.saturating_add(cost.micros);
    }

    fn approve(&mut self, ask: &ApproveAsk) -> Said {
        self.course.gates += 1;
        let effect = Effect::Approve(Box::new(ask.clone()));
        let Some(question) = self.find(&effect) else { return Said::Waits };
        match question.person.clone() {
            None => Said::Waits,
            Some((_, record)) => Said::Records(vec![answered(record, ask.effect)]),
        }
    }

    /// A wish: the alternative decides, the record tells how it ended.
    fn act(&mut self, ask: &ActAsk) -> Said {
        let effect = Effect::Act(Box::new(ask.clone()));
        let alternative = self.alternative;
        let Some(question) = self.find(&effect) else { return unknown(&effect) };
        let (concluded, person, sent) = (question.concluded().cloned(), question.person.clone(), question.sent);
        let Some((mut request, mut decision)) = question.decided.first().cloned() else {
            // The keys alone decided; they would again.
            return concluded.map_or(Said::Waits, |last| self.conclude(ask.wish.effect, last));
        };
        let recorded = decision.verdict;
        request.args_trust = ask.args_label.trust;
        request.control_trust = ask.control_label.trust;
        request.confidence_permille = i64::from(ask.confidence_permille);
        if let Some(policy) = alternative.policy {
            decision = policy.decide(&request);
        }
        let (mut verdict, limit) = alternative.thresholds.apply(decision.verdict, &request);
        if verdict == Verdict::Run && request.duplicate {
            verdict = Verdict::Ask;
        }
        let reasons = limit.map_or(decision.reasons.clone(), |limit| vec![limit]);
        // What the record calls its verdict is policy's own word; a duplicate is asked about all the same.
        let told = if request.duplicate && recorded == decision.verdict { recorded } else { verdict };
        self.course.decisions.push(decided(&request, &ask.wish.key, told, reasons.clone()));
        match verdict {
            Verdict::Refuse => self.refuse(ask, "policy", reasons.join("; ")),
            Verdict::Run if sent => concluded.map_or(Said::Waits, |last| self.conclude(ask.wish.effect, last)),
            Verdict::Run => Said::Unknown(format!("`{}` would be done, and was never done", ask.wish.capability)),
            Verdict::Ask => {
                self.course.gates += 1;
                let may = |request: &mut sinew_contract::Request| {
                    request.approved = true;
                    alternative.policy.is_none_or(|policy| policy.decide(request).verdict != Verdict::Refuse)
                };
                match person {
                    None => Said::Waits,
                    Some((Answer::Approve, _)) if !may(&mut request) => {
                        self.refuse(ask, "policy", "refused in spite of an approval".to_owned())
                    }
                    Some((Answer::Approve, _)) => {
                        concluded.map_or(Said::Waits, |last| self.conclude(ask.wish.effect, last))
                    }
                    Some(_) if recorded == Verdict::Ask || request.duplicate => {
                        concluded.map_or(Said::Waits, |last| self.conclude(ask.wish.effect, last))
                    }
                    Some(_) => self.refuse(ask, "person", "refused".to_owned()),
                }
            }
        }
    }

    fn conclude(&mut self, effect: EffectId, mut last: Concluded) -> Said {
        last.effect = effect;
        self.pay(last.cost);
        Said::Records(vec![Record::Concluded(last)])
    }

    fn refuse(&mut self, ask: &ActAsk, by: &str, reason: String) -> Said {
        let concluded = Concluded {
            effect: ask.wish.effect,
            intent: None,
            capability: ask.wish.capability.clone(),
            outcome: Outcome::Refused { by: by.to_owned(), reason },
            cost: Cost::default(),
            last: true,
        };
        Said::Records(vec![Record::Concluded(concluded)])
    }
}

/// A recorded answer of a person, for the same question under its new number.
fn answered(record: Record, effect: EffectId) -> Record {
    match record {
        Record::GateAnswered(answered) => {
            Record::GateAnswered(GateAnswered { effect, gate: GateId(answered.gate.0), ..answered })
        }
        other => other,
    }
}

fn unknown(effect: &Effect) -> Said {
    let what = match effect {
        Effect::Act(ask) => format!("`{}` with these arguments was never asked for", ask.wish.capability),
        Effect::Infer(ask) => format!("the role `{}` was never asked this", ask.role),
        Effect::Recall(ask) => format!("`{}` was never asked this", ask.store),
        _ => "the record has no answer to one of its questions".to_owned(),
    };
    Said::Unknown(what)
}
