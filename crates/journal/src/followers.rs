//! How far each named follower has come, in one small file.
//!
//! Does not know what followers do. Losing it costs time, never truth: a follower that starts earlier folds again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sinew_contract::Seq;

use crate::disk::{self, Disk};

/// The places of all followers, by name.
pub(crate) struct Followers {
    path: PathBuf,
    places: Mutex<BTreeMap<String, Seq>>,
}

/// `name seq` per line, then the checksum of those lines.
fn render(places: &BTreeMap<String, Seq>) -> String {
    let lines: String = places.iter().map(|(name, seq)| format!("{name} {seq}\n")).collect();
    format!("{lines}crc32c {:08x}\n", crc32c::crc32c(lines.as_bytes()))
}

/// Reads the file's text; none where any byte of it has changed.
pub(crate) fn read(text: &[u8]) -> Option<BTreeMap<String, Seq>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().take_while(|line| !line.starts_with("crc32c "));
    let place =
        |line: &str| line.split_once(' ').and_then(|(name, seq)| Some((name.to_owned(), Seq(seq.parse().ok()?))));
    let places = lines.map(place).collect::<Option<_>>()?;
    (render(&places) == text).then_some(places)
}

impl Followers {
    /// Reads the places; all at the start where the file is missing or damaged.
    pub fn open(disk: &dyn Disk, path: PathBuf) -> io::Result<Self> {
        let bytes = disk::read_if_there(disk, &path)?.unwrap_or_default();
        let places = read(&bytes).unwrap_or_else(|| {
            if !bytes.is_empty() {
                tracing::warn!(file = %path.display(), "follower places are damaged, all followers start over");
            }
            BTreeMap::new()
        });
        Ok(Self { path, places: Mutex::new(places) })
    }

    pub fn get(&self, name: &str) -> Seq {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(name).copied().unwrap_or_default()
    }

    /// Sets one place and writes all; the lock is held so that writes do not overtake each other.
    pub fn set(&self, disk: &dyn Disk, name: &str, seq: Seq) -> io::Result<()> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(name.to_owned(), seq);
        disk::replace(disk, Path::new(&self.path), render(&places).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_a_changed_byte_is_found() {
        let places = BTreeMap::from([("memory".to_owned(), Seq(42)), ("api".to_owned(), Seq(7))]);
        let text = render(&places).into_bytes();
        assert_eq!(read(&text), Some(places));
        for at in 0..text.len() {
            let mut bad = text.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), None, "byte {at}");
        }
    }
}
