//! `sinew bench`: how fast a part is, beside a floor measured in the same round. One file per subject in `bench/`.

mod durable;
mod memory;
mod models;
mod reflex;

use clap::Subcommand;

use super::Outcome;

/// `sinew bench …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Durable runs of ten trivial steps, beside a bare log on the same disk.
    Durable(durable::Args),
    /// The other process of `bench durable --mode worker`.
    #[command(hide = true)]
    DurableWorker,
    /// Sensor message to command, through a broker: Sinew beside a bare rule, at rising rates.
    Reflex(reflex::Args),
    /// How fast memory finds and keeps: vectors, texts, series.
    Memory(memory::Args),
    /// Measure what a call to a model costs through the room, with the journal on, beside the same client alone.
    Models(models::Args),
}

/// Measures.
pub fn run(command: &Command, json: bool) -> Outcome {
    match command {
        Command::Durable(args) => durable::run(args, json),
        Command::DurableWorker => durable::work(),
        Command::Reflex(args) => reflex::run(args, json),
        Command::Memory(args) => memory::run(args, json),
        Command::Models(args) => models::run(args, json),
    }
}
