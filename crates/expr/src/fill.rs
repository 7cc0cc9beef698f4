//! Places in texts: `{/amount/minor}` and `{name}` are filled from arguments.
//!
//! Does not know what the text is for. A place is a JSON pointer (RFC 6901) or the name of a top-level member;
//! `{{` and `}}` stand for the braces themselves.

use serde_json::Value;

use crate::{ExprError, canonical};

/// Fills all places of a text: strings as they are, other values as JSON.
///
/// # Errors
/// `Place` where a place is not closed, or nothing stands there in `args`.
pub fn fill(template: &str, args: &Value) -> Result<String, ExprError> {
    fill_with(template, args, |text| text)
}

/// As `fill`, with everything but `A-Z a-z 0-9 - . _ ~` percent-encoded (RFC 3986, section 2.3), so that a value can
/// never leave its segment of a path or its part of a query.
///
/// # Errors
/// As `fill`; also where a value is empty or all dots, which a path would swallow.
pub fn fill_uri(template: &str, args: &Value) -> Result<String, ExprError> {
    for place in places(template)? {
        if let Some(text) = look_up(args, &place).and_then(Value::as_str)
            && text.chars().all(|c| c == '.')
        {
            return Err(problem(template, &place, "an empty text or dots alone cannot stand in a path"));
        }
    }
    fill_with(template, args, |text| percent_encode(&text))
}

/// The places of a text, in order, so that a loader can check them against a schema.
///
/// # Errors
/// `Place` where a place is not closed.
pub fn places(template: &str) -> Result<Vec<String>, ExprError> {
    let parts = split(template)?;
    Ok(parts.into_iter().filter_map(|part| if let Part::Place(p) = part { Some(p.to_owned()) } else { None }).collect())
}

fn fill_with(template: &str, args: &Value, encode: impl Fn(String) -> String) -> Result<String, ExprError> {
    let mut out = String::with_capacity(template.len());
    for part in split(template)? {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Place(place) => {
                let value = look_up(args, place).ok_or_else(|| problem(template, place, "nothing stands there"))?;
                out.push_str(&encode(as_text(value)));
            }
        }
    }
    Ok(out)
}

fn look_up<'a>(args: &'a Value, place: &str) -> Option<&'a Value> {
    if place.starts_with('/') { args.pointer(place) } else { args.get(place) }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| canonical(value), str::to_owned)
}

enum Part<'t> {
    Text(&'t str),
    Place(&'t str),
}

fn split(template: &str) -> Result<Vec<Part<'_>>, ExprError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        parts.push(Part::Text(before));
        let doubled = from.get(..2).filter(|two| *two == "{{" || *two == "}}");
        if let Some(two) = doubled {
            parts.push(Part::Text(two.get(..1).unwrap_or_default()));
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((place, after)) = inside else {
            return Err(problem(template, from, "a brace stands alone; write it twice to mean itself"));
        };
        parts.push(Part::Place(place));
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

fn percent_encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn problem(template: &str, place: &str, problem: &str) -> ExprError {
    ExprError::Place { template: template.to_owned(), place: place.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_filled_from_pointers_and_names() {
        let args = json!({"amount": {"minor": 1990, "currency": "EUR"}, "name": "Ana", "tags": ["a"], "a/b": 1});
        let check = |template: &str, expected: &str| assert_eq!(fill(template, &args).as_deref(), Ok(expected));
        check("Refund {/amount/minor} cents", "Refund 1990 cents");
        check("{name}: {tags} {/tags/0} {/a~1b}", "Ana: [\"a\"] a 1");
        check("no places", "no places");
        check("{{name}} is {name}", "{name} is Ana");
        check("", "");
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        for (template, word) in [("{missing}", "nothing stands there"), ("{open", "brace"), ("shut}", "brace")] {
            let error = fill(template, &json!({})).expect_err(template);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_segment_of_a_path() {
        let check = |key: &str, expected: Option<&str>| {
            assert_eq!(fill_uri("/effects/{key}", &json!({"key": key})).ok().as_deref(), expected, "{key}");
        };
        check("r1-0a/2", Some("/effects/r1-0a%2F2"));
        check("a?b=c&d#é", Some("/effects/a%3Fb%3Dc%26d%23%C3%A9"));
        check("..", None);
        check("", None);
    }
}
