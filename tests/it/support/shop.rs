//! The shop as a process of its own, on a free port, with its switches and its ledger.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The longest that it may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A running shop; killed when dropped.
pub struct Shop {
    /// Where it listens.
    pub url: String,
    http: reqwest::Client,
    _process: Child,
}

impl Shop {
    /// Starts a shop that keeps its file in `folder`.
    pub async fn start(folder: &Path) -> Self {
        let mut process = Command::new(binary())
            .args(["--listen", "127.0.0.1:0", "--seed-bulk", "20", "--db"])
            .arg(folder.join("shop.sqlite"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the shop starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("its output is piped"));
        let read = tokio::time::timeout(START_MAX, stdout.read_line(&mut line)).await;
        read.expect("the shop is ready in time").expect("its output can be read");
        let said: Value = serde_json::from_str(&line).expect("the shop says where it listens");
        let url = said["listening"].as_str().expect("an address").to_owned();
        Self { url, http: super::http(), _process: process }
    }

    /// One row per call that reached it, in order.
    pub async fn ledger(&self) -> Vec<Value> {
        let rows = self.get("/ledger").await;
        rows.as_array().expect("the ledger is a list").clone()
    }

    /// Sets all switches; what is not named is off.
    pub async fn set(&self, switches: &Value) {
        let sent = self.http.put(format!("{}/switches", self.url)).json(switches).send().await;
        let answer = sent.expect("the shop answers");
        assert!(answer.status().is_success(), "the shop takes no switches {switches}");
    }

    /// All switches off: the weather is fine again.
    pub async fn calm(&self) {
        self.set(&json!({})).await;
    }

    /// Asks the shop as its administration does.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.expect("the shop answers");
        answer.json().await.expect("the shop answers in JSON")
    }
}

/// The shop's binary beside ours; built when nobody has built it yet.
fn binary() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_sinew")).parent().expect("a binary lies in a folder");
    let binary = folder.join("sinew-example-shop");
    if !binary.is_file() {
        build(folder.parent().expect("a profile lies in the target folder"));
    }
    binary
}

fn build(target: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.args(["build", "--locked", "-p", "sinew-example-shop", "--target-dir"]).arg(target);
    let status = build.current_dir(super::root()).status().expect("cargo can be started");
    assert!(status.success(), "the shop cannot be built");
}
