//! What the last hop promises: nothing leaves without its lines in the log, nothing leaves twice, and stop wins.

mod bench;
mod carrying_out;
mod history;
mod keys;
mod matter;
#[cfg(feature = "faults")]
mod mutants;
mod reflexes;
mod settling;
mod shipped;
mod stopping;
