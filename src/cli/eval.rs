//! `sinew eval`: how right a part is, over labelled data that anybody can bring. One file per subject in `eval/`.

mod barcodes;
mod injection;
mod recall;
mod retail;
mod triage;

use std::path::Path;

use clap::Subcommand;

use super::Outcome;

/// `sinew eval …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read photographs of codes whose text is known, and count what is right, wrong, unread and in doubt.
    Barcodes(barcodes::Args),
    /// Find the turns of long conversations that answer questions.
    Recall(recall::Args),
    /// Replay the ground truth of a retail back end through the whole effect path, and count what was doubled or lost.
    Retail(retail::Args),
    /// The hub that `eval retail` starts and kills.
    #[command(hide = true)]
    RetailHub(retail::replica::Args),
    /// Learn what tickets are about, answer those that are sure, and count how many of the answers are wrong.
    Triage(triage::Args),
    /// Send texts that nobody vouches for through every door to a model that obeys them, and count what moves.
    Injection(injection::Args),
}

/// Judges. `data` is what `--data` names.
pub fn run(command: &Command, data: Option<&Path>, json: bool) -> Outcome {
    match command {
        Command::Barcodes(args) => barcodes::run(args, json),
        Command::Recall(args) => recall::run(args, json),
        Command::Retail(args) => retail::run(args, data, json),
        Command::RetailHub(args) => retail::replica::run(args),
        Command::Triage(args) => triage::run(args, data, json),
        Command::Injection(args) => injection::run(args, json),
    }
}
