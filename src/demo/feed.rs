//! Feeds photographs to the hub, answers gates as a person did, and notes what came of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Plan, say};
use crate::assembly::Started;

/// How often the hub is asked whether a run has come to rest.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The longest that one photograph may take to come to rest, retries and settling included.
const REST_MAX: Duration = Duration::from_secs(120);

/// What a person answered, per photograph.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answers {
    default: String,
    answers: BTreeMap<String, String>,
}

/// What came of one photograph.
#[derive(Clone, Debug)]
pub(super) struct Fed {
    /// The file's name.
    pub file: String,
    /// It is one of the samples, not of the bulk.
    pub sample: bool,
    /// The scan, as the hub shows it; or the problem, where it was not taken.
    pub scan: Value,
    /// The run, as the hub shows it.
    pub run: Value,
    /// How often a person was asked.
    pub asked: usize,
}

/// Calls the hub as a person of the deployment.
pub(super) struct Feed {
    base: String,
    token: String,
    http: reqwest::Client,
    answers: Option<Answers>,
}

impl Feed {
    pub fn new(base: &str, token: String, plan: &Plan) -> Result<Self> {
        let answers = plan.once.then(|| read_answers(&plan.deployment.join("samples/people.json"))).transpose()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { base: base.to_owned(), token, http, answers })
    }

    /// Feeds the samples in the order of their names, each to its rest, then the bulk.
    pub async fn all(&self, plan: &Plan, bin: &Path, data: &Path) -> Result<Vec<Fed>> {
        let samples = pictures(plan.scans.as_deref().unwrap_or(&plan.deployment.join("samples")))?;
        let bulk = if plan.scans.is_none() && plan.once { make_bulk(bin, data, plan.bulk).await? } else { Vec::new() };
        let bar = bar(samples.len() + bulk.len(), plan.json);
        let mut fed = Vec::new();
        for (path, sample) in samples.iter().map(|p| (p, true)).chain(bulk.iter().map(|p| (p, false))) {
            fed.push(self.one(path, sample).await.with_context(|| format!("feeding `{}`", path.display()))?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(fed)
    }

    /// Feeds one photograph and waits until its run has ended or waits for a person who will not answer.
    async fn one(&self, path: &Path, sample: bool) -> Result<Fed> {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = tokio::fs::read(path).await?;
        let form = Form::new().part("image", Part::bytes(bytes).file_name(file.clone()));
        let sent = self.http.post(format!("{}/v1/scans", self.base)).multipart(form).bearer_auth(&self.token);
        let response = sent.send().await?;
        let taken = response.status().is_success();
        let scan: Value = response.json().await?;
        let mut fed = Fed { file, sample, scan, run: Value::Null, asked: 0 };
        if taken {
            let rest = tokio::time::timeout(REST_MAX, self.rest(&mut fed));
            rest.await.with_context(|| format!("`{}` did not come to rest in {REST_MAX:?}", fed.file))??;
        }
        Ok(fed)
    }

    async fn rest(&self, fed: &mut Fed) -> Result<()> {
        let seq = fed.scan.get("seq").map(ToString::to_string).context("a scan without a seq")?;
        let mut answered = Vec::new();
        loop {
            if fed.run.is_null() {
                let scan = self.get(&format!("/v1/scans/{seq}")).await?;
                fed.run = scan.get("run").cloned().unwrap_or_default();
            } else {
                let id = text(&fed.run, "run").or_else(|| fed.run.as_str().map(str::to_owned)).unwrap_or_default();
                fed.run = self.get(&format!("/v1/runs/{id}")).await?;
                let status = text(&fed.run, "status").unwrap_or_default();
                match (status.as_str(), text(&fed.run, "gate")) {
                    ("completed" | "faulted" | "cancelled", _) => return Ok(()),
                    ("waiting", Some(gate)) if !answered.contains(&gate) => {
                        fed.asked += 1;
                        if !self.answer(&gate, &fed.file).await? {
                            return Ok(());
                        }
                        answered.push(gate);
                    }
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Answers as the person of `people.json` did; false where nobody answers.
    async fn answer(&self, gate: &str, file: &str) -> Result<bool> {
        let Some(answers) = &self.answers else { return Ok(false) };
        let answer = answers.answers.get(file).unwrap_or(&answers.default);
        let card = self.get(&format!("/v1/gates/{gate}")).await?;
        let body = json!({ "answer": answer, "digest": card.get("digest"), "note": "as in people.json" });
        let path = format!("{}/v1/gates/{gate}", self.base);
        let response = self.http.post(path).json(&body).bearer_auth(&self.token).send().await?;
        if !response.status().is_success() {
            bail!("gate {gate} refuses the answer: {}", response.text().await?);
        }
        Ok(true)
    }

    /// The hub's own numbers, from its health.
    pub async fn numbers(&self) -> Result<Value> {
        self.get("/v1/health").await
    }

    /// Says where to look and what waits.
    pub async fn show(&self, started: &Started) -> Result<()> {
        let gates = self.get("/v1/gates?status=waiting&limit=500").await?;
        let list =
            gates.as_array().or_else(|| gates.get("gates").and_then(Value::as_array)).cloned().unwrap_or_default();
        say(&format!("open {} (works once)", started.login));
        say(&format!("{} wait for a person:", list.len()));
        for gate in &list {
            say(&format!(
                "  {:<6} {}",
                text(gate, "gate").unwrap_or_default(),
                text(gate, "question").unwrap_or_default()
            ));
        }
        say(&format!("the same on the command line: sinew --data {} inbox", started.data_dir.display()));
        say("Ctrl-C ends");
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let response = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        let status = response.status();
        let body: Value = response.json().await?;
        if !status.is_success() {
            bail!("GET {path}: {status}: {body}");
        }
        Ok(body)
    }
}

/// A field that is text.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn read_answers(path: &Path) -> Result<Answers> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}` is not right", path.display()))
}

/// The photographs of a folder, by name.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    let picture = |p: &PathBuf| {
        let ending = p.extension().map(|e| e.to_string_lossy().to_lowercase());
        matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
    };
    files.retain(picture);
    files.sort();
    if files.is_empty() {
        bail!("`{}` has no photographs (.jpg, .jpeg, .png)", folder.display());
    }
    Ok(files)
}

/// Makes further labels with the label maker.
async fn make_bulk(bin: &Path, data: &Path, count: u32) -> Result<Vec<PathBuf>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let folder = data.join("bulk");
    let binary = bin.join("sinew-example-labels");
    let status = tokio::process::Command::new(&binary)
        .args(["bulk", "--seed", "7", "--count", &count.to_string(), "--out"])
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .await
        .with_context(|| format!("cannot start the label maker `{}`; build it with ./start", binary.display()))?;
    if !status.success() {
        bail!("the label maker failed: {status}");
    }
    pictures(&folder)
}

fn bar(len: usize, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(len).unwrap_or(0));
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} photographs, {elapsed}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
