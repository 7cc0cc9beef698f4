//! Offline verification: reads every byte in use under `journal/` and says whether it is as it was written.
//!
//! Does not open the log, does not write, and needs no payload's key: the chain covers payloads as they are stored.
//! Strict: after the last entry everything is zero, every sealed segment is followed by the next, the checkpoint holds.

use std::path::{Path, PathBuf};

use sinew_contract::{Digest, EntryRef, Seq};

use crate::data_dir::{keys_path, read_format};
use crate::disk::{self, Disk};
use crate::error::{Flaw, OpenError};
use crate::frame::Verdict;
use crate::keyring::read_identity;
use crate::segment::{self, BadPlace, Chain, OPENING_SIZE, Walked, read_opening};
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
    let mut pass = Pass { chain: start, signed, torn_bytes: 0 };
    for (index, (first, path)) in files.iter().enumerate() {
        let bytes = disk::read_all(disk, path).map_err(OpenError::io("read", path))?;
        pass.segment(*first, path, &bytes, index + 1 == files.len())?;
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

/// One pass over all segments.
struct Pass {
    chain: Chain,
    signed: Option<Chain>,
    torn_bytes: u64,
}

impl Pass {
    fn segment(&mut self, first: Seq, path: &Path, bytes: &[u8], last: bool) -> Result<(), VerifyError> {
        let bad = |bad: BadPlace| flaw(path, bad.offset, bad.seq, bad.what);
        let opening = read_opening(bytes).map_err(bad)?;
        let opened = Chain::opened_by(&opening);
        if opening.first != first {
            return Err(flaw(path, 0, None, "its opening states another first entry than its name"));
        }
        if (opened.log, opened.head, opened.hash) != (self.chain.log, self.chain.head, self.chain.hash) {
            let what = format!("it does not continue the log, which has come to entry {}", self.chain.head);
            return Err(flaw(path, 0, Some(self.chain.head.0 + 1), what));
        }
        let mut at_signed = (self.signed_head() == opened.head).then_some((opened.hash, OPENING_SIZE));
        let signed_next = self.signed_head().next();
        let walked = segment::walk(bytes, opened, |header, at| {
            if header.seq == signed_next {
                at_signed = Some((header.previous, at));
            }
        });
        let walked = walked.map_err(bad)?;
        if walked.chain.head == self.signed_head() {
            at_signed = Some((walked.chain.hash, walked.end));
        }
        self.check_signed(path, at_signed)?;
        self.check_end(path, bytes, &walked, last)?;
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

    /// All segments but the last end with a seal; after the last entry of the last there is nothing.
    fn check_end(&mut self, path: &Path, bytes: &[u8], walked: &Walked, last: bool) -> Result<(), VerifyError> {
        let seq = Some(walked.chain.head.0 + 1);
        if !last && !walked.sealed {
            return Err(flaw(path, walked.end, seq, "the log goes on in another segment, but this one is not sealed"));
        }
        if walked.rest != Verdict::Torn {
            return Ok(());
        }
        let rest = bytes.get(walked.end..).unwrap_or_default();
        // A write that was cut short leaves its beginning: where there is none, somebody wrote here.
        if rest.iter().take(8).all(|b| *b == 0) {
            let stray = rest.iter().position(|b| *b != 0).unwrap_or_default();
            return Err(flaw(path, walked.end + stray, seq, "there are bytes after the last entry"));
        }
        self.torn_bytes = rest.iter().rposition(|b| *b != 0).map_or(0, |at| at as u64 + 1);
        Ok(())
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
    let journal = root.join("journal");
    let names = disk.list(&journal).map_err(OpenError::io("list", &journal))?;
    Ok(segment::segments(&journal, &names).into_iter().map(|(_, path)| path).collect())
}
