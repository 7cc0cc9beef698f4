//! A provider that says what a test tells it to say: limits, faults, slow, cut and broken answers, over real sockets.
//!
//! Speaks just enough HTTP/1.1 for a client that we trust; keeps what it was asked.
#![allow(dead_code, reason = "the suites of the room and of the house use a part each")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What to say to one request.
#[derive(Clone, Debug)]
pub enum Say {
    /// A status, headers and a body.
    Plain(u16, Vec<(&'static str, String)>, String),
    /// Server-sent events, each the text after `data: `; with `cut`, the connection ends without an end of the body.
    Stream { events: Vec<String>, cut: bool },
    /// A body that ends before its announced length.
    Short(String),
    /// Nothing for so long, then that.
    After(Duration, Box<Say>),
    /// The connection is closed without a word.
    HangUp,
}

impl Say {
    pub fn json(body: &Value) -> Self {
        Self::Plain(200, Vec::new(), body.to_string())
    }

    pub fn fault(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        Self::Plain(status, headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(), body.to_owned())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: Value,
}

/// The provider. Ends when it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Mutex<VecDeque<Say>>,
    last: Mutex<Say>,
    asked: Mutex<Vec<Asked>>,
    gone: AtomicUsize,
}

impl Upstream {
    /// Says these in order, and the last one for ever.
    pub async fn new(script: impl IntoIterator<Item = Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let script: VecDeque<_> = script.into_iter().collect();
        let last = script.back().cloned().expect("a script says something");
        let shared = Shared {
            script: Mutex::new(script),
            last: Mutex::new(last),
            asked: Mutex::default(),
            gone: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        let of_task = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&of_task)));
            }
        });
        Self { address, shared, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic").clone()
    }

    /// How many clients left while they were to be answered.
    pub fn gone(&self) -> usize {
        self.shared.gone.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut socket, &mut buffer).await {
        shared.asked.lock().expect("no panic").push(asked);
        let next = shared.script.lock().expect("no panic").pop_front();
        let say = next.unwrap_or_else(|| shared.last.lock().expect("no panic").clone());
        if !say_it(&mut socket, say, &shared).await {
            return;
        }
    }
}

/// Says it; false where the connection is over.
async fn say_it(socket: &mut TcpStream, say: Say, shared: &Shared) -> bool {
    match say {
        Say::Plain(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let len = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len}\r\n\r\n"
            );
            socket.write_all(format!("{head}{body}").as_bytes()).await.is_ok()
        }
        Say::Stream { events, cut } => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut ok = socket.write_all(head.as_bytes()).await.is_ok();
            for event in events {
                let data = format!("data: {event}\n\n");
                ok &= socket.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()).await.is_ok();
            }
            !cut && ok && socket.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Say::Short(body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len() + 9
            );
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
            false
        }
        Say::After(wait, then) => {
            let mut byte = [0];
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // A client that waits says nothing: whatever comes here is its end.
                _ = socket.read(&mut byte) => {
                    shared.gone.fetch_add(1, Ordering::SeqCst);
                    return false;
                }
            }
            Box::pin(say_it(socket, *then, shared)).await
        }
        Say::HangUp => false,
    }
}

async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let len = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let len: usize = len.unwrap_or(0);
    while buffer.len() < end + len {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&buffer[end..end + len]).unwrap_or(Value::Null);
    buffer.drain(..end + len);
    Some(Asked { head, body })
}
