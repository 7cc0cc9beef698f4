//! Nearest vectors: clustered ones of our own making, or those of a folder.

use std::fs;
use std::path::Path;
use std::time::Instant;

use sinew_contract::Failure;

use super::chance::Chance;
use super::{Place, Row, Watch, failed, rounded};
use crate::vectors::{Bits, Vectors, dot};

/// Coordinates of a vector, as many as the usual small models give.
const DIMENSIONS: usize = 384;
/// Clusters, and directions in which the members of a cluster differ most.
const CLUSTERS: usize = 1_000;
const DIRECTIONS: usize = 64;
/// Rows made and added at a time.
const CHUNK: usize = 4_096;
/// Above so many vectors, rows lie in a file.
const HELD_MAX: usize = 200_000;
const NEAREST: usize = 10;
/// One in so many is allowed by the filter.
const FILTER: usize = 100;

/// Clustered unit vectors: uneven clusters, a falling spectrum within, a little noise all over.
struct Clusters {
    chance: Chance,
    centres: Vec<f32>,
    directions: Vec<f32>,
    /// Running sums of how likely each cluster is.
    shares: Vec<f64>,
}

impl Clusters {
    fn new() -> Self {
        let mut chance = Chance::new(20_261_122);
        let mut centres: Vec<f32> = (0..CLUSTERS * DIMENSIONS).map(|_| chance.normal()).collect();
        centres.chunks_exact_mut(DIMENSIONS).for_each(unit);
        let mut directions: Vec<f32> = (0..DIRECTIONS * DIMENSIONS).map(|_| chance.normal()).collect();
        directions.chunks_exact_mut(DIMENSIONS).for_each(unit);
        let mut sum = 0.0;
        let mut share = || {
            // Gamma of shape 2: the sum of two exponentials.
            sum -= (chance.share().max(1e-12) * chance.share().max(1e-12)).ln();
            sum
        };
        let shares = (0..CLUSTERS).map(|_| share()).collect();
        Self { chance, centres, directions, shares }
    }

    fn rows(&mut self, count: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(count * DIMENSIONS);
        for _ in 0..count {
            let drawn = self.chance.share() * self.shares.last().copied().unwrap_or_default();
            let cluster = self.shares.partition_point(|sum| *sum < drawn).min(CLUSTERS - 1);
            let centre = self.centres.chunks_exact(DIMENSIONS).nth(cluster).unwrap_or_default();
            let mut row = centre.to_vec();
            for (direction, place) in self.directions.chunks_exact(DIMENSIONS).zip(1_u16..) {
                let length = 0.45 * self.chance.normal() / f32::from(place).sqrt();
                row.iter_mut().zip(direction).for_each(|(x, d)| *x += length * d);
            }
            // 384 dimensions share a deviation of a quarter.
            row.iter_mut().for_each(|x| *x += 0.25 / 19.6 * self.chance.normal());
            unit(&mut row);
            rows.extend(row);
        }
        rows
    }
}

fn unit(row: &mut [f32]) {
    let length = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
    row.iter_mut().for_each(|x| *x /= length);
}

/// Measures `n` vectors of our own making with `questions` questions.
///
/// # Errors
/// Where the folder cannot be written.
pub fn vectors(place: &Place, n: usize, questions: usize) -> Result<Vec<Row>, Failure> {
    let mut clusters = Clusters::new();
    let asked = clusters.rows(questions);
    let mut truth = Truth::new(&asked, DIMENSIONS);
    let mut store = open(place, n)?;
    let mut watch = Watch::new();
    let mut encoding = 0.0;
    while store.len() < n {
        let rows = clusters.rows(CHUNK.min(n - store.len()));
        truth.look_at(&rows);
        let begun = Instant::now();
        watch.time(|| store.add(&rows)).map_err(|e| failed(&e))?;
        encoding += begun.elapsed().as_secs_f64();
    }
    let mut added = watch.row("sinew", "vectors-add", n, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    {
        added.per_s = rounded(n as f64 / encoding.max(1e-9));
    }
    let mut rows = vec![added];
    rows.extend(ask(&store, &asked, &truth)?);
    if n <= HELD_MAX {
        rows.push(floor(&store, &asked)?);
    }
    Ok(rows)
}

/// Measures the vectors of a folder: `base_N.f32`, `query_N.f32`, rows of 384 little-endian floats.
///
/// # Errors
/// Where they cannot be read.
pub fn vectors_of(place: &Place, folder: &Path, n: usize) -> Result<Vec<Row>, Failure> {
    let read = |name: String| -> Result<Vec<f32>, Failure> {
        let bytes = fs::read(folder.join(&name)).map_err(|e| failed(&format!("`{name}`: {e}")))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
    };
    let asked = read(format!("query_{n}.f32"))?;
    let mut truth = Truth::new(&asked, DIMENSIONS);
    let mut store = open(place, n)?;
    let base = read(format!("base_{n}.f32"))?;
    for rows in base.chunks(CHUNK * DIMENSIONS) {
        truth.look_at(rows);
        store.add(rows).map_err(|e| failed(&e))?;
    }
    drop(base);
    ask(&store, &asked, &truth)
}

fn open(place: &Place, n: usize) -> Result<Vectors, Failure> {
    if n <= HELD_MAX {
        return Ok(Vectors::new(DIMENSIONS));
    }
    Vectors::in_file(DIMENSIONS, &place.folder.join("vectors.f32")).map_err(|e| failed(&e))
}

fn ask(store: &Vectors, asked: &[f32], truth: &Truth) -> Result<Vec<Row>, Failure> {
    let few = Bits::of(store.len(), |n| n % FILTER == truth.tag);
    let mut rows = Vec::new();
    for (mode, filter) in [("vectors", None), ("vectors-filter-1-percent", Some(&few))] {
        let mut watch = Watch::new();
        let (mut found, mut sought) = (0, 0);
        for (number, query) in asked.chunks_exact(DIMENSIONS).enumerate() {
            let near = watch.time(|| store.nearest(query, NEAREST, filter)).map_err(|e| failed(&e))?;
            let right = truth.of(number, filter.is_some());
            found += near.iter().filter(|(n, _)| right.contains(n)).count();
            sought += right.len();
        }
        let mut row = watch.row("sinew", mode, store.len(), 1.0);
        #[expect(clippy::cast_precision_loss, reason = "counts")]
        {
            row.recall_at_10 = Some(rounded(found as f64 / sought.max(1) as f64));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The plain way: every vector in full precision.
fn floor(store: &Vectors, asked: &[f32]) -> Result<Row, Failure> {
    let mut watch = Watch::new();
    // Ten are enough for something that takes as long every time.
    for query in asked.chunks_exact(DIMENSIONS).take(10) {
        watch.time(|| store.nearest_plainly(query, NEAREST)).map_err(|e| failed(&e))?;
    }
    Ok(Row { recall_at_10: Some(1.0), ..watch.row("floor", "vectors", store.len(), 1.0) })
}

/// The true nearest, found while rows pass by.
struct Truth {
    asked: Vec<f32>,
    dimensions: usize,
    all: Vec<Vec<(f32, u32)>>,
    tagged: Vec<Vec<(f32, u32)>>,
    seen: usize,
    /// The filter allows numbers that are this, modulo `FILTER`.
    tag: usize,
}

impl Truth {
    fn new(asked: &[f32], dimensions: usize) -> Self {
        let count = asked.len() / dimensions;
        let none = || vec![Vec::with_capacity(NEAREST + 1); count];
        Self { asked: asked.to_vec(), dimensions, all: none(), tagged: none(), seen: 0, tag: 7 }
    }

    fn look_at(&mut self, rows: &[f32]) {
        let questions = self.asked.chunks_exact(self.dimensions).zip(self.all.iter_mut().zip(&mut self.tagged));
        for (query, (all, tagged)) in questions {
            for (row, number) in rows.chunks_exact(self.dimensions).zip(self.seen..) {
                let product = dot(query, row);
                let number_short = u32::try_from(number).unwrap_or(u32::MAX);
                keep(all, product, number_short);
                if number % FILTER == self.tag {
                    keep(tagged, product, number_short);
                }
            }
        }
        self.seen += rows.len() / self.dimensions;
    }

    fn of(&self, question: usize, tagged: bool) -> Vec<u32> {
        let lists = if tagged { &self.tagged } else { &self.all };
        lists.get(question).into_iter().flatten().map(|(_, number)| *number).collect()
    }
}

/// Keeps the ten greatest, the greatest first.
fn keep(list: &mut Vec<(f32, u32)>, product: f32, number: u32) {
    if list.len() == NEAREST && list.last().is_some_and(|(least, _)| product <= *least) {
        return;
    }
    let place = list.partition_point(|(other, _)| *other >= product);
    list.insert(place, (product, number));
    list.truncate(NEAREST);
}
