//! `sinew replay`: fold a run again from the log and prove that it passes the same tasks. Causes nothing.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use serde_json::json;
use sinew_contract::RunId;

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
}

/// Replays.
pub fn run(data: Option<PathBuf>, args: &Args, json: bool) -> Outcome {
    let deployment = Deployment::read(&args.deployment, &Overrides::default()).or_exit(Exit::BadConfig)?;
    let known = parts::known(&deployment).or_exit(Exit::BadConfig)?;
    let data = data.unwrap_or_else(|| deployment.config.data_dir.clone());
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
        let wrong: Vec<_> = wrong.iter().map(|d| json!({ "run": d.run, "seq": d.seq, "what": d.what })).collect();
        print_json(&json!({ "ok": wrong.is_empty(), "runs": runs, "divergences": wrong }));
    } else {
        say(&replayed, &wrong, of_run);
    }
    Ok(if wrong.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn say(replayed: &Replayed, wrong: &[&sinew_planning::Divergence], of_run: impl Fn(&RunId) -> bool) {
    for divergence in wrong {
        print_line(&format!("{} differs at entry {}: {}", divergence.run, divergence.seq, divergence.what));
    }
    let same = replayed.runs.iter().filter(|(run, _)| of_run(run));
    let (runs, steps) = same.fold((0, 0), |(runs, steps), (_, n)| (runs + 1, steps + n));
    if wrong.is_empty() {
        print_line(&format!("the same: {runs} runs, {steps} tasks passed again, byte for byte"));
    }
}
