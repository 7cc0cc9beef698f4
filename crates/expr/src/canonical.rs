//! The one text form of a JSON value (RFC 8785, JSON Canonicalization Scheme), under which values are digested.
//!
//! Does not know digests. Outside the domain of RFC 8785 (integers beyond 2^53, which its reader would round) it
//! writes all digits, so that two different integers never share a text.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

/// Writes a value in its canonical form: no white space, keys by UTF-16 code units, numbers as ECMAScript writes them.
///
/// Equal values have equal texts, `1.0` and `1` included. Source: RFC 8785, section 3.2.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => write_array(out, items),
        Value::Object(members) => write_object(out, members),
    }
}

fn write_array(out: &mut String, items: &[Value]) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_value(out, item);
    }
    out.push(']');
}

fn write_object(out: &mut String, members: &Map<String, Value>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (i, (key, value)) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// Escapes what ECMAScript's `JSON.stringify` escapes, and nothing else (RFC 8785, section 3.2.2.2).
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string cannot fail"),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    let text = number.to_string();
    if number.is_f64() { write_float(out, &text) } else { out.push_str(&text) }
}

/// ECMAScript's `Number::toString` (ECMA-262, section 6.1.6.1.20), which RFC 8785 refers to.
///
/// Both that and serde_json's writer choose the fewest digits that read back to the same double, and of two equally
/// near ones the even (the standard library's own `{:e}` does not); only the layout differs.
fn write_float(out: &mut String, text: &str) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return out.push('0');
    }
    let exponent: i32 = exponent.parse().expect("invariant: the exponent of a double is small");
    let leading_zeros = all.len() - digits.len();
    let point = exponent + width(whole) - i32::try_from(leading_zeros).expect("invariant: a double has few digits");
    out.push_str(sign);
    out.push_str(&lay_out(digits.trim_end_matches('0'), point));
}

fn width(digits: &str) -> i32 {
    i32::try_from(digits.len()).expect("invariant: a double has few digits")
}

/// `point` is where the decimal point stands in the digits.
fn lay_out(digits: &str, point: i32) -> String {
    let len = width(digits);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    match point {
        _ if len <= point && point <= 21 => format!("{digits}{}", zeros(point - len)),
        1..=21 => {
            let (whole, fraction) = split(point);
            format!("{whole}.{fraction}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = split(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// RFC 8785, appendix B: IEEE 754 bits and their text.
    const NUMBERS: &[(u64, &str)] = &[
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];

    #[test]
    fn numbers_are_written_as_the_standard_lists_them() {
        for (bits, expected) in NUMBERS {
            assert_eq!(canonical(&json!(f64::from_bits(*bits))), *expected, "{bits:016x}");
        }
    }

    #[test]
    fn the_example_of_the_standard_comes_out_byte_for_byte() {
        // RFC 8785, section 3.2.2 and 3.2.4.
        let text = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        let value: Value = serde_json::from_str(text).expect("the example is JSON");
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(&value), expected);
    }

    #[test]
    fn keys_are_ordered_by_utf16_code_units() {
        // RFC 8785, section 3.2.3: the emoji's surrogates sort before U+FB33, though its scalar value is greater.
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let expected = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(&value), expected);
    }

    #[test]
    fn integers_keep_all_their_digits() {
        assert_eq!(
            canonical(&json!([u64::MAX, i64::MIN, 9_007_199_254_740_993_u64])),
            "[18446744073709551615,-9223372036854775808,9007199254740993]"
        );
        assert_eq!(canonical(&json!([1.0, 100.0, -0.0])), canonical(&json!([1, 100, 0])));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reading_back_gives_the_same_text(value in any_value()) {
            let text = canonical(&value);
            let again: Value = serde_json::from_str(&text).expect("canonical text is JSON");
            prop_assert_eq!(canonical(&again), text);
        }

        #[test]
        fn doubles_survive(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let text = canonical(&json!(float));
            prop_assert_eq!(text.parse::<f64>().expect("a number"), float);
        }

        #[test]
        fn the_order_of_insertion_does_not_matter(members in prop::collection::btree_map(".{0,4}", any::<i32>(), 0..8)) {
            let forward: Value = members.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>().into();
            let backward: Value = members.iter().rev().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>().into();
            prop_assert_eq!(canonical(&forward), canonical(&backward));
        }
    }
}
