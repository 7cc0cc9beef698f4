//! One file out of a wheel, which is a ZIP archive: found by its directory, unpacked, nothing else.
//!
//! Source: PKWARE, APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16, without ZIP64. Every number comes from outside and is
//! checked. Whether the bytes are the right ones is for whoever asks to find out.

use anyhow::{Context as _, Result, bail, ensure};

/// Signatures of the records.
const END: &[u8] = b"PK\x05\x06";
/// Length of the last record, without its comment.
const END_LENGTH: usize = 22;
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Ways of packing.
const STORED: usize = 0;
const DEFLATED: usize = 8;

/// Unpacks the file of this name, of at most so many bytes.
///
/// # Errors
/// Where the bytes are no archive, hold no such file, or it is packed in another way or larger.
pub fn member(archive: &[u8], name: &str, most: usize) -> Result<Vec<u8>> {
    let entry = find(archive, name)?;
    ensure!(entry.length <= most, "`{name}` has {} bytes; at most {most} are expected", entry.length);
    let head = archive.get(entry.at..).context("the archive is cut off")?;
    ensure!(head.starts_with(LOCAL), "`{name}` does not begin where the directory says");
    let start = 30 + number::<2>(head, 26)? + number::<2>(head, 28)?;
    let packed = head.get(start..start.saturating_add(entry.packed)).context("the archive is cut off")?;
    match entry.method {
        STORED => Ok(packed.to_vec()),
        DEFLATED => miniz_oxide::inflate::decompress_to_vec_with_limit(packed, most)
            .map_err(|error| anyhow::anyhow!("cannot unpack `{name}`: {error}")),
        other => bail!("`{name}` is packed by method {other}, which is not known here"),
    }
}

struct Entry {
    method: usize,
    packed: usize,
    length: usize,
    at: usize,
}

fn find(archive: &[u8], name: &str) -> Result<Entry> {
    let end = archive.windows(END.len()).rposition(|window| window == END).context("this is no wheel: no directory")?;
    let end = archive.get(end..end + END_LENGTH).context("the archive is cut off")?;
    let (entries, directory) = (number::<2>(end, 10)?, number::<4>(end, 16)?);
    let mut rest = archive.get(directory..).context("the archive is cut off")?;
    for _ in 0..entries {
        ensure!(rest.starts_with(ENTRY), "the directory of the archive is damaged");
        let (name_length, more) = (number::<2>(rest, 28)?, number::<2>(rest, 30)? + number::<2>(rest, 32)?);
        let found = rest.get(46..46 + name_length).context("the archive is cut off")?;
        if found == name.as_bytes() {
            let (method, packed) = (number::<2>(rest, 10)?, number::<4>(rest, 20)?);
            return Ok(Entry { method, packed, length: number::<4>(rest, 24)?, at: number::<4>(rest, 42)? });
        }
        rest = rest.get(46 + name_length + more..).context("the archive is cut off")?;
    }
    bail!("there is no `{name}` in it")
}

/// A little-endian number of so many bytes.
fn number<const BYTES: usize>(bytes: &[u8], at: usize) -> Result<usize> {
    let field = bytes.get(at..at + BYTES).context("the archive is cut off")?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with one stored and one deflated file.
    fn archive() -> Vec<u8> {
        let packed = miniz_oxide::deflate::compress_to_vec(b"aaaaaaaaaaaaaaaaaaaaaaaa", 6);
        let files: [(&str, u8, &[u8], u8); 2] = [("m/a", 0, b"plain", 5), ("m/b", 8, &packed, 24)];
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, method, data, length) in files {
            let at = u8::try_from(bytes.len()).expect("small");
            let packed = u8::try_from(data.len()).expect("small");
            // Time, date and checksum; packed length; length; lengths of name and extra field.
            let sizes = [[0; 4], [0; 4], [packed, 0, 0, 0], [length, 0, 0, 0], [3, 0, 0, 0]].concat();
            bytes.extend([LOCAL, &[20, 0, 0, 0, method, 0], &sizes, name.as_bytes(), data].concat());
            // Comment, disk and attributes; where the file begins.
            let tail = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, at, 0, 0, 0];
            directory.extend([ENTRY, &[20, 0, 20, 0, 0, 0, method, 0], &sizes, &tail, name.as_bytes()].concat());
        }
        let (start, length) = (bytes.len(), directory.len());
        bytes.extend(directory);
        let small = |n: usize| u8::try_from(n).expect("small");
        bytes.extend([END, &[0, 0, 0, 0, 2, 0, 2, 0, small(length), 0, 0, 0, small(start), 0, 0, 0, 0, 0]].concat());
        bytes
    }

    #[test]
    fn files_are_found_and_unpacked() {
        let archive = archive();
        assert_eq!(member(&archive, "m/a", 100).expect("stored"), b"plain");
        assert_eq!(member(&archive, "m/b", 100).expect("deflated"), b"aaaaaaaaaaaaaaaaaaaaaaaa");
        assert!(member(&archive, "m/c", 100).is_err());
        assert!(member(&archive, "m/b", 23).is_err(), "larger than expected");
    }

    #[test]
    fn a_damaged_archive_is_refused_and_never_panics() {
        let whole = archive();
        for length in 0..whole.len() {
            assert!(member(&whole[..length], "m/b", 100).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xFF;
            // Some bytes do not matter; none may bring it down.
            let _ = member(&bytes, "m/b", 100);
        }
    }
}
