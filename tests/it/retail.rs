//! The retail back end through the whole effect path: its own ledger and a judge outside of the house say what came of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::deep;

fn data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/retail");
    if !folder.is_dir() {
        println!("SKIPPED: there is no `{}`", folder.display());
        return None;
    }
    Some(folder)
}

/// Runs `sinew eval retail`; standard output as JSON.
fn eval(data: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sinew"))
        .args(["--json", "eval", "retail", "--data"])
        .arg(data)
        .args(args)
        .output()
        .expect("sinew starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    let value: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{args:?}: {said}{why}"));
    assert_eq!(output.status.code() == Some(0), value["ok"] == json!(true), "the exit code says what the numbers say");
    value
}

fn check(found: &Value, tasks: usize, what: &str) {
    let counts = ["tasks", "hash_ok", "doubled", "lost", "wrong_refusals", "unexpected", "unknown", "keys_not_kept"];
    let counts = counts.map(|name| found[name].clone());
    assert_eq!(counts, [tasks, tasks, 0, 0, 0, 0, 0, 0].map(Value::from), "{what}: {found:#}");
    assert_eq!(found["withheld"], json!({ "tasks_touched": 0, "ledger_rows": 0 }), "{what}");
}

/// Some of the tasks that write, in a file of their own: enough to meet every fault over a few seeds.
fn some(data: &Path, folder: &Path, count: usize) -> PathBuf {
    let text = std::fs::read_to_string(data.join("tasks.json")).expect("the tasks");
    let tasks: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let writes = |task: &&Value| {
        let actions = task["evaluation_criteria"]["actions"].as_array().expect("actions");
        let reads = ["get_", "find_", "calculate", "transfer", "list_"];
        actions.iter().filter(|a| !reads.iter().any(|r| a["name"].as_str().is_some_and(|n| n.starts_with(r)))).count()
            > 1
    };
    let some: Vec<_> = tasks.iter().filter(writes).take(count).collect();
    assert_eq!(some.len(), count);
    let path = folder.join("some.json");
    std::fs::write(&path, json!(some).to_string()).expect("a file");
    path
}

#[test]
fn every_task_reaches_its_hash_and_what_is_not_confirmed_is_not_done() {
    let Some(data) = data() else { return };
    let out = tempfile::tempdir().expect("a folder");
    let found = eval(&data, &["--out", out.path().to_str().expect("plain")]);
    check(&found, 57, "without faults");
    // What was handed out is what was judged.
    let db = std::fs::read_to_string(out.path().join("1/db.json")).expect("the rows");
    let line = std::fs::read_to_string(data.join("expected.jsonl")).expect("the hashes");
    let line: Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
    assert_eq!(json!(sinew_expr::digest(db.as_bytes()).to_string()), line["db_sha256_itemwise"]);
    let ledger: Value =
        serde_json::from_str(&std::fs::read_to_string(out.path().join("1/ledger.json")).expect("the ledger"))
            .expect("JSON");
    assert_eq!((ledger[0]["key"].clone(), ledger[0]["outcome"].clone()), (json!("1/1_4"), json!("applied")));
}

#[test]
fn faults_double_nothing_and_lose_nothing() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let few = some(&data, folder.path(), 5);
    let few = few.to_str().expect("plain");
    let mut met = std::collections::BTreeSet::new();
    let (seeds, tasks): (u64, &[&str]) = if deep() { (100, &[]) } else { (5, &["--tasks", few]) };
    let runs = (0..seeds).flat_map(|seed| [(seed, false), (seed, true)]);
    // A fast look takes each seed in one of both ways.
    for (seed, unguarded) in runs.filter(|(seed, unguarded)| deep() || (seed % 2 == 1) == *unguarded) {
        let text = seed.to_string();
        let guard: &[&str] = if unguarded { &["--unguarded"] } else { &[] };
        let found = eval(&data, &[&["--faults", &text], guard, tasks].concat());
        check(&found, if deep() { 57 } else { 5 }, &format!("seed {seed}, unguarded: {unguarded}"));
        met.extend(found["faults"]["at_the_store"].as_object().expect("counts").keys().cloned());
    }
    assert!(met.len() >= 5, "only {met:?} happened");
}

#[test]
fn a_folder_that_is_not_right_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let sinew = |data: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_sinew")).args(["eval", "retail", "--data"]).arg(data).output();
        let output = output.expect("sinew starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = sinew(folder.path());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("db.json"), "{said}");
    std::fs::write(folder.path().join("db.json"), "{}").expect("a file");
    std::fs::write(folder.path().join("tasks.json"), "[]").expect("a file");
    let (code, said) = sinew(folder.path());
    assert_eq!((code, said.contains("`products` is missing")), (Some(3), true), "{said}");
}
