//! Texts as vectors, in process: what can be compared without asking anybody.
//!
//! | id | what it is | needs |
//! |---|---|---|
//! | `hash-1` | hashed words, word pairs and character n-grams; sees spelling, not meaning | nothing |
//! | `minilm-l6-v2` | a small language model's idea of the meaning | weights of 91 MB, handed over |
//!
//! Does not know what the vectors are for.

pub(crate) mod hash;
mod minilm;

use sinew_contract::Vector;

pub use hash::HashEmbedding;
pub use minilm::{MiniLm, WeightsError};

/// The cosine of two vectors of unit length; zero where one is dense and the other sparse, which are never compared.
pub fn cosine(a: &Vector, b: &Vector) -> f32 {
    match (a, b) {
        (Vector::Dense(a), Vector::Dense(b)) => a.iter().zip(b).map(|(a, b)| a * b).sum(),
        (Vector::Sparse(a), Vector::Sparse(b)) => sparse_dot(a, b),
        _ => 0.0,
    }
}

/// Both are ascending by index: one walk over the two.
fn sparse_dot(a: &[(u32, f32)], b: &[(u32, f32)]) -> f32 {
    let mut sum = 0.0;
    let mut rest = b.iter().peekable();
    for (index, value) in a {
        while rest.next_if(|(other, _)| other < index).is_some() {}
        if let Some((_, other)) = rest.next_if(|(other, _)| other == index) {
            sum += value * other;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_one_form_are_compared_and_of_two_never() {
        let sparse = |pairs: &[(u32, f32)]| Vector::Sparse(pairs.to_vec());
        let rows = [
            (sparse(&[(1, 0.6), (7, 0.8)]), sparse(&[(0, 0.5), (7, 0.5), (9, 0.5)]), 0.4),
            (sparse(&[]), sparse(&[(0, 1.0)]), 0.0),
            (Vector::Dense(vec![0.6, 0.8]), Vector::Dense(vec![1.0, 0.0]), 0.6),
            (Vector::Dense(vec![1.0]), sparse(&[(0, 1.0)]), 0.0),
        ];
        for (a, b, expected) in rows {
            assert!((cosine(&a, &b) - expected).abs() < 1e-6, "{a:?} . {b:?}");
            assert!((cosine(&b, &a) - expected).abs() < 1e-6, "{b:?} . {a:?}");
        }
    }
}
