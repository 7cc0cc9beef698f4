//! `sinew replay`: fold a run again from the log and prove that it passes the same tasks. Causes nothing.
//!
//! With `--what-if`, the deployment that is named decides instead of the one that did; see `what_if`.

mod what_if;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sinew_contract::{RunId, Stepped};
use sinew_planning::{Divergence, ENGINE_VERSION};

use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::parts;
use crate::assembly::replay::{Replayed, replay};
use crate::config::Overrides;
use crate::deployment::Deployment;

/// `sinew replay`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// As in r42-9f3a1c2d; all runs, where none is named.
    run: Option<RunId>,
    /// The deployment's folder.
    #[arg(long, value_name = "DIR")]
    deployment: PathBuf,
    #[command(flatten)]
    what_if: what_if::Args,
}

/// Replays.
pub fn run(data: Option<PathBuf>, args: &Args, json: bool) -> Outcome {
    let deployment = Deployment::read(&args.deployment, &Overrides::default()).or_exit(Exit::BadConfig)?;
    let known = parts::known(&deployment).or_exit(Exit::BadConfig)?;
    let data = data.unwrap_or_else(|| deployment.config.data_dir.clone());
    if args.what_if.asked() {
        return what_if::run(&data, &deployment, &known, &args.what_if, args.run, json);
    }
    let replayed =
        replay(&data, &known).with_context(|| format!("cannot replay `{}`", data.display())).or_exit(Exit::Failed)?;
    let of_run = |run: &RunId| args.run.is_none_or(|wanted| wanted == *run);
    if let Some(run) = args.run
        && !replayed.runs.contains_key(&run)
    {
        return Err(Coded { exit: Exit::Failed, error: anyhow!("the log has no run `{run}`") });
    }
    let wrong: Vec<_> = replayed.divergences.iter().filter(|d| of_run(&d.run)).collect();
    if json {
        let runs: Vec<_> = replayed
            .runs
            .iter()
            .filter(|(run, _)| of_run(run))
            .map(|(run, n)| json!({ "run": run, "steps": n }))
            .collect();
        let wrong: Vec<_> = wrong.iter().map(|d| told(d)).collect();
        print_json(&json!({ "ok": wrong.is_empty(), "runs": runs, "divergences": wrong }));
    } else {
        say(&replayed, &wrong, of_run);
    }
    Ok(if wrong.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn say(replayed: &Replayed, wrong: &[&Divergence], of_run: impl Fn(&RunId) -> bool) {
    for divergence in wrong {
        print_line(&format!("{} differs at entry {}: {}", divergence.run, divergence.seq, divergence.what));
        print_line(&format!("  the fold expected: {}", step(divergence.expected.as_ref())));
        print_line(&format!("  the log says:      {}", step(divergence.found.as_ref())));
        print_line(&format!("  this binary is {}, semantics {ENGINE_VERSION}", env!("CARGO_PKG_VERSION")));
        print_line(&format!("  {}", hint(divergence)));
    }
    let same = replayed.runs.iter().filter(|(run, _)| of_run(run));
    let (runs, steps) = same.fold((0, 0), |(runs, steps), (_, n)| (runs + 1, steps + n));
    if wrong.is_empty() {
        print_line(&format!("the same: {runs} runs, {steps} tasks passed again, byte for byte"));
    }
}

/// One side of a mismatch in words.
fn step(side: Option<&Stepped>) -> String {
    side.map_or("nothing".to_owned(), |s| {
        let went = s.went.as_ref().map(|name| format!(", went to `{name}`")).unwrap_or_default();
        format!("task {} with output {}{went}", s.task, s.output)
    })
}

/// A mismatch for machines: both sides, where, which versions, and what to do.
fn told(d: &Divergence) -> Value {
    json!({
        "run": d.run,
        "seq": d.seq,
        "what": d.what,
        "expected": d.expected,
        "found": d.found,
        "versions": { "binary": env!("CARGO_PKG_VERSION"), "semantics": ENGINE_VERSION },
        "hint": hint(d),
    })
}

/// What a person should look at first.
fn hint(d: &Divergence) -> &'static str {
    match (&d.expected, &d.found) {
        (Some(expected), Some(found)) if expected.task == found.task => {
            "the same task gave another output: an expression or function means something else in this binary; replay \
             with the binary that wrote the log (its version stands in the last `booted` entry before)"
        }
        (Some(_), Some(_)) => {
            "another task was passed: the playbook's text or the engine's control flow differs; compare the digest in \
             `run-started` with the playbook"
        }
        _ => {
            "log and fold disagree on whether there was a step: verify the log with `sinew audit verify`, then replay \
             with the binary that wrote it"
        }
    }
}
