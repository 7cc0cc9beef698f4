//! One exchange with a provider over HTTP: sends a prompt once, keeps the raw bytes of both ways, reads the reply.
//!
//! Dropping the future drops the connection, and with it the answer and what it would cost. Nothing that a
//! provider may have begun to read is sent twice from here. Does not know ladders, budgets or the journal.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, redirect, retry};
use serde_json::Value;
use sinew_contract::{Clock, ErrorKind, Failure};

use crate::call_error::{CallError, of_status};
use crate::prompt::{Prompt, Reply};
use crate::providers::Wire;
use crate::sse::Events;

// 8 MiB: the longest answer of a model is well below one; what is larger is not an answer.
const ANSWER_LEN_MAX: usize = 8 << 20;
// 5 s: a provider far away connects within one; a lost SYN is sent again after one and three.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Keys shorter than this are not looked for in answers: they would match anything.
const KEY_LEN_MIN: usize = 8;

/// Where a provider is, and how we prove who we are.
pub struct Endpoint {
    wire: &'static dyn Wire,
    base: String,
    headers: HeaderMap,
    secrets: Vec<String>,
    clients: Clients,
    clock: Arc<dyn Clock>,
}

/// What was said both ways, and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The body that was sent.
    pub request: Bytes,
    /// The body that came back, as far as it came; our keys in it are struck out.
    pub response: Bytes,
    /// The reply, or why there is none.
    pub reply: Result<Reply, CallError>,
    /// From sending to the last byte.
    pub took: Duration,
}

/// Gets the pieces of an answer as they come. They may be shown; nothing may be decided on them.
pub type OnPiece<'p> = &'p (dyn Fn(&str) + Send + Sync);

impl Endpoint {
    /// Makes an endpoint; nothing is sent yet. `headers` and `key` are values, not references.
    ///
    /// # Errors
    /// `Invalid` for an address or header that cannot be one.
    pub fn new(
        wire: &'static dyn Wire,
        base: &str,
        key: Option<&str>,
        headers: &[(String, String)],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let invalid = |what: String| Failure::new(ErrorKind::Invalid, what);
        let base = base.trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base).map_err(|e| invalid(format!("`{base}` is not an address: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(format!("the address of a provider is http or https without a password: `{base}`")));
        }
        let own = wire.headers().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let key_header = key.map(|key| wire.key_header(key)).map(|(name, text)| (name.to_owned(), text));
        let mut map = HeaderMap::new();
        for (name, text) in own.chain(key_header).chain(headers.iter().cloned()) {
            let bad = || invalid(format!("header `{name}` of `{base}` is not right"));
            let mut value = HeaderValue::from_str(&text).map_err(|_| bad())?;
            value.set_sensitive(true);
            map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
        }
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let secrets = key.map(str::to_owned).into_iter().chain(headers.iter().map(|(_, text)| text.clone()));
        let secrets = secrets.filter(|secret| secret.len() >= KEY_LEN_MIN).collect();
        Ok(Self { wire, base, headers: map, secrets, clients: Clients::new()?, clock })
    }

    /// The body that a prompt makes.
    pub fn body(&self, prompt: &Prompt) -> Bytes {
        Bytes::from(self.wire.body(prompt).to_string())
    }

    /// Sends a prompt and reads the whole reply, within `deadline`.
    ///
    /// # Cancel safety
    /// Dropping it drops the connection. Whether the provider counts what it had made so far is its own affair, so the
    /// caller charges its reservation.
    pub async fn call(&self, prompt: &Prompt, deadline: Duration, on_piece: Option<OnPiece<'_>>) -> Exchange {
        let (request, begun) = (self.body(prompt), Instant::now());
        // Shared, so that what had come before the deadline is kept.
        let raw = Mutex::new(Vec::new());
        let exchange = self.exchange(prompt, request.clone(), &raw, on_piece);
        let reply = tokio::time::timeout(deadline, exchange).await;
        let reply = reply.unwrap_or(Err(CallError::Timeout { after: deadline }));
        let raw = raw.into_inner().unwrap_or_else(PoisonError::into_inner);
        Exchange { request, response: self.redact(raw), reply, took: begun.elapsed() }
    }

    async fn exchange(
        &self,
        prompt: &Prompt,
        body: Bytes,
        raw: &Mutex<Vec<u8>>,
        on_piece: Option<OnPiece<'_>>,
    ) -> Result<Reply, CallError> {
        let url = format!("{}{}", self.base, self.wire.path(&prompt.model, prompt.stream));
        let client = self.clients.get(&url)?;
        let sent = client.post(&url).headers(self.headers.clone()).body(body).send().await;
        let mut response = sent.map_err(unsent)?;
        let streams =
            response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
        if response.status().is_success() && streams {
            return self.read_stream(&mut response, raw, on_piece).await;
        }
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        while let Some(chunk) = next(&mut response).await? {
            keep(raw, &chunk)?;
        }
        let text = String::from_utf8_lossy(&lock(raw)).into_owned();
        if status == 200 {
            let body =
                sinew_expr::json::parse_strict(&text).map_err(|e| CallError::invalid(format!("the body: {e}")))?;
            return self.wire.reply(&body);
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let wait = crate::retry_after::read(header, &text, self.clock.now().wall);
        Err(of_status(status, &self.redact_text(&text), wait))
    }

    async fn read_stream(
        &self,
        response: &mut Response,
        raw: &Mutex<Vec<u8>>,
        on_piece: Option<OnPiece<'_>>,
    ) -> Result<Reply, CallError> {
        let (mut events, mut pieces) = (Events::default(), self.wire.assemble());
        while let Some(chunk) = next(response).await? {
            keep(raw, &chunk)?;
            for data in events.take(&chunk).map_err(|_| CallError::invalid("an event of the stream is too long"))? {
                if data.trim() == "[DONE]" {
                    return pieces.finish();
                }
                let data: Value = sinew_expr::json::parse_strict(&data)
                    .map_err(|e| CallError::invalid(format!("an event of the stream: {e}")))?;
                let piece = pieces.event(&data)?;
                if let (Some(on_piece), false) = (on_piece, piece.is_empty()) {
                    on_piece(&piece);
                }
            }
        }
        pieces.finish()
    }

    fn redact(&self, raw: Vec<u8>) -> Bytes {
        let text = String::from_utf8_lossy(&raw);
        if self.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return Bytes::from(self.redact_text(&text));
        }
        Bytes::from(raw)
    }

    fn redact_text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[redacted]"))
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("wire", &self.wire.name()).field("base", &self.base).finish_non_exhaustive()
    }
}

fn lock(raw: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    raw.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(raw: &Mutex<Vec<u8>>, chunk: &[u8]) -> Result<(), CallError> {
    let mut raw = lock(raw);
    raw.extend_from_slice(chunk);
    if raw.len() > ANSWER_LEN_MAX { Err(CallError::invalid("the answer is too long")) } else { Ok(()) }
}

/// What failed before a connection stood surely never left; after that, the provider may have begun to answer.
fn unsent(error: reqwest::Error) -> CallError {
    let connecting = error.is_connect();
    let said = chain(&error.without_url());
    if connecting { CallError::Unreachable { said } } else { CallError::Cut { said } }
}

async fn next(response: &mut Response) -> Result<Option<Bytes>, CallError> {
    response.chunk().await.map_err(|e| CallError::Cut { said: chain(&e.without_url()) })
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(|cause| format!(": {cause}"));
    std::iter::once(error.to_string()).chain(causes).collect()
}

/// A client without certificates for plain addresses, and one with the system's, made when first needed.
#[derive(Debug)]
struct Clients {
    plain: Client,
    tls: OnceLock<Result<Client, String>>,
}

impl Clients {
    fn new() -> Result<Self, Failure> {
        // Another provider of cryptography that is already there is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = builder().tls_certs_only([]).build();
        let failed = |e: reqwest::Error| Failure::new(ErrorKind::Broken, "cannot make an HTTP client").caused_by(e);
        Ok(Self { plain: plain.map_err(failed)?, tls: OnceLock::new() })
    }

    fn get(&self, url: &str) -> Result<&Client, CallError> {
        if !url.starts_with("https:") {
            return Ok(&self.plain);
        }
        let tls = self.tls.get_or_init(|| builder().https_only(true).build().map_err(|e| e.to_string()));
        tls.as_ref().map_err(|said| CallError::Unreachable { said: said.clone() })
    }
}

fn builder() -> reqwest::ClientBuilder {
    Client::builder()
        .no_proxy()
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(60))
        .user_agent(concat!("sinew/", env!("CARGO_PKG_VERSION")))
}
