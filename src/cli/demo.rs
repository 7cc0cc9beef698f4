//! `sinew demo`: the whole way from photograph to refund, with a real shop beside it.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{Exit, Outcome, block_on};
use crate::demo::{self, Plan};

/// `sinew demo`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The deployment's folder.
    deployment: PathBuf,
    /// Feed, answer as `samples/people.json` says that a person did, print a summary, and end.
    #[arg(long)]
    once: bool,
    /// Feed the photographs of this folder instead of the samples.
    #[arg(long, value_name = "DIR")]
    scans: Option<PathBuf>,
    /// How many further labels to make and feed after the samples, for the latency figures.
    #[arg(long, default_value_t = 200)]
    bulk: u32,
    /// Keep everything here. Default: a new folder under .sinew/.
    #[arg(long = "data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The folder with the shop's and the label maker's binaries. Default: where this binary is.
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args, json: bool) -> Outcome {
    let plan = Plan {
        deployment: args.deployment,
        once: args.once,
        scans: args.scans,
        bulk: args.bulk,
        data_dir: args.data_dir,
        bin: args.bin,
        json,
    };
    let right = block_on(demo::run(plan))??;
    Ok(if right { Exit::Ok } else { Exit::Failed })
}
