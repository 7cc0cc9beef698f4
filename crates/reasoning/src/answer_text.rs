//! From the text of a model to a value: one JSON value and nothing else, read strictly.
//!
//! Two keys of one name, numbers beyond a double, control characters and texts around the value are no answer.

use serde_json::Value;

/// An answer longer than this is none.
const TEXT_LEN_MAX: usize = 256 * 1024;

/// Reads an answer; a fence of Markdown around it is the one thing that is looked over.
///
/// # Errors
/// In one line, what is wrong with it, for the model to mend.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    if text.len() > TEXT_LEN_MAX {
        return Err(format!("the answer is longer than {TEXT_LEN_MAX} bytes"));
    }
    let value = sinew_expr::json::parse_strict(unfenced(text.trim()))
        .map_err(|e| format!("the answer is no JSON value: {e}"))?;
    match has_control(&value) {
        true => Err("a text of the answer has control characters".to_owned()),
        false => Ok(value),
    }
}

fn unfenced(text: &str) -> &str {
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let inner = inner.map(|inner| inner.strip_prefix("json").unwrap_or(inner));
    inner.map_or(text, str::trim)
}

/// Control characters other than tab and line breaks: they can hide text from people.
fn has_control(value: &Value) -> bool {
    let hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match value {
        Value::String(text) => text.chars().any(hidden),
        Value::Array(items) => items.iter().any(has_control),
        Value::Object(map) => map.iter().any(|(name, value)| name.chars().any(hidden) || has_control(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_value_is_an_answer() {
        for (text, expected) in [
            ("{\"a\": 1}", json!({"a": 1})),
            (" \n3.5 ", json!(3.5)),
            ("```json\n{\"a\": \"b\\nc\"}\n```", json!({"a": "b\nc"})),
            ("```\n[]\n```", json!([])),
        ] {
            assert_eq!(read(text), Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "Here you are: {\"a\": 1}",
            "{\"a\": 1} {\"a\": 2}",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": 1e999}",
            "{\"a\": NaN}",
            "{\"a\": 1",
            "{\"a\": \"\\u0007\"}",
            "{\"a\": \"\\u202e\"}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"1".repeat(TEXT_LEN_MAX + 1)).is_err());
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
