//! Holds what happened against `samples/expected.json`, by the shop's own ledger, not by Sinew's word.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Plan;
use super::feed::{Fed, text};

/// What a sample must lead to; see the label maker for the meaning of each field.
#[derive(Debug, Deserialize)]
struct Expected {
    file: String,
    verdict: String,
    code: Option<String>,
    rma: Option<String>,
    outcome: String,
    asked: bool,
    effects: Vec<Effect>,
}

#[derive(Clone, Debug, Deserialize)]
struct Effect {
    action: String,
    applied: String,
    arguments: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct ExpectedFile {
    samples: Vec<Expected>,
}

/// One photograph in the summary.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub file: String,
    pub verdict: String,
    pub code: Option<String>,
    pub outcome: String,
    pub asked: bool,
    pub run: String,
    /// It came out as expected, or nothing was expected of it.
    pub right: bool,
    /// What did not.
    pub wrong: Vec<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub samples: Vec<Sample>,
    pub totals: Totals,
}

/// Counts; effects by the shop's ledger.
#[derive(Debug, Default, Serialize)]
pub(super) struct Totals {
    pub samples: usize,
    pub scans: usize,
    pub refunded: usize,
    pub restocked: usize,
    pub messages: usize,
    pub voided: usize,
    pub asked: usize,
    pub refused: usize,
    pub unread: usize,
    pub conflict: usize,
    /// Calls applied beyond the first for one key, and refunds beyond the first for one return.
    pub doubled: usize,
    /// Effects that were due and are not in the ledger.
    pub lost: usize,
    pub person_touches: usize,
}

impl Judge {
    pub fn new(plan: &Plan, fed: &[Fed], ledger: &[Value]) -> Result<Self> {
        let expected = if plan.scans.is_none() && plan.once { read_expected(plan)? } else { Vec::new() };
        let mut judge = Self::default();
        for one in fed {
            judge.count(one);
            if one.sample {
                let wanted = expected.iter().find(|e| e.file == one.file);
                judge.samples.push(sample(one, wanted));
            }
        }
        judge.count_ledger(ledger);
        judge.hold_effects(&expected, ledger);
        judge.totals.lost += fed.iter().filter(|f| !f.sample).map(|f| missing_of_bulk(f, ledger)).sum::<usize>();
        Ok(judge)
    }

    fn count(&mut self, fed: &Fed) {
        let totals = &mut self.totals;
        totals.samples += usize::from(fed.sample);
        totals.scans += 1;
        totals.asked += usize::from(fed.asked > 0);
        totals.person_touches += fed.asked;
        match text(&fed.scan, "verdict").as_deref() {
            Some("unread") => totals.unread += 1,
            Some("conflict") => totals.conflict += 1,
            _ => {}
        }
        totals.refused += usize::from(outcome(&fed.run) == "refused");
    }

    /// Counts what the shop applied, and what it applied more than once.
    fn count_ledger(&mut self, ledger: &[Value]) {
        let applied = |action: &str| ledger.iter().filter(|row| is(row, action, "applied")).count();
        self.totals.voided = applied("refund-void");
        self.totals.refunded = applied("refund") - self.totals.voided.min(applied("refund"));
        self.totals.restocked = applied("restock");
        self.totals.messages = applied("message");
        let rows = ledger.iter().filter(|row| text(row, "applied").as_deref() == Some("applied"));
        let keys: Vec<_> = rows.filter_map(|row| text(row, "key")).collect();
        let once: BTreeSet<_> = keys.iter().collect();
        let refunds: Vec<_> = ledger.iter().filter(|row| is(row, "refund", "applied")).filter_map(rma).collect();
        let returns: BTreeSet<_> = refunds.iter().collect();
        self.totals.doubled = (keys.len() - once.len()) + (refunds.len() - returns.len());
    }

    /// For each return: the calls in the ledger are those of its samples, in order, and no others.
    fn hold_effects(&mut self, expected: &[Expected], ledger: &[Value]) {
        let mut wanted: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
        for sample in expected {
            wanted.entry(sample.rma.as_deref().unwrap_or_default()).or_default().extend(&sample.effects);
        }
        for (of, effects) in wanted.into_iter().filter(|(of, _)| !of.is_empty()) {
            let rows: Vec<_> = ledger.iter().filter(|row| rma(row).as_deref() == Some(of)).collect();
            let missing = effects.iter().filter(|effect| !rows.iter().any(|row| matches(effect, row))).count();
            self.totals.lost += missing;
            let same =
                rows.len() == effects.len() && effects.iter().zip(&rows).all(|(effect, row)| matches(effect, row));
            if !same {
                self.blame(expected, of, &rows);
            }
        }
    }

    fn blame(&mut self, expected: &[Expected], of: &str, rows: &[&Value]) {
        let calls: Vec<_> =
            rows.iter().map(|row| format!("{} {}", field(row, "action"), field(row, "applied"))).collect();
        let files = expected.iter().filter(|e| e.rma.as_deref() == Some(of)).map(|e| e.file.as_str());
        for file in files {
            if let Some(sample) = self.samples.iter_mut().find(|s| s.file == file) {
                sample.right = false;
                sample.wrong.push(format!("the ledger has for {of}: {}", calls.join(", ")));
            }
        }
    }
}

fn sample(fed: &Fed, expected: Option<&Expected>) -> Sample {
    let mut sample = Sample {
        file: fed.file.clone(),
        verdict: text(&fed.scan, "verdict").unwrap_or_else(|| "not taken".to_owned()),
        code: text(&fed.scan, "code"),
        outcome: outcome(&fed.run),
        asked: fed.asked > 0,
        run: field(&fed.run, "run"),
        right: true,
        wrong: Vec::new(),
    };
    if let Some(expected) = expected {
        hold(&mut sample, expected);
    }
    sample
}

fn hold(sample: &mut Sample, expected: &Expected) {
    let mut differ = |what: &str, is: &dyn std::fmt::Debug, should: &dyn std::fmt::Debug, same: bool| {
        if !same {
            sample.wrong.push(format!("{what} is {is:?} and should be {should:?}"));
        }
    };
    differ("verdict", &sample.verdict, &expected.verdict, sample.verdict == expected.verdict);
    differ("code", &sample.code, &expected.code, sample.code == expected.code);
    differ("outcome", &sample.outcome, &expected.outcome, sample.outcome == expected.outcome);
    differ("asked", &sample.asked, &expected.asked, sample.asked == expected.asked);
    sample.right = sample.wrong.is_empty();
}

/// The bulk's labels are all of plain returns: refund, restock, message.
fn missing_of_bulk(fed: &Fed, ledger: &[Value]) -> usize {
    let Some(code) = text(&fed.scan, "code") else { return 3 };
    let there = |action: &&str| ledger.iter().any(|row| is(row, action, "applied") && rma(row).as_ref() == Some(&code));
    3 - ["refund", "restock", "message"].iter().filter(|a| there(a)).count()
}

fn outcome(run: &Value) -> String {
    let output = run.get("output").and_then(|o| text(o, "outcome"));
    output.or_else(|| text(run, "status")).unwrap_or_default()
}

/// The return that a call is about: in its own column, or in the key of an undo.
fn rma(row: &Value) -> Option<String> {
    let in_key = || {
        let key = text(row, "key")?;
        let at = key.find("RMA-")?;
        Some(key.get(at..)?.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').take(10).collect())
    };
    text(row, "rma").filter(|rma| !rma.is_empty()).or_else(in_key)
}

fn is(row: &Value, action: &str, applied: &str) -> bool {
    field(row, "action") == action && field(row, "applied") == applied
}

fn matches(effect: &Effect, row: &Value) -> bool {
    let arguments = row.get("arguments").cloned().unwrap_or_default();
    let within = |(name, value): (&String, &Value)| arguments.get(name) == Some(value);
    is(row, &effect.action, &effect.applied) && effect.arguments.iter().all(within)
}

fn field(row: &Value, name: &str) -> String {
    text(row, name).unwrap_or_default()
}

fn read_expected(plan: &Plan) -> Result<Vec<Expected>> {
    let path = plan.deployment.join("samples/expected.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let file: ExpectedFile =
        serde_json::from_str(&text).with_context(|| format!("`{}` is not right", path.display()))?;
    Ok(file.samples)
}
