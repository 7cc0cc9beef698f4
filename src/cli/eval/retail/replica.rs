//! The hub of an evaluation, as a process of its own, so that it can be killed.
//!
//! Is the hub that `sinew up` starts, with two differences: it takes the events of a file in at the start, and with a seed
//! its orders reach the last hop by [`super::disturbed`] ways.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::json;
use sinew_contract::{Event, PrincipalId};
use tokio::signal::unix::{SignalKind, signal};

use super::disturbed::Disturbed;
use crate::assembly::{Before, Hub};
use crate::cli::{Exit, ExitWith, Outcome, block_on, print_line};
use crate::config::Overrides;
use crate::deployment::Deployment;
use crate::runtime::asked_to_end;

/// `sinew eval retail-hub`; started by `sinew eval retail` alone.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The deployment's folder.
    deployment: PathBuf,
    /// Its data directory.
    data_dir: PathBuf,
    /// A file with a JSON list of events.
    events: PathBuf,
    /// What goes wrong before the last hop.
    #[arg(long)]
    seed: Option<u64>,
}

/// Starts, takes the events in, says where it is, and stays.
pub fn run(args: &Args) -> Outcome {
    // Nobody is left to end this process where its parent is gone.
    let die = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    die.or_exit(Exit::Failed)?;
    let overrides = Overrides {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data_dir: Some(args.data_dir.clone()),
        hosts: Vec::new(),
    };
    let deployment = Deployment::read(&args.deployment, &overrides).or_exit(Exit::BadConfig)?;
    let events = events(&args.events).or_exit(Exit::BadConfig)?;
    let seed = args.seed;
    let before: Before = Box::new(move |last_hop| match seed {
        Some(seed) => Arc::new(Disturbed::new(last_hop, seed)),
        None => last_hop,
    });
    block_on(async {
        // A write past the limit of a file's size is an error of the disk, as a full disk is, and not the end by a signal.
        let limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let _full = signal(limit).or_exit(Exit::Failed)?;
        let hub = Hub::start_before(deployment, before).await?;
        let by: PrincipalId = "person:customer".parse().or_exit(Exit::Failed)?;
        hub.admit(events, &by).await.or_exit(Exit::Failed)?;
        print_line(
            &json!({ "listening": hub.started().url, "token": hub.token(super::deployment::PERSON) }).to_string(),
        );
        hub.run(asked_to_end()).await.or_exit(Exit::Failed)
    })??;
    Ok(Exit::Ok)
}

fn events(path: &PathBuf) -> anyhow::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}` is not a list of events", path.display()))
}
