//! `sinew eval`: how right a part is, over labelled data that anybody can bring. One file per subject in `eval/`.

mod barcodes;
mod recall;

use clap::Subcommand;

use super::Outcome;

/// `sinew eval …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read photographs of codes whose text is known, and count what is right, wrong, unread and in doubt.
    Barcodes(barcodes::Args),
    /// Find the turns of long conversations that answer questions.
    Recall(recall::Args),
}

/// Judges.
pub fn run(command: &Command, json: bool) -> Outcome {
    match command {
        Command::Barcodes(args) => barcodes::run(args, json),
        Command::Recall(args) => recall::run(args, json),
    }
}
