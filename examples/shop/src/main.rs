//! Starts the shop: reads the command line, opens the store, says where it listens, serves until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use jiff::civil::Date;
use serde_json::json;
use sinew_example_shop::api::{self, Shop};
use sinew_example_shop::store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A small shop backend with an effect ledger of its own.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Its SQLite file; without one the shop forgets everything when it stops.
    #[arg(long)]
    db: Option<PathBuf>,
    /// The day on which the shop lives.
    #[arg(long, default_value = "2026-11-22")]
    today: Date,
    /// How many returns a new shop holds beside those of the samples: RMA-200001 and so on.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(..=100_000))]
    seed_bulk: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // Two threads: SQLite takes one call at a time, so more would only wait.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let store = Store::open(args.db.as_deref(), args.today, args.seed_bulk)
        .with_context(|| format!("cannot open the shop's file `{}`", args.db.unwrap_or_default().display()))?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on `{}`", args.listen))?;
    say_ready(listener.local_addr()?)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Ok(api::serve(listener, Shop::new(store), stop).await?)
}

/// One line of JSON, for whoever started the shop on a free port.
fn say_ready(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({"listening": format!("http://{address}")}))?;
    out.flush()
}
