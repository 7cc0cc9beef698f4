//! The hosts outside, served on loopback: those that the standard's own kit names, and whatever a scenario gives an answer for.
//!
//! Does not know playbooks. Answers have no date and no server's name, so that they are the same each time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// More of a request is not read.
const REQUEST_MAX: usize = 1 << 20;

/// What a host was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub host: String,
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// What a host answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Answers of a scenario: host, method, path -> what is answered, one after the other, the last for ever.
pub type Answers = BTreeMap<(String, String, String), VecDeque<Answer>>;

/// The world outside of one scenario; it outlives a crash.
#[derive(Debug, Default)]
pub struct World {
    answers: Mutex<Answers>,
    asked: Mutex<Vec<Request>>,
    /// What acts have done, by their key.
    effects: Mutex<BTreeMap<String, Value>>,
}

impl World {
    /// A world with these answers.
    pub fn new(answers: Answers) -> Self {
        Self { answers: Mutex::new(answers), ..Self::default() }
    }

    /// All that was asked, in order.
    pub fn asked(&self) -> Vec<Request> {
        lock(&self.asked).clone()
    }

    fn answer(&self, request: Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        let key = (request.host.clone(), request.method.clone(), path.clone());
        let scripted = lock(&self.answers)
            .get_mut(&key)
            .and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() });
        let answer = scripted.unwrap_or_else(|| match request.host.as_str() {
            "petstore.swagger.io" => petstore(&path),
            "httpbin.org" => httpbin(&path, &request),
            "shop.test" => self.shop(&path, &request),
            _ => problem(404, "there is nothing here"),
        });
        lock(&self.asked).push(request);
        answer
    }

    /// A target that does each thing once per key, and can be asked by key.
    fn shop(&self, path: &str, request: &Request) -> Answer {
        let mut effects = lock(&self.effects);
        if let Some(key) = path.strip_prefix("/effects/") {
            let key = key.replace("%2F", "/");
            return match effects.get(&key) {
                Some(result) => Answer { status: 200, body: json!({ "applied": true, "result": result }) },
                None => problem(404, "no such key"),
            };
        }
        let key = request.headers.get("idempotency-key").cloned().unwrap_or_default();
        let nr = effects.len() + 1;
        let result = effects.entry(key).or_insert_with(|| json!({ "nr": nr, "did": path, "with": request.body }));
        Answer { status: 200, body: result.clone() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn problem(status: u16, title: &str) -> Answer {
    Answer { status, body: json!({ "title": title }) }
}

/// The pet store of the kit.
fn petstore(path: &str) -> Answer {
    let pet = |id: u64| json!({ "id": id, "name": format!("pet {id}"), "status": "available", "photoUrls": [] });
    let body = match path {
        "/v2/swagger.json" => store_document(),
        "/v2/pet/findByStatus" => json!([pet(1), pet(2)]),
        "/v2/pet/1" => pet(1),
        "/v2/pet/2" => pet(2),
        _ => return problem(404, "Pet not found"),
    };
    Answer { status: 200, body }
}

fn store_document() -> Value {
    let path = |name: &str| json!({ "name": name, "in": "path", "required": true, "type": "integer" });
    json!({
        "swagger": "2.0", "info": { "title": "pets", "version": "1" }, "host": "petstore.swagger.io",
        "basePath": "/v2", "schemes": ["https", "http"],
        "paths": {
            "/pet/findByStatus": { "get": { "operationId": "findPetsByStatus",
                "parameters": [{ "name": "status", "in": "query", "required": true, "type": "string" }] } },
            "/pet/{petId}": {
                "get": { "operationId": "getPetById", "parameters": [path("petId")] },
                "delete": { "operationId": "deletePet", "parameters": [path("petId")] } },
        },
    })
}

/// The one path of httpbin that the kit asks for.
fn httpbin(path: &str, request: &Request) -> Answer {
    let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("basic-auth"), Some(user), Some(password)) => {
            let expected = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
            if authorization != expected {
                return problem(401, "who are you");
            }
            Answer { status: 200, body: json!({ "authenticated": true, "user": user }) }
        }
        (Some("bearer"), None, None) => match authorization.strip_prefix("Bearer ") {
            Some(token) => Answer { status: 200, body: json!({ "authenticated": true, "token": token }) },
            None => problem(401, "who are you"),
        },
        (Some("anything"), ..) => {
            let headers: BTreeMap<_, _> = request.headers.iter().filter(|(name, _)| name.starts_with("x-")).collect();
            let path = request.path.clone();
            Answer { status: 200, body: json!({ "path": path, "headers": headers, "method": request.method }) }
        }
        _ => problem(404, "there is nothing here"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| DIGITS.get((bits & 63) as usize).copied().map_or('=', char::from);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(digit);
        text.extend(digits.iter().take(chunk.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}

/// The servers; they end when this is dropped.
pub struct Hosts {
    /// Logical name -> where it really is.
    pub map: BTreeMap<String, String>,
    _serving: JoinSet<()>,
}

impl Hosts {
    /// Nobody at all.
    pub fn none() -> Self {
        Self { map: BTreeMap::new(), _serving: JoinSet::new() }
    }

    /// Serves each host on a port of its own.
    ///
    /// # Errors
    /// Where a port cannot be had.
    pub async fn serve(names: &[String], world: &Arc<World>) -> Result<Self> {
        let (mut map, mut serving) = (BTreeMap::new(), JoinSet::new());
        for name in names {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            map.insert(name.clone(), format!("http://{}", listener.local_addr()?));
            let (name, world) = (name.clone(), Arc::clone(world));
            serving.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // A caller that goes away in the middle is its own problem.
                    let _ = exchange(stream, &name, &world).await;
                }
            });
        }
        Ok(Self { map, _serving: serving })
    }
}

/// One request, one answer, and the connection is closed.
async fn exchange(mut stream: TcpStream, host: &str, world: &World) -> std::io::Result<()> {
    let Some(request) = read_request(&mut stream, host).await? else { return Ok(()) };
    let is_head = request.method == "HEAD";
    let Answer { status, body } = world.answer(request);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if !is_head {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream, host: &str) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = request_in(&bytes, host) {
            return Ok(Some(request));
        }
        let mut chunk = [0; 4096];
        let len = stream.read(&mut chunk).await?;
        if len == 0 || bytes.len() > REQUEST_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(chunk.get(..len).unwrap_or_default());
    }
}

/// The request, once all of it is there.
fn request_in(bytes: &[u8], host: &str) -> Option<Request> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..at)?).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let len = headers.get("content-length").and_then(|len| len.parse::<usize>().ok()).unwrap_or(0);
    let body = bytes.get(at + 4..at + 4 + len)?;
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    Some(Request { host: host.to_owned(), method, path, headers, body })
}
