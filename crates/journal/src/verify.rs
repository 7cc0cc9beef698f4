//! Offline verification: reads every byte in use under `journal/` and says whether it is as it was written.
//!
//! Does not open the log, does not write, and needs no payload's key: the chain covers payloads as they are stored.
//! Strict: after the last entry everything is zero, every sealed segment is followed by the next, the checkpoint holds.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sinew_contract::{Digest, EntryRef, Seq};

use crate::data_dir::{keys_path, read_format};
use crate::disk::{self, Disk};
use crate::error::{Flaw, OpenError};
use crate::frame::Verdict;
use crate::keyring::read_identity;
use crate::segment::{self, BadPlace, Chain, OPENING_SIZE, Opening, Walked, read_opening};
use crate::{checkpoint, followers};

/// A log that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries in the log.
    pub entries: u64,
    /// Segment files.
    pub segments: usize,
    /// The last entry.
    pub head: EntryRef,
    /// The entry up to which the log is signed; none where it never got so far.
    pub checkpoint: Option<Seq>,
    /// Bytes at the end that a crash tore and that the next start will cut off; nobody had been told of them.
    pub torn_bytes: u64,
}

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something is not as it was written.
    #[error("{0}")]
    Flaw(Flaw),
    /// It could not be looked at.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Verifies the journal of a data directory, whether it was closed, killed or is in use.
///
/// # Errors
/// `Flaw` with the first place that is not as it was written; `Open` where the directory cannot be read.
pub fn verify(disk: &dyn Disk, root: &Path) -> Result<VerifyReport, VerifyError> {
    verify_with(disk, root, None)
}

/// The same, and shows the hash of each entry, in order.
pub(crate) fn verify_with(
    disk: &dyn Disk,
    root: &Path,
    see: Option<&mut dyn FnMut(Digest)>,
) -> Result<VerifyReport, VerifyError> {
    if unwritten(disk, root)? {
        return Ok(VerifyReport {
            entries: 0,
            segments: 0,
            head: EntryRef { seq: Seq::ZERO, hash: Digest::ZERO },
            checkpoint: None,
            torn_bytes: 0,
        });
    }
    if read_format(disk, root)?.is_none() {
        let why = "it has no FORMAT, so it is not a data directory".into();
        return Err(OpenError::Foreign { path: root.to_path_buf(), why }.into());
    }
    let (log, signing) = read_identity(disk, &keys_path(root))?;
    let journal = root.join("journal");
    let names = disk.list(&journal).map_err(OpenError::io("list", &journal))?;
    check_names(&journal, &names)?;
    let start = Chain { log, epoch: 1, head: Seq::ZERO, hash: Digest::ZERO };
    let text = read_optional(disk, &journal.join("checkpoint"))?;
    let signed = text.map(|text| checkpoint::read(&text, &start, &signing.verifying_key()).ok_or(()));
    let Ok(signed) = signed.transpose() else {
        return Err(flaw(&journal.join("checkpoint"), 0, None, "it is not as it was signed"));
    };
    if read_optional(disk, &journal.join("followers"))?.is_some_and(|text| followers::read(&text).is_none()) {
        return Err(flaw(&journal.join("followers"), 0, None, "its checksum does not hold"));
    }
    let files = segment::segments(&journal, &names);
    let looked = look_at_all(disk, &files, signed.map_or(Seq::ZERO, |signed| signed.head), see.is_some());
    let mut pass = Pass { chain: start, signed, torn_bytes: 0, see };
    for ((first, path), looked) in files.iter().zip(looked) {
        pass.segment(*first, path, looked?)?;
    }
    pass.finish(&journal, files.len())
}

fn read_optional(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, VerifyError> {
    Ok(disk::read_if_there(disk, path).map_err(OpenError::io("read", path))?)
}

fn flaw(file: &Path, offset: usize, seq: Option<u64>, what: impl Into<String>) -> VerifyError {
    VerifyError::Flaw(Flaw::new(file, offset, seq, what))
}

/// A segment under another name would be overlooked, so nothing else may lie here.
fn check_names(journal: &Path, names: &[String]) -> Result<(), VerifyError> {
    const KNOWN: [&str; 5] = ["checkpoint", "checkpoint.tmp", "followers", "followers.tmp", "spare"];
    let known = |name: &str| KNOWN.contains(&name) || segment::first_of(name).is_some();
    match names.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(flaw(&journal.join(name), 0, None, "this file does not belong to a journal")),
    }
}

/// Says whether a first start ended before it wrote anything: there is a directory of ours without keys and without a log.
fn unwritten(disk: &dyn Disk, root: &Path) -> Result<bool, VerifyError> {
    const BEFORE: [&str; 7] = ["FORMAT", "FORMAT.tmp", "LOCK", "blobs", "journal", "keys.tmp", "stop"];
    let names = match disk.list(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let why = "there is no such directory; name the data directory of a hub".into();
            return Err(OpenError::Foreign { path: root.to_path_buf(), why }.into());
        }
        listed => listed.map_err(OpenError::io("list", root))?,
    };
    if names.is_empty() || !names.iter().all(|name| BEFORE.contains(&name.as_str())) {
        return Ok(false);
    }
    if !names.iter().any(|name| name == "journal") {
        return Ok(true);
    }
    let journal = root.join("journal");
    Ok(disk.list(&journal).map_err(OpenError::io("list", &journal))?.is_empty())
}

/// What one segment says by itself.
struct Looked {
    opening: Opening,
    walked: Result<Walked, BadPlace>,
    /// The hash of the entry that the checkpoint names, and where it ends, where it is in here.
    at_signed: Option<(Digest, usize)>,
    /// The hashes of its entries, where they are wanted.
    hashes: Vec<Digest>,
    /// What stands after the last entry: how much a crash tore, or why it is none.
    end: Result<u64, VerifyError>,
}

/// What each segment says by itself, in order. Segments name what they continue, so they are read side by side, and joined after.
fn look_at_all(
    disk: &dyn Disk,
    files: &[(Seq, PathBuf)],
    signed: Seq,
    wanted: bool,
) -> Vec<Result<Looked, VerifyError>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(files.len());
    let (next, stop) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let work = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            // What stands behind the first thing that is wrong nobody asks about.
            let Some((_, path)) = files.get(at).filter(|_| at <= stop.load(Ordering::Relaxed)) else { return mine };
            let looked = look(disk, path, signed, wanted, at + 1 == files.len());
            if !looked.as_ref().is_ok_and(|looked| looked.walked.is_ok()) {
                stop.fetch_min(at, Ordering::Relaxed);
            }
            mine.push((at, looked));
        }
    };
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        all.extend(
            threads.into_iter().flat_map(|thread| thread.join().expect("invariant: reading bytes does not panic")),
        );
        all
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, looked)| looked).collect()
}

fn look(disk: &dyn Disk, path: &Path, signed: Seq, wanted: bool, last: bool) -> Result<Looked, VerifyError> {
    let bytes = disk::read_all(disk, path).map_err(OpenError::io("read", path))?;
    let opening = read_opening(&bytes).map_err(|bad| flaw(path, bad.offset, bad.seq, bad.what))?;
    let opened = Chain::opened_by(&opening);
    let mut at_signed = (signed == opened.head).then_some((opened.hash, OPENING_SIZE));
    let mut hashes = Vec::new();
    let walked = segment::walk(&bytes, opened, |header, at| {
        if header.seq == signed.next() {
            at_signed = Some((header.previous, at));
        }
        // Each header tells the hash of the entry before it.
        if wanted && header.seq.0 > opened.head.0 + 1 {
            hashes.push(header.previous);
        }
    });
    let mut end = Ok(0);
    if let Ok(walked) = &walked {
        if walked.chain.head == signed {
            at_signed = Some((walked.chain.hash, walked.end));
        }
        if wanted && walked.chain.head > opened.head {
            hashes.push(walked.chain.hash);
        }
        end = check_end(path, &bytes, walked, last);
    }
    Ok(Looked { opening, walked, at_signed, hashes, end })
}

/// All segments but the last end with a seal; after the last entry of the last there is nothing, or what a crash tore.
fn check_end(path: &Path, bytes: &[u8], walked: &Walked, last: bool) -> Result<u64, VerifyError> {
    let seq = Some(walked.chain.head.0 + 1);
    if !last && !walked.sealed {
        return Err(flaw(path, walked.end, seq, "the log goes on in another segment, but this one is not sealed"));
    }
    if walked.rest != Verdict::Torn {
        return Ok(0);
    }
    let rest = bytes.get(walked.end..).unwrap_or_default();
    // A write that was cut short leaves its beginning: where there is none, somebody wrote here.
    if rest.iter().take(8).all(|b| *b == 0) {
        let stray = rest.iter().position(|b| *b != 0).unwrap_or_default();
        return Err(flaw(path, walked.end + stray, seq, "there are bytes after the last entry"));
    }
    Ok(rest.iter().rposition(|b| *b != 0).map_or(0, |at| at as u64 + 1))
}

/// One pass over all segments, in order.
struct Pass<'a> {
    chain: Chain,
    signed: Option<Chain>,
    torn_bytes: u64,
    see: Option<&'a mut dyn FnMut(Digest)>,
}

impl Pass<'_> {
    fn segment(&mut self, first: Seq, path: &Path, looked: Looked) -> Result<(), VerifyError> {
        let opened = Chain::opened_by(&looked.opening);
        if looked.opening.first != first {
            return Err(flaw(path, 0, None, "its opening states another first entry than its name"));
        }
        if (opened.log, opened.head, opened.hash) != (self.chain.log, self.chain.head, self.chain.hash) {
            let what = format!("it does not continue the log, which has come to entry {}", self.chain.head);
            return Err(flaw(path, 0, Some(self.chain.head.0 + 1), what));
        }
        let walked = looked.walked.map_err(|bad| flaw(path, bad.offset, bad.seq, bad.what))?;
        self.check_signed(path, looked.at_signed)?;
        self.torn_bytes = looked.end?;
        if let Some(see) = &mut self.see {
            looked.hashes.into_iter().for_each(see);
        }
        self.chain = walked.chain;
        Ok(())
    }

    fn signed_head(&self) -> Seq {
        self.signed.map_or(Seq::ZERO, |signed| signed.head)
    }

    /// The entry that the checkpoint names must be the one that was signed.
    fn check_signed(&self, path: &Path, at: Option<(Digest, usize)>) -> Result<(), VerifyError> {
        match (self.signed, at) {
            (Some(signed), Some((hash, offset))) if signed.head > Seq::ZERO && signed.hash != hash => {
                let what = "the entry before this place is not the one that the checkpoint was signed for";
                Err(flaw(path, offset, Some(signed.head.0), what))
            }
            _ => Ok(()),
        }
    }

    fn finish(self, journal: &Path, segments: usize) -> Result<VerifyReport, VerifyError> {
        let Chain { head, hash, .. } = self.chain;
        if self.signed_head() > head {
            let what =
                format!("the log ends at entry {head}, but its checkpoint was signed for {}", self.signed_head());
            return Err(flaw(journal, 0, Some(head.0 + 1), what));
        }
        Ok(VerifyReport {
            entries: head.0,
            segments,
            head: EntryRef { seq: head, hash },
            checkpoint: self.signed.map(|signed| signed.head),
            torn_bytes: self.torn_bytes,
        })
    }
}

/// Where the segments of a data directory lie, in order.
///
/// # Errors
/// `Io` where the directory cannot be read.
pub fn segment_files(disk: &dyn Disk, root: &Path) -> Result<Vec<PathBuf>, OpenError> {
    segment::files(disk, root)
}
