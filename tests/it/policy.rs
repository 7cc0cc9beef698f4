//! What `sinew policy` says: right or wrong with the place, decided as written down, and what other policies would have decided.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{Decided, Draft, EffectId, Expect, Journal, LogTag, Policy, Record, Request, RunId, Seq};
use sinew_policy::Cedar;

use crate::support::deployment;

fn policy(args: &[&str], path: &Path, data: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinew"));
    command.args(["--json", "policy"]).args(args).arg(path);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    command.output().expect("the binary runs")
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_shipped_policies_are_right_and_decide_what_their_owner_wrote_down() {
    let output = policy(&["check"], &deployment(), None);
    assert_eq!((output.status.code(), &told(&output)["ok"]), (Some(0), &json!(true)));
    let output = policy(&["test"], &deployment(), None);
    let report = told(&output);
    assert_eq!((output.status.code(), &report["failed"]), (Some(0), &json!(0)), "{report:#}");
    assert!(report["cases"].as_u64().expect("a count") >= 10);
}

#[test]
fn what_is_wrong_has_its_place_and_a_case_that_is_not_met_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.cedar");
    std::fs::write(&file, "permit (principal, action, resource)\n  when { context.colour == 1 };\n").expect("a file");
    let output = policy(&["check"], &file, None);
    let report = told(&output);
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    assert_eq!(report["findings"][0]["file"], "bad.cedar");
    let policies = "@id(\"all\") @reason(\"everything\") permit (principal, action, resource);\n";
    std::fs::write(&file, policies).expect("a file");
    let cases =
        "[[case]]\nname = \"asks\"\nexpect = \"ask\"\n[[case]]\nname = \"runs\"\nexpect = \"run\"\nbecause = \"all\"\n";
    std::fs::write(folder.path().join("all.test.toml"), cases).expect("a file");
    let output = policy(&["test"], folder.path(), None);
    let report = told(&output);
    assert_eq!(
        (output.status.code(), &report["failed"], &report["cases"]),
        (Some(1), &json!(1), &json!(2)),
        "{report:#}"
    );
}

#[test]
fn recorded_decisions_replay_from_their_records_and_other_policies_show_what_they_would_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    decide_some(&data);
    let report = told(&policy(&["simulate"], &deployment(), Some(&data)));
    assert_eq!(
        (&report["decisions"], &report["changed"], &report["mismatched"]),
        (&json!(3), &json!(0), &json!(0)),
        "{report:#}"
    );
    let other = folder.path().join("other.cedar");
    let text = "@id(\"ask\") @reason(\"everything is asked about\") permit (principal, action == Action::\"Act\", resource);\n";
    std::fs::write(&other, text).expect("a file");
    let report = told(&policy(&["simulate"], &other, Some(&data)));
    assert_eq!(
        (&report["changed"], &report["by_change"]),
        (&json!(2), &json!({ "refuse -> ask": 1, "run -> ask": 1 }))
    );
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(2));
}

/// A log with three decisions: run, ask, refuse.
fn decide_some(data: &Path) {
    let text = std::fs::read_to_string(deployment().join("policies/returns.cedar")).expect("it is shipped");
    let cedar = Cedar::load(&[("returns.cedar".to_owned(), text)]).expect("it is right");
    let draft = |minor: i64| {
        let request: Request = serde_json::from_value(json!({
            "principal": "agent:return-clerk", "scope": "main", "playbook": "return-intake", "capability": "shop.refund",
            "class": "compensable", "device": "shop", "amount_minor": minor, "currency": "EUR", "args_trust": "verified",
            "control_trust": "verified", "evidence_age_s": 2, "confidence_permille": 1000, "approved": false,
            "duplicate": false, "compensates": false, "args": {},
        }))
        .expect("a whole request");
        let effect = EffectId { run: RunId { log: LogTag(1), seq: Seq(1) }, step: 1 };
        let decision = cedar.decide(&request);
        Draft::new(
            "sinew".parse().expect("a name"),
            Record::Decided(Decided { effect, request, decision, approval: None }),
        )
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let dir = sinew_journal::DataDir::open(Arc::new(sinew_journal::RealDisk), data).expect("a directory");
        let clock = Arc::new(sinew_testkit::SimClock::default());
        let (log, _) = sinew_journal::FileLog::open(&dir, &sinew_journal::Options::default(), clock).expect("a log");
        let drafts = [3_990, 20_000, 60_000].map(draft).to_vec();
        log.append(drafts, Expect::Anything).await.expect("it is open");
        log.close().await;
    });
}
