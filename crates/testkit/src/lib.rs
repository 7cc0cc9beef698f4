//! What tests share: a simulated clock and one conformance suite per port.
//!
//! Knows the ground only, so that any room may use it for its tests. Nothing here goes into the binary.
//!
//! | module | what for |
//! |---|---|
//! | [`clock`] | `SimClock`: time that moves only when the test says so |
//! | [`journal_suite`] | what every `Journal` must answer |
//! | [`blobs_suite`] | what every `Blobs` must answer |

pub mod blobs_suite;
pub mod clock;
pub mod journal_suite;

pub use clock::SimClock;
