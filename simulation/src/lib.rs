//! The real engine, dispatcher, journal and last hop over a simulated clock, disk, shop and people.
//!
//! A seed tells the whole history: which faults there are (drawn first), then what happens in which order. In reading order:
//!
//! | module | what for |
//! |---|---|
//! | `profile` | what a seed draws before anything happens |
//! | `scenario` | the playbooks that are run, and what may be done in them |
//! | `shop` | the world outside: it does not restart with us, and it is the judge |
//! | `rooms` | policy, reasoning and memory, as plain functions of what they are asked |
//! | `house` | one process: opened over what the disk has, until the power fails |
//! | `history` | the driver: one step after the other, until all runs have ended |
//! | `laws` | what must hold at the end of every history |

mod history;
mod house;
mod laws;
mod profile;
mod rooms;
mod scenario;
mod shop;

pub use history::{Told, enumerate, simulate};
pub use profile::Profile;
pub use scenario::{SCENARIOS, Scenario};
