//! One way of looking at the rows: a linear head and the nearest examples over one kind of vector.
//!
//! ```text
//! vectors of the rows -> per fold: a head that has not seen it -> honest scores of all rows
//!                     -> a head over all rows                  -> scores of tickets
//! ```
//!
//! Does not know what the vectors say, nor how two views are put together.

use crate::parallel::in_parallel;

use super::head::{Effort, Head, Point, Shape};
use super::neighbours::Neighbours;

/// Each row is judged by what was trained on the other four fifths.
pub(crate) const FOLDS: u8 = 5;

/// What a view says about one ticket, by class.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// The score of the head.
    pub(crate) scores: Vec<f32>,
    /// The cosine of the nearest example, and which row it is.
    pub(crate) near: Vec<(f32, u32)>,
}

/// The rows that are learned from, without their vectors.
pub(crate) struct Lessons<'a> {
    pub(crate) labels: &'a [usize],
    pub(crate) folds: &'a [u8],
    pub(crate) classes: usize,
}

/// A trained view.
pub(crate) struct View {
    head: Head,
    neighbours: Neighbours,
    classes: usize,
}

impl View {
    /// Trains, and gives back the honest sight of each row. `points` feed the head.
    pub(crate) fn train(
        points: &[Point],
        columns: usize,
        effort: Effort,
        neighbours: Neighbours,
        queries: &Queries<'_>,
        lessons: &Lessons<'_>,
    ) -> (Self, Vec<Sight>) {
        let shape = Shape { columns, classes: lessons.classes };
        // Job 0 is the head over all rows; job k + 1 the one that has not seen fold k.
        let jobs = usize::from(FOLDS) + 1;
        let mut results = in_parallel(jobs, |job| {
            let hidden = u8::try_from(job).ok().and_then(|job| job.checked_sub(1));
            let rows = 0..points.len();
            let (seen, unseen): (Vec<_>, Vec<_>) = rows.partition(|row| Some(lessons.folds[*row]) != hidden);
            let head = Head::train(points, lessons.labels, &seen, shape, effort);
            let sight = |row: usize| {
                let mut scores = vec![0.0; lessons.classes];
                head.score(&points[row], &mut scores);
                (row, Sight { scores, near: queries.near(&neighbours, row, hidden) })
            };
            let sights: Vec<_> = unseen.into_iter().map(sight).collect();
            (head, sights)
        });
        let mut sights: Vec<_> = results.iter_mut().flat_map(|(_, sights)| std::mem::take(sights)).collect();
        sights.sort_by_key(|(row, _)| *row);
        let sights = sights.into_iter().map(|(_, sight)| sight).collect();
        let (head, _) = results.swap_remove(0);
        (Self { head, neighbours, classes: lessons.classes }, sights)
    }

    /// Looks at a ticket.
    pub(crate) fn look(&self, point: &[(u32, f32)], query: Query<'_>) -> Sight {
        let mut scores = vec![0.0; self.classes];
        self.head.score(point, &mut scores);
        Sight { scores, near: self.neighbours.near(query, None) }
    }
}

/// What the neighbours are asked with: the same vector as the head's, or one of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Query<'a> {
    Sparse(&'a [(u32, f32)]),
    Dense(&'a [f32]),
}

/// The rows' own queries.
pub(crate) enum Queries<'a> {
    Sparse(&'a [Point]),
    Dense(&'a [Vec<f32>]),
}

impl Queries<'_> {
    fn near(&self, neighbours: &Neighbours, row: usize, hidden: Option<u8>) -> Vec<(f32, u32)> {
        match self {
            Self::Sparse(points) => neighbours.near(Query::Sparse(&points[row]), hidden),
            Self::Dense(points) => neighbours.near(Query::Dense(&points[row]), hidden),
        }
    }
}
