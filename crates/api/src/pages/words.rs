//! Numbers, times and confidence in words that people read. Pure.
//!
//! Does not know HTML but for `when`, which marks a time up.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::Value;
use sinew_contract::Timestamp;

use crate::views::When;

/// 24: more lines of arguments than a person reads; the whole stands below as JSON.
const LEAVES_MAX: usize = 24;

/// `420 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span_ms(ms: u64) -> String {
    let s = ms / 1_000;
    let pair = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match s {
        0 => format!("{ms} ms"),
        1..=59 => format!("{s}.{} s", ms % 1_000 / 100),
        60..=3_599 => pair(s / 60, "min", s % 60, "s"),
        3_600..=86_399 => pair(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => pair(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// As `span_ms`, but rough: `20 s`, `3 min`, `2 h`, `3 d`.
pub(crate) fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        s @ 0..=59 => format!("{s} s"),
        s @ 60..=3_599 => format!("{} min", s / 60),
        s @ 3_600..=86_399 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        s => format!("{} d", s / 86_400),
    }
}

/// Milliseconds between two moments; zero if the second was not later.
pub(crate) fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

/// `3 min ago`, with the exact time for those who point at it.
pub(crate) fn ago(now: Timestamp, at: When) -> Markup {
    let text = match now.since(at.0) {
        short if short < Duration::from_secs(10) => "just now".to_owned(),
        long => format!("{} ago", rough(long)),
    };
    html! { time datetime=(at) title=(utc(at)) { (text) } }
}

/// The time of day, with the exact time for those who point at it.
pub(crate) fn clock(at: When) -> Markup {
    let text = utc(at);
    let time = text.get(11..19).unwrap_or(&text);
    html! { time datetime=(at) title=(text) { (time) } }
}

/// The day and the minute: `2026-11-22 09:00 UTC`.
pub(crate) fn minute(at: When) -> String {
    let text = utc(at);
    text.get(..16).map_or_else(|| text.clone(), |minute| format!("{minute} UTC"))
}

/// `2026-11-22 09:00:00 UTC`.
pub(crate) fn utc(at: When) -> String {
    match jiff::Timestamp::from_microsecond(at.0.0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

/// What a thing cost, from millionths: `0.00 EUR`, `0.0012 EUR`, `0.0837 EUR`, `12.35 EUR`. Three digits that count; from
/// one whole unit on, two decimals.
pub(crate) fn cost(micros: i64, currency: &str) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = rounded(micros.unsigned_abs());
    let (whole, fraction) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("{sign}{whole}.{} {currency}", fraction.get(..kept).unwrap_or(&fraction))
}

/// Rounded to the digits that a person compares.
fn rounded(micros: u64) -> u64 {
    let step = match micros {
        0..=999 => 1,
        1_000..=9_999 => 10,
        10_000..=99_999 => 100,
        100_000..=999_999 => 1_000,
        _ => 10_000,
    };
    micros.saturating_add(step / 2) / step * step
}

/// How sure, as a band. Never a bare number: it would be read as a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Band {
    Low,
    Medium,
    High,
}

impl Band {
    /// 900 and 600: two readings that agree give more than 900; one reading alone gives 600 or more.
    pub(crate) const fn of(permille: u16) -> Self {
        match permille {
            900.. => Self::High,
            600..=899 => Self::Medium,
            _ => Self::Low,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Low => "The checks disagree, or could not be made. Look at the evidence itself.",
            Self::Medium => "Some checks agree; not all of them could be made.",
            Self::High => "The checks that were made agree with each other.",
        }
    }
}

/// A sentence from a lower-case message without a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

/// A sentence in which what stands between backticks is shown as code.
pub(crate) fn prose(text: &str) -> Markup {
    let sentence = sentence(text);
    html! {
        @for (at, part) in sentence.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A reason in words; the rule that gave it, where one did, stands behind it.
pub(crate) fn reasoned(reason: &str) -> Markup {
    let ruled = reason.split_once(": ").filter(|(rule, _)| rule.contains('-') && !rule.contains(' '));
    match ruled {
        Some((rule, words)) => html! { (prose(words)) " " code.muted { (rule) } },
        None => prose(reason),
    }
}

/// `1 return`, `2 returns`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// Names and values of all leaves, in order, and whether some were left out.
pub(crate) fn leaves(value: &Value) -> (Vec<(String, String)>, bool) {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    let more = found.len() > LEAVES_MAX;
    found.truncate(LEAVES_MAX);
    (found, more)
}

fn collect(value: &Value, name: String, found: &mut Vec<(String, String)>) {
    if found.len() > LEAVES_MAX {
        return;
    }
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name} › {key}") };
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, v)| collect(v, below(key), found)),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, v)| collect(v, below(&(at + 1).to_string()), found));
        }
        _ => found.push((name, plain(value))),
    }
}

/// A value as text: strings raw, everything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// JSON on many lines.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Text inside a query value (RFC 3986, section 3.4).
pub(crate) fn in_query(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(b);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A path and query that may stand in an attribute with a grammar of its own.
pub(crate) fn in_path(path: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~/?=&%".contains(b);
    path.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        let check = |ms, expected: &str| assert_eq!(span_ms(ms), expected);
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_250, "1.2 s");
        check(60_000, "1 min");
        check(200_000, "3 min 20 s");
        check(7_500_000, "2 h 5 min");
        check(u64::MAX, "213503982334 d 14 h");
    }

    #[test]
    fn costs_keep_the_digits_that_count() {
        let check = |micros, expected: &str| assert_eq!(cost(micros, "EUR"), expected);
        check(0, "0.00 EUR");
        check(1_200, "0.0012 EUR");
        check(350_000, "0.35 EUR");
        check(-2_500_000, "-2.50 EUR");
        check(83_667, "0.0837 EUR");
        check(999_960, "1.00 EUR");
        check(12_345_678, "12.35 EUR");
        check(i64::MIN, "-9223372036854.78 EUR");
    }

    #[test]
    fn confidence_is_a_band() {
        let words = [0, 599, 600, 899, 900, 1000].map(|permille| Band::of(permille).word());
        assert_eq!(words, ["low", "low", "medium", "medium", "high", "high"]);
    }

    #[test]
    fn arguments_are_listed_leaf_by_leaf() {
        let args =
            serde_json::json!({"order": "1043", "amount": {"minor": 4200, "currency": "EUR"}, "tags": ["a"], "x": {}});
        let expected = [
            ("order", "1043"),
            ("amount › minor", "4200"),
            ("amount › currency", "EUR"),
            ("tags › 1", "a"),
            ("x", "{}"),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(leaves(&args), (expected, false));
        let long: Value = (0..100).collect();
        let (found, more) = leaves(&long);
        assert_eq!((found.len(), more), (LEAVES_MAX, true));
    }

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("there is no run `r1`"), "There is no run `r1`.");
        assert_eq!(sentence(""), "");
    }
}
