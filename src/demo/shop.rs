//! The shop as a process of its own: started on a free port, asked for its ledger, ended with the demo.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the shop may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A running shop; killed when dropped.
pub(super) struct Shop {
    /// Where it listens.
    pub url: String,
    _process: Child,
}

impl Shop {
    /// Starts it and waits until it says where it listens.
    pub async fn start(bin: &Path, db: &Path, bulk: u32) -> Result<Self> {
        let binary = bin.join("sinew-example-shop");
        let mut process = Command::new(&binary)
            .args(["--listen", "127.0.0.1:0", "--seed-bulk", &bulk.to_string(), "--db"])
            .arg(db)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the shop `{}`; build it with ./start", binary.display()))?;
        let stdout = process.stdout.take().context("the shop has no output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout);
        let read = tokio::time::timeout(START_MAX, reader.read_line(&mut line));
        read.await.context("the shop does not say where it listens")??;
        let said: Value = serde_json::from_str(&line).with_context(|| format!("the shop says `{}`", line.trim()))?;
        let Some(url) = said.get("listening").and_then(Value::as_str) else { bail!("the shop says `{}`", line.trim()) };
        Ok(Self { url: url.to_owned(), _process: process })
    }

    /// One row per call that reached it.
    pub async fn ledger(&self) -> Result<Vec<Value>> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer: Value = client.get(format!("{}/ledger", self.url)).send().await?.error_for_status()?.json().await?;
        let rows = answer.get("rows").or(Some(&answer)).and_then(Value::as_array).cloned();
        rows.context("the shop's ledger is not a list")
    }
}
