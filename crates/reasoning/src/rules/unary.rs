//! One cell of a decision table: a test of one value.
//!
//! | cell | matches |
//! |---|---|
//! | `-` | anything, also nothing |
//! | `30`, `= 30`, `"worn"`, `worn`, `true`, `null` | that value (a bare word only where the column is a string) |
//! | `!= 30`, `not worn` | any other value that is there |
//! | `< 30`, `<= 30`, `> 30`, `>= 30` | numbers |
//! | `[1..5]`, `[1..5)`, `(1..5]`, `(1..5)` | numbers between, a round bracket leaves the end out |
//! | `in [a, b]`, `not in [a, b]` | one of these; none of these |
//!
//! Does not know tables: it is told the type of its column. A value that is missing (`null`) matches `-`, `null` and
//! `not in` lists or `not` without it, and no comparison. Source: DMN 1.5, section 7.3.14 (unary tests), in small.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ColumnType {
    Integer,
    Number,
    String,
    Boolean,
}

impl ColumnType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Boolean => "true or false",
        }
    }

    pub(super) fn admits(self, value: &Value) -> bool {
        match self {
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
        }
    }

    const fn is_ordered(self) -> bool {
        matches!(self, Self::Integer | Self::Number)
    }
}

/// A cell, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Any,
    Is(Value),
    Not(Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Compare(Comparison, Value),
    Between(Bound, Bound),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    value: Value,
    included: bool,
}

impl Test {
    /// Reads a cell: a text in the small language above, or a plain value.
    ///
    /// # Errors
    /// In words, with what was expected.
    pub(super) fn parse(cell: &Value, column: ColumnType) -> Result<Self, String> {
        let Value::String(text) = cell else { return literal_value(cell, column).map(Self::Is) };
        let text = text.trim();
        if text == "-" {
            return Ok(Self::Any);
        }
        if let Some(list) = text.strip_prefix("not in ") {
            return list_of(list, column).map(Self::NotIn);
        }
        if let Some(list) = text.strip_prefix("in ") {
            return list_of(list, column).map(Self::In);
        }
        if let Some(other) = text.strip_prefix("not ").or_else(|| text.strip_prefix("!=")) {
            return literal(other, column).map(Self::Not);
        }
        match comparison(text) {
            Some((how, rest)) => ordered(rest, column).map(|value| Self::Compare(how, value)),
            None if text.contains("..") => between(text, column),
            None => literal(text.strip_prefix('=').unwrap_or(text), column).map(Self::Is),
        }
    }

    /// Says whether a value of the column's type, or `null`, passes.
    pub(super) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Is(expected) => same(value, expected),
            Self::Not(other) => !same(value, other),
            Self::In(list) => list.iter().any(|item| same(value, item)),
            Self::NotIn(list) => !list.iter().any(|item| same(value, item)),
            Self::Compare(how, bound) => compare(value, bound).is_some_and(|order| how.holds(order)),
            Self::Between(low, high) => low.below(value) && high.above(value),
        }
    }
}

impl Comparison {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Bound {
    fn below(&self, value: &Value) -> bool {
        compare(value, &self.value).is_some_and(|order| order.is_gt() || (self.included && order.is_eq()))
    }

    fn above(&self, value: &Value) -> bool {
        compare(value, &self.value).is_some_and(|order| order.is_lt() || (self.included && order.is_eq()))
    }
}

/// Compares numbers; integers exactly, others as doubles. None for what is no number.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || compare(a, b).is_some_and(Ordering::is_eq)
}

fn comparison(text: &str) -> Option<(Comparison, &str)> {
    let signs = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    signs.into_iter().find_map(|(sign, how)| text.strip_prefix(sign).map(|rest| (how, rest)))
}

fn between(text: &str, column: ColumnType) -> Result<Test, String> {
    let inside = text.strip_prefix(['[', '(']).and_then(|rest| rest.strip_suffix([']', ')']));
    let ends = inside.and_then(|inside| inside.split_once(".."));
    let Some((low, high)) = ends else { return Err(format!("`{text}` is no range; write it as `[1..5]`")) };
    let low = Bound { value: ordered(low, column)?, included: text.starts_with('[') };
    let high = Bound { value: ordered(high, column)?, included: text.ends_with(']') };
    match compare(&low.value, &high.value) {
        Some(Ordering::Greater) | None => Err(format!("the range `{text}` is empty; write the lesser end first")),
        Some(_) => Ok(Test::Between(low, high)),
    }
}

fn ordered(text: &str, column: ColumnType) -> Result<Value, String> {
    if !column.is_ordered() {
        return Err(format!("only numbers have an order, and this column is {}", column.as_str()));
    }
    literal(text, column)
        .and_then(|value| if value.is_null() { Err("null has no order".to_owned()) } else { Ok(value) })
}

fn list_of(text: &str, column: ColumnType) -> Result<Vec<Value>, String> {
    let inside = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(inside) = inside else { return Err(format!("`{text}` is no list; write it as `[a, b]`")) };
    split_list(inside).into_iter().map(|item| literal(item, column)).collect()
}

/// Splits at commas that stand outside of quotes.
fn split_list(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let is_separator = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    text.split(is_separator).collect()
}

/// A JSON value, or a bare word where the column is a string.
fn literal(text: &str, column: ColumnType) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(value) = sinew_expr::json::parse_strict(text) {
        if value.is_null() || column.admits(&value) {
            return Ok(value);
        }
        return Err(format!("`{text}` is not {}", column.as_str()));
    }
    let is_word = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) && !text.is_empty();
    if column == ColumnType::String && is_word {
        return Ok(text.into());
    }
    Err(format!("`{text}` is not {}", column.as_str()))
}

fn literal_value(value: &Value, column: ColumnType) -> Result<Value, String> {
    if column.admits(value) { Ok(value.clone()) } else { Err(format!("`{value}` is not {}", column.as_str())) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_match_what_they_say() {
        let check = |cell: Value, column: ColumnType, yes: &[Value], no: &[Value]| {
            let test = Test::parse(&cell, column).unwrap_or_else(|e| panic!("{cell}: {e}"));
            for value in yes {
                assert!(test.matches(value), "{cell} must match {value}");
            }
            for value in no {
                assert!(!test.matches(value), "{cell} must not match {value}");
            }
        };
        let (integer, number, string, boolean) =
            (ColumnType::Integer, ColumnType::Number, ColumnType::String, ColumnType::Boolean);
        check(json!("-"), integer, &[json!(1), json!(null)], &[]);
        check(json!("<= 30"), integer, &[json!(30), json!(-5)], &[json!(31), json!(null)]);
        check(json!("> 30"), integer, &[json!(31), json!(i64::MAX)], &[json!(30), json!(null)]);
        check(json!(">=0.5"), number, &[json!(0.5), json!(1)], &[json!(0.49)]);
        check(
            json!("< 9007199254740993"),
            integer,
            &[json!(9_007_199_254_740_992_i64)],
            &[json!(9_007_199_254_740_993_i64)],
        );
        check(json!("[1..5]"), integer, &[json!(1), json!(5)], &[json!(0), json!(6), json!(null)]);
        check(json!("(1..5)"), integer, &[json!(2), json!(4)], &[json!(1), json!(5)]);
        check(json!("[1..5)"), number, &[json!(1), json!(4.999)], &[json!(5.0)]);
        check(json!("[-3..-1]"), integer, &[json!(-3), json!(-2)], &[json!(-4), json!(0)]);
        check(json!(7), integer, &[json!(7)], &[json!(8)]);
        check(json!("= 7"), integer, &[json!(7)], &[json!(8)]);
        check(json!("!= 7"), integer, &[json!(8)], &[json!(7)]);
        check(json!("worn"), string, &[json!("worn")], &[json!("Worn"), json!(null)]);
        check(json!("\"two words\""), string, &[json!("two words")], &[json!("two")]);
        check(json!("not worn"), string, &[json!("opened")], &[json!("worn")]);
        check(json!("in [worn, \"a, b\"]"), string, &[json!("worn"), json!("a, b")], &[json!("a")]);
        check(json!("not in [worn, opened]"), string, &[json!("unopened")], &[json!("worn")]);
        check(json!("null"), string, &[json!(null)], &[json!("null")]);
        check(json!(true), boolean, &[json!(true)], &[json!(false), json!(null)]);
        check(json!("false"), boolean, &[json!(false)], &[json!(true)]);
    }

    #[test]
    fn cells_that_cannot_be_meant_are_refused() {
        let check = |cell: Value, column: ColumnType, word: &str| {
            let error = Test::parse(&cell, column).expect_err(&cell.to_string());
            assert!(error.contains(word), "{cell}: {error}");
        };
        check(json!("<= thirty"), ColumnType::Integer, "not an integer");
        check(json!("<= 1.5"), ColumnType::Integer, "not an integer");
        check(json!("< worn"), ColumnType::String, "only numbers have an order");
        check(json!("[5..1]"), ColumnType::Integer, "empty");
        check(json!("1..5"), ColumnType::Integer, "no range");
        check(json!("in worn, opened"), ColumnType::String, "no list");
        check(json!("worn or opened"), ColumnType::String, "not a string");
        check(json!(""), ColumnType::String, "not a string");
        check(json!(3), ColumnType::String, "not a string");
        check(json!("< null"), ColumnType::Integer, "no order");
        check(json!("yes"), ColumnType::Boolean, "true or false");
    }
}
