//! Models and the house: a replay that calls nobody, a day on which no model answers, and budgets that no crash resets.
//!
//! The provider is a scripted one over real sockets; the hub is a real process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::PATIENCE;
use crate::support::{self, Hub, Launch, deep, sample, seed, text, until};
use crate::upstream::{Say, Upstream};

const DOCUMENT: &str = "schedule: { on: { one: { with: { type: sinew.scan.v1 } } } }\n";

/// Writes a deployment with these playbooks and this provider.
fn deployment(folder: &Path, playbooks: &[(String, String)], upstream: &str, budgets: &str) -> PathBuf {
    let root = folder.join("deployment");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(path, text).expect("it is written");
    };
    write("sinew.toml", "name = \"questions\"\nagent = \"clerk\"\n[gates]\nrole = \"lead\"\n");
    write("people.toml", "[[people]]\nname = \"ana\"\nroles = [\"owner\", \"lead\"]\n");
    write("agents/clerk.toml", "name = \"clerk\"\n[may-ask-for]\ncapabilities = []\n");
    write(
        "policies/none.cedar",
        "@id(\"none\")\n@reason(\"nobody acts here\")\nforbid (principal, action, resource);\n",
    );
    write("templates/letter.toml", "name = \"letter\"\n[fields]\naction = \"hold {{ n }}\"\n");
    let models = format!(
        "[providers.up]\nwire = \"openai\"\nurl = \"{upstream}/v1\"\n[models.m]\nprovider = \"up\"\nid = \"m\"\n\
         [models.n]\nprovider = \"up\"\nid = \"n\"\n[ladders.judge]\n\
         rungs = [{{ model = \"m\", deadline = \"10s\" }}, {{ model = \"n\", deadline = \"10s\" }}, \"template\"]\n\
         [prices]\nas-of = \"2026-11-01\"\n[prices.models.m]\ninput = 1000000\noutput = 1000000\n[budgets]\n{budgets}\n"
    );
    write("models/main.toml", &models);
    for (name, tasks) in playbooks {
        let head = format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}\n{DOCUMENT}");
        write(&format!("playbooks/{name}.yaml"), &format!("{head}do:\n{tasks}"));
    }
    root
}

/// A task that asks a model, with question number `n`.
fn infer(n: usize, more: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    format!(
        "{pad}- ask{n}:\n{pad}    call: infer:1.0.0@default\n{pad}    with:\n{pad}      model: {{ role: judge }}\n\
         {pad}      instruction: Decide question {n}.\n{pad}      inputs: {{ n: {n} }}\n{pad}      {more}\n\
         {pad}      schema: {{ type: object, required: [action], properties: {{ action: {{ type: string }} }} }}\n"
    )
}

fn good() -> Say {
    Say::json(&json!({"choices": [{"message": {"content": "{\"action\":\"hold\"}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10}}))
}

fn launch(folder: &TempDir, deployment: PathBuf) -> Launch {
    Launch { deployment, ..Launch::new(folder.path(), "http://127.0.0.1:9") }
}

async fn scan(hub: &Hub) {
    let bytes = std::fs::read(sample("06-qr-glare.jpg")).expect("the sample is there");
    let (status, taken) = hub.scan("06-qr-glare.jpg", bytes, None).await.expect("the hub answers");
    assert_eq!(status, 201, "{taken}");
}

/// All runs, once there are so many and each waits for a person or has ended.
async fn at_rest(hub: &Hub, count: usize) -> Vec<Value> {
    let rest = async || {
        let (_, runs) = hub.get("/v1/runs?limit=500").await.ok()?;
        let runs = runs.as_array()?.clone();
        let rests = |run: &Value| {
            let status = text(run, "status");
            matches!(status, "completed" | "faulted" | "cancelled") || status == "waiting"
        };
        (runs.len() == count && runs.iter().all(rests)).then_some(runs)
    };
    until("all runs to rest", PATIENCE, rest).await
}

#[tokio::test]
async fn a_replay_of_ten_model_calls_calls_nobody_and_passes_the_same_tasks() {
    let (folder, upstream) = (TempDir::new().expect("a folder"), Upstream::new([good()]).await);
    let tasks: String = (1..=10).map(|n| infer(n, "critical: false", 2)).collect();
    let root = deployment(folder.path(), &[("ten".to_owned(), tasks)], &upstream.url(), "");
    let launch = launch(&folder, root.clone());
    let hub = launch.start().await.expect("the hub starts");
    scan(&hub).await;
    let runs = at_rest(&hub, 1).await;
    assert_eq!(text(&runs[0], "status"), "completed", "{runs:?}");
    assert_eq!(upstream.asked().len(), 10);
    let (_, entries) = hub.get("/v1/entries?limit=200").await.expect("the hub answers");
    let kinds: Vec<_> = entries.as_array().into_iter().flatten().map(|e| text(e, "kind")).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "model-called").count(), 10, "{kinds:?}");
    assert_eq!(hub.end().await.code(), Some(0));
    let data = launch.data.to_string_lossy().into_owned();
    let root = root.to_string_lossy();
    let ran = support::sinew(["--json", "--data", &data, "replay", "--deployment", &root]).await;
    let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("no JSON: {}", ran.stderr));
    assert_eq!((&said["ok"], &said["runs"][0]["steps"]), (&json!(true), &json!(10)), "{said}");
    assert_eq!(upstream.asked().len(), 10, "a replay asks no model");
    assert_eq!(support::story::verify(&launch.data).await, Vec::<String>::new());
}

/// While models are down, limited or over budget, every run ends on a stated rung or at a person, and critical ones alert.
#[tokio::test]
async fn with_no_model_to_be_had_every_run_ends_on_a_rung_or_at_a_person() {
    let count = if deep() { 100 } else { 24 };
    let faults = [Say::fault(503, &[], "{}"), Say::fault(429, &[("retry-after", "1")], "{}"), Say::HangUp, good()];
    let faults: Vec<_> = faults.into_iter().cycle().take(3).chain([Say::fault(503, &[], "{}")]).collect();
    let (folder, upstream) = (TempDir::new().expect("a folder"), Upstream::new(faults).await);
    let playbook = |n: usize| {
        let more = if n.is_multiple_of(2) { "template: letter" } else { "critical: true" };
        let ask = infer(n, more, 8);
        let person = "          - person:\n              call: approve:1.0.0@default\n              with:\n                \
                      question: Nobody could answer. What now?\n                approvers: { role: lead }\n                \
                      expires: PT24H\n                onExpiry: reject\n";
        let tasks = format!(
            "  - judge:\n      try:\n{ask}      catch:\n        errors: {{ with: {{ type: 'urn:sinew:error:unanswered' }} }}\n        do:\n{person}"
        );
        (format!("q-{n:03}"), tasks)
    };
    let playbooks: Vec<_> = (0..count).map(playbook).collect();
    let root = deployment(folder.path(), &playbooks, &upstream.url(), "action = { calls = 3 }");
    let hub = launch(&folder, root).start().await.expect("the hub starts");
    scan(&hub).await;
    let runs = at_rest(&hub, count).await;
    let with = |status: &str| runs.iter().filter(|run| text(run, "status") == status).count();
    assert_eq!((with("completed"), with("waiting")), (count / 2, count / 2), "{runs:#?}");
    let (_, gates) = hub.get("/v1/gates").await.expect("the hub answers");
    assert_eq!(gates.as_array().map(Vec::len), Some(count / 2));
    let (_, entries) = hub.get("/v1/entries?limit=1000").await.expect("the hub answers");
    let summaries = entries.as_array().into_iter().flatten().map(|e| text(e, "summary").to_owned());
    let alerts = summaries.filter(|summary| summary.starts_with("sinew.alert.low-rung.v1")).count();
    assert_eq!(alerts, count / 2, "each critical question that no model answered is told");
    let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
    assert!(health.is_object(), "{health}");
    assert_eq!(hub.end().await.code(), Some(0));
}

/// `kill -9` again and again during calls: the provider is never asked more often than the budget allows.
#[tokio::test]
async fn no_crash_resets_a_budget() {
    let (kills, steps) = if deep() { (100, 40) } else { (4, 6) };
    let seed = seed();
    println!("SINEW_SEED={seed}");
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);
    let slow = Say::After(Duration::from_millis(40), Box::new(good()));
    let (folder, upstream) = (TempDir::new().expect("a folder"), Upstream::new([slow]).await);
    let tasks: String = (1..=steps).map(|n| infer(n, "template: letter", 2)).collect();
    let playbooks: Vec<_> = (0..4).map(|n| (format!("p-{n}"), tasks.clone())).collect();
    // Less than all runs want, so that the end shows whether it held.
    let budget = steps * 3;
    let root = deployment(folder.path(), &playbooks, &upstream.url(), &format!("day = {{ calls = {budget} }}"));
    let launch = launch(&folder, root);
    let mut hub = launch.start().await.expect("the hub starts");
    scan(&hub).await;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(chance.random_range(1..120))).await;
        hub.kill().await;
        hub = launch.start().await.expect("it recovers");
    }
    let runs = at_rest(&hub, 4).await;
    assert!(runs.iter().all(|run| text(run, "status") == "completed"), "a template is left for each: {runs:?}");
    let asked = upstream.asked().len();
    assert!(asked <= budget, "{asked} calls, and {budget} are allowed");
    assert_eq!(hub.end().await.code(), Some(0));
}
