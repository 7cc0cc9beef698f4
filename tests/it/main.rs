//! The house as a whole: its plan, and what it does as real processes beside a real shop.

mod audit;
mod bad_input;
mod cli;
mod conformance;
#[cfg(feature = "faults")]
mod crash;
mod demo;
mod house;
mod injection;
mod memory;
mod models;
mod pages;
mod policy;
mod retail;
mod stage;
mod support;
#[path = "../../crates/reasoning/tests/it/upstream.rs"]
mod upstream;
