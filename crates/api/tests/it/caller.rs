//! Requests as a browser, a script or a stranger would send them, and their answers in one piece.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, header};
use sinew_api::{People, local_token, router};
use tower::ServiceExt;

use crate::fake::{Fake, SECRET, parts, people};

/// A house, its people and its router.
pub struct Stage {
    pub fake: Arc<Fake>,
    pub people: Arc<People>,
    app: Router,
}

/// An answer in one piece.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain header"))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request on its way.
pub struct Sent<'a> {
    stage: &'a Stage,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Stage {
    pub fn new(full: bool, hostility: &'static str) -> Self {
        let fake = Fake::new(full, hostility, bytes::Bytes::from_static(b"not really a picture"));
        let people = people(fake.clock.clone());
        let app = router(parts(&fake, &people));
        Self { fake, people, app }
    }

    pub fn full() -> Self {
        Self::new(true, "")
    }

    /// What the house was asked to change since the last look.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut *self.fake.changes.lock().expect("no panic under this lock"))
    }

    pub fn send(&self, method: &str, path: &str) -> Sent<'_> {
        let method = method.parse().expect("a method");
        Sent { stage: self, method, path: path.into(), headers: Vec::new(), body: Vec::new() }
            .with("host", "localhost:7171")
    }

    /// A session for this person: its id, as the cookie holds it.
    pub fn session(&self, name: &str) -> String {
        let code = self.people.issue_link(name).expect("a known person");
        self.people.redeem_link(&code).expect("a fresh link")
    }
}

impl Sent<'_> {
    /// Sets a header, in the place of an earlier one; empty removes it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    pub fn by_local(self, name: &str) -> Self {
        let token = local_token(SECRET, name);
        self.with(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub fn in_session(self, session: &str) -> Self {
        let cookie = format!("{}={session}", self.stage.people.cookie_name());
        self.with(header::COOKIE.as_str(), &cookie)
    }

    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with("content-type", "application/json")
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}", value.replace(' ', "+"));
        self.body = fields.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes();
        self.with("content-type", "application/x-www-form-urlencoded")
    }

    /// A multipart body: (field, file name, bytes).
    pub fn multipart(mut self, fields: &[(&str, Option<&str>, &[u8])]) -> Self {
        for (name, file, bytes) in fields {
            let file = file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: image/png")).unwrap_or_default();
            let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            self.body.extend_from_slice(head.as_bytes());
            self.body.extend_from_slice(bytes);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"--edge--\r\n");
        self.with("content-type", "multipart/form-data; boundary=edge")
    }

    pub async fn answer(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body)).expect("a request");
        let response = self.stage.app.clone().oneshot(request).await.expect("the router always answers");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a whole body");
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}
