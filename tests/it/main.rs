//! The house as a whole: its plan, and what it does as real processes beside a real shop.

#[cfg(feature = "faults")]
mod crash;
mod house;
mod pages;
mod support;
