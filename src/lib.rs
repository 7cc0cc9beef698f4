//! The roof: the only place that knows every room.
//!
//! Read in this order: [`deployment`] and [`config`] (what the owner wrote), [`assembly`] (the wiring), [`intake`] (how a
//! picture comes in), [`models`] (weights that run in process), [`house`] (what the pages see), [`runtime`] (clocks and
//! signals), [`cli`] (one file per command), [`demo`] (the whole way, with a real shop), [`conformance`] (scenarios about
//! playbooks).

pub mod assembly;
pub mod cli;
pub mod config;
pub mod conformance;
pub mod demo;
pub mod deployment;
#[cfg(feature = "faults")]
pub mod faults;
pub mod house;
pub mod intake;
pub mod models;
pub mod runtime;
