//! The segment: a file of frames that begins with an opening and, once full, ends with a seal.
//!
//! Does not know records. Names are the first seq in 20 digits, so that the order of names is the order of the log.
//!
//! | opening: offset | size | field | | seal: offset | size | field |
//! |---|---|---|---|---|---|---|
//! | 0 | 2 | mark `0x4F53` | | 0 | 2 | mark `0x4553` |
//! | 2 | 2 | 76 | | 2 | 2 | 60 |
//! | 4 | 8 | `SINEWSEG` | | 4 | 16 | log id |
//! | 12 | 16 | log id | | 20 | 8 | last seq |
//! | 28 | 8 | epoch | | 28 | 32 | hash of the last entry |
//! | 36 | 8 | first seq | | | | |
//! | 44 | 32 | hash of the entry before | | | | |

use std::path::{Path, PathBuf};

use sinew_contract::{Digest, Header, LogId, Seq};

use crate::disk::Disk;
use crate::error::OpenError;
use crate::frame::{self, Fault, Frame, HEAD, Verdict};
use crate::header::{self, HeaderFault, take};

const OPENING: u16 = u16::from_le_bytes(*b"SO");
const SEAL: u16 = u16::from_le_bytes(*b"SE");
const MAGIC: &[u8; 8] = b"SINEWSEG";
const OPENING_LEN: usize = 76;
const SEAL_LEN: usize = 60;

/// Bytes that an opening takes in the file.
pub(crate) const OPENING_SIZE: usize = frame::size(OPENING_LEN, 0);
/// Bytes that a seal takes in the file.
pub(crate) const SEAL_SIZE: usize = frame::size(SEAL_LEN, 0);

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub log: LogId,
    pub epoch: u64,
    pub first: Seq,
    pub previous: Digest,
}

pub(crate) fn file_name(first: Seq) -> String {
    format!("{:020}.seg", first.0)
}

/// The first seq that a name stands for; none where it is not a segment's name.
pub(crate) fn first_of(name: &str) -> Option<Seq> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok().map(Seq))?
}

/// The segments of a journal directory, in order.
pub(crate) fn segments(dir: &Path, names: &[String]) -> Vec<(Seq, PathBuf)> {
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((first_of(name)?, dir.join(name)))).collect();
    found.sort_unstable();
    found
}

/// Where the segments of a data directory lie, in order.
pub(crate) fn files(disk: &dyn Disk, root: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let journal = root.join("journal");
    let names = disk.list(&journal).map_err(OpenError::io("list", &journal))?;
    Ok(segments(&journal, &names).into_iter().map(|(_, path)| path).collect())
}

pub(crate) fn encode_opening(out: &mut Vec<u8>, opening: &Opening) {
    frame::encode(out, opening.first.0.saturating_sub(1), b"", false, |out| {
        out.extend_from_slice(&OPENING.to_le_bytes());
        out.extend_from_slice(&(OPENING_LEN as u16).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&opening.log.0);
        out.extend_from_slice(&opening.epoch.to_le_bytes());
        out.extend_from_slice(&opening.first.0.to_le_bytes());
        out.extend_from_slice(&opening.previous.0);
    });
}

pub(crate) fn encode_seal(out: &mut Vec<u8>, durable: u64, chain: &Chain) {
    frame::encode(out, durable, b"", false, |out| {
        out.extend_from_slice(&SEAL.to_le_bytes());
        out.extend_from_slice(&(SEAL_LEN as u16).to_le_bytes());
        out.extend_from_slice(&chain.log.0);
        out.extend_from_slice(&chain.head.0.to_le_bytes());
        out.extend_from_slice(&chain.hash.0);
    });
}

fn decode_opening(frame: &Frame<'_>) -> Option<Opening> {
    let mut rest = frame.header;
    let mark = u16::from_le_bytes(take(&mut rest)?);
    let len = u16::from_le_bytes(take(&mut rest)?);
    let magic: [u8; 8] = take(&mut rest)?;
    let log = LogId(take(&mut rest)?);
    let epoch = u64::from_le_bytes(take(&mut rest)?);
    let first = Seq(u64::from_le_bytes(take(&mut rest)?));
    let opening = Opening { log, epoch, first, previous: Digest(take(&mut rest)?) };
    let sound = mark == OPENING && usize::from(len) == OPENING_LEN && &magic == MAGIC && frame.payload.is_empty();
    (sound && rest.is_empty() && !frame.more).then_some(opening)
}

fn is_seal(frame: &Frame<'_>, chain: &Chain) -> bool {
    let mut expected = Vec::with_capacity(SEAL_SIZE);
    encode_seal(&mut expected, frame.durable, chain);
    expected.get(HEAD..HEAD + SEAL_LEN) == Some(frame.header) && frame.payload.is_empty() && !frame.more
}

/// How far the log has come, and what the next entry must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub log: LogId,
    pub epoch: u64,
    pub head: Seq,
    pub hash: Digest,
}

/// A frame that does not continue the chain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Break {
    #[error(transparent)]
    Header(#[from] HeaderFault),
    #[error("it belongs to log {found} in epoch {epoch}, not to this one")]
    OtherLog { found: LogId, epoch: u64 },
    #[error("it is entry {found}, {expected} should be here")]
    Seq { found: Seq, expected: Seq },
    #[error("it does not continue the entry before it: the hash differs")]
    Previous,
    #[error("its payload does not have the digest that its header states")]
    Payload,
}

impl Chain {
    /// The chain before a segment's first entry.
    pub fn opened_by(opening: &Opening) -> Self {
        let head = Seq(opening.first.0.saturating_sub(1));
        Self { log: opening.log, epoch: opening.epoch, head, hash: opening.previous }
    }

    /// Checks that an entry's frame comes next, and moves on to it.
    pub fn accept(&mut self, frame: &Frame<'_>) -> Result<Header, Break> {
        let found = header::decode(frame.header)?;
        if (found.log, found.epoch) != (self.log, self.epoch) {
            return Err(Break::OtherLog { found: found.log, epoch: found.epoch });
        }
        if found.seq != self.head.next() {
            return Err(Break::Seq { found: found.seq, expected: self.head.next() });
        }
        if found.previous != self.hash {
            return Err(Break::Previous);
        }
        if found.payload != crate::seal::digest(frame.payload) {
            return Err(Break::Payload);
        }
        (self.head, self.hash) = (found.seq, header::hash(frame.header));
        Ok(found)
    }
}

/// How a walk through a segment's bytes ended.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The chain at the end of the last whole batch.
    pub chain: Chain,
    /// Where that batch ends in the file.
    pub end: usize,
    /// Says whether a seal was the last.
    pub sealed: bool,
    /// What comes after the last whole batch.
    pub rest: Verdict,
}

/// A place in a segment where something is wrong.
#[derive(Debug)]
pub(crate) struct BadPlace {
    pub offset: usize,
    pub seq: Option<u64>,
    pub what: String,
}

/// Reads the opening at the start of a segment's bytes.
pub(crate) fn read_opening(bytes: &[u8]) -> Result<Opening, BadPlace> {
    let opening = frame::parse(bytes).ok().and_then(|frame| decode_opening(&frame));
    opening.ok_or_else(|| {
        let magic = bytes.get(HEAD + 4..HEAD + 12) == Some(MAGIC);
        let what = if magic { "the segment's opening is damaged" } else { "this is not a segment of a Sinew journal" };
        BadPlace { offset: 0, seq: None, what: what.into() }
    })
}

/// Walks a whole segment from its opening on, checks everything, and shows each entry of every whole batch.
///
/// # Errors
/// The first place that is damaged. A torn write at the end is not damage, see `Walked::rest`.
pub(crate) fn walk(bytes: &[u8], mut chain: Chain, mut see: impl FnMut(Header, usize)) -> Result<Walked, BadPlace> {
    let mut at = OPENING_SIZE;
    let mut whole = (chain, at);
    let mut batch = Vec::new();
    loop {
        let bad = |what: String, chain: &Chain| BadPlace { offset: at, seq: Some(chain.head.0 + 1), what };
        let rest = bytes.get(at..).unwrap_or_default();
        let frame = match frame::parse(rest) {
            Ok(frame) => frame,
            Err(fault) => {
                let verdict = frame::judge(bytes, at, chain.head.0 + 1);
                if verdict == Verdict::Damaged {
                    return Err(bad(explain(fault), &chain));
                }
                // A batch whose last frame never arrived is not there, whatever else of it is.
                let rest = if batch.is_empty() { verdict } else { Verdict::Torn };
                return Ok(Walked { chain: whole.0, end: whole.1, sealed: false, rest });
            }
        };
        if batch.is_empty() && is_seal(&frame, &chain) {
            return sealed(bytes, at + frame.size, chain);
        }
        let header = chain.accept(&frame).map_err(|broken| bad(broken.to_string(), &chain))?;
        batch.push((header, at));
        at += frame.size;
        if !frame.more {
            batch.drain(..).for_each(|(header, at)| see(header, at));
            whole = (chain, at);
        }
    }
}

/// After a seal there is nothing, for ever.
fn sealed(bytes: &[u8], end: usize, chain: Chain) -> Result<Walked, BadPlace> {
    match bytes.get(end..).unwrap_or_default().iter().position(|b| *b != 0) {
        None => Ok(Walked { chain, end, sealed: true, rest: Verdict::Clean }),
        Some(at) => Err(BadPlace { offset: end + at, seq: None, what: "there are bytes after the seal".into() }),
    }
}

fn explain(fault: Fault) -> String {
    match fault {
        Fault::Empty => "an entry that was on disk is gone".into(),
        Fault::Cut(size) => format!("the entry states {size} bytes, more than the segment has left"),
        Fault::Bad => "the entry's checksum does not hold".into(),
    }
}
