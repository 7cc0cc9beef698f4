//! `sinew playbook`: check (every finding with its line, its column and how to mend it) and test (scenarios in Gherkin).

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use sinew_planning::{Finding, Known, Severity};

use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::parts;
use crate::config::Overrides;
use crate::conformance::{self, Ways};
use crate::deployment::Deployment;

/// `sinew playbook …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a playbook, or all playbooks of a deployment.
    Check {
        /// A playbook file, or a deployment's folder.
        path: PathBuf,
    },
    /// Run a folder of features on the real engine, dispatcher and log, with the hosts outside on loopback.
    ///
    /// Each scenario is run plainly; killed before each append to the log and brought to its end; and twice, with equal logs.
    Test {
        /// The folder; its `*.feature` files are read.
        folder: PathBuf,
        /// Which ways are tried.
        #[arg(long, value_enum, default_value = "all")]
        ways: Ways,
        /// Only scenarios whose name or file contains this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Switch one part of the language off, to see that a scenario notices.
        #[cfg(feature = "faults")]
        #[arg(long, value_name = "PART", env = "SINEW_WITHOUT")]
        without: Option<String>,
    },
    /// List the parts of the language that can be switched off, each with the feature that should notice.
    #[cfg(feature = "faults")]
    Parts,
}

/// Checks, or tests.
pub fn run(command: &Command, json: bool) -> Outcome {
    match command {
        Command::Check { path } => check(path, json),
        #[cfg(not(feature = "faults"))]
        Command::Test { folder, ways, only } => test(folder, *ways, only.as_deref(), json),
        #[cfg(feature = "faults")]
        Command::Test { folder, ways, only, without } => {
            if let Some(part) = without.as_deref().filter(|part| !sinew_planning::switch_off(part)) {
                return Err(Coded::new(Exit::Usage, anyhow::anyhow!("there is no part `{part}`")));
            }
            test(folder, *ways, only.as_deref(), json)
        }
        #[cfg(feature = "faults")]
        Command::Parts => {
            sinew_planning::PARTS.iter().for_each(|(part, feature)| print_line(&format!("{part} {feature}")));
            Ok(Exit::Ok)
        }
    }
}

fn test(folder: &Path, ways: Ways, only: Option<&str>, json: bool) -> Outcome {
    let report = conformance::run(folder, ways, only).or_exit(Exit::Failed)?;
    if json {
        print_json(&report);
    } else {
        for verdict in &report.scenarios {
            let word = if verdict.passed { "ok  " } else { "FAIL" };
            print_line(&format!("{word} {} / {}", verdict.file, verdict.name));
            verdict.problem.iter().for_each(|problem| print_line(&format!("     {problem}")));
        }
        print_line(&format!("{} passed, {} failed", report.passed, report.failed));
    }
    Ok(if report.failed == 0 { Exit::Ok } else { Exit::Failed })
}

fn check(path: &Path, json: bool) -> Outcome {
    let mut wrong = false;
    let mut all = Vec::new();
    let (files, known) = gather(path)?;
    for (file, text) in files {
        let (_, findings) = sinew_planning::check(&text, &known);
        wrong |= findings.iter().any(|f| f.severity == Severity::Error);
        report(&file, &findings, json);
        all.push(json!({ "file": file, "findings": findings }));
    }
    if json {
        print_json(&json!({ "ok": !wrong, "playbooks": all }));
    }
    Ok(if wrong { Exit::BadConfig } else { Exit::Ok })
}

fn report(file: &str, findings: &[Finding], json: bool) {
    if json {
        return;
    }
    for finding in findings {
        print_line(&format!("{file}:{finding}"));
    }
    if findings.is_empty() {
        print_line(&format!("{file}: ok"));
    }
}

/// The texts to check, and what they may name: what the deployment around them has.
fn gather(path: &Path) -> Result<(Vec<(String, String)>, Known), Coded> {
    let folder = deployment_of(path);
    let deployment = folder.map(|f| Deployment::read(f, &Overrides::default())).transpose().or_exit(Exit::BadConfig)?;
    let known = deployment.as_ref().map(parts::known).transpose().or_exit(Exit::BadConfig)?.unwrap_or_default();
    if path.is_dir() {
        let texts = deployment.map(|d| d.texts("playbooks")).unwrap_or_default();
        return Ok((texts, known));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
    Ok((vec![(path.display().to_string(), text.or_exit(Exit::BadConfig)?)], known))
}

/// The folder with a sinew.toml in or above which the path lies.
fn deployment_of(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.join("sinew.toml").is_file())
}
