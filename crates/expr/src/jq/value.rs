//! JSON values into jq's and back, without losing integers or the order of keys.
//!
//! Does not know programs.

use jaq_json::{Map, Num, Val};
use serde_json::{Number, Value};

/// As deep as our JSON readers accept, so that what comes out can be read again.
const DEPTH_MAX: usize = 127;

/// Doubles up to here hold every integer exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

pub(super) fn from_json(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(b) => Val::Bool(*b),
        Value::Number(number) => Val::Num(num_from_json(number)),
        Value::String(text) => Val::utf8_str(text.clone().into_bytes()),
        Value::Array(items) => items.iter().map(from_json).collect(),
        Value::Object(members) => {
            let key = |key: &String| Val::utf8_str(key.clone().into_bytes());
            Val::obj(members.iter().map(|(k, v)| (key(k), from_json(v))).collect::<Map>())
        }
    }
}

fn num_from_json(number: &Number) -> Num {
    let integer = number.as_i64().map(Num::from_integral);
    let integer = integer.or_else(|| number.as_u64().map(Num::from_integral));
    integer.unwrap_or_else(|| Num::Float(number.as_f64().unwrap_or(f64::NAN)))
}

/// # Errors
/// In words, where a value has no JSON form.
pub(super) fn to_json(value: &Val) -> Result<Value, String> {
    to_json_at(value, 0)
}

fn to_json_at(value: &Val, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("its output is nested deeper than {DEPTH_MAX}"));
    }
    match value {
        Val::Null => Ok(Value::Null),
        Val::Bool(b) => Ok(Value::Bool(*b)),
        Val::Num(num) => num_to_json(num).map(Value::Number),
        Val::TStr(_) => text(value).map(Value::String),
        Val::BStr(_) => Err("its output holds bytes that are no text".to_owned()),
        Val::Arr(items) => items.iter().map(|item| to_json_at(item, depth + 1)).collect(),
        Val::Obj(members) => members.iter().map(|(k, v)| Ok((text(k)?, to_json_at(v, depth + 1)?))).collect(),
    }
}

fn text(value: &Val) -> Result<String, String> {
    let Val::TStr(bytes) = value else { return Err(format!("its output has the key `{value}`, which is no text")) };
    String::from_utf8(bytes.to_vec()).map_err(|_| "its output holds text that is not UTF-8".to_owned())
}

/// A whole double becomes an integer: in JSON `5.0` and `5` are one number, and callers ask for integers.
fn num_to_json(num: &Num) -> Result<Number, String> {
    let digits = num.to_string();
    let integer = digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from));
    match num {
        Num::Int(_) | Num::BigInt(_) => integer.map_err(|_| format!("its output holds `{digits}`, beyond 64 bits")),
        Num::Float(float) => float_to_json(*float),
        Num::Dec(text) => float_to_json(text.parse().unwrap_or(f64::NAN)),
    }
}

fn float_to_json(float: f64) -> Result<Number, String> {
    if float.fract() == 0.0 && float.abs() <= EXACT_MAX {
        let integer = format!("{float:.0}").parse::<i64>();
        return integer.map(Number::from).map_err(|e| e.to_string());
    }
    Number::from_f64(float).ok_or_else(|| "its output is not a finite number".to_owned())
}
