//! Playbooks: language, validator, the pure fold, and its dispatcher.

mod effect;

pub use effect::*;
