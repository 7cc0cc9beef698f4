//! An upstream that answers every question at once, with the same 60 bytes, in the OpenAI form.
//!
//! On a thread and runtime of its own. Speaks just enough HTTP/1.1 for clients that we trust.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: &str = r#"{"id":"b","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"{\"action\":\"hold\",\"confidence\":0.91}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":90,"completion_tokens":12,"total_tokens":102}}"#;

/// The upstream. Its thread ends with the process.
pub(super) struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where there is no port or no thread.
    pub(super) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let thread = std::thread::Builder::new().name("bench-upstream".to_owned());
        thread.spawn(move || runtime.block_on(accept(listener))).context("cannot start the upstream")?;
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: std::net::TcpListener) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        serving.spawn(serve(socket));
        while serving.try_join_next().is_some() {}
    }
}

async fn serve(mut socket: TcpStream) {
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    let mut buffer = Vec::with_capacity(4096);
    while skip_request(&mut socket, &mut buffer).await.is_some() {
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request and forgets it; none at the end of the connection.
async fn skip_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..head)?).to_lowercase();
    let len = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let whole = head + len.unwrap_or(0);
    while buffer.len() < whole {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    buffer.drain(..whole);
    Some(())
}
