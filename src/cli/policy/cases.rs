//! Cases that the owner has written down: a request, and what must be decided about it.
//!
//! ```toml
//! [defaults]                     # what all requests of this file have
//! principal = "agent:return-clerk"
//!
//! [[case]]
//! name = "a small refund needs nobody"
//! expect = "run"
//! because = "refund-small"       # a policy that must be among the reasons; may be left out
//! request = { amount_minor = 3990 }
//! ```

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sinew_contract::{Policy, Request, Verdict};
use sinew_policy::Cedar;

use super::super::{Exit, ExitWith, Outcome, print_json, print_line};
use super::texts;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    defaults: Map<String, Value>,
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    expect: Verdict,
    because: Option<String>,
    #[serde(default)]
    request: Map<String, Value>,
}

/// Decides all cases.
pub(super) fn run(policy: &Cedar, path: &Path, cases: Option<&Path>, json: bool) -> Outcome {
    let files = texts(cases.unwrap_or(path), "test.toml").or_exit(Exit::BadConfig)?;
    let (mut rows, mut failed) = (Vec::new(), 0_usize);
    for (file, text) in &files {
        let file = read(file, text).or_exit(Exit::BadConfig)?;
        for case in &file.cases {
            let row = decide(policy, &file.defaults, case).or_exit(Exit::BadConfig)?;
            failed += usize::from(row["ok"] == false);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        let error =
            anyhow!("there is no case: write some into `policies/<name>.test.toml`, or name a file with `--cases`");
        return Err(error).or_exit(Exit::BadConfig);
    }
    if json {
        print_json(&json!({ "ok": failed == 0, "cases": rows.len(), "failed": failed, "rows": rows }));
    } else {
        rows.iter().for_each(|row| print_line(&words(row)));
        print_line(&format!("{} cases, {failed} failed", rows.len()));
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Failed })
}

fn read(file: &str, text: &str) -> Result<File> {
    toml::from_str(text).with_context(|| format!("`{file}` is not right"))
}

/// A harmless request, over which a file's defaults and a case's own fields are laid.
fn harmless() -> Value {
    json!({
        "principal": "agent:nobody", "scope": "main", "playbook": "test", "capability": "nothing", "class": "pure",
        "device": "test", "amount_minor": 0, "currency": "", "args_trust": "owned", "control_trust": "owned",
        "evidence_age_s": 0, "confidence_permille": 1000, "approved": false, "duplicate": false, "compensates": false,
        "args": {},
    })
}

fn decide(policy: &Cedar, defaults: &Map<String, Value>, case: &Case) -> Result<Value> {
    let mut request = harmless();
    for (name, value) in defaults.iter().chain(&case.request) {
        request[name] = value.clone();
    }
    let request: Request =
        serde_json::from_value(request).with_context(|| format!("the request of case `{}` is not right", case.name))?;
    let decision = policy.decide(&request);
    let names = |reason: &String| case.because.as_ref().is_none_or(|id| reason.starts_with(&format!("{id}:")));
    let ok = decision.verdict == case.expect && (case.because.is_none() || decision.reasons.iter().any(names));
    Ok(json!({
        "name": case.name, "ok": ok, "expected": case.expect, "verdict": decision.verdict, "reasons": decision.reasons,
    }))
}

fn words(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let reasons: Vec<_> = row["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mark = if row["ok"] == true { "ok    " } else { "WRONG " };
    format!("{mark}{}: {} (expected {}), {}", text("name"), text("verdict"), text("expected"), reasons.join("; "))
}
