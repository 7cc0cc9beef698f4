//! The rows of the back end in canonical form: no nulls, money in whole cents, and the hash over all of them.
//!
//! Does not know what changes them. A copy costs a table of pointers, not the rows: hundreds of worlds stand on one base.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Members that are decimals in the source and whole cents here.
const MONEY: [&str; 4] = ["price", "amount", "balance", "exchange_price_difference"];

/// Why a database or a file beside it cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct DataError {
    what: String,
}

impl DataError {
    /// Says what is wrong with which input.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// Rows of one kind, by id.
pub type Rows = BTreeMap<String, Arc<Value>>;

/// The whole state.
#[derive(Clone, Debug, PartialEq)]
pub struct Db {
    /// Products with their variants.
    pub products: Rows,
    /// Users with their payment methods.
    pub users: Rows,
    /// Orders with their items and payments.
    pub orders: Rows,
}

impl Db {
    /// Reads `{products, users, orders}` and brings it into canonical form.
    ///
    /// # Errors
    /// Where one of the three is missing or not an object, or an amount is not a number.
    pub fn read(text: &str) -> Result<Self, DataError> {
        let whole: Value = serde_json::from_str(text).map_err(|e| DataError::new(format!("not JSON: {e}")))?;
        let rows = |name: &str| -> Result<Rows, DataError> {
            let object = whole.get(name).and_then(Value::as_object);
            let object = object.ok_or_else(|| DataError::new(format!("`{name}` is missing or not an object")))?;
            object.iter().map(|(id, row)| Ok((id.clone(), Arc::new(canonical_form(row)?)))).collect()
        };
        Ok(Self { products: rows("products")?, users: rows("users")?, orders: rows("orders")? })
    }

    /// The canonical text: sorted names, no spaces, ASCII alone. Its SHA-256 is [`Db::hash`].
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(1 << 21);
        let kinds = [("orders", &self.orders), ("products", &self.products), ("users", &self.users)];
        for (nth, (name, rows)) in kinds.into_iter().enumerate() {
            out.push(if nth == 0 { '{' } else { ',' });
            write_text(&mut out, name);
            out.push(':');
            write_members(&mut out, rows.iter().map(|(id, row)| (id, row.as_ref())));
        }
        out.push('}');
        out
    }

    /// SHA-256 of the canonical text, in lower-case hex.
    pub fn hash(&self) -> String {
        sha256(&self.text())
    }
}

/// SHA-256 of a text, in lower-case hex.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The canonical text of any value.
pub fn canonical_text(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// Drops nulls and turns money into cents, all the way down.
fn canonical_form(value: &Value) -> Result<Value, DataError> {
    match value {
        Value::Object(object) => {
            let mut form = Map::new();
            for (name, member) in object.iter().filter(|(_, member)| !member.is_null()) {
                if MONEY.contains(&name.as_str()) {
                    form.insert(format!("{name}_cents"), cents(name, member)?.into());
                } else {
                    form.insert(name.clone(), canonical_form(member)?);
                }
            }
            Ok(Value::Object(form))
        }
        Value::Array(items) => items.iter().map(canonical_form).collect::<Result<_, _>>().map(Value::Array),
        plain => Ok(plain.clone()),
    }
}

fn cents(name: &str, value: &Value) -> Result<i64, DataError> {
    let amount = value.as_f64().filter(|amount| amount.abs() < 1e12);
    let amount = amount.ok_or_else(|| DataError::new(format!("`{name}` is `{value}`, not an amount of money")))?;
    // Below 1e14 every whole number of cents is exact in an f64.
    #[expect(clippy::cast_possible_truncation, reason = "checked above to fit by far")]
    Ok((amount * 100.0).round() as i64)
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<_, _> = object.iter().collect();
            write_members(out, sorted.into_iter());
        }
        Value::Array(items) => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::String(text) => write_text(out, text),
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

fn write_members<'v>(out: &mut String, members: impl Iterator<Item = (&'v String, &'v Value)>) {
    out.push('{');
    for (nth, (name, value)) in members.enumerate() {
        if nth > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// A JSON string in ASCII alone: everything else as `\uXXXX`, beyond the first plane as a surrogate pair.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_canonical_text_is_sorted_ascii_without_spaces() {
        let value = json!({ "b": [1, true, null], "a": "é \u{1f600}\n\"\u{7f}", "c": -5 });
        let expected = r#"{"a":"\u00e9 \ud83d\ude00\n\"\u007f","b":[1,true,null],"c":-5}"#;
        assert_eq!(canonical_text(&value), expected);
    }

    #[test]
    fn money_becomes_whole_cents_and_nulls_go() {
        let form =
            canonical_form(&json!({ "price": 50.88, "x": null, "in": [{ "balance": 0.29, "amount": 1819.92 }] }));
        assert_eq!(
            form.expect("it is right"),
            json!({ "price_cents": 5088, "in": [{ "balance_cents": 29, "amount_cents": 181_992 }] })
        );
        assert!(canonical_form(&json!({ "price": "50" })).is_err());
    }

    #[test]
    fn a_canonical_database_is_its_own_canonical_form() {
        let db = Db::read(r#"{"products":{},"users":{"u":{"n":null}},"orders":{"o":{"amount":1.1}}}"#).expect("right");
        assert_eq!(Db::read(&db.text()).expect("right").hash(), db.hash());
        assert_eq!(db.text(), r#"{"orders":{"o":{"amount_cents":110}},"products":{},"users":{"u":{}}}"#);
    }
}
