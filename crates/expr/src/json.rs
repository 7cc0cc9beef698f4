//! Reading JSON from outside strictly: what two readers could understand differently is refused.
//!
//! Does not know schemas. Numbers beyond a double, `NaN`, comments and trailing text are refused by the grammar itself.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::ExprError;

/// Reads one JSON text; refuses a key that occurs twice in one object, and nesting deeper than 127.
///
/// # Errors
/// `Json`, with the pointer of the place that could not be read.
pub fn parse_strict(text: &str) -> Result<Value, ExprError> {
    let path = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { path: &path }.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|e| ExprError::Json { pointer: path.borrow().concat(), problem: e.to_string() })
}

/// One step of a JSON pointer (RFC 6901, section 3): a slash and the escaped name.
pub fn pointer_step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Knows where it is: steps are pushed before a member is read and popped only after it was read well.
#[derive(Clone, Copy)]
struct Strict<'p> {
    path: &'p RefCell<Vec<String>>,
}

impl Strict<'_> {
    fn enter(&self, step: &str) {
        self.path.borrow_mut().push(pointer_step(step));
    }

    fn leave(&self) {
        self.path.borrow_mut().pop();
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        self.enter("0");
        while let Some(item) = items.next_element_seed(self)? {
            out.push(item);
            self.leave();
            self.enter(&out.len().to_string());
        }
        self.leave();
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.enter(&key);
            if out.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key `{key}` occurs twice")));
            }
            out.insert(key, members.next_value_seed(self)?);
            self.leave();
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn good_json_is_read_as_it_stands() {
        let text = r#" {"b": [1, -2, 3.5, 18446744073709551615, "x", null, true], "a": {"": {}}} "#;
        let value = parse_strict(text).expect("it is good");
        assert_eq!(value, json!({"b": [1, -2, 3.5, u64::MAX, "x", null, true], "a": {"": {}}}));
        assert_eq!(value.to_string().find("\"b\""), Some(1), "the order of keys is kept");
    }

    #[test]
    fn what_could_be_understood_differently_is_refused_with_its_place() {
        let check = |text: &str, pointer: &str, word: &str| match parse_strict(text) {
            Err(ExprError::Json { pointer: at, problem }) => {
                assert_eq!(at, pointer, "{text}: {problem}");
                assert!(problem.contains(word), "{text}: {problem}");
            }
            other => panic!("{text} gave {other:?}"),
        };
        check(r#"{"a": 1, "a": 2}"#, "/a", "twice");
        check(r#"{"x": [0, {"p/q": {"k": 1, "k": 1}}]}"#, "/x/1/p~1q/k", "twice");
        check(r#"{"a": "\u0061", "\u0061": 2}"#, "/a", "twice");
        check(r#"{"a": NaN}"#, "/a", "expected value");
        check(r#"[1, 1e999]"#, "/1", "out of range");
        check(r#"{} {}"#, "", "trailing");
        check(r#"{"a": // no"#, "/a", "expected value");
        check(r#"["\ud800"]"#, "/0", "hex escape");
        check("", "", "EOF");
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_overflowing() {
        let deep = "[".repeat(100_000);
        assert!(parse_strict(&deep).expect_err("too deep").to_string().contains("recursion limit"));
    }
}
