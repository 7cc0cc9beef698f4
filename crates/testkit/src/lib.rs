//! What tests share: a simulated clock, a log in memory and one conformance suite per port.
//!
//! Knows the ground only, so that any room may use it for its tests. Nothing here goes into the binary.
//!
//! | module | what for |
//! |---|---|
//! | [`clock`] | `SimClock`: time that moves only when the test says so |
//! | [`memory_journal`] | `MemoryJournal`: a log that numbers, chains and guards, and is gone with the test |
//! | [`journal_suite`] | what every `Journal` must answer |
//! | [`blobs_suite`] | what every `Blobs` must answer |

pub mod blobs_suite;
pub mod clock;
pub mod journal_suite;
pub mod memory_journal;

pub use clock::SimClock;
pub use memory_journal::MemoryJournal;
