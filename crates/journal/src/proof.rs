//! Proofs about a log for somebody who does not have it: this entry is in it, that log goes on where this one was.
//!
//! The leaves of the tree are the entries' hashes, in order; so whoever has an entry's header can check everything. Reads a
//! verified log, and writes nothing. Does not know what any record means.

mod note;
mod tree;

use std::path::Path;

use sinew_contract::{Digest, LogId, Seq};

pub use note::{Checkpoint, NoteError};
pub use tree::{holds_consistency, holds_inclusion, leaf};

use crate::data_dir::keys_path;
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::frame;
use crate::keyring::read_identity;
use crate::segment;
use crate::verify::{VerifyError, VerifyReport, verify_with};

/// A verified log as a Merkle tree (RFC 6962, section 2.1).
#[derive(Debug)]
pub struct Proven {
    /// What the walk over the log found.
    pub report: VerifyReport,
    log: LogId,
    leaves: Vec<Digest>,
    signing: ed25519_dalek::SigningKey,
}

/// An entry as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// Its place.
    pub seq: Seq,
    /// The header's bytes; their SHA-256 is the entry's hash.
    pub header: Vec<u8>,
    /// The payload's bytes as stored: sealed, where they are about somebody.
    pub payload: Vec<u8>,
}

impl Proven {
    /// Verifies the whole log and makes its tree.
    ///
    /// # Errors
    /// As `verify`.
    pub fn read(disk: &dyn Disk, root: &Path) -> Result<Self, VerifyError> {
        let mut leaves = Vec::new();
        let report = verify_with(disk, root, Some(&mut |hash| leaves.push(leaf(&hash.0))))?;
        let (log, signing) = read_identity(disk, &keys_path(root))?;
        Ok(Self { report, log, leaves, signing })
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The root over the first `size` entries; none where there are fewer.
    pub fn root(&self, size: u64) -> Option<Digest> {
        usize::try_from(size).ok().and_then(|size| self.leaves.get(..size)).map(tree::root)
    }

    /// The proof that an entry is among all; none where there is no such entry.
    pub fn inclusion(&self, seq: Seq) -> Option<Vec<Digest>> {
        let at = usize::try_from(seq.0.checked_sub(1)?).ok()?;
        (at < self.leaves.len()).then(|| tree::inclusion(&self.leaves, at))
    }

    /// The proof that the first `size` entries are as they were when there were no more; none where there are fewer.
    pub fn consistency(&self, size: u64) -> Option<Vec<Digest>> {
        let size = usize::try_from(size).ok()?;
        (size <= self.leaves.len()).then(|| tree::consistency(&self.leaves, size))
    }

    /// The key that checkpoints of this log are checked with.
    ///
    /// Ed25519, 32 bytes (RFC 8032).
    pub fn key(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// How far the log has come, signed; to be kept somewhere else.
    pub fn checkpoint(&self) -> String {
        let checkpoint = Checkpoint { log: self.log, size: self.size(), root: tree::root(&self.leaves) };
        checkpoint.sign(&self.signing)
    }

    /// Says whether this log goes on from a checkpoint that was kept somewhere else.
    ///
    /// # Errors
    /// `NoteError` where the note is not one of this log, the log is shorter, or its beginning is another.
    pub fn continues(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let kept = Checkpoint::read(note, &self.signing.verifying_key())?;
        if kept.log != self.log {
            return Err(NoteError::OtherLog { found: kept.log });
        }
        match self.root(kept.size) {
            None => Err(NoteError::Cut { kept: kept.size, found: self.size() }),
            Some(root) if root != kept.root => Err(NoteError::Rewritten { size: kept.size }),
            Some(_) => Ok(kept),
        }
    }
}

/// Hands every entry of a verified log to `each`, in order, as it lies there.
///
/// # Errors
/// As `verify`, or whatever `each` says.
pub fn raw_entries<E: From<VerifyError>>(
    disk: &dyn Disk,
    root: &Path,
    mut each: impl FnMut(RawEntry) -> Result<(), E>,
) -> Result<(), E> {
    for path in segment::files(disk, root).map_err(VerifyError::from)? {
        let read = disk::read_all(disk, &path).map_err(OpenError::io("read", &path));
        let bytes = read.map_err(VerifyError::from)?;
        let mut at = segment::OPENING_SIZE;
        while let Ok(frame) = frame::parse(bytes.get(at..).unwrap_or_default()) {
            at += frame.size;
            // A seal is no entry: its header is none.
            let Ok(header) = crate::header::decode(frame.header) else { continue };
            each(RawEntry { seq: header.seq, header: frame.header.to_vec(), payload: frame.payload.to_vec() })?;
        }
    }
    Ok(())
}
