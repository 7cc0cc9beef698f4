//! `minilm-l6-v2`: a small language model's idea of what a text means, in process, on the processor.
//!
//! ```text
//! text -> pieces of words -> 6 layers of attention -> mean over the pieces -> 384 coordinates of unit length
//! ```
//!
//! The model is all-MiniLM-L6-v2 of Sentence Transformers (Apache-2.0), a BERT encoder (Devlin et al., NAACL 2019) distilled
//! as in Wang et al., NeurIPS 2020. Does not know files: it is handed bytes.

mod layers;
mod pieces;
mod product;
mod weights;

use std::sync::Arc;

use async_trait::async_trait;
use sinew_contract::{Embed, ErrorKind, Failure, Vector};

use layers::Encoder;
use pieces::Pieces;

pub use weights::WeightsError;

/// The id under which vectors are kept.
const ID: &str = "minilm-l6-v2";

/// Pieces of one text that are looked at, the two marks included; what comes after is left out, as the model was trained.
const PIECES_MAX: usize = 256;

/// Texts that go through the layers together: enough for the products to be large, few enough to stay near the processor.
const BATCH: usize = 32;

/// The model, loaded.
#[derive(Clone)]
pub struct MiniLm {
    inner: Arc<Inner>,
}

struct Inner {
    pieces: Pieces,
    encoder: Encoder,
}

impl MiniLm {
    /// How many coordinates a vector has.
    pub const DIMENSIONS: usize = layers::WIDTH;

    /// Takes the weights (safetensors) and the vocabulary (one piece per line).
    ///
    /// # Errors
    /// Where either is not what this model needs.
    pub fn load(weights: &[u8], vocabulary: &str) -> Result<Self, WeightsError> {
        let inner = Inner { pieces: Pieces::load(vocabulary, layers::VOCABULARY)?, encoder: Encoder::load(weights)? };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// One vector per text, in order. Keeps all processors busy while it lasts: call it where blocking is allowed.
    pub fn vectors(&self, texts: &[String]) -> Vec<Vec<f32>> {
        let pieces: Vec<Vec<u32>> = texts.iter().map(|text| self.inner.pieces.of(text, PIECES_MAX)).collect();
        // Texts of one length side by side: each batch is as much work as the next.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| pieces[*at].len());
        let batches: Vec<&[usize]> = order.chunks(BATCH).collect();
        let encode = |job: usize| {
            let texts: Vec<&[u32]> = batches[job].iter().map(|at| pieces[*at].as_slice()).collect();
            self.inner.encoder.encode(&texts)
        };
        let results = crate::parallel::in_parallel(batches.len(), encode);
        let mut vectors = vec![Vec::new(); texts.len()];
        for (at, vector) in order.iter().zip(results.into_iter().flatten()) {
            vectors[*at] = vector;
        }
        vectors
    }
}

#[async_trait]
impl Embed for MiniLm {
    fn id(&self) -> &str {
        ID
    }

    fn dimensions(&self) -> usize {
        Self::DIMENSIONS
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vector>, Failure> {
        let (model, texts) = (self.clone(), texts.to_vec());
        let work = tokio::task::spawn_blocking(move || model.vectors(&texts));
        let failed = |error| Failure::new(ErrorKind::Broken, "the embedding was cut off").caused_by(error);
        Ok(work.await.map_err(failed)?.into_iter().map(Vector::Dense).collect())
    }
}
