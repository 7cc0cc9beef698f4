//! `sinew stop`, `sinew resume`.
//!
//! Stop works without a running hub too: it is written into the stop file, which the next start reads first.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;

use super::client::Client;
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

/// Presses or releases stop.
pub fn run(data: &Path, args: &Args, engaged: bool, json: bool) -> Outcome {
    let (scope, name) = match (&args.playbook, &args.device) {
        (Some(name), _) => ("playbook", Some(name)),
        (_, Some(name)) => ("device", Some(name)),
        _ => ("all", None),
    };
    let body = json!({ "scope": scope, "name": name, "reason": args.reason });
    let path = if engaged { "/v1/stop" } else { "/v1/resume" };
    let answer = Client::local(data).and_then(|client| client.post(path, &body));
    let answer = match answer {
        Err(Coded { exit: Exit::Unreachable, .. }) => offline(data, args, engaged)?,
        other => other?,
    };
    if json {
        print_json(&answer);
    } else {
        print_line(if engaged { "stopped: nothing leaves" } else { "released; nothing was restarted" });
    }
    Ok(if engaged { Exit::Stopped } else { Exit::Ok })
}

/// Nobody is running: the latch's file is what the next start reads.
fn offline(data: &Path, args: &Args, engaged: bool) -> Result<serde_json::Value, Coded> {
    let scope = match (&args.playbook, &args.device) {
        (Some(name), _) => sinew_contract::StopScope::Playbook(name.parse().or_exit(Exit::Usage)?),
        (_, Some(name)) => sinew_contract::StopScope::Device(name.parse().or_exit(Exit::Usage)?),
        _ => sinew_contract::StopScope::All,
    };
    let stop = sinew_contract::Stop { scope, engaged, reason: args.reason.clone() };
    Places::new(data).write_stop(&stop).or_exit(Exit::Unreachable)?;
    Ok(json!({ "stops": [stop], "hub": "not running" }))
}
