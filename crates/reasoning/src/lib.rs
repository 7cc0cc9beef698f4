//! A question becomes a checked proposal. A proposal moves nothing.
//!
//! ```text
//! Ask -> ladder -> rung (rules | model | template) -> check (schema, checks, label) -> Proposal
//!                          └ prompt -> draw -> wire -> transport -> read -> settle, journal
//! ```
//!
//! Does not know playbooks or policy; reads no files: the roof hands it texts. To the journal it only adds: each call with
//! its raw bytes, and what is set aside for calls.

mod alert;
mod answer_text;
mod attempt;
mod books;
mod cache;
mod call_error;
mod catalogue;
mod check;
mod checks;
mod embed;
mod health;
mod ladder;
mod ledger;
mod load;
mod model_rung;
mod parallel;
mod pictures;
pub mod prompt;
pub mod providers;
mod reasoner;
mod retry_after;
mod rules;
mod sse;
mod talk;
mod templates;
mod transport;
mod triage;

pub use alert::LOW_RUNG;
pub use attempt::Attempt;
pub use books::{Keeper, Outside};
pub use call_error::CallError;
pub use catalogue::{Budgets, Catalogue, Limit, Price, Prices};
pub use embed::{HashEmbedding, MiniLm, WeightsError, cosine};
pub use ladder::{Draft, Rung};
pub use ledger::Amount;
pub use load::LoadError;
pub use reasoner::{Names, Reasoner, Secrets};
pub use transport::{Endpoint, Exchange, OnPiece};
pub use triage::{
    Example, Judged, Threshold, Triage, TriageError, TriageOptions, Verdict, choose_threshold, measure, upper_bound,
};
