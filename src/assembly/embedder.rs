//! Which room makes vectors of texts, by the name that people give it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use sinew_contract::Embed;
use sinew_reasoning::HashEmbedding;

use crate::models;

/// What makes vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Hashed words and n-grams: no model, no download, any language.
    Hash,
    /// A small language model in process; `sinew models install minilm` gets its weights.
    Minilm,
}

/// Opens it; `data` is the data directory that is named, where models may lie.
///
/// # Errors
/// Where a model is not installed or cannot be read.
pub fn open(kind: Kind, data: Option<&Path>) -> Result<Arc<dyn Embed>> {
    match kind {
        Kind::Hash => Ok(Arc::new(HashEmbedding)),
        Kind::Minilm => Ok(Arc::new(models::minilm(data)?)),
    }
}
