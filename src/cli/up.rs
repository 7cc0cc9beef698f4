//! `sinew up`: start a deployment and stay until told to end.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::{Exit, ExitWith, Outcome, block_on, print_line};
use crate::assembly::{Hub, Started};
use crate::config::Overrides;
use crate::deployment::Deployment;
use crate::runtime::asked_to_end;

/// `sinew up`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The deployment's folder.
    deployment: PathBuf,
    /// Where to listen, as in 127.0.0.1:8484; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where a logical host really is, as in shop.local=http://127.0.0.1:8090. May stand several times.
    #[arg(long = "host", value_name = "NAME=URL")]
    hosts: Vec<String>,
    /// Keep everything here instead of where the deployment says; as `--data`.
    #[arg(long = "data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A fault to have, for crash tests.
    #[cfg(feature = "faults")]
    #[arg(long, value_name = "FAULT")]
    fault: Vec<crate::faults::Fault>,
}

/// Starts, says where, and waits for a signal.
pub fn run(args: &Args, data: Option<PathBuf>, json: bool) -> Outcome {
    #[cfg(feature = "faults")]
    crate::faults::install(&args.fault);
    let overrides =
        Overrides { listen: args.listen, data_dir: args.data_dir.clone().or(data), hosts: args.hosts.clone() };
    let deployment = Deployment::read(&args.deployment, &overrides).or_exit(Exit::BadConfig)?;
    block_on(async {
        let hub = Hub::start(deployment).await?;
        announce(hub.started(), json);
        hub.run(asked_to_end()).await.or_exit(Exit::Failed)
    })??;
    Ok(Exit::Ok)
}

fn announce(started: &Started, json: bool) {
    if json {
        print_line(
            &json!({
                "listening": started.url, "login": started.login, "data_dir": started.data_dir, "log": started.log,
                "ready_ms": started.ready_ms,
            })
            .to_string(),
        );
        return;
    }
    print_line(&format!("{} is up at {} after {} ms", started.name, started.url, started.ready_ms));
    print_line(&format!("  log in once with {}", started.login));
    print_line(&format!(
        "  everything is kept in {dir}; other commands find it with --data {dir}",
        dir = started.data_dir.display()
    ));
}
