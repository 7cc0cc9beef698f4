//! A retail back end to act upon: users, orders, seven writes, a ledger of every call that reached it, and a judge.
//!
//! Shares no code with the house that acts upon it, and trusts nothing that the house says of itself. Its writes do not
//! know idempotency keys: a command that arrives twice is taken twice, and the ledger shows it. What it can do is tell,
//! by key, whether a command arrived.
//!
//! Read in this order: [`db`] (the rows and their canonical hash), [`world`] (one copy of the rows and its ledger), [`writes`]
//! and [`reads`] (what each call does), [`faults`] (what the network does to it), [`service`] (the same over HTTP),
//! [`tasks`] (what is to be done), [`judge`] (what came of it).

pub mod db;
pub mod faults;
pub mod judge;
pub mod reads;
pub mod service;
pub mod tasks;
pub mod world;
pub mod writes;
