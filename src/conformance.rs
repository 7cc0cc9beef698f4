//! Conformance: scenarios in Gherkin, run on the real engine, dispatcher, last hop and log, in three ways.
//!
//! *Plain*: to its end. *Resumed*: killed before each append to the log, opened again and brought to the end; and folded again
//! from each entry. *Twice*: two runs from the same data directory, whose logs must be equal byte for byte. Only the hosts
//! outside are stand-ins: they are served on loopback, and the host map leads to them. Time is simulated.
//!
//! ```text
//! *.feature -> gherkin -> steps -> stage (log, dispatcher, hosts, clock) -> judge
//! ```

mod clock;
mod gherkin;
mod guard;
mod hosts;
mod judge;
mod stage;
mod steps;
mod ways;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

pub use ways::Ways;

use self::stage::Setting;
use self::steps::Scenario;

/// How a folder of features went.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Scenarios that hold in every way.
    pub passed: usize,
    /// The others.
    pub failed: usize,
    /// Each of them.
    pub scenarios: Vec<Verdict>,
}

/// How a scenario went.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The file.
    pub file: String,
    /// The feature.
    pub feature: String,
    /// The scenario.
    pub name: String,
    /// It holds in every way that was tried.
    pub passed: bool,
    /// The ways in which it was run, and how often: `plain`, `resumed`, `twice`.
    pub ways: Vec<(&'static str, usize)>,
    /// What does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Runs all features of a folder, in the order of their names.
///
/// # Errors
/// Where the folder or a file in it cannot be read, or there is no scenario at all.
pub fn run(folder: &Path, ways: Ways, only: Option<&str>) -> Result<Report> {
    let setting = Setting::read(folder)?;
    let mut scenarios = Vec::new();
    for path in features(folder)? {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let feature = gherkin::parse(&text).with_context(|| format!("`{}` is not right", path.display()))?;
        for scenario in &feature.scenarios {
            let named = |part: &str| scenario.name.contains(part) || file.contains(part);
            if only.is_none_or(named) {
                scenarios.push(one(&setting, &file, &feature.name, scenario, ways));
            }
        }
    }
    if scenarios.is_empty() {
        bail!("`{}` has no scenario; its features are files that end in `.feature`", folder.display());
    }
    let passed = scenarios.iter().filter(|verdict| verdict.passed).count();
    Ok(Report { passed, failed: scenarios.len() - passed, scenarios })
}

fn features(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let paths: Result<Vec<PathBuf>, std::io::Error> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.with_context(|| format!("cannot list `{}`", folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "feature"));
    paths.sort();
    Ok(paths)
}

fn one(setting: &Setting, file: &str, feature: &str, written: &gherkin::Scenario, ways: Ways) -> Verdict {
    let mut tried = Vec::new();
    let outcome = Scenario::read(written).and_then(|scenario| ways::all(setting, &scenario, ways, &mut tried));
    Verdict {
        file: file.to_owned(),
        feature: feature.to_owned(),
        name: written.name.clone(),
        passed: outcome.is_ok(),
        ways: tried,
        problem: outcome.err().map(|problem| format!("{problem:#}")),
    }
}
