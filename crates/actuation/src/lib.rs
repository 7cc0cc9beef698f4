//! Permit, command, read back, outcome: the last hop.
//!
//! Money, messages and motors move only here. Answers the `Actuator` port and is handed the devices; nothing else holds a
//! device that can act. Does not know playbooks, policy or people: it reads from the journal what they have decided.
//!
//! Read in this order: [`manifests`] (what can be done at all), [`ledger`] (which keys are taken), [`last_hop`] (what must
//! hold before a device is touched), [`physical`] (and before matter moves), [`dead_man`] (what silence leads to), [`latch`] (stop), [`settle`] (what became of an unknown), [`actuator`] (the port).
//!
//! ```text
//! wish   -> manifests + ledger -> Prepared                                        (nothing moves)
//! permit -> journal (read back) -> keys -> latch -> clock -> device -> Outcome    (moves once)
//! permit -> journal (read back) -> target, asked by key        -> Outcome         (never repeats)
//! entry  -> ledger
//! message -> [`reflex`] -> shot                                                (moves at once, on a standing grant)
//! ```

mod actuator;
mod dead_man;
#[cfg(feature = "faults")]
pub mod faults;
mod flights;
mod last_hop;
mod latch;
mod ledger;
mod manifests;
mod physical;
mod reflex;
mod settle;

pub use actuator::{Act, Halted, Parts};
pub use latch::{Latch, LatchError};
pub use manifests::{LoadError, Manifests, Problem};
pub use physical::Interlocks;
pub use reflex::{Reflexes, RuleConfig, Rules, Then, Wanted, When};
