//! JSON over HTTP as a device: asks with GET and HEAD, acts with all other methods.
//!
//! Knows no capability, policy or journal: it gets an operation and its arguments, and says honestly what it knows of the
//! outcome. Nothing is ever sent twice by it.
//!
//! ```text
//! operation + args -> path or URI -> allow-list, host map -> one exchange -> bounded answer -> Value | Reply | failure
//! ```

mod answer;
mod authentication;
mod client;
mod config;
mod error;
mod operation;
mod target;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, RequestBuilder, Url};
use serde_json::Value;
use sinew_contract::{Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply};

use self::answer::Answer;
use self::client::{Clients, Purpose};
use self::error::HttpError;
use self::operation::{Operation, Place};
use self::target::Targets;
use crate::open::{OpenError, Opened};
use crate::surroundings::{SecretSource, Surroundings};

pub use self::client::install_tls;
pub use self::config::HttpConfig;

// 1 MiB: a look-up or a receipt is a few kilobytes; what is larger does not belong into a journal.
const ANSWER_LEN_MAX: usize = 1 << 20;

/// Headers that arguments may not set: they say who asks, whom, and where a message ends.
const RESERVED_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A target that speaks JSON over HTTP.
pub struct HttpDevice {
    id: DeviceId,
    base: Option<String>,
    key_header: HeaderName,
    expires_header: Option<HeaderName>,
    secret_headers: HeaderMap,
    timeout: Duration,
    targets: Targets,
    clients: Clients,
    secrets: Arc<SecretSource>,
    clock: Arc<dyn Clock>,
}

/// Opens a device whose file says `driver = "http"`.
///
/// # Errors
/// `Config` or `Secret`: see there.
pub fn open_device(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let device = HttpDevice::open(&HttpConfig::read(file)?, surroundings)?;
    Ok(Opened { device: Arc::new(device), folder: None, mqtt: None })
}

impl HttpDevice {
    /// Makes the device; nothing is sent yet.
    ///
    /// # Errors
    /// `Config` for a base that is not allowed or not a URL; `Secret` for a header whose secret cannot be had.
    pub fn open(config: &HttpConfig, surroundings: &Surroundings) -> Result<Self, OpenError> {
        let targets = Targets::new(&surroundings.hosts, surroundings.egress.clone())?;
        let base = config.base.as_ref().map(|base| base.trim_end_matches('/').to_owned());
        match &base {
            Some(base) => drop(targets.resolve(base).map_err(|error| OpenError::config(format!("`base`: {error}")))?),
            None if config.headers.is_empty() => {}
            None => return Err(OpenError::config("`headers` need a `base`: secrets go to one known target alone")),
        }
        Ok(Self {
            id: config.id.clone(),
            base,
            key_header: config.key_header()?,
            expires_header: config.expires_header()?,
            secret_headers: config.secret_headers(surroundings.secrets.as_ref())?,
            timeout: config.timeout()?,
            targets,
            clients: Clients::new().map_err(|error| OpenError::config(error.to_string()))?,
            secrets: Arc::clone(&surroundings.secrets),
            clock: surroundings.clock.clone(),
        })
    }

    /// Where an operation goes, for real and in words.
    fn target(&self, operation: &Operation, args: &Value) -> Result<(Url, String), HttpError> {
        let filled = operation.place.fill(args)?;
        let logical = match &operation.place {
            Place::Path(_) => format!("{}{filled}", self.base()?),
            Place::Uri(_) => filled,
        };
        let real = self.targets.resolve(&logical)?;
        let path = logical.split('?').next().unwrap_or_default();
        Ok((real, format!("{} {}", operation.method, path.chars().take(200).collect::<String>())))
    }

    fn base(&self) -> Result<&str, HttpError> {
        let problem = || format!("device `{}` has no `base`, so only a `uri` can be asked", self.id);
        self.base.as_deref().ok_or_else(|| HttpError::Operation { problem: problem() })
    }

    /// A request under way: method, place, the device's own headers.
    fn begin(&self, client: &Client, operation: &Operation, real: Url) -> RequestBuilder {
        let request = client.request(operation.method.clone(), real).timeout(self.timeout);
        match operation.place {
            Place::Path(_) => request.headers(self.secret_headers.clone()),
            Place::Uri(_) => request,
        }
    }

    async fn ask(&self, operation: &Operation, args: &Value, deadline: Deadline) -> Result<Value, HttpError> {
        let (mut real, target) = self.target(operation, args)?;
        if matches!(operation.place, Place::Uri(_)) {
            add_query(&mut real, args.get("query"))?;
        }
        let left = deadline.remaining(self.clock.now());
        if left.is_zero() {
            return Err(HttpError::Late { target });
        }
        let client = self.clients.get(Purpose::Question, real.scheme())?;
        let mut request = self.begin(client, operation, real).timeout(self.timeout.min(left));
        if matches!(operation.place, Place::Uri(_)) {
            request = request.headers(headers_of(args.get("headers"))?);
            if let Some(value) = args.get("authentication") {
                request = authentication::authenticate(request, value, self.secrets.as_ref())?;
            }
        }
        let request = request.build().map_err(no_request)?;
        let answer = exchange(client, request, target, Purpose::Question).await?;
        let now = self.clock.now().wall;
        if operation.raw { answer.into_raw_question(now) } else { answer.into_question(now) }
    }

    async fn act(&self, command: &Command) -> Result<Reply, HttpError> {
        let operation = Operation::read(&command.operation)?;
        if operation.is_question() {
            let problem = format!("{} does nothing; a command needs another method", operation.method);
            return Err(HttpError::Operation { problem });
        }
        let (real, target) = self.target(&operation, &command.args)?;
        let client = self.clients.get(Purpose::Command, real.scheme())?;
        let request = self.command_request(client, &operation, real, command)?;
        // INVARIANT: the last thing before it leaves. What is late stays here, whatever was prepared before.
        if command.expires.is_past(self.clock.now()) {
            return Err(HttpError::Late { target });
        }
        let answer = exchange(client, request, target, Purpose::Command).await?;
        answer.into_command(self.clock.now().wall, self.expires_header.is_some())
    }

    fn command_request(
        &self,
        client: &Client,
        operation: &Operation,
        real: Url,
        command: &Command,
    ) -> Result<Request, HttpError> {
        let mut request = self.begin(client, operation, real).header(&self.key_header, header_value(&command.key)?);
        if let Some(name) = &self.expires_header {
            request = request.header(name, header_value(&command.expires.wall.to_string())?);
        }
        if operation.method != Method::DELETE {
            request = request.json(&command.args);
        }
        request.build().map_err(no_request)
    }

    fn check_operation(&self, operation: &Value) -> Result<(), HttpError> {
        let operation = Operation::read(operation)?;
        match operation.place {
            Place::Path(_) => self.base().map(drop),
            Place::Uri(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Device for HttpDevice {
    fn id(&self) -> &DeviceId {
        &self.id
    }

    fn check(&self, operation: &Value) -> Result<(), Failure> {
        Ok(self.check_operation(operation)?)
    }

    async fn read(&self, operation: &Value, args: &Value, deadline: Deadline) -> Result<Value, Failure> {
        let operation = Operation::read(operation)?;
        if !operation.is_question() {
            let problem = format!("{} is not a question; only GET and HEAD are", operation.method);
            return Err(HttpError::Operation { problem }.into());
        }
        Ok(self.ask(&operation, args, deadline).await?)
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        Ok(self.act(command).await?)
    }

    async fn listen(&self) -> Result<Reading, Failure> {
        Err(Failure::new(
            ErrorKind::Missing,
            format!("device `{}` is asked and told; it never speaks by itself", self.id),
        ))
    }
}

/// Sends one request, once, and takes in its whole answer.
async fn exchange(client: &Client, request: Request, target: String, purpose: Purpose) -> Result<Answer, HttpError> {
    let failed = |source: reqwest::Error| {
        let target = target.clone();
        match purpose {
            _ if source.is_connect() || source.is_builder() => HttpError::Unreachable { target, source },
            Purpose::Question => HttpError::Unanswered { target, source },
            Purpose::Command => HttpError::Lost { target, source },
        }
    };
    let mut response = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_LEN_MAX {
            return Err(HttpError::Answer { target, problem: format!("it is longer than {ANSWER_LEN_MAX} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { target, status, headers, body })
}

fn no_request(error: reqwest::Error) -> HttpError {
    HttpError::Arguments { problem: error.without_url().to_string() }
}

fn header_value(text: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(text)
        .map_err(|_| HttpError::Arguments { problem: format!("`{}` cannot stand in a header", text.escape_debug()) })
}

/// Adds the `query` argument: an object of texts, numbers and booleans.
fn add_query(url: &mut Url, query: Option<&Value>) -> Result<(), HttpError> {
    for (name, value) in object(query, "query")? {
        let text = scalar(value).ok_or_else(|| HttpError::Arguments {
            problem: format!("query value `{name}` must be a text, a number or a boolean"),
        })?;
        url.query_pairs_mut().append_pair(name, &text);
    }
    Ok(())
}

/// The `headers` argument: an object of texts, without those that say who asks.
fn headers_of(headers: Option<&Value>) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::new();
    for (name, value) in object(headers, "headers")? {
        let wrong = |problem: &str| HttpError::Arguments { problem: format!("header `{name}` {problem}") };
        let key: HeaderName = name.parse().map_err(|_| wrong("is not a header's name"))?;
        if RESERVED_HEADERS.contains(&key.as_str()) || key.as_str().starts_with("proxy-") {
            return Err(wrong("may not be set by arguments"));
        }
        map.insert(key, header_value(value.as_str().ok_or_else(|| wrong("must be a text"))?)?);
    }
    Ok(map)
}

fn object<'a>(value: Option<&'a Value>, name: &str) -> Result<Vec<(&'a String, &'a Value)>, HttpError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(map)) => Ok(map.iter().collect()),
        Some(_) => Err(HttpError::Arguments { problem: format!("`{name}` must be an object") }),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
