//! `sinew bench reflex`: sensor message -> rule -> command, through a broker, at rising rates.
//!
//! Every peer is a process of its own and answers the same messages on the same broker, one after the other in the same
//! round: a *bare* rule (no policy, no journal), *sinew* (both on), and Node-RED, stock and tuned, where it is installed. One
//! message in a hundred is stale on purpose (ten seconds old by its own clock): whoever executes it is told of.

mod load;
mod peers;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::json;

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use load::{Broker, Load};
use peers::Peer;

/// `sinew bench reflex`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The broker, as in mqtt://127.0.0.1:1883.
    #[arg(long, default_value = "mqtt://127.0.0.1:1883")]
    broker: Broker,
    /// Messages per second, one row each.
    #[arg(long, value_delimiter = ',', default_value = "50,200,500,1000,2000,4000,8000")]
    rates: Vec<u32>,
    /// How long each rate is held, in seconds.
    #[arg(long, default_value_t = 3)]
    secs: u32,
    /// Quality of service of sensor messages: 0 or 1.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// A folder where `npm install node-red` was done; without it Node-RED is not measured.
    #[arg(long, value_name = "DIR")]
    node_red: Option<PathBuf>,
    /// Only these peers: bare, sinew, node-red.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Be the bare rule instead of measuring.
    #[arg(long, hide = true)]
    be_bare: bool,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who answered.
    pub system: String,
    /// How it was set up.
    pub mode: String,
    /// Messages per second that were wanted.
    pub rate: u32,
    /// Messages per second that were really sent.
    pub offered: f64,
    /// Sensor message to command, the middle one.
    pub p50_ms: f64,
    /// Sensor message to command, the 99th of a hundred.
    pub p99_ms: f64,
    /// Messages without a command.
    pub lost: u64,
    /// Commands that came twice.
    pub doubled: u64,
    /// Commands for messages that were too old.
    pub stale_executed: u64,
}

/// Measures, or is what is measured.
pub fn run(args: &Args, json: bool) -> Outcome {
    if args.be_bare {
        return block_on(peers::be_bare(args.broker.clone(), args.qos))?;
    }
    let (rows, firings) = block_on(measure(args, json))?.or_exit(Exit::Failed)?;
    if json {
        print_json(&json!({
            "broker": args.broker.to_string(), "qos": args.qos, "seconds": args.secs, "stale_sent_permille": 10,
            "rows": rows, "sinew": firings,
        }));
    } else if let Some(firings) = firings {
        print_line(&format!(
            "sinew: {} commands, {} firings on record, {} late",
            firings.commands, firings.count, firings.late
        ));
    }
    Ok(Exit::Ok)
}

async fn measure(args: &Args, json: bool) -> anyhow::Result<(Vec<Row>, Option<peers::OnRecord>)> {
    let (mut rows, mut firings) = (Vec::new(), None);
    if !json {
        print_line("system    mode            rate   offered    p50 ms    p99 ms   lost  doubled  stale");
    }
    for (system, mode) in peers::all(args.node_red.is_some()) {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == system) {
            continue;
        }
        let peer = Peer::start(system, mode, args).await.with_context(|| format!("cannot start {system}"))?;
        let mut commands = 0;
        for rate in &args.rates {
            let load = Load { broker: args.broker.clone(), rate: *rate, secs: args.secs, qos: args.qos };
            let seen = load.run().await?;
            commands += seen.commands;
            let row = seen.row(system, mode, *rate);
            if !json {
                print_line(&format!(
                    "{:<9} {:<14} {:>5} {:>9.0} {:>9.3} {:>9.3} {:>6} {:>8} {:>6}",
                    row.system,
                    row.mode,
                    row.rate,
                    row.offered,
                    row.p50_ms,
                    row.p99_ms,
                    row.lost,
                    row.doubled,
                    row.stale_executed
                ));
            }
            rows.push(row);
        }
        let on_record = peer.end().await?;
        firings = on_record.map(|found| peers::OnRecord { commands, ..found }).or(firings);
    }
    Ok((rows, firings))
}
