//! The ways in which a call to a model ends without an answer, as typed errors; and how they are read from a provider's
//! words.
//!
//! Does not know which rung comes next: the ladder branches on these.

use std::time::Duration;

use serde_json::Value;
use sinew_contract::ErrorKind;

/// Longer texts of providers are cut here: they stand in records and logs.
const SAID_LEN_MAX: usize = 300;

/// A call that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Too many calls.
    #[error("the provider limits calls: {said}")]
    RateLimited {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
        /// In its words.
        said: String,
    },
    /// It cannot at the moment.
    #[error("the provider is overloaded or failing: {said}")]
    Overloaded {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
        /// In its words.
        said: String,
    },
    /// The question is longer than the model can read.
    #[error("the question is too long for the model: {said}")]
    ContextTooLong {
        /// In its words.
        said: String,
    },
    /// The model or its provider will not answer this.
    #[error("the model refused: {said}")]
    Refused {
        /// In its words.
        said: String,
    },
    /// The answer, or the question, is not of the agreed form.
    #[error("not of the agreed form: {said}")]
    Invalid {
        /// What is wrong.
        said: String,
    },
    /// The key is missing, wrong or not allowed.
    #[error("the provider does not accept the key: {said}")]
    Auth {
        /// In its words.
        said: String,
    },
    /// No whole answer before the deadline.
    #[error("no answer within {} ms", .after.as_millis())]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The answer ended in the middle.
    #[error("the answer was cut: {said}")]
    Cut {
        /// Where.
        said: String,
    },
    /// Nobody answers at the address.
    #[error("cannot reach the provider: {said}")]
    Unreachable {
        /// Why.
        said: String,
    },
    /// A budget does not allow the call; nothing was sent.
    #[error("over budget: {said}")]
    Budget {
        /// Which budget.
        said: String,
    },
}

impl CallError {
    /// The one word for it, as it stands in records.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate-limited",
            Self::Overloaded { .. } => "overloaded",
            Self::ContextTooLong { .. } => "context-too-long",
            Self::Refused { .. } => "refused",
            Self::Invalid { .. } => "invalid",
            Self::Auth { .. } => "auth",
            Self::Timeout { .. } => "timeout",
            Self::Cut { .. } => "cut",
            Self::Unreachable { .. } => "unreachable",
            Self::Budget { .. } => "budget",
        }
    }

    /// Answers how the caller may react.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::RateLimited { .. } | Self::Overloaded { .. } | Self::Unreachable { .. } | Self::Cut { .. } => {
                ErrorKind::Busy
            }
            Self::Timeout { .. } => ErrorKind::Late,
            Self::Auth { .. } | Self::Refused { .. } | Self::Budget { .. } => ErrorKind::Denied,
            Self::ContextTooLong { .. } | Self::Invalid { .. } => ErrorKind::Invalid,
        }
    }

    /// How long the provider asked us to wait, where it did.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// An answer that is not of the agreed form.
    pub(crate) fn invalid(said: impl Into<String>) -> Self {
        Self::Invalid { said: said.into() }
    }
}

/// Words that providers use for a question that is too long.
const TOO_LONG: &[&str] = &[
    "context_length",
    "context length",
    "context window",
    "contextwindow",
    "prompt is too long",
    "maximum context",
    "exceed_context_size",
    "exceeds the maximum number of tokens",
    "input token count",
];

/// Reads an HTTP status and body that are no answer.
pub(crate) fn of_status(status: u16, body: &str, retry_after: Option<Duration>) -> CallError {
    let said = said(body);
    let low = body.to_ascii_lowercase();
    match status {
        401 | 403 => CallError::Auth { said },
        429 => CallError::RateLimited { retry_after, said },
        400 | 413 | 422 if TOO_LONG.iter().any(|word| low.contains(word)) => CallError::ContextTooLong { said },
        400 if low.contains("content_filter") || low.contains("content_policy") => CallError::Refused { said },
        408 | 409 | 425 | 500..=599 => CallError::Overloaded { retry_after, said },
        _ => CallError::Invalid { said: format!("status {status}, {said}") },
    }
}

/// Reads an error that came inside a stream that had begun well.
pub(crate) fn in_stream(error: &Value) -> CallError {
    let text = error.to_string();
    let word = |name: &str| error.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let words = ["type", "code", "status"].iter().filter_map(|name| word(name)).collect::<Vec<_>>().join(" ");
    let has = |parts: &[&str]| parts.iter().any(|part| words.to_ascii_lowercase().contains(part));
    let status = match () {
        () if has(&["rate_limit", "429", "resource_exhausted", "insufficient_quota"]) => 429,
        () if has(&["auth", "permission", "401", "403"]) => 401,
        () if has(&["invalid_request", "invalid_argument", "400", "context_length"]) => 400,
        () => 503,
    };
    of_status(status, &text, crate::retry_after::in_body(&text))
}

/// What a provider said, short and in one line: its `error.message` where there is one.
fn said(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let at = |pointer: &str| value.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned);
    let text = at("/error/message").or_else(|| at("/message")).or_else(|| at("/error"));
    let text = text.unwrap_or_else(|| body.to_owned());
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_LEN_MAX).collect();
    if plain.trim().is_empty() { "it said nothing".to_owned() } else { plain.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        let check = |status, body: &str, word: &str| assert_eq!(of_status(status, body, None).word(), word, "{body}");
        check(401, "{}", "auth");
        check(429, "slow down", "rate-limited");
        check(400, r#"{"error":{"code":"context_length_exceeded"}}"#, "context-too-long");
        check(400, r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#, "context-too-long");
        check(400, r#"{"error":{"code":"content_filter"}}"#, "refused");
        check(404, "no such model", "invalid");
        check(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "overloaded");
    }

    #[test]
    fn an_error_inside_a_stream_is_read_by_its_own_words() {
        let check = |error: Value, word: &str| assert_eq!(in_stream(&error).word(), word, "{error}");
        check(serde_json::json!({"type": "rate_limit_error", "message": "m"}), "rate-limited");
        check(serde_json::json!({"code": 429}), "rate-limited");
        check(serde_json::json!({"type": "overloaded_error"}), "overloaded");
        check(serde_json::json!({"status": "RESOURCE_EXHAUSTED", "code": 429}), "rate-limited");
        check(serde_json::json!({"type": "authentication_error"}), "auth");
    }

    #[test]
    fn what_a_provider_said_is_short_and_one_line() {
        assert_eq!(said("{\"error\":{\"message\":\"a\\nb\"}}"), "a b");
        assert_eq!(said(""), "it said nothing");
        assert_eq!(said(&"x".repeat(10_000)).len(), SAID_LEN_MAX);
    }
}
