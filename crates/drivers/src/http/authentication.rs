//! As whom a question is asked: the `authentication` argument becomes a header.
//!
//! Does not know playbooks. A part that is a secret comes as its name and is looked up here, so that it stands in no log.

use reqwest::RequestBuilder;
use serde_json::Value;

use super::error::HttpError;
use crate::surroundings::SecretSource;

/// Adds basic (RFC 7617) or bearer (RFC 6750) authentication.
pub(super) fn authenticate(
    request: RequestBuilder,
    value: &Value,
    secrets: &SecretSource,
) -> Result<RequestBuilder, HttpError> {
    let part = |name: &str| part(value, name, secrets);
    match value.get("scheme").and_then(Value::as_str) {
        Some("basic") => Ok(request.basic_auth(part("username")?, Some(part("password")?))),
        Some("bearer") => Ok(request.bearer_auth(part("token")?)),
        _ => Err(wrong("`authentication.scheme` is neither basic nor bearer".to_owned())),
    }
}

/// A text, or what stands behind `{ "secret": name }`.
fn part(value: &Value, name: &str, secrets: &SecretSource) -> Result<String, HttpError> {
    let found = value.get(name).unwrap_or(&Value::Null);
    let text = match found.get("secret").and_then(Value::as_str) {
        Some(secret) => secrets(&format!("secret:{secret}")).map_err(|failure| wrong(failure.to_string()))?,
        None => {
            let text = found.as_str().map(str::to_owned);
            text.ok_or_else(|| wrong(format!("`authentication.{name}` is no text")))?
        }
    };
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    plain.then_some(text).ok_or_else(|| wrong(format!("`authentication.{name}` is empty or has control characters")))
}

fn wrong(problem: String) -> HttpError {
    HttpError::Arguments { problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sinew_contract::{ErrorKind, Failure};

    use super::*;

    #[test]
    fn a_secret_is_looked_up_by_its_name_and_nothing_else_is() {
        let secrets: Box<SecretSource> = Box::new(|name| match name {
            "secret:shop.token" => Ok("t0p".to_owned()),
            other => Err(Failure::new(ErrorKind::Missing, format!("no `{other}`"))),
        });
        let rows = [
            (json!({ "scheme": "bearer", "token": { "secret": "shop.token" } }), Some("Bearer t0p")),
            (json!({ "scheme": "bearer", "token": "secret:shop.token" }), Some("Bearer secret:shop.token")),
            (json!({ "scheme": "basic", "username": "u", "password": "p" }), Some("Basic dTpw")),
            (json!({ "scheme": "bearer", "token": { "secret": "other" } }), None),
            (json!({ "scheme": "bearer", "token": "a\nb" }), None),
            (json!({ "scheme": "digest" }), None),
        ];
        super::super::install_tls();
        for (value, expected) in rows {
            let client = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
            let request = authenticate(client.get("http://h.example/"), &value, secrets.as_ref());
            let request = request.ok().map(|request| request.build().expect("a request"));
            let header = request.as_ref().and_then(|r| r.headers().get("authorization")).and_then(|v| v.to_str().ok());
            assert_eq!(header, expected, "{value}");
        }
    }
}
