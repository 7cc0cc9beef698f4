//! A small shop backend over HTTP: customers, orders, products, stock, refunds, messages, and an effect ledger of its own.
//!
//! It plays the system of record in the `returns` deployment. It knows nothing of Sinew: what it writes into its ledger is
//! its own word about every call that reached it, so that Sinew can be judged from outside. "Today" is fixed when it starts.
//!
//! | module | what for |
//! |---|---|
//! | [`seed`] | the shop's goods, customers and returns, the same on every start |
//! | [`store`] | its SQLite file, and one POST as one transaction |
//! | [`rules`] | what the shop does for each action, and when it says no |
//! | [`views`] | what it answers to a GET |
//! | [`ledger`] | one row per POST that reached it |
//! | [`switches`] | the faults that it can be asked to make |
//! | [`cut`] | a connection that can be dropped without an answer |
//! | [`api`] | the routes |

pub mod api;
pub mod cut;
pub mod ledger;
pub mod rules;
pub mod seed;
pub mod store;
pub mod switches;
pub mod views;
