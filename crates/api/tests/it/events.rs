//! The stream, over a real socket: resume without a gap, and an end when the server closes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sinew_api::{local_token, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fake::{Fake, SECRET, parts, people};

/// Long enough for a loaded machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    fake: Arc<Fake>,
    addr: SocketAddr,
    close: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn server() -> Server {
    let fake = Fake::new(true, "", bytes::Bytes::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let (close, until) = oneshot::channel::<()>();
    let parts = parts(&fake, &people(fake.clock.clone()));
    let ended = tokio::spawn(serve(listener, parts, async { until.await.unwrap_or_default() }));
    Server { fake, addr, close, ended }
}

async fn follow(server: &Server, query: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).await.expect("it listens");
    let token = local_token(SECRET, "ana");
    let request = format!(
        "GET /v1/events{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{more}\r\n",
        server.addr
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    stream
}

/// Reads until `count` events have come; their ids.
async fn ids(stream: &mut TcpStream, count: usize) -> Vec<u64> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("\nid: ").count() < count || !text.ends_with("\n\n\r\n") {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time").expect("open");
        assert!(read > 0, "the stream ended early: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().expect("a seq")).collect()
}

#[tokio::test]
async fn a_follower_sees_each_entry_once_and_resumes_without_a_gap() {
    let server = server().await;
    let mut first = follow(&server, "?from=1", "").await;
    assert_eq!(ids(&mut first, 12).await, (1..=12).collect::<Vec<_>>());
    drop(first);
    let mut resumed = follow(&server, "?from=1", "Last-Event-ID: 9\r\n").await;
    assert_eq!(ids(&mut resumed, 3).await, [10, 11, 12]);
    drop(resumed);
    let mut live = follow(&server, "", "").await;
    let entry = server.fake.entry(13);
    // Only once the server has answered is the follower known to stand at the end of the log.
    let mut head = [0; 1];
    timeout(PATIENCE, live.peek(&mut head)).await.expect("in time").expect("open");
    server.fake.log.send_modify(|rows| rows.push(entry));
    assert_eq!(ids(&mut live, 1).await, [13]);
}

#[tokio::test]
async fn streams_end_when_the_server_closes() {
    let server = server().await;
    let mut stream = follow(&server, "?from=12", "").await;
    assert_eq!(ids(&mut stream, 1).await, [12]);
    server.close.send(()).expect("it waits for this");
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the stream ends").expect("cleanly");
    timeout(PATIENCE, server.ended).await.expect("the server ends").expect("no panic").expect("cleanly");
}
