//! `sinew eval`: how right a part is, over labelled data that anybody can bring. One file per subject in `eval/`.

use clap::Subcommand;

use super::Outcome;

/// `sinew eval …`.
#[derive(Debug, Subcommand)]
pub enum Command {}

/// Judges.
pub fn run(command: &Command, _json: bool) -> Outcome {
    match *command {}
}
