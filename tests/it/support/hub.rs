//! `sinew` as a process: `up` until it is ready or has ended, calls over HTTP, and the commands that end by themselves.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// The longest that a hub may take to be ready, recovery included.
const START_MAX: Duration = Duration::from_secs(60);
/// The longest that it may take to end when asked to.
const END_MAX: Duration = Duration::from_secs(30);

/// How to start a hub.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The deployment's folder.
    pub deployment: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
    /// Further arguments of `sinew up`.
    pub args: Vec<String>,
}

/// A hub that ended before it was ready.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it said last.
    pub stderr: String,
    /// How long it had lived.
    pub after: Duration,
}

/// A process of `sinew up`, ready or not; killed when dropped.
pub struct Process {
    /// When it was started.
    pub born: Instant,
    data: PathBuf,
    log: PathBuf,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// A hub that is ready; killed when dropped.
pub struct Hub {
    /// Where it listens.
    pub url: String,
    /// What it printed when it was ready.
    pub said: Value,
    /// Its process.
    pub process: Process,
    http: reqwest::Client,
}

/// An answer over HTTP; the error is a connection that broke.
pub type Answer = Result<(u16, Value), reqwest::Error>;

impl Launch {
    /// The sample deployment on a free port, with this shop, all data in `folder`/data.
    pub fn new(folder: &Path, shop: &str) -> Self {
        let args = ["--listen", "127.0.0.1:0", "--host"].map(str::to_owned).into_iter();
        let args = args.chain([format!("shop.local={shop}")]).collect();
        Self { deployment: super::deployment(), data: folder.join("data"), args }
    }

    /// One more argument.
    #[must_use]
    pub fn with(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts it and waits until it is ready or has ended.
    ///
    /// # Errors
    /// How it ended, where it did before it was ready.
    pub async fn start(&self) -> Result<Hub, Ended> {
        let mut process = self.spawn();
        let said = process.ready().await?;
        Ok(process.into_hub(said))
    }

    /// Starts it.
    pub fn spawn(&self) -> Process {
        let born = Instant::now();
        let log = self.data.with_extension("log");
        let said = File::options().create(true).append(true).open(&log).expect("a log file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sinew"))
            .args(["--json", "up"])
            .arg(&self.deployment)
            .arg("--data-dir")
            .arg(&self.data)
            .args(&self.args)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(said)
            .kill_on_drop(true)
            .spawn()
            .expect("sinew starts");
        let stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        Process { born, data: self.data.clone(), log, child, stdout }
    }
}

impl Process {
    /// Waits until it is ready, and gives what it printed then. Dropped on the way, the process lives on.
    ///
    /// # Errors
    /// How it ended, where it did before it was ready.
    pub async fn ready(&mut self) -> Result<Value, Ended> {
        let mut line = String::new();
        let read = tokio::time::timeout(START_MAX, self.stdout.read_line(&mut line)).await;
        if read.expect("the hub is ready or ends in time").expect("its output can be read") == 0 {
            let status = self.gone().await;
            return Err(Ended { status, stderr: self.stderr(), after: self.born.elapsed() });
        }
        Ok(serde_json::from_str(&line).expect("the hub says where it listens"))
    }

    /// The hub that it is, now that it is ready.
    pub fn into_hub(self, said: Value) -> Hub {
        let url = said["listening"].as_str().expect("an address").to_owned();
        Hub { url, said, process: self, http: super::http() }
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) -> ExitStatus {
        self.child.start_kill().expect("it can be killed");
        self.gone().await
    }

    /// Asks it to end, as a supervisor does, and waits.
    pub async fn end(mut self) -> ExitStatus {
        let id = self.child.id().expect("it has not been waited for").cast_signed();
        let pid = rustix::process::Pid::from_raw(id).expect("a process id is positive");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it can be asked to end");
        self.gone().await
    }

    /// Waits until it has ended by itself.
    pub async fn gone(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(END_MAX, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("the hub does not end:\n{}", self.stderr())).expect("it can be waited for")
    }

    /// The end of what it said to standard error.
    pub fn stderr(&self) -> String {
        tail(&self.log)
    }
}

impl Hub {
    /// The bearer token of a local caller.
    pub fn token(&self, person: &str) -> String {
        let key = std::fs::read(self.process.data.join("local.key")).expect("a hub that is ready has a local key");
        sinew_api::people::local_token(key.try_into().expect("32 bytes"), person)
    }

    /// Gets a resource, as the owner.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.url)), "ana").await
    }

    /// Posts JSON, as the owner.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as("ana", path, body).await
    }

    /// Posts JSON, as this person.
    pub async fn post_as(&self, person: &str, path: &str, body: &Value) -> Answer {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body), person).await
    }

    /// Hands in a photograph, under a key where one is given.
    pub async fn scan(&self, name: &str, bytes: Vec<u8>, key: Option<&str>) -> Answer {
        let form = Form::new().part("image", Part::bytes(bytes).file_name(name.to_owned()));
        let post = self.http.post(format!("{}/v1/scans", self.url)).multipart(form);
        let post = key.iter().fold(post, |post, key| post.header("Idempotency-Key", *key));
        self.send(post, "ana").await
    }

    /// Answers a gate, bound to the card as it stands.
    pub async fn answer(&self, gate: &str, answer: &str) -> Answer {
        let path = format!("/v1/gates/{gate}");
        let (_, card) = self.get(&path).await?;
        self.post(&path, &json!({ "answer": answer, "digest": card["digest"], "note": "as in people.json" })).await
    }

    /// Sends any request, with a person's token.
    pub async fn send(&self, request: reqwest::RequestBuilder, person: &str) -> Answer {
        let answer = request.bearer_auth(self.token(person)).send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(self) -> ExitStatus {
        self.process.kill().await
    }

    /// Asks it to end, as a supervisor does, and waits.
    pub async fn end(self) -> ExitStatus {
        self.process.end().await
    }

    /// Waits until it has ended by itself.
    pub async fn gone(&mut self) -> ExitStatus {
        self.process.gone().await
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.child.try_wait().expect("it can be asked")
    }

    /// The end of what it said to standard error.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Its standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Runs a command of `sinew` to its end.
pub async fn sinew<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinew"));
    let output = command.args(args).stdin(Stdio::null()).kill_on_drop(true).output().await.expect("sinew starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
