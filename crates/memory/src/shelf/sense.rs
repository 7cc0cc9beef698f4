//! The vectors of a shelf: sparse ones (hashed words and n-grams) or dense ones (of a model), never both.
//!
//! Sparse coordinates are weighed by how rare they are on this shelf; a coordinate that every note has says nothing.

use std::collections::HashMap;

use sinew_contract::Vector;

use crate::vectors::{Bits, Vectors};

/// Place on the shelf -> vector.
#[derive(Debug)]
pub(super) enum Sense {
    None,
    Sparse(Sparse),
    Dense(Dense),
}

#[derive(Debug, Default)]
pub(super) struct Sparse {
    rows: Vec<Box<[(u32, f32)]>>,
    /// In how many rows a coordinate stands.
    holders: HashMap<u32, u32>,
}

#[derive(Debug)]
pub(super) struct Dense {
    vectors: Vectors,
    /// Place on the shelf of each row.
    places: Vec<u32>,
    /// Row of each place.
    rows: Vec<Option<u32>>,
}

impl Sense {
    pub(super) fn add(&mut self, place: usize, vector: Option<&Vector>) {
        let Some(vector) = vector else { return };
        if matches!(self, Self::None) {
            *self = match vector {
                Vector::Sparse(_) => Self::Sparse(Sparse::default()),
                Vector::Dense(row) => Self::Dense(Dense::new(row.len())),
            };
        }
        match (self, vector) {
            (Self::Sparse(sparse), Vector::Sparse(row)) => sparse.add(place, row),
            (Self::Dense(dense), Vector::Dense(row)) => dense.add(place, row),
            // Another kind of vector comes from another model; the owner makes a new shelf when the model changes.
            _ => {}
        }
    }

    /// Whether vectors are those of a model.
    pub(super) fn is_dense(&self) -> bool {
        matches!(self, Self::Dense(_))
    }

    /// A question made ready; none where it is of another kind.
    pub(super) fn ask<'a>(&'a self, vector: Option<&'a Vector>) -> Option<Question<'a>> {
        match (self, vector?) {
            (Self::Sparse(sparse), Vector::Sparse(row)) => Some(Question::Sparse(sparse, sparse.weighed(row))),
            (Self::Dense(dense), Vector::Dense(row)) => Some(Question::Dense(dense, row)),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Sparse(sparse) => sparse.rows.iter().map(|row| row.len() * 8 + 16).sum(),
            Self::Dense(dense) => dense.vectors.bytes() + dense.places.len() * 12,
        }
    }
}

pub(super) enum Question<'a> {
    Sparse(&'a Sparse, Weighed),
    Dense(&'a Dense, &'a [f32]),
}

impl Question<'_> {
    /// The cosine with the note at a place; zero where it has no vector.
    pub(super) fn cosine(&self, place: usize) -> f32 {
        match self {
            Self::Sparse(sparse, question) => sparse.cosine(question, place),
            Self::Dense(dense, question) => {
                let row = dense.rows.get(place).copied().flatten();
                row.and_then(|row| dense.vectors.product(question, row as usize)).unwrap_or_default()
            }
        }
    }

    /// Places of the nearest, where that can be told without looking at all of them.
    pub(super) fn nearest(&self, limit: usize, allowed: Option<&Bits>) -> Vec<usize> {
        let Self::Dense(dense, question) = self else { return Vec::new() };
        let rows = allowed.map(|allowed| {
            Bits::of(dense.places.len(), |row| dense.places.get(row).is_some_and(|place| allowed.has(*place as usize)))
        });
        let found = dense.vectors.nearest(question, limit, rows.as_ref()).unwrap_or_default();
        found.iter().filter_map(|(row, _)| dense.places.get(*row as usize)).map(|place| *place as usize).collect()
    }
}

/// A sparse question: weight per coordinate, and its length.
pub(super) struct Weighed {
    weights: HashMap<u32, f32>,
    length: f32,
}

impl Sparse {
    fn add(&mut self, place: usize, row: &[(u32, f32)]) {
        self.rows.resize_with(place, Box::default);
        for (coordinate, _) in row {
            *self.holders.entry(*coordinate).or_default() += 1;
        }
        self.rows.push(row.into());
    }

    fn rarity(&self, coordinate: u32) -> f32 {
        let holders = self.holders.get(&coordinate).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "counts as weights")]
        let (rows, holders) = (self.rows.len() as f32, holders as f32);
        (1.0 + rows / (1.0 + holders)).ln()
    }

    fn weighed(&self, row: &[(u32, f32)]) -> Weighed {
        let mut weights = HashMap::with_capacity(row.len());
        let mut length = 0.0;
        for (coordinate, value) in row {
            let weight = value * self.rarity(*coordinate);
            length += weight * weight;
            // The other side's rarity is in here too, so that a row is multiplied as it stands.
            weights.insert(*coordinate, weight * self.rarity(*coordinate));
        }
        Weighed { weights, length: length.sqrt() }
    }

    fn cosine(&self, question: &Weighed, place: usize) -> f32 {
        let Some(row) = self.rows.get(place).filter(|row| !row.is_empty()) else { return 0.0 };
        let (mut product, mut length) = (0.0, 0.0);
        for (coordinate, value) in row {
            let own = value * self.rarity(*coordinate);
            length += own * own;
            product += question.weights.get(coordinate).map_or(0.0, |weight| weight * value);
        }
        let lengths = length.sqrt() * question.length;
        if lengths > 0.0 { product / lengths } else { 0.0 }
    }
}

impl Dense {
    fn new(dimensions: usize) -> Self {
        Self { vectors: Vectors::new(dimensions), places: Vec::new(), rows: Vec::new() }
    }

    fn add(&mut self, place: usize, row: &[f32]) {
        let number = u32::try_from(self.vectors.len()).unwrap_or(u32::MAX);
        let before = self.vectors.len();
        // Rows are held in memory here, so adding cannot fail; a row of another length is not taken.
        if self.vectors.add(row).is_err() || self.vectors.len() != before + 1 {
            return;
        }
        self.places.push(u32::try_from(place).unwrap_or(u32::MAX));
        self.rows.resize(place, None);
        self.rows.push(Some(number));
    }
}
