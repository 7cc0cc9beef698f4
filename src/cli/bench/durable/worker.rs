//! The other process: it does a step when it is asked over HTTP/1.1, and nothing else.
//!
//! Does not know runs or journals. It reads each request up to its blank line, which is all that the house sends here.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::super::super::{Exit, ExitWith, Outcome, block_on};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"n\":1}";
/// A request of the house is far below; whoever sends more is not the house.
const REQUEST_MAX: usize = 16 << 10;

/// A worker process, ended when dropped.
pub(super) struct Worker {
    address: SocketAddr,
    _process: Child,
}

impl Worker {
    /// Starts this binary once more, as a worker on a free port of loopback.
    pub async fn start() -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this binary")?;
        let mut command = Command::new(own);
        command.args(["bench", "durable-worker"]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot start the worker")?;
        let out = process.stdout.take().context("the worker has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).await.context("the worker says nothing")?;
        let address = line.trim().parse().with_context(|| format!("the worker says `{}`", line.trim()))?;
        Ok(Self { address, _process: process })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Is the worker, until it is ended.
pub fn work() -> Outcome {
    block_on(serve())?.or_exit(Exit::Failed)
}

async fn serve() -> Result<Exit> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = answer_all(stream).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

/// Answers request after request on one connection.
async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    loop {
        while let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            seen.drain(..at + 4);
            stream.write_all(ANSWER).await?;
        }
        let read = stream.read(&mut part).await?;
        if read == 0 || seen.len() > REQUEST_MAX {
            return Ok(());
        }
        seen.extend_from_slice(&part[..read]);
    }
}
