//! The nearest labelled examples: for a ticket, how near the nearest row of each class is.
//!
//! Rows may be hidden by their fold, so that a row never finds itself. Exact: no row is left out for speed.
//! Does not know what a class means.

use crate::parallel::in_parallel;

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
        Self::over(Rows::Sparse(postings(points, columns)), lessons)
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
            (Rows::Sparse(postings), Query::Sparse(point)) => sparse_cosines(postings, point, self.labels.len()),
            (Rows::Dense(rows), Query::Dense(point)) => rows.iter().map(|row| dot(row, point)).collect(),
            // Vectors of different kinds are never compared.
            _ => vec![0.0; self.labels.len()],
        }
    }
}

/// Groups rows that are nearly the same text: whoever is at least this near to another is in its group. By row, the
/// first row of its group.
pub(crate) fn groups(points: &[Point], columns: usize, cosine: f32) -> Vec<usize> {
    const BLOCK: usize = 512;
    let postings = postings(points, columns);
    let pairs = in_parallel(points.len().div_ceil(BLOCK), |block| {
        let rows = block * BLOCK..((block + 1) * BLOCK).min(points.len());
        let near = |row: usize| {
            let cosines = sparse_cosines(&postings, &points[row], row);
            let near = cosines.into_iter().enumerate().filter(|(_, other)| *other >= cosine);
            near.map(|(other, _)| (row, other)).collect::<Vec<_>>()
        };
        rows.flat_map(near).collect::<Vec<_>>()
    });
    let mut group: Vec<usize> = (0..points.len()).collect();
    for (row, other) in pairs.into_iter().flatten() {
        let (a, b) = (first_of(&mut group, row), first_of(&mut group, other));
        group[a.max(b)] = a.min(b);
    }
    (0..points.len()).map(|row| first_of(&mut group, row)).collect()
}

/// The first row of a row's group so far; the way there is shortened.
fn first_of(group: &mut [usize], mut row: usize) -> usize {
    while group[row] != row {
        group[row] = group[group[row]];
        row = group[row];
    }
    row
}

/// By column: which rows have it.
fn postings(points: &[Point], columns: usize) -> Vec<Vec<(u32, f32)>> {
    let mut postings = vec![Vec::new(); columns];
    for (row, point) in (0_u32..).zip(points) {
        for (column, value) in point {
            postings[*column as usize].push((row, *value));
        }
    }
    postings
}

/// The cosine with each of the first `rows` rows.
fn sparse_cosines(postings: &[Vec<(u32, f32)>], point: &[(u32, f32)], rows: usize) -> Vec<f32> {
    let mut cosines = vec![0.0_f32; rows];
    for (column, value) in point {
        for (row, other) in postings.get(*column as usize).into_iter().flatten() {
            // Rows are ascending.
            let Some(cosine) = cosines.get_mut(*row as usize) else { break };
            *cosine += value * other;
        }
    }
    cosines
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
    fn rows_that_are_nearly_the_same_are_one_group() {
        let points = vec![vec![(0, 1.0)], vec![(1, 1.0)], vec![(0, 0.9), (2, 0.436)], vec![(0, 0.6), (2, 0.8)]];
        assert_eq!(groups(&points, 3, 0.85), [0, 1, 0, 0], "also by way of another");
        assert_eq!(groups(&points, 3, 0.95), [0, 1, 2, 3]);
    }

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
