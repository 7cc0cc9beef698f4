//! Calls the hub that is running on a data directory.
//!
//! Knows the hub's address and the local secret from files that only the owner of the data directory can read.

use std::path::{Path, PathBuf};

use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::{Coded, Exit, ExitWith};
use crate::assembly::places;

/// Longer than any answer takes.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Whoever presses stop does not wait for a hub that hangs: the stop file is the other way.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A caller of one hub.
pub struct Client {
    base: String,
    person: String,
    token: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// Calls as the first owner of the deployment.
    pub fn local(data: &Path) -> Result<Self, Coded> {
        Self::local_as(data, None)
    }

    /// Calls as this person.
    pub fn local_as(data: &Path, person: Option<&str>) -> Result<Self, Coded> {
        let places = places::Places::new(data);
        let address = read(&places.address(), data)?;
        let (base, owner) = address.split_once(' ').unwrap_or((address.as_str(), "owner"));
        let secret = places.known_secret().or_exit(Exit::Unreachable)?;
        let person = person.unwrap_or(owner).to_owned();
        let token = sinew_api::people::local_token(secret, &person);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Failed)?;
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().or_exit(Exit::Failed)?;
        Ok(Self { base: base.to_owned(), person, token, http, runtime })
    }

    /// Gets a resource.
    pub fn get(&self, path: &str) -> Result<Value, Coded> {
        self.send(self.http.get(format!("{}{path}", self.base)))
    }

    /// Posts a body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Coded> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body))
    }

    /// Posts a body, without much patience.
    pub fn post_at_once(&self, path: &str, body: &Value) -> Result<Value, Coded> {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body).timeout(STOP_MAX))
    }

    /// Asks whether the hub answers at all, without much patience.
    pub fn ping(&self) -> Result<(), Coded> {
        self.send(self.http.get(format!("{}/v1/health", self.base)).timeout(STOP_MAX)).map(drop)
    }

    /// Where the hub is.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Coded> {
        self.runtime.block_on(async {
            let sent = request.bearer_auth(&self.token).send().await;
            let response = sent
                .with_context(|| format!("the hub at {} does not answer; is `sinew up` running?", self.base))
                .or_exit(Exit::Unreachable)?;
            let status = response.status();
            let body: Value = response.json().await.context("the hub's answer is not JSON").or_exit(Exit::Failed)?;
            match status.as_u16() {
                _ if status.is_success() => Ok(body),
                401 => Err(Coded::new(Exit::Refused, anyhow!("the hub knows no person `{}`", self.person))),
                status => Err(problem(status, &body)),
            }
        })
    }
}

/// An RFC 9457 problem as an error with its exit code.
fn problem(status: u16, body: &Value) -> Coded {
    let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let exit = match status {
        403 => Exit::Refused,
        502..=504 => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let (title, detail) = (text("title"), text("detail"));
    let error = if detail.is_empty() { anyhow!("{title} ({status})") } else { anyhow!("{title}: {detail} ({status})") };
    Coded { exit, error }
}

fn read(path: &PathBuf, data: &Path) -> Result<String, Coded> {
    let none = || {
        anyhow!("no hub is running on `{}`; start one with `sinew up`, or name its data with --data", data.display())
    };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(none()),
        read => read.with_context(|| format!("cannot read `{}`", path.display())),
    };
    text.map(|t| t.trim().to_owned()).or_exit(Exit::Unreachable)
}
