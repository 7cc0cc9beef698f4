//! How long a provider asks us to wait, in all the forms in which providers say it.
//!
//! | form | who |
//! |---|---|
//! | `retry-after-ms: 1500` | OpenAI, Azure |
//! | `retry-after: 7` or `7.5`, seconds | RFC 9110, section 10.2.3 |
//! | `retry-after: Sun, 22 Nov 2026 21:05:19 GMT` | RFC 9110, section 10.2.3 |
//! | `llm_provider-retry-after: 7` | LiteLLM hands the provider's header on under this name |
//! | `{"error": {"details": [{"retryDelay": "7s"}]}}` | Gemini (`google.rpc.RetryInfo`) |
//!
//! Does not know what is done about it.

use std::time::Duration;

use serde_json::Value;
use sinew_contract::Timestamp;

/// Nobody waits longer than a day for a model; a larger number is a mistake or an attack.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// Reads the wait from headers and body; the headers are asked by name, in lower case.
pub(crate) fn read<'h>(header: impl Fn(&str) -> Option<&'h str>, body: &str, now: Timestamp) -> Option<Duration> {
    let ms = header("retry-after-ms").and_then(seconds).map(|s| s / 1_000);
    let plain = |name: &str| header(name).and_then(|text| seconds(text).or_else(|| date(text, now)));
    let wait = ms.or_else(|| plain("retry-after")).or_else(|| plain("llm_provider-retry-after"));
    wait.or_else(|| in_body(body)).map(|wait| wait.min(WAIT_MAX))
}

/// Reads the wait from a body alone.
pub(crate) fn in_body(body: &str) -> Option<Duration> {
    let value: Value = serde_json::from_str(body).ok()?;
    let error = value.get(0).unwrap_or(&value);
    let error = error.get("error").unwrap_or(error);
    let delays = error.get("details")?.as_array()?.iter().filter_map(|detail| detail.get("retryDelay")?.as_str());
    delays.filter_map(|text| seconds(text.trim_end_matches('s'))).max().map(|wait| wait.min(WAIT_MAX))
}

fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

fn date(text: &str, now: Timestamp) -> Option<Duration> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Timestamp(at.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_445_412_475_000_000);

    fn check(headers: &[(&str, &str)], body: &str, expected_ms: Option<u64>) {
        let header = |name: &str| headers.iter().find(|(own, _)| *own == name).map(|(_, text)| *text);
        assert_eq!(read(header, body, NOW), expected_ms.map(Duration::from_millis), "{headers:?} {body}");
    }

    #[test]
    fn all_forms_are_understood() {
        check(&[("retry-after", "7")], "", Some(7_000));
        check(&[("retry-after", "0.25")], "", Some(250));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "", Some(5_000));
        check(&[("retry-after-ms", "1500"), ("retry-after", "9")], "", Some(1_500));
        check(&[("llm_provider-retry-after", "3")], "", Some(3_000));
        let gemini = r#"{"error":{"code":429,"details":[{"@type":"x"},{"retryDelay":"2.5s"}]}}"#;
        check(&[], gemini, Some(2_500));
        check(&[], &format!("[{gemini}]"), Some(2_500));
    }

    #[test]
    fn nonsense_is_no_wait_and_no_panic() {
        for text in ["-1", "soon", "", "1e99", "NaN", "inf"] {
            check(&[("retry-after", text)], "{", None);
        }
        check(&[("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT")], "", Some(0));
        check(&[("retry-after", "99999999")], "", Some(86_400_000));
    }
}
