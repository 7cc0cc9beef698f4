//! `sinew replay --what-if`: the runs of a time range once more, decided by the deployment that is named.
//!
//! Every effect is answered from the record. Nothing is asked, sent or written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use serde_json::json;
use sinew_contract::{Policy, RunId, Timestamp};
use sinew_planning::{Alternative, Change, Known, Range, Report, Thresholds, what_if};
use sinew_policy::Cedar;

use super::super::{Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::parts;
use crate::assembly::replay::history;
use crate::deployment::Deployment;

/// What is tried instead.
#[derive(Clone, Debug, ClapArgs)]
// Its group would have the name of the group that it is flattened into.
#[group(skip)]
pub struct Args {
    /// Tell what would have happened under the policies and playbooks of this deployment.
    #[arg(long)]
    what_if: bool,
    /// Only runs that started at this time or later, as in 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME", requires = "what_if")]
    from: Option<jiff::Timestamp>,
    /// Only runs that started before this time.
    #[arg(long, value_name = "TIME", requires = "what_if")]
    to: Option<jiff::Timestamp>,
    /// Take the policies from this folder instead.
    #[arg(long, value_name = "DIR", requires = "what_if")]
    policies: Option<PathBuf>,
    /// Take this playbook for the runs of its name; may be given more than once.
    #[arg(long, value_name = "FILE", requires = "what_if")]
    playbook: Vec<PathBuf>,
    /// Leave every run with the playbook that it was pinned to.
    #[arg(long, requires = "what_if", conflicts_with = "playbook")]
    pinned: bool,
    /// Ask a person where checks agree less than this, 0 to 1000.
    #[arg(long, value_name = "PERMILLE", requires = "what_if")]
    ask_below: Option<i64>,
    /// Ask a person above this amount, in minor units.
    #[arg(long, value_name = "MINOR", requires = "what_if")]
    ask_above: Option<i64>,
}

impl Args {
    /// Says whether this is asked for at all.
    pub fn asked(&self) -> bool {
        self.what_if
    }
}

/// Tries the alternative and tells what would differ.
pub fn run(
    data: &Path,
    deployment: &Deployment,
    known: &Known,
    args: &Args,
    run: Option<RunId>,
    json: bool,
) -> Outcome {
    let policy = policy(deployment, args).or_exit(Exit::BadConfig)?;
    let playbooks = playbooks(deployment, known, args).or_exit(Exit::BadConfig)?;
    let past =
        history(data, known).with_context(|| format!("cannot read `{}`", data.display())).or_exit(Exit::Failed)?;
    let thresholds = Thresholds { ask_below_permille: args.ask_below, ask_above_minor: args.ask_above };
    let micros = |at: Option<jiff::Timestamp>| at.map(|at| Timestamp(at.as_microsecond()));
    let range = Range { from: micros(args.from), to: micros(args.to), run };
    let report = what_if(&past, &Alternative { policy: Some(&policy), thresholds, playbooks }, &range);
    if json {
        print_json(&json!({
            "policy": policy.digest(),
            "runs": report.runs,
            "changed": report.changed,
            "undetermined": report.undetermined,
            "gates": { "was": report.gates.0, "now": report.gates.1 },
            "cost_micros": { "was": report.cost_micros.0, "now": report.cost_micros.1 },
            "rows": report.rows,
        }));
    } else {
        say(&report);
    }
    Ok(Exit::Ok)
}

fn policy(deployment: &Deployment, args: &Args) -> Result<Cedar> {
    let texts = match &args.policies {
        Some(folder) => crate::deployment::read_texts(folder, "cedar")?,
        None => deployment.texts("policies"),
    };
    Ok(Cedar::load(&texts)?)
}

fn playbooks(
    deployment: &Deployment,
    known: &Known,
    args: &Args,
) -> Result<Vec<std::sync::Arc<sinew_planning::Playbook>>> {
    if args.pinned {
        return Ok(Vec::new());
    }
    let mut all = parts::playbooks(deployment, known)?;
    for file in &args.playbook {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let one = parts::playbook(&text, known).with_context(|| format!("`{}` is not right", file.display()))?;
        // The named file wins over the deployment's own of the same name.
        all.retain(|other| other.name() != one.name());
        all.push(one);
    }
    Ok(all)
}

fn say(report: &Report) {
    let Report { runs, changed, undetermined, gates, cost_micros, rows } = report;
    for row in rows {
        print_line(&format!("{} {} {}", row.run, row.started, row.playbook));
        row.changes.iter().for_each(|change| print_line(&format!("  {}", in_words(change))));
    }
    print_line(&format!("{changed} of {runs} runs would go otherwise; {undetermined} cannot be told to their end"));
    print_line(&format!("gates {} -> {}, cost {} -> {} micros", gates.0, gates.1, cost_micros.0, cost_micros.1));
}

fn in_words(change: &Change) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
    match change {
        Change::Decision { capability, key, was, now, reasons, .. } => {
            let word = |verdict: &Option<sinew_contract::Verdict>| {
                or_none(verdict.map(|verdict| format!("{verdict:?}").to_lowercase()))
            };
            format!("{capability} ({key}): {} -> {} ({})", word(was), word(now), reasons.join("; "))
        }
        Change::Gates { was, now } => format!("gates: {was} -> {now}"),
        Change::Cost { was_micros, now_micros } => format!("cost: {was_micros} -> {now_micros} micros"),
        Change::Outcome { was, now } => format!("outcome: {was} -> {now}"),
        Change::Path { was, now } => format!("task: {} -> {}", or_none(was.clone()), or_none(now.clone())),
    }
}
