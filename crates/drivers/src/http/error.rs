//! How an exchange over HTTP fails, and what that says about the target.

use sinew_contract::{ErrorKind, Failure};

/// An exchange that did not come to an answer, or to one that is no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The operation of a manifest is wrong.
    #[error("the operation is not right: {problem}")]
    Operation { problem: String },
    /// The arguments do not fit the operation, or would change where it goes.
    #[error("cannot make a request of these arguments: {problem}")]
    Arguments { problem: String },
    /// The allow-list does not name the host.
    #[error("`{host}` may not be called; add it to `egress.allow` if it should be")]
    Egress { host: String },
    /// The target points elsewhere.
    #[error("`{target}` redirects, which is not followed here")]
    Redirect { target: String },
    /// The deadline had passed before anything left.
    #[error("the deadline passed before `{target}` was called")]
    Late { target: String },
    /// It surely never left.
    #[error("cannot reach `{target}`; nothing was sent")]
    Unreachable {
        target: String,
        #[source]
        source: reqwest::Error,
    },
    /// A question that got no answer; questions have no effect, so it may be put again.
    #[error("`{target}` did not answer")]
    Unanswered {
        target: String,
        #[source]
        source: reqwest::Error,
    },
    /// A command that may have arrived.
    #[error("sent to `{target}`, but no answer came back; nobody knows whether it was done")]
    Lost {
        target: String,
        #[source]
        source: reqwest::Error,
    },
    /// A command that arrived, with an answer that says nothing sure.
    #[error("`{target}` answered {status}; nobody knows whether it was done: {text}")]
    Unsure { target: String, status: u16, text: String },
    /// The target says that it has no such thing.
    #[error("`{target}` answered {status}: there is no such thing")]
    Missing { target: String, status: u16 },
    /// The target says to come back.
    #[error("`{target}` answered {status}{}: {text}", after(*retry_after_ms))]
    Busy { target: String, status: u16, retry_after_ms: Option<u64>, text: String },
    /// The target says that the question may not be put.
    #[error("`{target}` answered {status}: {text}")]
    Denied { target: String, status: u16, text: String },
    /// The target says that the question is wrong.
    #[error("`{target}` answered {status}: {text}")]
    Wrong { target: String, status: u16, text: String },
    /// An answer that cannot be used.
    #[error("the answer of `{target}` is no use: {problem}")]
    Answer { target: String, problem: String },
    /// The TLS side of the client cannot be set up.
    #[error("cannot set up TLS: {problem}")]
    Tls { problem: String },
}

fn after(retry_after_ms: Option<u64>) -> String {
    retry_after_ms.map(|ms| format!(" (come back in {ms} ms)")).unwrap_or_default()
}

impl HttpError {
    pub(super) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Operation { .. } | Self::Arguments { .. } | Self::Wrong { .. } => ErrorKind::Invalid,
            Self::Egress { .. } | Self::Redirect { .. } | Self::Denied { .. } => ErrorKind::Denied,
            Self::Late { .. } => ErrorKind::Late,
            Self::Unreachable { .. } | Self::Unanswered { .. } | Self::Busy { .. } => ErrorKind::Busy,
            // Without its certificates the machine can send nothing: a person must look, but nothing has left.
            Self::Tls { .. } => ErrorKind::Busy,
            Self::Missing { .. } => ErrorKind::Missing,
            Self::Lost { .. } | Self::Unsure { .. } | Self::Answer { .. } => ErrorKind::Broken,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error {
            HttpError::Unreachable { source, .. }
            | HttpError::Unanswered { source, .. }
            | HttpError::Lost { source, .. } => failure.caused_by(source.without_url()),
            _ => failure,
        }
    }
}
