//! A question becomes a checked proposal. A proposal moves nothing.
//!
//! ```text
//! Ask -> ladder -> rung (rules | template) -> check (schema, label) -> Proposal
//! ```
//!
//! Does not know playbooks, policy or the journal; reads no files: the roof hands it texts.

mod check;
mod embed;
mod ladder;
mod load;
mod reasoner;
mod rules;
mod templates;

pub use embed::{HashEmbedding, cosine};
pub use ladder::{Draft, Rung};
pub use load::LoadError;
pub use reasoner::{Names, Reasoner};
