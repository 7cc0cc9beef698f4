//! The nearest labelled examples: for a ticket, how near the nearest row of each class is.
//!
//! Rows may be hidden by their fold, so that a row never finds itself. Exact: no row is left out for speed.
//! Does not know what a class means.

use super::head::Point;
use super::view::{Lessons, Query};

/// Rows that can be asked for the nearest.
pub(crate) struct Neighbours {
    rows: Rows,
    labels: Vec<usize>,
    folds: Vec<u8>,
    classes: usize,
}

enum Rows {
    /// By column: which rows have it.
    Sparse(Vec<Vec<(u32, f32)>>),
    Dense(Vec<Vec<f32>>),
}

impl Neighbours {
    pub(crate) fn sparse(points: &[Point], columns: usize, lessons: &Lessons<'_>) -> Self {
        let mut postings = vec![Vec::new(); columns];
        for (row, point) in (0_u32..).zip(points) {
            for (column, value) in point {
                postings[*column as usize].push((row, *value));
            }
        }
        Self::over(Rows::Sparse(postings), lessons)
    }

    pub(crate) fn dense(points: &[Vec<f32>], lessons: &Lessons<'_>) -> Self {
        Self::over(Rows::Dense(points.to_vec()), lessons)
    }

    fn over(rows: Rows, lessons: &Lessons<'_>) -> Self {
        Self { rows, labels: lessons.labels.to_vec(), folds: lessons.folds.to_vec(), classes: lessons.classes }
    }

    /// By class: the cosine of its nearest row and which row that is, but for rows of the hidden fold; zero where no row
    /// shares anything.
    pub(crate) fn near(&self, query: Query<'_>, hidden: Option<u8>) -> Vec<(f32, u32)> {
        let cosines = self.cosines(query);
        let mut by_class = vec![(0.0, u32::MAX); self.classes];
        for (row, ((cosine, label), fold)) in (0_u32..).zip(cosines.iter().zip(&self.labels).zip(&self.folds)) {
            if *cosine > by_class[*label].0 && Some(*fold) != hidden {
                by_class[*label] = (*cosine, row);
            }
        }
        by_class
    }

    fn cosines(&self, query: Query<'_>) -> Vec<f32> {
        match (&self.rows, query) {
            (Rows::Sparse(postings), Query::Sparse(point)) => {
                let mut cosines = vec![0.0_f32; self.labels.len()];
                for (column, value) in point {
                    for (row, other) in postings.get(*column as usize).into_iter().flatten() {
                        cosines[*row as usize] += value * other;
                    }
                }
                cosines
            }
            (Rows::Dense(rows), Query::Dense(point)) => rows.iter().map(|row| dot(row, point)).collect(),
            // Vectors of different kinds are never compared.
            _ => vec![0.0; self.labels.len()],
        }
    }
}

/// Eight sums side by side, so that the compiler may do them at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_gives_its_nearest_row_that_is_not_hidden() {
        let lessons = Lessons { labels: &[0, 0, 1], folds: &[0, 1, 1], classes: 2 };
        let points = vec![vec![(0, 1.0)], vec![(0, 0.6), (1, 0.8)], vec![(1, 1.0)]];
        let all = Neighbours::sparse(&points, 2, &lessons);
        let near = |point: &[(u32, f32)], hidden| all.near(Query::Sparse(point), hidden);
        assert_eq!(near(&[(0, 1.0)], None), [(1.0, 0), (0.0, u32::MAX)]);
        assert_eq!(near(&[(0, 1.0)], Some(0)), [(0.6, 1), (0.0, u32::MAX)]);
        assert_eq!(near(&[(1, 1.0)], None), [(0.8, 1), (1.0, 2)]);
        let dense = Neighbours::dense(&[vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]], &lessons);
        assert_eq!(dense.near(Query::Dense(&[1.0, 0.0]), Some(0)), [(0.6, 1), (0.0, u32::MAX)]);
        assert_eq!(dense.near(Query::Sparse(&[(0, 1.0)]), None), [(0.0, u32::MAX); 2], "never across kinds");
    }
}
