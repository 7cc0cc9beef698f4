//! A checkpoint of the tree as a signed note (C2SP tlog-checkpoint and signed-note), to be kept outside of the log's own folder.
//!
//! ```text
//! sinew/9f3a…/tree
//! 1024
//! base64 of the root
//!
//! — sinew/9f3a…/tree base64 of key id and Ed25519 signature
//! ```

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sinew_contract::{Digest, ErrorKind, LogId};

use crate::base64;
use crate::checkpoint::key_id;

/// Why a kept checkpoint does not fit a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no note, or its signature is not of this key.
    #[error("the checkpoint is not a note that was signed with the key of this log")]
    Forged,
    /// It is of another log.
    #[error("the checkpoint is of log `{found}`, not of this one")]
    OtherLog {
        /// Which.
        found: LogId,
    },
    /// The log ends before the checkpoint.
    #[error("the log has {found} entries, but the checkpoint was signed for {kept}: its end was cut off")]
    Cut {
        /// How far it had come.
        kept: u64,
        /// How far it goes.
        found: u64,
    },
    /// What stands before the checkpoint is not what stood there.
    #[error("the first {size} entries are not those that the checkpoint was signed for")]
    Rewritten {
        /// How far it had come.
        size: u64,
    },
}

impl NoteError {
    /// `Invalid` for what is no checkpoint of this log; `Broken` for a log that is not as it was.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Forged | Self::OtherLog { .. } => ErrorKind::Invalid,
            Self::Cut { .. } | Self::Rewritten { .. } => ErrorKind::Broken,
        }
    }
}

/// How far a log had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub log: LogId,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl Checkpoint {
    fn origin(&self) -> String {
        format!("sinew/{}/tree", self.log)
    }

    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin(), self.size, base64::encode(&self.root.0))
    }

    /// Signs it.
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        let (body, name) = (self.body(), self.origin());
        let signature = key.sign(body.as_bytes()).to_bytes();
        let blob = [&key_id(&name, &key.verifying_key())[..], &signature].concat();
        format!("{body}\n\u{2014} {name} {}\n", base64::encode(&blob))
    }

    /// Reads a note and checks its signature.
    ///
    /// # Errors
    /// `Forged` where any byte is not as it was signed.
    pub fn read(text: &str, key: &VerifyingKey) -> Result<Self, NoteError> {
        Self::parse(text, key).ok_or(NoteError::Forged)
    }

    fn parse(text: &str, key: &VerifyingKey) -> Option<Self> {
        let (signed, note) = text.split_once("\n\n")?;
        let mut lines = signed.split('\n');
        let log = lines.next()?.strip_prefix("sinew/")?.strip_suffix("/tree")?.parse().ok()?;
        let size = lines.next()?.parse().ok()?;
        let root = Digest(base64::decode(lines.next()?)?.try_into().ok()?);
        let found = Self { log, size, root };
        let name = found.origin();
        let blob = base64::decode(note.strip_prefix(&format!("\u{2014} {name} "))?.strip_suffix('\n')?)?;
        let (id, signature) = blob.split_first_chunk::<4>()?;
        let signature = Signature::from_slice(signature).ok()?;
        // The body is rendered anew, so that what was signed is what was read, to the byte.
        let body = found.body();
        let sound = format!("{signed}\n") == body && *id == key_id(&name, key);
        (sound && key.verify_strict(body.as_bytes(), &signature).is_ok()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_signed_and_finds_every_changed_byte() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let checkpoint = Checkpoint { log: LogId([1; 16]), size: 1_024, root: Digest([9; 32]) };
        let text = checkpoint.sign(&key);
        assert_eq!(Checkpoint::read(&text, &key.verifying_key()), Ok(checkpoint));
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] ^= 1;
            let bad = String::from_utf8_lossy(&bad).into_owned();
            assert_eq!(Checkpoint::read(&bad, &key.verifying_key()), Err(NoteError::Forged), "byte {at}");
        }
        let other = SigningKey::from_bytes(&[8; 32]);
        assert_eq!(Checkpoint::read(&text, &other.verifying_key()), Err(NoteError::Forged));
    }
}
