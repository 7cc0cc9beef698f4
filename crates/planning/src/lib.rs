//! Playbooks: language, validator, the pure fold, and its dispatcher.
//!
//! Read in this order: [`Effect`] (what the fold asks), [`Playbook`] (what it runs), [`Engine`] (the fold), [`check()`]
//! (the validator).

mod check;
mod desk;
mod dispatch;
mod effect;
mod engine;
mod faults;
mod finding;
mod functions;
#[cfg(feature = "faults")]
pub mod mutants;
mod planner;
mod playbook;
mod progress;
mod switched;
mod whatif;
mod yaml;

pub use check::*;
pub use desk::{Desk, Reply};
pub use dispatch::{Dispatcher, Ports, Settings, SystemOfRecord};
pub use effect::*;
pub use engine::*;
pub use finding::*;
pub use planner::{Allow, Goal, PlanError, Planned, plan};
pub use playbook::Playbook;
pub use progress::{GateState, Progress};
pub use switched::PARTS;
#[cfg(feature = "faults")]
pub use switched::switch_off;
pub use whatif::{Alternative, Change, Course, Decided, History, Range, Report, Row, Thresholds, what_if};
