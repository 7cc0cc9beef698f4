//! YAML text as JSON, with the line and column of every place, so that a finding can point at its cause.
//!
//! Strict: duplicate keys, aliases, tags, several documents and anything that JSON cannot say are refused. Does not know
//! playbooks. The events come from a parser without a data model; the data model here is the YAML 1.2 core schema.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};
use sinew_expr::json::pointer_step;

/// Longer texts are refused unread. 1 MiB: a hundred times the longest playbook that a person can review.
const TEXT_MAX: usize = 1024 * 1024;
/// Deeper documents are refused, so that nobody's recursion overflows on them.
const DEPTH_MAX: usize = 64;

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

/// What is wrong with a text, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read YAML at line {}, column {}: {message}", place.line, place.column)]
pub(crate) struct YamlError {
    pub place: Place,
    pub pointer: String,
    pub message: String,
    pub fix: &'static str,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its value.
    pub value: Value,
    places: BTreeMap<String, Place>,
}

impl Document {
    /// Where `pointer` stands; for what does not exist, where the nearest thing around it stands.
    pub fn place(&self, pointer: &str) -> Place {
        let mut at = pointer;
        loop {
            if let Some(place) = self.places.get(at) {
                return *place;
            }
            let Some(cut) = at.rfind('/') else { return Place { line: 1, column: 1 } };
            at = at.get(..cut).unwrap_or_default();
        }
    }
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Document, YamlError> {
    let start = Place { line: 1, column: 1 };
    if text.len() > TEXT_MAX {
        let message = format!("the text has {} bytes; at most {TEXT_MAX} are read", text.len());
        return Err(YamlError {
            place: start,
            pointer: String::new(),
            message,
            fix: "split it into several playbooks",
        });
    }
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { events, places: BTreeMap::new(), pointer: String::new(), depth: 0, last: start };
    let value = reader.document()?;
    Ok(Document { value, places: reader.places })
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    places: BTreeMap<String, Place>,
    pointer: String,
    depth: usize,
    last: Place,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Value, YamlError> {
        let mut value = None;
        loop {
            match self.next()? {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if value.is_some() => {
                    return Err(self.error("there is more than one document", "keep one document per file"));
                }
                Event::DocumentStart(..) => {
                    let first = self.next()?;
                    value = Some(self.node(first)?);
                }
                Event::StreamEnd => {
                    return value.ok_or_else(|| self.error("the text is empty", "write a playbook"));
                }
                _ => return Err(self.error("unexpected content", "write one mapping")),
            }
        }
    }

    /// The next event that means something; comments do not.
    fn next(&mut self) -> Result<Event<'t>, YamlError> {
        match self.events.next() {
            None => Ok(Event::StreamEnd),
            Some(Err(error)) => Err(self.scan_error(&error)),
            Some(Ok((event, span))) => {
                self.last = place_of(&span);
                Ok(event)
            }
        }
    }

    fn node(&mut self, event: Event<'t>) -> Result<Value, YamlError> {
        self.places.entry(self.pointer.clone()).or_insert(self.last);
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(&format!("it is nested deeper than {DEPTH_MAX}"), "flatten it"));
        }
        let value = match event {
            Event::Scalar(.., Some(_)) | Event::SequenceStart(.., Some(_)) | Event::MappingStart(.., Some(_)) => {
                Err(self.error("a tag stands here", "remove the tag; write the value as it is"))
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) => self.plain(&text),
            Event::Scalar(text, ..) => Ok(Value::String(text.into_owned())),
            Event::SequenceStart(..) => self.sequence(),
            Event::MappingStart(..) => self.mapping(),
            Event::Alias(_) => Err(self.error("an alias stands here", "write the value out; aliases are not read")),
            _ => Err(self.error("a value is missing", "write a value")),
        };
        self.depth -= 1;
        value
    }

    fn sequence(&mut self) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let item = self.inside(&items.len().to_string(), |reader| reader.node(event))?;
            items.push(item);
        }
    }

    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut members = Map::new();
        loop {
            let name = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(name, _, _, None) => name.into_owned(),
                _ => return Err(self.error("a key is not a plain text", "write the key as a plain text")),
            };
            if members.contains_key(&name) {
                return Err(self.error(&format!("key `{name}` stands here twice"), "keep one of the two"));
            }
            let key_at = self.last;
            let value = self.inside(&name, |reader| {
                reader.places.insert(reader.pointer.clone(), key_at);
                let event = reader.next()?;
                reader.node(event)
            })?;
            members.insert(name, value);
        }
    }

    fn inside<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Result<T, YamlError>) -> Result<T, YamlError> {
        let outer = self.pointer.len();
        self.pointer.push_str(&pointer_step(step));
        let result = read(self)?;
        self.pointer.truncate(outer);
        Ok(result)
    }

    /// A plain scalar by the core schema (YAML 1.2.2, section 10.3.2).
    fn plain(&self, text: &str) -> Result<Value, YamlError> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
            "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
            _ => {}
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
            return Err(self.error(&format!("`{text}` is no number that JSON knows"), "write a finite number"));
        }
        match number(text, unsigned) {
            Some(Ok(number)) => Ok(Value::Number(number)),
            Some(Err(())) => {
                Err(self.error(&format!("number `{text}` is out of range"), "write it in quotes to keep it as text"))
            }
            None => Ok(Value::String(text.to_owned())),
        }
    }

    fn error(&self, message: &str, fix: &'static str) -> YamlError {
        YamlError { place: self.last, pointer: self.pointer.clone(), message: message.to_owned(), fix }
    }

    fn scan_error(&self, error: &ScanError) -> YamlError {
        let mark = error.marker();
        let place = Place { line: mark.line().max(1), column: mark.col() + 1 };
        let message = error.info();
        YamlError { place, pointer: self.pointer.clone(), message, fix: "mind indentation, quotes and colons there" }
    }
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// The number that a plain scalar is, where it is one; an error where JSON cannot hold it.
fn number(text: &str, unsigned: &str) -> Option<Result<Number, ()>> {
    if let Some(hex) = text.strip_prefix("0x").filter(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_hexdigit())) {
        return Some(u64::from_str_radix(hex, 16).map(Number::from).map_err(|_| ()));
    }
    if let Some(octal) = text.strip_prefix("0o").filter(|d| !d.is_empty() && d.chars().all(|c| c.is_digit(8))) {
        return Some(u64::from_str_radix(octal, 8).map(Number::from).map_err(|_| ()));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        return Some(whole.map_err(|_| ()));
    }
    is_float(unsigned).then(|| text.parse().ok().and_then(Number::from_f64).ok_or(()))
}

/// `[0-9]*(\.[0-9]*)?([eE][-+]?[0-9]+)?` with at least one digit before the exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let some = !whole.is_empty() || !fraction.is_empty();
    some && digits(whole) && digits(fraction) && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_follow_the_core_schema() {
        let cases = [
            ("1", json!(1)),
            ("-7", json!(-7)),
            ("0x1F", json!(31)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("0.1.0", json!("0.1.0")),
            ("yes", json!("yes")),
            ("true", json!(true)),
            ("~", json!(null)),
            ("'1'", json!("1")),
            ("2026-11-22", json!("2026-11-22")),
            ("[a, {b: 1}]", json!(["a", {"b": 1}])),
            ("|\n  a\n  b\n", json!("a\nb\n")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).expect(text).value, expected, "{text}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_place() {
        let cases = [
            ("a: 1\nb: 2\na: 3\n", 3, 1, "key `a` stands here twice"),
            ("a: &x [1]\nb: *x\n", 2, 4, "an alias stands here"),
            ("a: .nan\n", 1, 4, "`.nan` is no number that JSON knows"),
            ("a: !!binary aGk=\n", 1, 13, "a tag stands here"),
            ("a: 1\n---\nb: 1\n", 2, 1, "there is more than one document"),
            ("[1]: 2\n", 1, 1, "a key is not a plain text"),
            ("a: 99999999999999999999999\n", 1, 4, "number `99999999999999999999999` is out of range"),
        ];
        for (text, line, column, message) in cases {
            let error = parse(text).expect_err(text);
            assert_eq!((error.place, error.message.as_str()), (Place { line, column }, message), "{text}");
        }
        assert!(parse(&"[".repeat(200)).is_err(), "deep nesting is refused");
        assert!(parse("a: 'b\n").is_err(), "an open quote is refused");
        assert!(parse("").is_err());
    }

    #[test]
    fn places_point_at_keys_and_items() {
        let document = parse("do:\n  - first:\n      set: {a: 1}\n  - second: {}\n").expect("valid");
        let at = |pointer| document.place(pointer);
        assert_eq!(at("/do"), Place { line: 1, column: 1 });
        assert_eq!(at("/do/0/first/set"), Place { line: 3, column: 7 });
        assert_eq!(at("/do/0/first/set/a"), Place { line: 3, column: 13 });
        assert_eq!(at("/do/1/second/nothing/here"), Place { line: 4, column: 5 });
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_yaml_like_text_panics(text in "[-a-c:{}\\[\\]&*!|>'\"# \n~0-9.]{0,80}") {
            let _ = parse(&text);
        }
    }
}
