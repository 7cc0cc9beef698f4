//! Samples in and out by standards: SenML (RFC 8428) and InfluxDB line protocol in, OpenMetrics 1.0 out.
//!
//! Knows texts; not who sends them. A partly bad text gives its good part and a list of what was bad.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Sample, Timestamp};

/// One line or record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {place}: {what}")]
pub struct LineError {
    /// Which, from 1.
    pub place: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Times below this are relative to now (RFC 8428, section 4.5.3).
const RELATIVE_BELOW: f64 = 268_435_456.0;

/// Reads a SenML pack in JSON. Base values are resolved; texts and blobs are passed over, truth values are 0 and 1.
pub fn senml(text: &str, now: Timestamp) -> (Vec<Sample>, Vec<LineError>) {
    let records: Vec<Value> = match serde_json::from_str(text) {
        Ok(records) => records,
        Err(error) => return (Vec::new(), vec![LineError { place: 1, what: format!("not a SenML pack: {error}") }]),
    };
    let (mut samples, mut errors) = (Vec::new(), Vec::new());
    let (mut base_name, mut base_time, mut base_value) = (String::new(), 0.0, 0.0);
    for (record, place) in records.iter().zip(1..) {
        let number = |key: &str| record.get(key).and_then(Value::as_f64);
        if let Some(name) = record.get("bn").and_then(Value::as_str) {
            name.clone_into(&mut base_name);
        }
        base_time = number("bt").unwrap_or(base_time);
        base_value = number("bv").unwrap_or(base_value);
        let truth = record.get("vb").and_then(Value::as_bool).map(|truth| f64::from(u8::from(truth)));
        let Some(value) = number("v").map(|value| value + base_value).or(truth) else { continue };
        let name = format!("{base_name}{}", record.get("n").and_then(Value::as_str).unwrap_or_default());
        if name.is_empty() {
            errors.push(LineError { place, what: "has no name; give `n` or `bn`".to_owned() });
            continue;
        }
        let seconds = base_time + number("t").unwrap_or(0.0);
        let at = if seconds < RELATIVE_BELOW { now.0.saturating_add(micros(seconds)) } else { micros(seconds) };
        samples.push(Sample { series: name.into(), at: Timestamp(at), value });
    }
    (samples, errors)
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float stays at the ends of its range")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// Reads InfluxDB line protocol, times in nanoseconds. A series is named `measurement{tags}/field`; text fields are passed over.
pub fn influx(text: &str, now: Timestamp) -> (Vec<Sample>, Vec<LineError>) {
    let (mut samples, mut errors) = (Vec::new(), Vec::new());
    for (line, place) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match influx_line(line, now) {
            Ok(found) => samples.extend(found),
            Err(what) => errors.push(LineError { place, what: what.to_owned() }),
        }
    }
    (samples, errors)
}

fn influx_line(line: &str, now: Timestamp) -> Result<Vec<Sample>, &'static str> {
    let mut parts = split(line, ' ').into_iter().filter(|part| !part.is_empty());
    let head = parts.next().ok_or("is empty")?;
    let fields = parts.next().ok_or("has no fields; write `measurement,tag=x field=1 time`")?;
    let at = match parts.next() {
        Some(time) => Timestamp(time.parse::<i64>().map_err(|_| "its time is no whole number of nanoseconds")? / 1_000),
        None => now,
    };
    let mut names = split(head, ',').into_iter();
    let measurement = plain(names.next().unwrap_or_default());
    let mut tags: Vec<(String, String)> = names
        .map(|tag| tag.split_once('=').map(|(key, value)| (plain(key), plain(value))).ok_or("has a tag without `=`"))
        .collect::<Result<_, _>>()?;
    tags.sort();
    let tags: Vec<String> = tags.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let series = if tags.is_empty() { measurement } else { format!("{measurement}{{{}}}", tags.join(",")) };
    let mut samples = Vec::new();
    for field in split(fields, ',') {
        let (key, value) = field.split_once('=').ok_or("has a field without `=`")?;
        if let Some(value) = influx_value(value)? {
            let series: Arc<str> = format!("{series}/{}", plain(key)).into();
            samples.push(Sample { series, at, value });
        }
    }
    Ok(samples)
}

/// None for text.
fn influx_value(text: &str) -> Result<Option<f64>, &'static str> {
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(Some(1.0)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(Some(0.0)),
        _ if text.starts_with('"') => return Ok(None),
        _ => {}
    }
    let number = text.strip_suffix(['i', 'u']).unwrap_or(text).parse::<f64>().ok().filter(|value| value.is_finite());
    number.map(Some).ok_or("has a field that is no number, truth value or quoted text")
}

/// Splits at a character that is neither escaped nor in quotes.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if c == at && !quoted => {
                parts.push(text.get(start..place).unwrap_or_default());
                start = place + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn plain(text: &str) -> String {
    text.replace("\\ ", " ").replace("\\,", ",").replace("\\=", "=")
}

/// Writes the latest value of each series as OpenMetrics text: one metric, the series' name as its label.
pub fn openmetrics(latest: &[(String, Timestamp, f64)]) -> String {
    let mut text = String::from("# TYPE sinew_sample gauge\n# HELP sinew_sample The latest value of each series.\n");
    for (series, at, value) in latest {
        let name = series.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let (seconds, rest) = (at.0.div_euclid(1_000_000), at.0.rem_euclid(1_000_000));
        // Writing to a text cannot fail.
        let _ = writeln!(text, "sinew_sample{{series=\"{name}\"}} {value} {seconds}.{rest:06}");
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn told(samples: &[Sample]) -> Vec<(String, i64, f64)> {
        samples.iter().map(|s| (s.series.to_string(), s.at.0, s.value)).collect()
    }

    #[test]
    fn senml_base_values_are_resolved() {
        let pack = r#"[{"bn":"urn:dev:1:","bt":1.276020076e+09,"bv":20,"n":"temp","v":3.5},{"n":"open","vb":true,"t":-5},
            {"n":"note","vs":"hi"},{"bn":"","v":1,"n":""}]"#;
        let (samples, errors) = senml(pack, NOW);
        let expected = [
            ("urn:dev:1:temp".to_owned(), 1_276_020_076_000_000, 23.5),
            ("urn:dev:1:open".to_owned(), 1_276_020_071_000_000, 1.0),
        ];
        assert_eq!(told(&samples), expected);
        assert_eq!(errors.iter().map(|error| error.place).collect::<Vec<_>>(), [4]);
        let (samples, _) = senml(r#"[{"n":"a","v":1,"t":-2}]"#, NOW);
        assert_eq!(told(&samples), [("a".to_owned(), NOW.0 - 2_000_000, 1.0)]);
        assert_eq!(senml("{", NOW).1.len(), 1);
    }

    #[test]
    fn influx_lines_give_one_series_per_field() {
        let text =
            "pump,side=left,hall=a\\ b flow=1.5,open=t,note=\"x, y\",n=7i 1276020076000000000\n# no\nbad\npump flow=x";
        let (samples, errors) = influx(text, NOW);
        let at = 1_276_020_076_000_000;
        let expected = [
            ("pump{hall=a b,side=left}/flow".to_owned(), at, 1.5),
            ("pump{hall=a b,side=left}/open".to_owned(), at, 1.0),
            ("pump{hall=a b,side=left}/n".to_owned(), at, 7.0),
        ];
        assert_eq!(told(&samples), expected);
        assert_eq!(errors.iter().map(|error| error.place).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn openmetrics_escapes_names_and_ends() {
        let text = openmetrics(&[("a\"b".to_owned(), Timestamp(1_500_000), 2.5)]);
        assert!(text.contains("sinew_sample{series=\"a\\\"b\"} 2.5 1.500000\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
