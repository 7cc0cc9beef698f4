//! The frame: what one entry, one opening or one seal looks like in a segment file.
//!
//! Does not know what is inside. All numbers are little-endian, and frames start at multiples of eight bytes.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `len`: bytes from offset 8 to the end of the frame, a multiple of 8 |
//! | 4 | 4 | CRC32C (Castagnoli) over `len` and everything from offset 8 on |
//! | 8 | 8 | `durable`: the last seq known to be on disk when this frame was written |
//! | 16 | h | header, whose own first four bytes are its version or mark and its length h |
//! | 16+h | p | payload |
//! | 16+h+p | 0-7 | zeros |
//! | len | 4 | p |
//! | len+4 | 4 | `MORE` where the batch goes on, `END` where it ends |
//!
//! Why it can be trusted at the end of a log: files are zero before they are written, disks write whole sectors, and the
//! first and the last eight bytes of a frame are never zero. So a frame that did not fully arrive has a sector that is
//! still zero, and a frame that was changed later has none. See [`judge`].

use crate::header;

/// Bytes before the header.
pub const HEAD: usize = 16;
/// Bytes after the payload and its padding.
pub const TRAILER: usize = 8;
/// What a disk writes as one piece; larger sectors are multiples of it.
const SECTOR: usize = 512;
/// The smallest header that can be: version or mark, and length.
const HEADER_MIN: usize = 4;

const MORE: u32 = u32::from_le_bytes(*b"MORE");
const END: u32 = u32::from_le_bytes(*b"END.");

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The last seq known to be on disk when it was written.
    pub durable: u64,
    /// The header's bytes.
    pub header: &'a [u8],
    /// The payload's bytes.
    pub payload: &'a [u8],
    /// Says whether its batch goes on after it.
    pub more: bool,
    /// Bytes it takes in the file.
    pub size: usize,
}

/// Why there is no frame at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Eight zero bytes: nothing was written here.
    Empty,
    /// The bytes end before the frame does, which takes so many.
    Cut(usize),
    /// There is something that is not a whole frame.
    Bad,
}

/// Bytes that a frame takes with such a header and payload.
pub const fn size(header: usize, payload: usize) -> usize {
    HEAD + (header + payload).next_multiple_of(8) + TRAILER
}

/// Appends one frame to `out`, which must stand at a multiple of eight; `header` writes the header.
///
/// # Panics
/// Where the frame would take 4 GiB or more; batches are bounded far below.
pub fn encode(out: &mut Vec<u8>, durable: u64, payload: &[u8], more: bool, header: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    header(out);
    out.extend_from_slice(payload);
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
    let length = |len: usize| u32::try_from(len).expect("invariant: batches are bounded far below 4 GiB");
    out.extend_from_slice(&length(payload.len()).to_le_bytes());
    out.extend_from_slice(&if more { MORE } else { END }.to_le_bytes());
    let len = length(out.len() - start - 8).to_le_bytes();
    out[start..start + 4].copy_from_slice(&len);
    out[start + 8..start + HEAD].copy_from_slice(&durable.to_le_bytes());
    let crc = checksum(len, &out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(len: [u8; 4], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), rest)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes)
}

/// Reads the frame at the start of `bytes`.
///
/// # Errors
/// See `Fault`.
pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, Fault> {
    let Some(first) = bytes.get(..8) else {
        return Err(if bytes.iter().all(|b| *b == 0) { Fault::Empty } else { Fault::Cut(8) });
    };
    if first.iter().all(|b| *b == 0) {
        return Err(Fault::Empty);
    }
    let len = span(bytes).ok_or(Fault::Bad)?;
    parse_with(bytes, len)
}

/// Bytes that the frame at the start of `bytes` says it takes; none where no frame can be like that.
fn span(bytes: &[u8]) -> Option<usize> {
    let len = number(bytes, 0)? as usize;
    (len.is_multiple_of(8) && len >= size(HEADER_MIN, 0) - 8).then_some(len + 8)
}

fn parse_with(bytes: &[u8], size: usize) -> Result<Frame<'_>, Fault> {
    let body = bytes.get(8..size).ok_or(Fault::Cut(size))?;
    let len = u32::try_from(size - 8).map_err(|_| Fault::Bad)?.to_le_bytes();
    if number(bytes, 4) != Some(checksum(len, body)) {
        return Err(Fault::Bad);
    }
    split(bytes, size).ok_or(Fault::Bad)
}

/// Takes a frame whose checksum holds apart; none where its lengths contradict each other.
fn split(bytes: &[u8], size: usize) -> Option<Frame<'_>> {
    let durable = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
    let payload_len = number(bytes, size - 8)? as usize;
    let more = match number(bytes, size - 4)? {
        MORE => true,
        END => false,
        _ => return None,
    };
    let body = bytes.get(HEAD..size - TRAILER)?;
    let (header, rest) = body.split_at_checked(header::stated_len(body)?)?;
    let (payload, padding) = rest.split_at_checked(payload_len)?;
    let tight = padding.len() < 8 && padding.iter().all(|b| *b == 0);
    tight.then_some(Frame { durable, header, payload, more, size })
}

/// What a place without a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was ever written from here on.
    Clean,
    /// A write that did not fully arrive: nobody was ever told that it had.
    Torn,
    /// Bytes that were once right and are not any more.
    Damaged,
}

/// Judges the place `at` in a segment's bytes where a frame for `seq` should be and is not.
///
/// `Damaged` where a later frame knew it to be on disk, where every sector of it arrived, or where only its length is
/// wrong. Everything else is what a power cut leaves behind.
pub fn judge(bytes: &[u8], at: usize, seq: u64) -> Verdict {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().all(|b| *b == 0) {
        return Verdict::Clean;
    }
    let known_durable = || later_frames(rest).any(|frame| frame.durable >= seq);
    let torn = parse(rest) == Err(Fault::Empty) || (lacks_a_sector(rest, at) && !only_its_length_is_wrong(rest));
    if torn && !known_durable() { Verdict::Torn } else { Verdict::Damaged }
}

/// Every valid frame that starts after the first eight bytes.
fn later_frames(rest: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut at = 8;
    std::iter::from_fn(move || {
        while let Some(candidate) = rest.get(at..).filter(|candidate| candidate.len() >= 8) {
            let frame = parse(candidate).ok();
            at += frame.map_or(8, |frame| frame.size);
            if frame.is_some() {
                return frame;
            }
        }
        None
    })
}

/// Says whether some sector that the frame at the start of `rest` (at `at` in its file) claims is still zero.
fn lacks_a_sector(rest: &[u8], at: usize) -> bool {
    let Some(claimed) = span(rest) else { return false };
    // Length and checksum arrive together, as one word: a length alone is no beginning of a frame.
    if number(rest, 4) == Some(0) {
        return false;
    }
    let (first, others) = rest[..claimed.min(rest.len())].split_at((SECTOR - at % SECTOR).min(claimed).min(rest.len()));
    first.iter().all(|b| *b == 0) || others.chunks(SECTOR).any(|piece| piece.iter().all(|b| *b == 0))
}

/// Says whether the frame is whole under another length: then the length was changed, not the rest cut off.
fn only_its_length_is_wrong(rest: &[u8]) -> bool {
    let ends = rest.chunks_exact(8).enumerate().filter(|(_, word)| matches!(number(word, 4), Some(MORE | END)));
    ends.map(|(index, _)| (index + 1) * 8)
        .any(|size| size >= self::size(HEADER_MIN, 0) && parse_with(rest, size).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(durable: u64, header: &[u8], payload: &[u8], more: bool) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, durable, payload, more, |out| {
            out.extend_from_slice(&[1, 0]);
            out.extend_from_slice(&u16::try_from(header.len() + 4).expect("short").to_le_bytes());
            out.extend_from_slice(header);
        });
        out
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_back(durable: u64, header: Vec<u8>, payload: Vec<u8>, more: bool) {
            let bytes = framed(durable, &header, &payload, more);
            prop_assert_eq!(bytes.len(), size(header.len() + 4, payload.len()));
            let frame = parse(&bytes).expect("a whole frame");
            prop_assert_eq!((frame.durable, &frame.header[4..], frame.payload), (durable, &header[..], &payload[..]));
            prop_assert_eq!((frame.more, frame.size), (more, bytes.len()));
        }

        #[test]
        fn a_flipped_bit_is_found_and_never_taken_for_a_torn_write(
            payload in proptest::collection::vec(1u8.., 0..2_000), at: prop::sample::Index, bit in 0u8..8, sector in 0usize..64,
        ) {
            let start = sector * 8;
            let mut file = vec![0; start];
            file.extend(framed(3, b"header", &payload, false));
            let index = start + at.index(file.len() - start);
            file.resize(8_192, 0);
            file[index] ^= 1 << bit;
            prop_assert!(parse(&file[start..]).is_err());
            prop_assert_eq!(judge(&file, start, 4), Verdict::Damaged);
        }

        #[test]
        fn a_write_without_some_of_its_sectors_is_torn(
            payload in proptest::collection::vec(1u8.., 600..3_000), start in 0usize..64, lost: prop::sample::Index,
        ) {
            let start = start * 8;
            let mut file = vec![0; start];
            file.extend(framed(3, b"header", &payload, false));
            let sectors = file.len().div_ceil(SECTOR) - start / SECTOR;
            let lost = start / SECTOR + lost.index(sectors);
            let end = file.len();
            file[(lost * SECTOR).max(start)..((lost + 1) * SECTOR).min(end)].fill(0);
            file.resize(8_192, 0);
            prop_assert_eq!(judge(&file, start, 4), Verdict::Torn);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, at in 0usize..64) {
            let _ = parse(&bytes);
            let _ = judge(&bytes, at, 1);
        }
    }

    #[test]
    fn a_stray_byte_after_the_end_is_no_torn_write() {
        for at in 0..8 {
            let mut file = vec![0; 2_048];
            file[at] = 0x18;
            assert_eq!(judge(&file, 0, 1), Verdict::Damaged, "{at}");
        }
    }

    #[test]
    fn a_later_frame_that_knew_it_durable_makes_it_damage() {
        let mut file = vec![0; 512];
        file.extend(framed(9, b"later", b"{}", false));
        assert_eq!((judge(&file, 0, 10), judge(&file, 0, 9)), (Verdict::Torn, Verdict::Damaged));
    }
}
