//! The file of an HTTP device.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use sinew_contract::DeviceId;

use crate::open::OpenError;
use crate::surroundings::SecretSource;

/// One file of `devices/` with `driver = "http"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpConfig {
    /// The device's name, as manifests name it.
    pub id: DeviceId,
    /// Always `http`.
    pub driver: String,
    /// Where its paths start: scheme and logical host, as in `http://shop.local`. None: only operations with a whole `uri`.
    #[serde(default)]
    pub base: Option<String>,
    /// The header that carries the idempotency key. Default `Idempotency-Key`.
    #[serde(default = "default_key_header")]
    pub key_header: String,
    /// The header that carries the moment past which the target must refuse, in RFC 3339. None: the target knows no expiry.
    #[serde(default)]
    pub expires_header: Option<String>,
    /// How long one exchange may take, as in `"5s"`. Default 5 s, at most 60 s.
    #[serde(default = "default_timeout")]
    pub timeout: SignedDuration,
    /// Header -> reference of the secret that it carries, as in `authorization = "env:SHOP_TOKEN"`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

fn default_key_header() -> String {
    "Idempotency-Key".to_owned()
}
const fn default_timeout() -> SignedDuration {
    SignedDuration::from_secs(5)
}

impl HttpConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// `Config` where a field is missing, unknown or wrong.
    pub fn read(file: &Value) -> Result<Self, OpenError> {
        let config = Self::deserialize(file).map_err(|error| OpenError::config(error.to_string()))?;
        config.timeout()?;
        Ok(config)
    }

    pub(super) fn timeout(&self) -> Result<Duration, OpenError> {
        let timeout = Duration::try_from(self.timeout).unwrap_or_default();
        let good = (Duration::from_millis(1)..=Duration::from_secs(60)).contains(&timeout);
        good.then_some(timeout)
            .ok_or_else(|| OpenError::config("`timeout` must be more than nothing and at most \"60s\""))
    }

    pub(super) fn key_header(&self) -> Result<HeaderName, OpenError> {
        header_name(&self.key_header)
    }

    pub(super) fn expires_header(&self) -> Result<Option<HeaderName>, OpenError> {
        self.expires_header.as_deref().map(header_name).transpose()
    }

    /// Resolves the secrets; their headers are marked, so that no log prints them.
    pub(super) fn secret_headers(&self, secrets: &SecretSource) -> Result<HeaderMap, OpenError> {
        let mut headers = HeaderMap::new();
        for (name, reference) in &self.headers {
            headers.insert(header_name(name)?, secret_value(name, reference, secrets)?);
        }
        Ok(headers)
    }
}

fn secret_value(name: &str, reference: &str, secrets: &SecretSource) -> Result<HeaderValue, OpenError> {
    if !reference.starts_with("env:") && !reference.starts_with("file:") {
        return Err(OpenError::config(format!("header `{name}` must refer to a secret: `env:NAME` or `file:PATH`")));
    }
    let text = secrets(reference).map_err(|source| OpenError::Secret { reference: reference.to_owned(), source })?;
    let mut value = HeaderValue::from_str(text.trim()).map_err(|_| {
        OpenError::config(format!("the secret of header `{name}` has characters that no header can carry"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_name(name: &str) -> Result<HeaderName, OpenError> {
    name.parse().map_err(|_| OpenError::config(format!("`{name}` is not the name of a header")))
}
