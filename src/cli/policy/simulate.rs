//! What other policies would have decided: every recorded decision once more, from its record alone.
//!
//! A decision replays from its record, since policy looks at nothing but the request; where the set is the very same and the verdict
//! is not, the record was changed or this binary decides otherwise, and that is an error.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sinew_contract::{Decided, Entry, Journal, Policy, Record, Seq, Verdict};
use sinew_policy::Cedar;

use super::super::{Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::open_log;

#[derive(Default)]
struct Counts {
    decisions: usize,
    changed: usize,
    /// `run -> ask`: how many.
    by_change: BTreeMap<String, usize>,
    /// Decided by the very same set, and otherwise.
    mismatched: usize,
    rows: Vec<Value>,
}

/// Simulates.
pub(super) fn run(policy: &Cedar, data: &Path, limit: usize, json: bool) -> Outcome {
    let counts = replay(policy, data, limit)
        .with_context(|| format!("cannot read `{}`", data.display()))
        .or_exit(Exit::Failed)?;
    let Counts { decisions, changed, by_change, mismatched, rows } = &counts;
    if json {
        print_json(&json!({
            "ok": *mismatched == 0, "decisions": decisions, "changed": changed, "by_change": by_change,
            "mismatched": mismatched, "policy": policy.digest(), "rows": rows,
        }));
    } else {
        rows.iter().for_each(|row| print_line(&words(row)));
        let changes: Vec<_> = by_change.iter().map(|(change, count)| format!("{count} {change}")).collect();
        print_line(&format!("{decisions} decisions, {changed} would be different: {}", changes.join(", ")));
    }
    Ok(if *mismatched == 0 { Exit::Ok } else { Exit::Failed })
}

fn replay(policy: &Cedar, data: &Path, limit: usize) -> Result<Counts> {
    let (log, _) = open_log(data)?;
    let (mut counts, mut from) = (Counts::default(), Seq::ZERO.next());
    loop {
        let entries = log.read(from, 256)?;
        let Some(last) = entries.last() else { return Ok(counts) };
        from = last.seq().next();
        for entry in &entries {
            if let Record::Decided(decided) = &entry.record {
                counts.add(policy, entry, decided, limit);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, policy: &Cedar, entry: &Entry, decided: &Decided, limit: usize) {
        self.decisions += 1;
        let (was, now) = (&decided.decision, policy.decide(&decided.request));
        if was.verdict == now.verdict {
            return;
        }
        self.changed += 1;
        self.mismatched += usize::from(was.policy == now.policy);
        let change = format!("{} -> {}", word(was.verdict), word(now.verdict));
        *self.by_change.entry(change).or_default() += 1;
        if self.rows.len() < limit {
            self.rows.push(json!({
                "entry": entry.seq(), "run": entry.header.run, "capability": decided.request.capability,
                "amount_minor": decided.request.amount_minor, "was": was.verdict, "now": now.verdict,
                "reasons_then": was.reasons, "reasons_now": now.reasons,
            }));
        }
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Run => "run",
        Verdict::Ask => "ask",
        Verdict::Refuse => "refuse",
    }
}

fn words(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    let reasons: Vec<_> = row["reasons_now"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!(
        "entry {}: {} was {}, would be {}: {}",
        text("entry"),
        text("capability"),
        text("was"),
        text("now"),
        reasons.join("; ")
    )
}
