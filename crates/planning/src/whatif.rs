//! What would have happened: the runs of a log once more, under another policy, threshold or playbook.
//!
//! Causes nothing: it has no port that could. Every question is answered from the record, found by what it asks and not by
//! its number; a question that the record cannot answer ends the run there and says so, instead of making something up.
//!
//! ```text
//! log -> history (what each run asked, what it was answered, what was decided)
//!          └-> course (the same run under the alternative) -> change rows, only where something differs
//! ```

mod course;
mod history;

use std::sync::Arc;

use serde::Serialize;
use sinew_contract::{CapabilityName, PlaybookName, Policy, Request, RunId, Timestamp, Verdict};

pub use history::History;

use crate::Playbook;

/// What is tried instead of what was.
pub struct Alternative<'a> {
    /// The policy that decides; none leaves each decision as it was recorded.
    pub policy: Option<&'a dyn Policy>,
    /// Thresholds on top of it.
    pub thresholds: Thresholds,
    /// The playbooks that take the place of those of the same name; runs of others keep theirs.
    pub playbooks: Vec<Arc<Playbook>>,
}

/// Limits above which a person is asked, whatever policy would let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Asked below this agreement of checks, 0 to 1000.
    pub ask_below_permille: Option<i64>,
    /// Asked above this amount, in minor units.
    pub ask_above_minor: Option<i64>,
}

impl Thresholds {
    /// Turns a `Run` that passes a limit into an `Ask`; says which limit it was.
    fn apply(self, verdict: Verdict, request: &Request) -> (Verdict, Option<String>) {
        let free = verdict == Verdict::Run && !request.approved;
        let low = self.ask_below_permille.filter(|least| free && request.confidence_permille < *least);
        let high = self.ask_above_minor.filter(|most| free && request.amount_minor > *most);
        match (low, high) {
            (Some(least), _) => (Verdict::Ask, Some(format!("agreement below {least} per mille"))),
            (_, Some(most)) => (Verdict::Ask, Some(format!("amount above {most}"))),
            _ => (verdict, None),
        }
    }
}

/// Which runs are looked at: those that started in `[from, to)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
    /// Only this one.
    pub run: Option<RunId>,
}

impl Range {
    fn has(&self, run: RunId, started: Timestamp) -> bool {
        let after = self.from.is_none_or(|from| started >= from);
        after && self.to.is_none_or(|to| started < to) && self.run.is_none_or(|wanted| wanted == run)
    }
}

/// How a run went, as far as it can be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Course {
    /// `completed`, `faulted: <type>`, `cancelled`, `waits`, `undetermined: <why>`.
    pub outcome: String,
    /// Each wish that was decided about, in order.
    pub decisions: Vec<Decided>,
    /// How many times a person was asked.
    pub gates: usize,
    /// Millionths of the deployment's currency.
    pub cost_micros: i64,
    /// JSON pointers of the tasks that were passed.
    #[serde(skip)]
    pub path: Vec<String>,
}

/// One decision about one wish.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// What.
    pub capability: CapabilityName,
    /// Under which idempotency key.
    pub key: String,
    /// Minor units that it moves.
    pub amount_minor: i64,
    /// ISO 4217; empty where no money moves.
    pub currency: String,
    /// The first word on it: run, ask or refuse.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Change {
    /// Another decision about the same wish; none where there was or would be no such wish.
    Decision {
        /// What.
        capability: CapabilityName,
        /// Under which idempotency key.
        key: String,
        /// Minor units that it moves.
        amount_minor: i64,
        /// As recorded.
        was: Option<Verdict>,
        /// Under the alternative.
        now: Option<Verdict>,
        /// Why, under the alternative; else as recorded.
        reasons: Vec<String>,
    },
    /// Another number of gates.
    Gates {
        /// As recorded.
        was: usize,
        /// Under the alternative.
        now: usize,
    },
    /// Another cost.
    Cost {
        /// As recorded.
        was_micros: i64,
        /// Under the alternative, as far as the run came.
        now_micros: i64,
    },
    /// Another end.
    Outcome {
        /// As recorded.
        was: String,
        /// Under the alternative.
        now: String,
    },
    /// Another way through the playbook.
    Path {
        /// The first task that differs, as recorded.
        was: Option<String>,
        /// The first task that differs, under the alternative.
        now: Option<String>,
    },
}

/// One run that goes otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which.
    pub run: RunId,
    /// Of which playbook.
    pub playbook: PlaybookName,
    /// When it started.
    pub started: String,
    /// What differs, in this order: decisions, gates, cost, outcome, path.
    pub changes: Vec<Change>,
}

/// What comes of the alternative.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Runs that were looked at.
    pub runs: usize,
    /// Runs that go otherwise.
    pub changed: usize,
    /// Runs whose record could not answer all that the alternative asks.
    pub undetermined: usize,
    /// The sum of gates, as recorded and under the alternative.
    pub gates: (usize, usize),
    /// The sum of costs in micros, as recorded and under the alternative.
    pub cost_micros: (i64, i64),
    /// One row per run that goes otherwise, in the order of starts.
    pub rows: Vec<Row>,
}

/// Tries the alternative on each run of a history that started within the range.
pub fn what_if(history: &History, alternative: &Alternative<'_>, range: &Range) -> Report {
    let mut report = Report::default();
    for past in history.runs().filter(|past| range.has(past.id, past.started)) {
        let was = past.course();
        let now = course::follow(past, alternative, history.last());
        report.runs += 1;
        report.undetermined += usize::from(now.outcome.starts_with("undetermined"));
        report.gates = (report.gates.0 + was.gates, report.gates.1 + now.gates);
        report.cost_micros = (report.cost_micros.0 + was.cost_micros, report.cost_micros.1 + now.cost_micros);
        let changes = differences(&was, &now);
        if !changes.is_empty() {
            let (run, playbook) = (past.id, past.begun.playbook.clone());
            report.rows.push(Row { run, playbook, started: past.started.to_string(), changes });
        }
    }
    report.changed = report.rows.len();
    report
}

fn differences(was: &Course, now: &Course) -> Vec<Change> {
    let mut changes = decisions(&was.decisions, &now.decisions);
    if was.gates != now.gates {
        changes.push(Change::Gates { was: was.gates, now: now.gates });
    }
    if was.cost_micros != now.cost_micros {
        changes.push(Change::Cost { was_micros: was.cost_micros, now_micros: now.cost_micros });
    }
    if was.outcome != now.outcome {
        changes.push(Change::Outcome { was: was.outcome.clone(), now: now.outcome.clone() });
    }
    // A run that stops earlier has not gone another way; one that passes other tasks has.
    let differs = was.path.iter().zip(&now.path).position(|(was, now)| was != now);
    if let Some(at) = differs {
        changes.push(Change::Path { was: was.path.get(at).cloned(), now: now.path.get(at).cloned() });
    }
    changes
}

/// Pairs decisions by capability and key: a key is once, so a wish under the same key is the same wish.
fn decisions(was: &[Decided], now: &[Decided]) -> Vec<Change> {
    let same = |a: &Decided, b: &Decided| a.capability == b.capability && a.key == b.key;
    let change = |of: &Decided, was: Option<&Decided>, now: Option<&Decided>| Change::Decision {
        capability: of.capability.clone(),
        key: of.key.clone(),
        amount_minor: of.amount_minor,
        was: was.map(|d| d.verdict),
        now: now.map(|d| d.verdict),
        reasons: of.reasons.clone(),
    };
    let mut changes = Vec::new();
    for old in was {
        match now.iter().find(|new| same(old, new)) {
            None => changes.push(change(old, Some(old), None)),
            Some(new) if new.verdict != old.verdict => changes.push(change(new, Some(old), Some(new))),
            Some(_) => {}
        }
    }
    let fresh = now.iter().filter(|new| !was.iter().any(|old| same(old, new)));
    changes.extend(fresh.map(|new| change(new, None, Some(new))));
    changes
}
