//! What an answer over HTTP means: for a question, for a raw question, for a command.
//!
//! Pure: the bytes have arrived and are bounded. The whole table of status codes stands here.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use serde_json::{Map, Value, json};
use sinew_contract::{Reply, Timestamp};
use sinew_expr::json::parse_strict;

use super::error::HttpError;

const TEXT_LEN_MAX: usize = 500;
// A day: a target that says more is wrong or wants us gone; either way the caller looks again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// An answer that has arrived whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Who answered, for messages.
    pub target: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// As the answer to a question below the device's base.
    pub(super) fn into_question(self, now: Timestamp) -> Result<Value, HttpError> {
        let (status, text) = (self.status, self.reason());
        let target = self.target.clone();
        match status {
            200..=299 => self.json(),
            300..=399 => Err(HttpError::Redirect { target }),
            401 | 403 => Err(HttpError::Denied { target, status, text }),
            404 | 410 => Err(HttpError::Missing { target, status }),
            408 | 425 | 429 | 500..=599 => {
                Err(HttpError::Busy { target, status, retry_after_ms: self.retry_after_ms(now), text })
            }
            _ => Err(HttpError::Wrong { target, status, text }),
        }
    }

    /// As the answer to a raw question: whatever the target says is the answer, unless it says to come back.
    pub(super) fn into_raw_question(self, now: Timestamp) -> Result<Value, HttpError> {
        if self.status == 503 {
            return self.into_question(now);
        }
        let headers = self.headers.iter().filter(|(name, _)| *name != SET_COOKIE);
        let headers: Map<String, Value> =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())).collect();
        Ok(json!({"status": self.status, "headers": headers, "content": self.content()}))
    }

    /// As the answer to a command. `knows_expiry` says that 410 means "expired".
    pub(super) fn into_command(self, now: Timestamp, knows_expiry: bool) -> Result<Reply, HttpError> {
        let text = self.reason();
        match self.status {
            200..=299 => Ok(Reply::Accepted(self.content())),
            408 | 425 => Ok(Reply::Busy { retry_after_ms: None, reason: text }),
            429 | 503 => Ok(Reply::Busy { retry_after_ms: self.retry_after_ms(now), reason: text }),
            // It did nothing and never will under this expiry; a new one may be tried at once.
            410 if knows_expiry => Ok(Reply::Busy { retry_after_ms: Some(0), reason: "expired".to_owned() }),
            400..=499 => Ok(Reply::Refused(text)),
            status => Err(HttpError::Unsure { target: self.target, status, text }),
        }
    }

    fn json(self) -> Result<Value, HttpError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let text = str::from_utf8(&self.body).map_err(|error| error.to_string());
        let value = text.and_then(|text| parse_strict(text).map_err(|error| error.to_string()));
        value.map_err(|problem| HttpError::Answer { target: self.target, problem })
    }

    /// The body as JSON where it says that it is and is; else as text; nothing is null.
    fn content(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        if self.body.is_empty() {
            return Value::Null;
        }
        let json = self.is_json().then(|| parse_strict(&text).ok()).flatten();
        json.unwrap_or_else(|| text.into_owned().into())
    }

    fn is_json(&self) -> bool {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    }

    /// What the target says in words: the detail of a problem document (RFC 9457), else the start of the body.
    fn reason(&self) -> String {
        let content = self.content();
        let member = |name: &str| content.get(name).and_then(Value::as_str);
        let words = member("detail").or_else(|| member("title")).or_else(|| content.as_str());
        let words = words.map_or_else(|| format!("status {}", self.status), str::to_owned);
        words.chars().filter(|c| !c.is_control() || *c == '\n').take(TEXT_LEN_MAX).collect()
    }

    /// RFC 9110, section 10.2.3: seconds, or a date.
    fn retry_after_ms(&self, now: Timestamp) -> Option<u64> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let moment = DateTimeParser::new().parse_timestamp(text).ok()?;
                Timestamp(moment.as_microsecond()).since(now)
            }
        };
        u64::try_from(wait.min(RETRY_AFTER_MAX).as_millis()).ok()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use sinew_contract::ErrorKind;

    use super::*;

    const NOON: Timestamp = Timestamp(784_111_777_000_000 - 5_000_000);

    fn answer(status: u16, media_type: &'static str, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Answer { target: "POST shop.local/refunds".to_owned(), status, headers, body: body.into() }
    }

    #[test]
    fn every_status_of_a_command_says_what_became_of_it() {
        let problem = r#"{"title": "conflict", "detail": "already refunded"}"#;
        let accepted = |body: Value| Ok(Reply::Accepted(body));
        let refused = || Ok(Reply::Refused("already refunded".to_owned()));
        let busy = |ms, reason: &str| Ok(Reply::Busy { retry_after_ms: ms, reason: reason.to_owned() });
        let rows = [
            (201, r#"{"refund": "rf-1"}"#, accepted(json!({"refund": "rf-1"}))),
            (204, "", accepted(Value::Null)),
            (200, "not json", accepted(json!("not json"))),
            (409, problem, refused()),
            (422, problem, refused()),
            (404, problem, refused()),
            (410, problem, busy(Some(0), "expired")),
            (408, "", busy(None, "status 408")),
            (503, problem, busy(None, "already refunded")),
            (429, "", busy(None, "status 429")),
            (500, "", Err(ErrorKind::Broken)),
            (502, "", Err(ErrorKind::Broken)),
            (504, "", Err(ErrorKind::Broken)),
            (303, "", Err(ErrorKind::Broken)),
        ];
        for (status, body, expected) in rows {
            let found = answer(status, "application/problem+json", body).into_command(NOON, true);
            assert_eq!(found.map_err(|error| error.kind()), expected, "{status} {body}");
        }
        let gone = answer(410, "application/json", problem).into_command(NOON, false);
        assert_eq!(gone.map_err(|error| error.kind()), refused(), "a target that knows no expiry means what it says");
    }

    #[test]
    fn every_status_of_a_question_has_its_kind() {
        let rows = [
            (302, ErrorKind::Denied),
            (400, ErrorKind::Invalid),
            (401, ErrorKind::Denied),
            (403, ErrorKind::Denied),
            (404, ErrorKind::Missing),
            (410, ErrorKind::Missing),
            (422, ErrorKind::Invalid),
            (429, ErrorKind::Busy),
            (500, ErrorKind::Busy),
            (503, ErrorKind::Busy),
        ];
        for (status, kind) in rows {
            let found = answer(status, "text/plain", "no").into_question(NOON);
            assert_eq!(found.map_err(|error| error.kind()), Err(kind), "{status}");
        }
        assert!(
            matches!(answer(200, "text/html", "{\"a\":1}").into_question(NOON), Ok(value) if value == json!({"a": 1}))
        );
        assert!(answer(200, "application/json", "{\"a\":1,\"a\":2}").into_question(NOON).is_err(), "a key twice");
    }

    #[test]
    fn a_raw_question_takes_every_answer_but_come_back() {
        let found =
            answer(404, "application/json; charset=utf-8", "{\"a\":1}").into_raw_question(NOON).expect("an answer");
        let headers = json!({"content-type": "application/json; charset=utf-8"});
        assert_eq!(found, json!({"status": 404, "headers": headers, "content": {"a": 1}}));
        let text = answer(200, "text/plain", "hello").into_raw_question(NOON).expect("an answer");
        assert_eq!(text.get("content"), Some(&json!("hello")));
        let busy = answer(503, "text/plain", "").into_raw_question(NOON).map_err(|error| error.kind());
        assert_eq!(busy, Err(ErrorKind::Busy));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let rows = [
            ("7", Some(7_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(5_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999", Some(86_400_000)),
            ("soon", None),
            ("-1", None),
        ];
        for (text, expected) in rows {
            let mut answer = answer(503, "text/plain", "");
            answer.headers.insert(RETRY_AFTER, text.parse().expect("a header value"));
            assert_eq!(answer.retry_after_ms(NOON), expected, "{text}");
        }
    }
}
