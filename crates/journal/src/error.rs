//! How opening and verifying can fail, and where.
//!
//! Does not know the port's failures; those are `contract::Failure`, made where the port is answered.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sinew_contract::{ErrorKind, Failure};

/// A place in a data directory where something is wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// The entry that is there or should be; none in files that hold no entries.
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Flaw {
    pub(crate) fn new(file: &Path, offset: usize, seq: Option<u64>, what: impl Into<String>) -> Self {
        Self { file: file.to_path_buf(), offset: offset as u64, seq, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at byte {}", self.file.display(), self.offset)?;
        if let Some(seq) = self.seq {
            write!(f, " (entry {seq})")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// A data directory that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk said no.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data directory `{}` is in use by process {holder}; stop that process or choose another directory",
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other process, as it wrote itself into the lock.
        holder: String,
    },
    /// A later version of Sinew wrote it.
    #[error(
        "`{}` has format {found}, this binary reads up to {known}; use the newer binary that wrote it",
        path.display()
    )]
    Newer {
        /// Which file says so.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It is something else.
    #[error("`{}` is not what it should be: {why}", path.display())]
    Foreign {
        /// Which file or directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// What was on disk is not there any more, or not as it was.
    #[error("the journal is damaged in {0}; restore it from a copy, nothing was changed")]
    Damaged(Flaw),
}

impl OpenError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }

    /// Answers how the caller may react.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => kind_of_io(source),
            Self::Locked { .. } => ErrorKind::Conflict,
            Self::Newer { .. } | Self::Foreign { .. } => ErrorKind::Invalid,
            Self::Damaged(_) => ErrorKind::Broken,
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// A full disk can be emptied: that is `Busy`. All else needs a person.
pub(crate) fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Busy,
        _ => ErrorKind::Broken,
    }
}
