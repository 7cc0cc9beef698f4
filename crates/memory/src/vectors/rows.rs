//! The vectors themselves, in full precision: in memory, or in a file of which only what is needed is read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::kernel::dot;

/// Rows read at a time where all are needed.
const CHUNK: usize = 4_096;

#[derive(Debug)]
enum Place {
    Held(Vec<f32>),
    Filed { file: File, len: usize },
}

/// Rows of one length.
#[derive(Debug)]
pub(super) struct Rows {
    dimensions: usize,
    place: Place,
}

impl Rows {
    pub(super) fn held(dimensions: usize) -> Self {
        Self { dimensions, place: Place::Held(Vec::new()) }
    }

    pub(super) fn in_file(dimensions: usize, path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
        Ok(Self { dimensions, place: Place::Filed { file, len: 0 } })
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.place, Place::Held(_))
    }

    pub(super) fn len(&self) -> usize {
        match &self.place {
            Place::Held(all) => all.len() / self.dimensions.max(1),
            Place::Filed { len, .. } => *len,
        }
    }

    pub(super) fn add(&mut self, rows: &[f32]) -> io::Result<()> {
        match &mut self.place {
            Place::Held(all) => all.extend_from_slice(rows),
            Place::Filed { file, len } => {
                let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
                file.write_all_at(&bytes, offset(*len, self.dimensions))?;
                *len += rows.len() / self.dimensions.max(1);
            }
        }
        Ok(())
    }

    /// Rows `from..until`, one after the other.
    pub(super) fn read(&self, from: usize, until: usize) -> io::Result<Vec<f32>> {
        match &self.place {
            Place::Held(all) => {
                Ok(all.get(from * self.dimensions..until * self.dimensions).unwrap_or_default().to_vec())
            }
            Place::Filed { file, .. } => {
                let mut bytes = vec![0; (until - from) * self.dimensions * size_of::<f32>()];
                file.read_exact_at(&mut bytes, offset(from, self.dimensions))?;
                Ok(floats(&bytes).collect())
            }
        }
    }

    pub(super) fn mean(&self) -> io::Result<Vec<f32>> {
        let mut sum = vec![0.0_f64; self.dimensions];
        let mut from = 0;
        while from < self.len() {
            let until = (from + CHUNK).min(self.len());
            for row in self.read(from, until)?.chunks_exact(self.dimensions) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
            }
            from = until;
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a mean of single floats")]
        Ok(sum.into_iter().map(|sum| (sum / self.len().max(1) as f64) as f32).collect())
    }

    /// The exact inner products of some rows, in the order asked for.
    pub(super) fn products(&self, query: &[f32], rows: &[u32]) -> io::Result<Vec<(u32, f32)>> {
        let width = self.dimensions;
        match &self.place {
            Place::Held(all) => {
                let row = |n: u32| all.get(n as usize * width..(n as usize + 1) * width).unwrap_or_default();
                Ok(rows.iter().map(|n| (*n, dot(query, row(*n)))).collect())
            }
            Place::Filed { file, .. } => {
                let mut bytes = vec![0; width * size_of::<f32>()];
                let mut row = Vec::with_capacity(width);
                let mut product = |n: u32| {
                    file.read_exact_at(&mut bytes, offset(n as usize, width))?;
                    row.clear();
                    row.extend(floats(&bytes));
                    Ok((n, dot(query, &row)))
                };
                rows.iter().map(|n| product(*n)).collect()
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.place {
            Place::Held(all) => all.capacity() * size_of::<f32>(),
            Place::Filed { .. } => 0,
        }
    }
}

fn offset(row: usize, dimensions: usize) -> u64 {
    u64::try_from(row * dimensions * size_of::<f32>()).unwrap_or(u64::MAX)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four))
}
