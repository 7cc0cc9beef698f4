//! Durations as the DSL writes them: `{ minutes: 5 }` or ISO 8601 `PT5M`.
//!
//! Does not know a calendar: a day is 24 hours, and months and years are refused.

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::Value;

/// Longer is a mistake. Ten years: longer than any deployment waits for one answer.
const MAX: SignedDuration = SignedDuration::from_hours(24 * 3653);

/// Reads a duration; the error says what is wrong with it.
pub(crate) fn read_duration(value: &Value) -> Result<SignedDuration, String> {
    let duration = match value {
        Value::String(text) => iso(text)?,
        Value::Object(parts) if !parts.is_empty() => {
            parts.iter().try_fold(SignedDuration::ZERO, |sum, (unit, count)| {
                sum.checked_add(part(unit, count)?).ok_or_else(|| "it is out of range".to_owned())
            })?
        }
        other => return Err(format!("`{other}` is no duration")),
    };
    match duration {
        d if d.is_negative() => Err("it is negative".to_owned()),
        d if d > MAX => Err("it is longer than ten years".to_owned()),
        d => Ok(d),
    }
}

fn iso(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text
        .starts_with('P')
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| format!("`{text}` is no ISO 8601 duration"))?;
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("`{text}` has months or years, which have no fixed length"))
}

fn part(unit: &str, count: &Value) -> Result<SignedDuration, String> {
    let count = count.as_i64().filter(|n| *n >= 0);
    let count = count.ok_or_else(|| format!("`{unit}` is not a whole number from 0"))?;
    let millis: i64 = match unit {
        "days" => 86_400_000,
        "hours" => 3_600_000,
        "minutes" => 60_000,
        "seconds" => 1_000,
        "milliseconds" => 1,
        other => return Err(format!("`{other}` is no unit; there are days, hours, minutes, seconds, milliseconds")),
    };
    count.checked_mul(millis).map(SignedDuration::from_millis).ok_or_else(|| "it is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_in_both_forms() {
        let cases = [
            (json!("PT24H"), Ok(86_400_000)),
            (json!("P1DT1.5S"), Ok(86_401_500)),
            (json!("P1W"), Ok(604_800_000)),
            (json!({ "minutes": 2, "milliseconds": 5 }), Ok(120_005)),
            (json!("P1M"), Err("`P1M` has months or years, which have no fixed length")),
            (json!("5 minutes"), Err("`5 minutes` is no ISO 8601 duration")),
            (json!("-PT5S"), Err("`-PT5S` is no ISO 8601 duration")),
            (json!({}), Err("`{}` is no duration")),
            (json!({ "weeks": 1 }), Err("`weeks` is no unit; there are days, hours, minutes, seconds, milliseconds")),
            (json!({ "days": 1.5 }), Err("`days` is not a whole number from 0")),
            (json!({ "days": 9_223_372_036_854_775_807_i64 }), Err("it is out of range")),
            (json!({ "days": 4000 }), Err("it is longer than ten years")),
            (json!(5), Err("`5` is no duration")),
        ];
        for (value, expected) in cases {
            let read = read_duration(&value).map(|d| d.as_millis());
            assert_eq!(read, expected.map(i128::from).map_err(str::to_owned), "{value}");
        }
    }
}
