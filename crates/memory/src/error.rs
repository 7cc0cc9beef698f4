//! How memory fails. It is derived, so the way out is always the same: what is broken is set aside and rebuilt.

use std::path::PathBuf;

use sinew_contract::{ErrorKind, Failure, Seq};

/// A failure of memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be opened, made or set aside.
    #[error("cannot open memory at `{path}`")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database below failed.
    #[error("memory could not {doing}; it is derived: stop, delete its file, and it is rebuilt from the journal")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What stands in the file cannot be read as what it should be.
    #[error("memory holds `{found}` where {expected} should stand; delete its file and it is rebuilt")]
    Garbled {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// Entries were handed over with a gap.
    #[error(
        "memory has folded up to entry `{watermark}` and was handed `{got}`; fold from the entry after the watermark"
    )]
    Gap {
        /// The last entry folded.
        watermark: Seq,
        /// The entry that came.
        got: Seq,
    },
    /// Memory was folded from another history of the same log.
    #[error(
        "memory has folded another history: entry `{at}` is not the one that it knows; reset it and fold from the start"
    )]
    Forked {
        /// Where they differ.
        at: Seq,
    },
    /// Memory has not caught up in time.
    #[error("memory stands at entry `{watermark}` and has not reached `{wanted}` in time")]
    Behind {
        /// Where it stands.
        watermark: Seq,
        /// What was waited for.
        wanted: Seq,
    },
    /// There is no such store.
    #[error("memory has no store `{name}`; it has {known}")]
    UnknownStore {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// There is no such thing.
    #[error("memory knows no {what} `{id}`")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// A query from outside was refused or wrong.
    #[error("cannot run this query: {reason}")]
    Query {
        /// Why, and how to mend it.
        reason: String,
    },
    /// A query from outside took too long.
    #[error("this query took longer than {limit_ms} ms and was cut off; narrow it with WHERE or LIMIT")]
    TooSlow {
        /// The limit.
        limit_ms: u64,
    },
    /// The writer is gone: the process is stopping.
    #[error("memory is closed")]
    Closed,
}

impl MemoryError {
    /// How the caller may react.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { .. } | Self::Store { .. } | Self::Garbled { .. } => ErrorKind::Broken,
            Self::Gap { .. } | Self::Query { .. } => ErrorKind::Invalid,
            Self::Forked { .. } => ErrorKind::Conflict,
            Self::Behind { .. } | Self::TooSlow { .. } => ErrorKind::Late,
            Self::UnknownStore { .. } | Self::Missing { .. } => ErrorKind::Missing,
            Self::Closed => ErrorKind::Busy,
        }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let message = error.to_string();
        let failure = Self::new(error.kind(), message);
        match error {
            MemoryError::Open { source, .. } => failure.caused_by(source),
            MemoryError::Store { source, .. } => failure.caused_by(Below(source)),
            _ => failure,
        }
    }
}

/// A boxed cause, so that it can be handed on as a cause again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Below(Box<dyn std::error::Error + Send + Sync>);
