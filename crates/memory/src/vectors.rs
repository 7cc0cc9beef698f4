//! Nearest vectors by a scan of 1-bit codes and an exact second look at the best.
//!
//! Each vector is centred, rotated by a fixed random rotation, and kept as the signs of its coordinates with three numbers
//! that make the estimate of an inner product unbiased (RaBitQ: Gao and Long, SIGMOD 2024). A question is kept at four bits
//! per coordinate. The scan is popcounts over contiguous memory; the best hundred are looked at again in full precision.
//!
//! Knows numbers and rows, not what they stand for. There is nothing to train or to build beyond the codes; what was added
//! since is scanned exactly, so a row can be found at once.
//!
//! ```text
//! add -> rows (f32) -> tail, scanned exactly --seal--> codes, scanned by bits -> candidates -> rows -> exact
//! ```

mod bits;
mod codes;
mod kernel;
mod rotate;
mod rows;

pub use bits::Bits;
pub(crate) use kernel::dot;

use std::path::Path;

use codes::Codes;
use rows::Rows;

/// Candidates that are looked at again. Measured at 100,000 clustered vectors: recall@10 1.000 with 100.
const CANDIDATES: usize = 100;
/// The same beyond `MANY` vectors; with 100 recall@10 was 0.994 of a million.
const CANDIDATES_OF_MANY: usize = 150;
const MANY: usize = 200_000;
/// Rows that are scanned exactly before they are encoded: 2,048 x 384 take some 0.1 ms.
const TAIL_MAX: usize = 2_048;
/// Below so many allowed rows they are all looked at exactly, where rows are in memory.
const FEW: usize = 2_048;

/// Vectors of one length, numbered in the order in which they are added.
#[derive(Debug)]
pub struct Vectors {
    dimensions: usize,
    rows: Rows,
    codes: Codes,
}

impl Vectors {
    /// None yet. Rows are kept in memory.
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, rows: Rows::held(dimensions), codes: Codes::new(dimensions) }
    }

    /// None yet. Rows are kept in a file, which must not exist, and read where they are needed: for a million vectors.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn in_file(dimensions: usize, path: &Path) -> std::io::Result<Self> {
        Ok(Self { dimensions, rows: Rows::in_file(dimensions, path)?, codes: Codes::new(dimensions) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds vectors, whole rows of `dimensions` numbers each; what is left over is not taken.
    ///
    /// # Errors
    /// Where the row file cannot be written.
    pub fn add(&mut self, rows: &[f32]) -> std::io::Result<()> {
        let whole = rows.len() - rows.len() % self.dimensions.max(1);
        self.rows.add(rows.get(..whole).unwrap_or_default())?;
        if self.len() - self.codes.len() > TAIL_MAX {
            self.seal()?;
        }
        Ok(())
    }

    /// Encodes what is only in rows. The centre is taken again, and all encoded again, when their number has doubled.
    fn seal(&mut self) -> std::io::Result<()> {
        if self.len() >= 2 * self.codes.centred_on() {
            let centre = self.rows.mean()?;
            self.codes = Codes::centred(self.dimensions, &centre, self.len());
        }
        let mut from = self.codes.len();
        while from < self.len() {
            let until = (from + TAIL_MAX).min(self.len());
            for row in self.rows.read(from, until)?.chunks_exact(self.dimensions) {
                self.codes.push(row);
            }
            from = until;
        }
        Ok(())
    }

    /// The `limit` nearest by inner product, the nearest first, with their exact inner products; ties by number.
    ///
    /// `allowed` says which rows may be found; none is all of them.
    ///
    /// # Errors
    /// Where the row file cannot be read.
    pub fn nearest(&self, query: &[f32], limit: usize, allowed: Option<&Bits>) -> std::io::Result<Vec<(u32, f32)>> {
        if query.len() != self.dimensions || limit == 0 {
            return Ok(Vec::new());
        }
        let allowed_count = allowed.map_or(self.len(), Bits::count);
        let candidates = if self.len() > MANY { CANDIDATES_OF_MANY } else { CANDIDATES };
        let mut places: Vec<u32> = match allowed {
            Some(bits) if allowed_count <= FEW && self.rows.is_held() => bits.ones().collect(),
            Some(bits) if allowed_count < self.len() / 8 => {
                self.codes.best_of(query, candidates.max(limit), bits.ones())
            }
            _ => self.codes.best(query, candidates.max(limit), allowed),
        };
        if !(allowed.is_some() && allowed_count <= FEW && self.rows.is_held()) {
            let tail = (self.codes.len()..self.len()).filter(|n| allowed.is_none_or(|bits| bits.has(*n)));
            places.extend(tail.filter_map(|n| u32::try_from(n).ok()));
        }
        places.sort_unstable();
        let mut found = self.rows.products(query, &places)?;
        found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(limit);
        Ok(found)
    }

    /// The same by looking at every row: what the codes are measured against.
    ///
    /// # Errors
    /// Where the row file cannot be read.
    pub fn nearest_plainly(&self, query: &[f32], limit: usize) -> std::io::Result<Vec<(u32, f32)>> {
        let all: Vec<u32> = (0_u32..).take(self.len()).collect();
        let mut found = self.rows.products(query, &all)?;
        found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(limit);
        Ok(found)
    }

    /// The exact inner product with one row; none where there is no such row.
    pub(crate) fn product(&self, query: &[f32], row: usize) -> Option<f32> {
        let row = u32::try_from(row).ok()?;
        self.rows.products(query, &[row]).ok()?.first().map(|(_, product)| *product)
    }

    /// Bytes held in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.codes.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, the same every time (splitmix64).
    pub(super) fn noise(seed: u64, count: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next() + next() + next()).collect()
    }

    fn unit(rows: &mut [f32], dimensions: usize) {
        for row in rows.chunks_exact_mut(dimensions) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
    }

    fn exact(rows: &[f32], query: &[f32], limit: usize, keep: impl Fn(usize) -> bool) -> Vec<u32> {
        let products = rows.chunks_exact(query.len()).map(|row| row.iter().zip(query).map(|(a, b)| a * b).sum::<f32>());
        let mut all: Vec<_> = products.enumerate().filter(|(n, _)| keep(*n)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.into_iter().take(limit).map(|(n, _)| u32::try_from(n).expect("few")).collect()
    }

    fn shared(found: &[(u32, f32)], truth: &[u32]) -> usize {
        found.iter().filter(|(n, _)| truth.contains(n)).count()
    }

    #[test]
    fn the_nearest_are_found_whether_sealed_or_not_and_with_a_filter() {
        let dimensions = 96;
        let mut rows = noise(7, dimensions * 6_000);
        unit(&mut rows, dimensions);
        let mut vectors = Vectors::new(dimensions);
        vectors.add(&rows).expect("in memory");
        let late = noise(11, dimensions * 50);
        vectors.add(&late).expect("in memory");
        rows.extend(&late);
        let few = Bits::of(vectors.len(), |n| n % 100 == 7);
        let some = Bits::of(vectors.len(), |n| n % 2 == 0);
        let mut hits = [0; 3];
        for seed in 0..20 {
            let mut query = noise(1_000 + seed, dimensions);
            unit(&mut query, dimensions);
            let all = vectors.nearest(&query, 10, None).expect("found");
            hits[0] += shared(&all, &exact(&rows, &query, 10, |_| true));
            let filtered = vectors.nearest(&query, 10, Some(&few)).expect("found");
            assert_eq!(shared(&filtered, &exact(&rows, &query, 10, |n| n % 100 == 7)), 10, "few are looked at exactly");
            hits[1] += shared(
                &vectors.nearest(&query, 10, Some(&some)).expect("found"),
                &exact(&rows, &query, 10, |n| n % 2 == 0),
            );
            hits[2] += usize::from(all.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
        // Pure noise is the hardest there is for codes: no neighbour is near.
        assert!(hits[0] >= 180 && hits[1] >= 180, "{hits:?} of 200");
        assert_eq!(hits[2], 20);
    }

    #[test]
    fn rows_in_a_file_give_the_same_as_rows_in_memory() {
        let folder = tempfile::tempdir().expect("there is room");
        let dimensions = 70;
        let rows = noise(3, dimensions * 5_000);
        let mut held = Vectors::new(dimensions);
        let mut filed = Vectors::in_file(dimensions, &folder.path().join("rows")).expect("made");
        for chunk in rows.chunks(dimensions * 700) {
            held.add(chunk).expect("added");
            filed.add(chunk).expect("added");
        }
        let query = noise(5, dimensions);
        assert_eq!(held.nearest(&query, 10, None).expect("found"), filed.nearest(&query, 10, None).expect("found"));
        assert!(filed.bytes() < held.bytes() / 4);
        assert!(held.nearest(&query[1..], 10, None).expect("nothing").is_empty(), "another length is another space");
    }
}
