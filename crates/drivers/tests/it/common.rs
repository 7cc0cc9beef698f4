//! A scripted target on a free port that writes down what reached it, and the surroundings of a device.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{Class, Clock, Command, Deadline, Digest, ErrorKind, Failure, LogTag, RunId, Seq};
use sinew_contract::{Device, EffectId, Timestamp};
use sinew_drivers::{Egress, Surroundings, open};
use sinew_testkit::SimClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the target does with a request that it has read whole.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes and keeps the connection.
    Answer(String),
    /// Sends these bytes and closes the connection.
    AnswerAndClose(String),
    /// Closes the connection without a word.
    Close,
    /// Says nothing, for ever.
    Stall,
}

pub fn answer(status: u16, body: &str) -> Act {
    Act::Answer(head(status, body.len(), "") + body)
}

pub fn head(status: u16, len: usize, more: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n{more}\r\n")
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<String>,
}

pub struct Target {
    pub port: u16,
    log: Arc<Mutex<Log>>,
}

impl Target {
    /// Follows the script, one act for each request; the last is repeated.
    pub async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().expect("nobody panics here").connections += 1;
                tokio::spawn(converse(stream, script.clone(), shared.clone()));
            }
        });
        Self { port, log }
    }

    pub fn requests(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics here").requests.clone()
    }

    pub fn connections(&self) -> usize {
        self.log.lock().expect("nobody panics here").connections
    }
}

async fn converse(mut stream: TcpStream, script: Vec<Act>, log: Arc<Mutex<Log>>) {
    while let Some(request) = read_request(&mut stream).await {
        let nth = {
            let mut log = log.lock().expect("nobody panics here");
            log.requests.push(request);
            log.requests.len() - 1
        };
        let act = script.get(nth).or(script.last()).cloned().expect("a script has an act");
        let sent = match &act {
            Act::Answer(text) | Act::AnswerAndClose(text) => stream.write_all(text.as_bytes()).await,
            Act::Close => Ok(()),
            Act::Stall => std::future::pending().await,
        };
        if sent.is_err() || !matches!(act, Act::Answer(_)) {
            return;
        }
    }
}

/// One request with its body; none when the other side is gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_len(head)
        {
            return Some(text);
        }
        let mut chunk = [0; 4096];
        let len = stream.read(&mut chunk).await.ok().filter(|len| *len > 0)?;
        text.push_str(std::str::from_utf8(&chunk[..len]).expect("tests send text"));
    }
}

fn content_len(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    line.unwrap_or(0)
}

pub struct World {
    pub clock: Arc<SimClock>,
    pub surroundings: Surroundings,
}

/// `shop.local` is at this port; it alone may be called.
pub fn world(port: u16, data_dir: &Path) -> World {
    let clock = Arc::new(SimClock::default());
    let secret = |reference: &str| match reference {
        "env:SHOP_TOKEN" => Ok("Bearer s3cret".to_owned()),
        other => Err(Failure::new(ErrorKind::Missing, format!("there is no secret `{other}`"))),
    };
    let surroundings = Surroundings {
        clock: clock.clone(),
        hosts: [("shop.local".to_owned(), format!("http://127.0.0.1:{port}"))].into(),
        egress: Egress::new(["shop.local".to_owned()]),
        secrets: Arc::new(secret),
        data_dir: data_dir.to_owned(),
    };
    World { clock, surroundings }
}

impl World {
    pub fn open(&self, file: &Value) -> Arc<dyn Device> {
        open(file, &self.surroundings).unwrap_or_else(|error| panic!("{file}: {error}")).device
    }

    pub fn shop(&self) -> Arc<dyn Device> {
        self.open(&json!({"id": "shop", "driver": "http", "base": "http://shop.local", "timeout": "2s",
            "expires-header": "Command-Expires", "headers": {"authorization": "env:SHOP_TOKEN"}}))
    }

    pub fn deadline(&self) -> Deadline {
        Deadline::within(self.clock.now(), Duration::from_secs(10))
    }

    pub fn command(&self, operation: Value, args: Value) -> Command {
        Command {
            effect: EffectId { run: RunId { log: LogTag(1), seq: Seq(1) }, step: 1 },
            attempt: 1,
            capability: "shop.refund".parse().expect("a capability's name"),
            class: Class::Compensable,
            manifest: Digest::ZERO,
            device: "shop".parse().expect("a device's name"),
            operation,
            args,
            key: "refund/o-1/1".to_owned(),
            natural_key: None,
            expires: self.deadline(),
        }
    }

    pub fn refund(&self) -> Command {
        self.command(json!({"method": "POST", "path": "/refunds"}), json!({"rma": "RMA-1"}))
    }
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for this test")
}

/// A port on which nobody listens.
pub async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

pub const START: Timestamp = Timestamp(1_795_338_000_000_000);

/// Surroundings in which one host is known and may be called.
pub fn surroundings_with(data_dir: &Path, host: &str, base: &str) -> Surroundings {
    Surroundings {
        clock: Arc::new(SimClock::default()),
        hosts: [(host.to_owned(), base.to_owned())].into(),
        egress: Egress::new([host.to_owned()]),
        secrets: Arc::new(|_| Err(Failure::new(ErrorKind::Missing, "there are no secrets here"))),
        data_dir: data_dir.to_owned(),
    }
}
