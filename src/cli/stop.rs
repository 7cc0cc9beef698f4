//! `sinew stop`, `sinew resume`.
//!
//! Stop works without an answer of the hub too: it is written into the stop file, which a running hub looks at several
//! times a second and the next start reads first. A release goes through the hub where one is running.

use std::path::Path;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sinew_contract::{Stop, StopScope};

use super::client::Client;
use super::runs::{rows, text};
use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::places::Places;

/// `sinew stop`, `sinew resume`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only this playbook's runs.
    #[arg(long, conflicts_with = "device")]
    playbook: Option<String>,
    /// Only this device or connector.
    #[arg(long)]
    device: Option<String>,
    /// Why.
    #[arg(long, default_value = "on the command line")]
    reason: String,
}

/// Presses or releases stop. Pressing exits with 8: it is stopped.
pub fn run(data: &Path, args: &Args, engaged: bool, json: bool) -> Outcome {
    let stop = Stop { scope: scope(args)?, engaged, reason: args.reason.clone() };
    let answer = match online(data, args, engaged) {
        Err(Coded { exit: Exit::Unreachable, .. }) => offline(data, &stop)?,
        other => json!({ "stops": other?, "hub": "running" }),
    };
    if json {
        print_json(&answer);
    } else {
        say(&stop, &answer);
    }
    Ok(if engaged { Exit::Stopped } else { Exit::Ok })
}

fn scope(args: &Args) -> Result<StopScope, Coded> {
    match (&args.playbook, &args.device) {
        (Some(name), _) => name.parse().map(StopScope::Playbook).or_exit(Exit::Usage),
        (_, Some(name)) => name.parse().map(StopScope::Device).or_exit(Exit::Usage),
        _ => Ok(StopScope::All),
    }
}

fn online(data: &Path, args: &Args, engaged: bool) -> Result<Value, Coded> {
    let (scope, name) = match (&args.playbook, &args.device) {
        (Some(name), _) => ("playbook", Some(name)),
        (_, Some(name)) => ("device", Some(name)),
        _ => ("all", None),
    };
    let body = json!({ "scope": scope, "name": name, "reason": args.reason });
    let client = Client::local(data)?;
    if engaged {
        return client.post_at_once("/v1/stop", &body);
    }
    // A hub that hangs would do later what it was asked now, long after whoever asked has given up.
    client.ping()?;
    client.post("/v1/resume", &body)
}

/// The hub is not there or does not answer: the stop file is the other way.
fn offline(data: &Path, stop: &Stop) -> Result<Value, Coded> {
    let places = Places::new(data);
    let holder = places.holder().or_exit(Exit::Unreachable)?;
    if let (Some(process), false) = (&holder, stop.engaged) {
        let error = anyhow!(
            "process {process} has `{}` and does not answer; only it can release a stop: try again, or end it first",
            data.display()
        );
        return Err(Coded::new(Exit::Unreachable, error));
    }
    places.write_stop(stop).or_exit(Exit::Unreachable)?;
    let hub = if holder.is_some() { "not answering" } else { "not running" };
    Ok(json!({ "stops": places.stops().or_exit(Exit::Unreachable)?, "hub": hub }))
}

fn say(stop: &Stop, answer: &Value) {
    let hub = match text(answer, "hub").as_str() {
        "not running" => "; no hub is running, it holds at the next start",
        "not answering" => "; the hub does not answer, it reads the stop file within a second",
        _ => "",
    };
    if stop.engaged {
        print_line(&format!("stopped: {}{hub}", covered(&stop.scope)));
        return;
    }
    print_line("released; nothing was restarted");
    for left in rows(answer, "stops") {
        let covers = left.get("covers").cloned().and_then(|covers| serde_json::from_value(covers).ok());
        let covers = covers.map(|scope| covered(&scope)).unwrap_or_default();
        print_line(&format!("still stopped: {covers} ({})", text(left, "reason")));
    }
}

fn covered(scope: &StopScope) -> String {
    match scope {
        StopScope::All => "nothing leaves".to_owned(),
        StopScope::Playbook(name) => format!("nothing of the playbook `{name}` leaves"),
        StopScope::Device(name) => format!("nothing leaves for the device `{name}`"),
    }
}
