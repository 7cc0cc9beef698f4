//! I11: the log can be proved to somebody who shares nothing with us, and what was cut off or rewritten is found.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::root;

fn sinew(args: &[&str], path: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinew"));
    command.args(["--json", "audit"]).args(args).arg(path).args(more);
    command.output().expect("the binary runs")
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The verifier in Python; none where there is no Python.
fn python(export: &Path, kept: Option<&Path>) -> Option<Output> {
    let mut command = Command::new("python3");
    command.arg(root().join("docs/verify_export.py")).arg(export).args(kept);
    let output = command.output();
    if output.is_err() {
        eprintln!("SKIPPED: there is no python3 here");
    }
    output.ok()
}

/// A log of some entries, as stop and resume write them without a hub: through the journal itself.
fn log_of(path: &Path, entries: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        use sinew_contract::Journal;
        let disk = std::sync::Arc::new(sinew_journal::RealDisk);
        let dir = sinew_journal::DataDir::open(disk, path).expect("a directory");
        let clock = std::sync::Arc::new(sinew_testkit::SimClock::default());
        let (log, _) = sinew_journal::FileLog::open(&dir, &sinew_journal::Options::default(), clock).expect("a log");
        for n in 0..entries {
            let mut draft = sinew_testkit::journal_suite::draft(&format!("{n} of {entries}"));
            draft.subjects = if n % 5 == 0 { vec!["customer:ana".to_owned()] } else { Vec::new() };
            log.append(vec![draft], sinew_contract::Expect::Anything).await.expect("it is open");
        }
        log.close().await;
    });
}

#[test]
fn a_directory_in_which_nothing_was_written_yet_verifies_as_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("FORMAT"), "1\n").expect("a file");
    std::fs::create_dir(folder.path().join("journal")).expect("a folder");
    let output = sinew(&["verify"], folder.path(), &[]);
    assert_eq!((output.status.code(), &told(&output)["entries"]), (Some(0), &json!(0)));
}

#[test]
fn an_export_is_verified_by_a_verifier_that_shares_nothing_with_us() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, export, kept) =
        (folder.path().join("data"), folder.path().join("export.jsonl"), folder.path().join("kept"));
    log_of(&data, 20);
    let checkpoint = told(&sinew(&["checkpoint"], &data, &[]))["checkpoint"].as_str().expect("a note").to_owned();
    std::fs::write(&kept, &checkpoint).expect("a file");
    log_of(&data, 13);
    let output = sinew(&["export"], &data, &["--out", export.to_str().expect("text")]);
    assert_eq!(told(&output)["entries"], 33);
    for kept in [None, Some(&*kept)] {
        let Some(output) = python(&export, kept) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(&export).expect("it is there");
    let lines: Vec<_> = text.lines().collect();
    let without =
        |gone: usize| lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, l)| *l).collect::<Vec<_>>();
    let mut swapped = lines.clone();
    swapped.swap(7, 8);
    let mut changed = lines.clone();
    let other = changed[5].replacen("7b22", "7b23", 1);
    changed[5] = &other;
    let mut signed = lines.clone();
    let forged = signed[0].replacen("\\n33\\n", "\\n34\\n", 1);
    signed[0] = &forged;
    for (what, bad) in
        [("dropped", without(9)), ("cut", without(33)), ("swapped", swapped), ("changed", changed), ("forged", signed)]
    {
        std::fs::write(&export, bad.join("\n")).expect("a file");
        let output = python(&export, None).expect("python was there");
        assert!(!output.status.success(), "{what} is found");
    }
}

#[test]
fn what_was_cut_or_rewritten_does_not_go_on_from_a_checkpoint_that_was_kept_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    log_of(&data, 9);
    let short = folder.path().join("short");
    copy(&data, &short);
    log_of(&data, 9);
    let note = told(&sinew(&["checkpoint"], &data, &[]));
    std::fs::write(&kept, note["checkpoint"].as_str().expect("a note")).expect("a file");
    log_of(&data, 5);
    let against = ["--checkpoint", kept.to_str().expect("text")];
    assert_eq!(sinew(&["verify"], &data, &against).status.code(), Some(0), "it goes on");
    assert_eq!(sinew(&["verify"], &short, &[]).status.code(), Some(0), "alone, nobody can tell");
    assert_eq!(sinew(&["verify"], &short, &against).status.code(), Some(7), "it was cut");
    // The same keys, another history: longer than the checkpoint, so that only the root can tell.
    log_of(&short, 20);
    assert_eq!(sinew(&["verify"], &short, &[]).status.code(), Some(0), "alone, nobody can tell");
    assert_eq!(sinew(&["verify"], &short, &against).status.code(), Some(7), "it was rewritten");
}

#[test]
fn a_proof_says_where_an_entry_stands_and_that_the_log_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    log_of(&data, 6);
    let first = told(&sinew(&["checkpoint"], &data, &[]));
    std::fs::write(&kept, first["checkpoint"].as_str().expect("a note")).expect("a file");
    log_of(&data, 7);
    let proof = told(&sinew(&["prove", "4"], &data, &["--since", kept.to_str().expect("text")]));
    let digests =
        |value: &Value| serde_json::from_value::<Vec<sinew_contract::Digest>>(value.clone()).expect("digests");
    let digest = |value: &Value| serde_json::from_value::<sinew_contract::Digest>(value.clone()).expect("a digest");
    use sinew_journal::proof::{holds_consistency, holds_inclusion};
    let (root, size) = (digest(&proof["root"]), proof["size"].as_u64().expect("a number"));
    assert!(holds_inclusion(digest(&proof["leaf"]), 3, size, &digests(&proof["inclusion"]), root));
    let since = &proof["since"];
    assert!(holds_consistency(6, size, &digests(&since["consistency"]), digest(&since["root"]), root));
    assert_eq!(since["root"], first["root"]);
    assert_eq!(sinew(&["prove", "99"], &data, &[]).status.code(), Some(1), "there is no such entry");
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp runs");
    assert!(done.success());
}
