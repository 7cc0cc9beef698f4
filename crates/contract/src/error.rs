//! The seven ways in which anything of ours fails. Callers branch on kinds, never on text.
//!
//! Does not know any room: each room has its own error enum and answers `kind()` with one of these.

use serde::{Deserialize, Serialize};

/// What a failure means to the caller, whichever room it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The input is wrong; the same input fails again.
    Invalid,
    /// The thing asked for does not exist.
    Missing,
    /// Policy, authentication or a latch says no.
    Denied,
    /// The world changed under the caller, or a key is already taken.
    Conflict,
    /// Nothing was done; try again after a while.
    Busy,
    /// The deadline passed before it could be done; nothing was done.
    Late,
    /// Something is broken that a person must look at: disk, corruption, a bug.
    Broken,
}

impl ErrorKind {
    /// Says whether repeating the same call may succeed and is harmless.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Late)
    }
}

/// A failure with its kind and a sentence, for ports whose implementations differ in how they fail.
///
/// The message says what was tried and with which input, in lower case; the cause is in `source`, printed once.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// Makes a failure without a deeper cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Answers how the caller may react.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}
