//! The standard's own kit and examples, and our supplement, on the real engine, dispatcher and log.

use std::path::PathBuf;

use sinew::conformance::{Report, Ways, run};
use sinew_planning::{Known, Severity, check};

use crate::support::{deep, root};

/// The kit, where it is present; else none, loudly.
fn kit(part: &str) -> Option<PathBuf> {
    let path = root().join("../shared/conformance/serverless-workflow").join(part);
    if !path.is_dir() {
        println!("SKIPPED: `{}` is not there, so the standard's own {part} are not run", path.display());
        return None;
    }
    Some(path)
}

fn all_pass(report: &Report, expected: usize) {
    let failed: Vec<_> = report.scenarios.iter().filter(|verdict| !verdict.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(report.passed, expected, "as many scenarios as there are");
}

#[test]
fn the_kit_passes_plainly() {
    let Some(features) = kit("features") else { return };
    all_pass(&run(&features, Ways::Plain, None).expect("the kit can be read"), 21);
}

#[test]
fn the_kit_passes_killed_at_every_append_and_twice_with_equal_logs() {
    let Some(features) = kit("features") else { return };
    if deep() {
        return all_pass(&run(&features, Ways::All, None).expect("the kit can be read"), 21);
    }
    for (file, count) in [("branch.feature", 1), ("try.feature", 2), ("emit.feature", 1)] {
        all_pass(&run(&features, Ways::All, Some(file)).expect("the kit can be read"), count);
    }
}

/// Our own supplement: what the kit has no words for.
#[test]
fn the_supplement_passes() {
    let ways = if deep() { Ways::All } else { Ways::Plain };
    let report = run(&root().join("tests/features"), ways, None).expect("the supplement can be read");
    assert!(report.scenarios.len() >= 100, "there are {} scenarios", report.scenarios.len());
    all_pass(&report, report.scenarios.len());
}

/// Official examples that use what is not built, and the rules that say so.
const NOT_BUILT: &[&str] = &["not-enabled", "http-method", "unknown-name", "unbounded"];

#[test]
fn official_examples_are_read_or_get_the_right_finding() {
    let Some(examples) = kit("examples") else { return };
    let (mut good, mut refused) = (0, Vec::new());
    for path in files(&examples) {
        let text = std::fs::read_to_string(&path).expect("an example can be read");
        let (playbook, findings) = check(&text, &Known::default());
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let wrong: Vec<_> = errors.iter().filter(|finding| !NOT_BUILT.contains(&finding.rule)).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
        assert!(errors.iter().all(|finding| finding.line > 0 && !finding.fix.is_empty()), "{}", path.display());
        assert_eq!(playbook.is_some(), errors.is_empty(), "{}", path.display());
        match errors.first() {
            None => good += 1,
            Some(first) => refused.push(format!("{}: {first}", path.display())),
        }
    }
    println!("{good} examples are read; refused with a finding:\n{}", refused.join("\n"));
    assert!(good >= 30, "only {good} examples are read");
}

#[test]
fn invalid_documents_are_refused_with_a_useful_finding() {
    let Some(invalid) = kit("invalid") else { return };
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for path in files(&invalid) {
        let text = std::fs::read_to_string(&path).expect("a document can be read");
        let (playbook, findings) = check(&text, &Known::default());
        assert!(playbook.is_none(), "{}", path.display());
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.push((name, findings.iter().map(|finding| finding.rule).collect()));
    }
    for (name, rule) in [
        ("extra-property-in-call", "unknown-key"),
        ("listen-any-until-any-until", "yaml"),
        ("two-tasks-in-one-item", "task-item"),
    ] {
        let rules = found.iter().find(|(found, _)| found == name).map(|(_, rules)| rules.as_slice());
        assert!(rules.is_some_and(|rules| rules.contains(&rule)), "{name}: {rules:?}");
    }
}

fn files(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}
