//! What goes wrong, as RFC 9457 problem details under `/v1` and as a page elsewhere.
//!
//! Does not know how pages look. A problem's `detail` is for the caller: it names what was sent and how to mend it, and
//! never what lies inside.

use std::error::Error as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sinew_contract::{ErrorKind, Failure};
use utoipa::ToSchema;

/// Problem details (RFC 9457, section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:sinew:problem:missing`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This one, and how to mend it.
    pub detail: String,
    /// After how many seconds to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of a kind that has its own word.
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("urn:sinew:problem:{word}"),
            title: title(word).into(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// The input is wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// There is no such thing.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "missing", detail)
    }

    /// It may not be done, by this caller or in this way.
    pub fn denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", detail)
    }

    /// Nobody knows who is calling.
    pub fn unknown_caller() -> Self {
        let detail = "sign in at /login, or send `Authorization: Bearer` with a token";
        Self::new(StatusCode::UNAUTHORIZED, "unknown-caller", detail)
    }

    /// More was sent than is taken.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// The status as a type.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The titles that go with the words.
fn title(word: &str) -> &'static str {
    match word {
        "invalid" => "That cannot be understood",
        "missing" => "There is no such thing",
        "denied" => "That may not be done",
        "unknown-caller" => "Who is calling?",
        "conflict" => "The world has changed meanwhile",
        "too-large" => "That is too much at once",
        "busy" => "Not now; try again soon",
        "late" => "It took too long; nothing was done",
        _ => "Something is broken here",
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (status, word) = match failure.kind() {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::Missing => (StatusCode::NOT_FOUND, "missing"),
            ErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ErrorKind::Late => (StatusCode::GATEWAY_TIMEOUT, "late"),
            ErrorKind::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "broken"),
        };
        if matches!(failure.kind(), ErrorKind::Broken) {
            let cause = failure.source().map(ToString::to_string);
            tracing::error!(%failure, cause, "a request failed");
        }
        let mut problem = Self::new(status, word, failure.to_string());
        problem.retry_after_s = failure.kind().is_retryable().then_some(1);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("invariant: a problem is text and numbers");
        let mut response = (self.status_code(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sinew\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_its_status() {
        let check = |kind, status, word: &str| {
            let problem = Problem::from(Failure::new(kind, "cannot read run `r1`"));
            assert_eq!((problem.status, problem.problem_type.as_str()), (status, word));
            assert_eq!(problem.retry_after_s.is_some(), kind.is_retryable());
        };
        check(ErrorKind::Invalid, 400, "urn:sinew:problem:invalid");
        check(ErrorKind::Missing, 404, "urn:sinew:problem:missing");
        check(ErrorKind::Denied, 403, "urn:sinew:problem:denied");
        check(ErrorKind::Conflict, 409, "urn:sinew:problem:conflict");
        check(ErrorKind::Busy, 503, "urn:sinew:problem:busy");
        check(ErrorKind::Late, 504, "urn:sinew:problem:late");
        check(ErrorKind::Broken, 500, "urn:sinew:problem:broken");
    }
}
