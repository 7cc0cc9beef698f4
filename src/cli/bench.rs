//! `sinew bench`: how fast a part is, beside a floor measured in the same round. One file per subject in `bench/`.

use clap::Subcommand;

use super::Outcome;

/// `sinew bench …`.
#[derive(Debug, Subcommand)]
pub enum Command {}

/// Measures.
pub fn run(command: &Command, _json: bool) -> Outcome {
    match *command {}
}
