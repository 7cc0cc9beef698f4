//! `sinew playbook check`: every finding with its line, its column and how to mend it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use sinew_planning::{Finding, Known, Severity};

use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::parts;
use crate::config::Overrides;
use crate::deployment::Deployment;

/// `sinew playbook …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a playbook, or all playbooks of a deployment.
    Check {
        /// A playbook file, or a deployment's folder.
        path: PathBuf,
    },
}

/// Checks.
pub fn run(command: &Command, json: bool) -> Outcome {
    let Command::Check { path } = command;
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
