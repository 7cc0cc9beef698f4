//! The shop over real HTTP: keys, expiry, rules, faults, and the ledger that tells of them.

mod common;
mod faults;
mod keys;
mod trade;
