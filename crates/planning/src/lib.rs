//! Playbooks: language, validator, the pure fold, and its dispatcher.
//!
//! Read in this order: [`Effect`] (what the fold asks), [`Playbook`] (what it runs), [`Engine`] (the fold), [`check()`]
//! (the validator).

mod check;
mod effect;
mod engine;
mod finding;
mod playbook;

pub use check::*;
pub use effect::*;
pub use engine::*;
pub use finding::*;
pub use playbook::*;
