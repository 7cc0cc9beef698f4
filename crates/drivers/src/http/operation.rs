//! How a manifest says what to send: `{ method = "POST", path = "/refunds" }`, or `{ method = "GET", uri = "{uri}", raw = true }`.
//!
//! Sends nothing and knows no host: it turns arguments into a path or a whole URI, and refuses what could lead elsewhere.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use sinew_expr::{fill, fill_uri, places};

use super::error::HttpError;

/// A checked operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub method: Method,
    pub place: Place,
    /// Every answer is an answer: status, headers and content are handed back as they are.
    pub raw: bool,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Below the device's base; its places are percent-encoded.
    Path(String),
    /// To the URI that this one place names.
    Uri(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    method: String,
    path: Option<String>,
    uri: Option<String>,
    #[serde(default)]
    raw: bool,
}

impl Operation {
    /// Reads and checks an operation.
    pub(super) fn read(value: &Value) -> Result<Self, HttpError> {
        let written = Written::deserialize(value).map_err(|error| problem(error.to_string()))?;
        let operation = Self { method: method(&written.method)?, place: place(&written)?, raw: written.raw };
        if operation.raw && !operation.is_question() {
            return Err(problem("`raw` is for GET and HEAD alone"));
        }
        if matches!(operation.place, Place::Uri(_)) && !operation.is_question() {
            return Err(problem("only GET and HEAD may go to a `uri`; anything else needs a `path` of a device"));
        }
        Ok(operation)
    }

    /// GET and HEAD ask; all others act (RFC 9110, section 9.2.1).
    pub(super) fn is_question(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Place {
    /// The path or URI with its places filled.
    pub(super) fn fill(&self, args: &Value) -> Result<String, HttpError> {
        let wrong = |error: sinew_expr::ExprError| HttpError::Arguments { problem: error.to_string() };
        match self {
            Self::Path(template) => fill_uri(template, args).map_err(wrong),
            Self::Uri(template) => fill(template, args).map_err(wrong),
        }
    }
}

fn problem(problem: impl Into<String>) -> HttpError {
    HttpError::Operation { problem: problem.into() }
}

fn method(name: &str) -> Result<Method, HttpError> {
    match name {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(problem(format!("`{name}` is not one of GET, HEAD, POST, PUT, PATCH, DELETE"))),
    }
}

fn place(written: &Written) -> Result<Place, HttpError> {
    match (&written.path, &written.uri) {
        (Some(path), None) => checked_path(path),
        (None, Some(uri)) => checked_uri(uri),
        _ => Err(problem("exactly one of `path` and `uri` is needed")),
    }
}

fn checked_path(path: &str) -> Result<Place, HttpError> {
    places(path).map_err(|error| problem(error.to_string()))?;
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(problem(format!("path `{path}` must begin with one `/`")));
    }
    if !is_straight(path) || path.contains('#') {
        return Err(problem(format!("path `{path}` has dot segments, spaces, `\\` or `#`")));
    }
    Ok(Place::Path(path.to_owned()))
}

/// A URI is one place alone: text around it could join with the value to another host than either names.
fn checked_uri(uri: &str) -> Result<Place, HttpError> {
    let found = places(uri).map_err(|error| problem(error.to_string()))?;
    match found.as_slice() {
        [one] if *uri == format!("{{{one}}}") => Ok(Place::Uri(uri.to_owned())),
        _ => Err(problem(format!("`uri` must be one place alone, as in `{{uri}}`, not `{uri}`"))),
    }
}

/// Says whether a reader of the text and a parser of URLs see the same path: no dot segments, in whatever spelling, no
/// backslashes, spaces or control characters (WHATWG URL, section 4.4, would silently change all of these).
pub(super) fn is_straight(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    text.chars().all(plain) && path.split('/').all(|segment| segment != "." && segment != "..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_read_or_refused_with_what_is_wrong() {
        let rows = [
            (json!({"method": "POST", "path": "/refunds"}), Ok(())),
            (json!({"method": "GET", "path": "/effects/{key}"}), Ok(())),
            (json!({"method": "GET", "uri": "{uri}", "raw": true}), Ok(())),
            (json!({"method": "post", "path": "/refunds"}), Err("`post` is not one of GET")),
            (json!({"method": "POST"}), Err("exactly one of")),
            (json!({"method": "GET", "path": "/a", "uri": "{uri}"}), Err("exactly one of")),
            (json!({"method": "POST", "path": "refunds"}), Err("must begin with one `/`")),
            (json!({"method": "POST", "path": "//evil.example/x"}), Err("must begin with one `/`")),
            (json!({"method": "GET", "path": "/a/%2E./b"}), Err("dot segments")),
            (json!({"method": "GET", "path": "/a/{key"}), Err("brace")),
            (json!({"method": "POST", "uri": "{uri}"}), Err("only GET and HEAD")),
            (json!({"method": "GET", "uri": "http://{host}/"}), Err("one place alone")),
            (json!({"method": "GET", "uri": "http://shop.local/"}), Err("one place alone")),
            (json!({"method": "POST", "path": "/a", "raw": true}), Err("`raw` is for GET")),
            (json!({"method": "POST", "path": "/a", "body": {}}), Err("unknown field `body`")),
            (json!("POST /a"), Err("invalid type")),
        ];
        for (value, expected) in rows {
            let found = Operation::read(&value).map(drop).map_err(|error| error.to_string());
            match expected {
                Ok(()) => assert_eq!(found, Ok(()), "{value}"),
                Err(part) => assert!(found.clone().is_err_and(|text| text.contains(part)), "{value}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_value_never_leaves_its_segment() {
        let place = Place::Path("/effects/{key}".to_owned());
        let rows = [
            ("refund/o-1/1", Some("/effects/refund%2Fo-1%2F1")),
            ("a?b#c", Some("/effects/a%3Fb%23c")),
            ("../ledger", Some("/effects/..%2Fledger")),
            ("http://evil.example", Some("/effects/http%3A%2F%2Fevil.example")),
            ("é\n", Some("/effects/%C3%A9%0A")),
            ("..", None),
            ("", None),
        ];
        for (key, expected) in rows {
            assert_eq!(place.fill(&json!({"key": key})).ok().as_deref(), expected, "{key}");
        }
        assert!(place.fill(&json!({})).is_err(), "a place without a value");
    }
}
