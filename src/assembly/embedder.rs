//! Which room makes vectors of texts, by the name that people give it.

use std::sync::Arc;

use anyhow::Result;
use sinew_contract::Embed;
use sinew_reasoning::HashEmbedding;

/// What makes vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Hashed words and n-grams: no model, no download, any language.
    Hash,
}

/// Opens it.
///
/// # Errors
/// Where a model is not installed or cannot be read.
pub fn open(kind: Kind) -> Result<Arc<dyn Embed>> {
    match kind {
        Kind::Hash => Ok(Arc::new(HashEmbedding)),
    }
}
