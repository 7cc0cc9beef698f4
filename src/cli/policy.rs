//! `sinew policy …`: are the policies right, do they decide as their owner expects, and what would another set have decided.
//!
//! Moves nothing: policies are pure, and the log is only read.

mod cases;
mod simulate;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use serde_json::json;
use sinew_contract::Policy;
use sinew_policy::{Cedar, Finding};

use super::{Exit, ExitWith, Outcome, print_json, print_line};

/// `sinew policy …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check policies: syntax, strictly against the schema, and that each names itself and says why.
    Check {
        /// A policy file, a folder of them, or a deployment's folder.
        path: PathBuf,
    },
    /// Decide the cases that their owner has written down (`*.test.toml` beside the policies), and compare.
    Test {
        /// A policy file, a folder of them, or a deployment's folder.
        path: PathBuf,
        /// Cases in another place.
        #[arg(long, value_name = "FILE")]
        cases: Option<PathBuf>,
    },
    /// Decide again whatever a log has decided, under these policies, and say what would have been different.
    Simulate {
        /// A policy file, a folder of them, or a deployment's folder.
        path: PathBuf,
        /// Show at most so many differences.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// Checks, tests, simulates. `data` is the directory of the log.
pub fn run(command: &Command, data: &Path, json: bool) -> Outcome {
    let (Command::Check { path } | Command::Test { path, .. } | Command::Simulate { path, .. }) = command;
    let texts = texts(path, "cedar").or_exit(Exit::BadConfig)?;
    if texts.is_empty() {
        return Err(anyhow!("`{}` holds no `.cedar` file", path.display())).or_exit(Exit::BadConfig);
    }
    let policy = match Cedar::load(&texts) {
        Ok(policy) => policy,
        Err(error) => return wrong(&error.findings, json),
    };
    match command {
        Command::Check { .. } => {
            say_right(&policy, json);
            Ok(Exit::Ok)
        }
        Command::Test { cases, .. } => cases::run(&policy, path, cases.as_deref(), json),
        Command::Simulate { limit, .. } => simulate::run(&policy, data, *limit, json),
    }
}

fn say_right(policy: &Cedar, json: bool) {
    let ids = policy.ids();
    if json {
        print_json(&json!({ "ok": true, "policies": ids, "digest": policy.digest(), "findings": [] }));
    } else {
        print_line(&format!("ok: {} policies, digest {}: {}", ids.len(), policy.digest(), ids.join(", ")));
    }
}

fn wrong(findings: &[Finding], json: bool) -> Outcome {
    if json {
        let one = |f: &Finding| json!({ "file": f.file, "line": f.line, "column": f.column, "message": f.message });
        print_json(&json!({ "ok": false, "findings": findings.iter().map(one).collect::<Vec<_>>() }));
    } else {
        findings.iter().for_each(|finding| print_line(&finding.to_string()));
    }
    Ok(Exit::BadConfig)
}

/// The files with this ending at a path: itself, those in it, or those in its `policies/`.
fn texts(path: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let read = |path: &Path| -> Result<(String, String)> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok((name(path), text))
    };
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let of_deployment = path.join("policies");
    let folder = if of_deployment.is_dir() { of_deployment } else { path.to_owned() };
    let listed = std::fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let files: std::io::Result<Vec<_>> = listed.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = files.with_context(|| format!("cannot list `{}`", folder.display()))?;
    files.retain(|file| name(file).ends_with(&format!(".{ending}")) && !name(file).starts_with('.'));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}
