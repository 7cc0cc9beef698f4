//! A model that says anything: cut, doubled, endless, disguised, almost right. Nothing of it that does not fit comes through,
//! and another hand than ours (Python's `jsonschema`) judges what did.

use std::io::Write;
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sinew_contract::Ask;

use crate::house::{House, question, said};
use crate::upstream::{Say, Upstream};

const JUDGE: &str = r#"
import json, math, sys
from jsonschema import Draft202012Validator
def finite(v):
    if isinstance(v, float): return math.isfinite(v)
    if isinstance(v, dict): return all(map(finite, v.values()))
    if isinstance(v, list): return all(map(finite, v))
    return True
bad = 0
for line in sys.stdin:
    row = json.loads(line)
    if not Draft202012Validator(row["schema"]).is_valid(row["value"]) or not finite(row["value"]): bad += 1
print(bad)
"#;

/// Schemas, the checks that go with them, and an answer that is right.
fn kinds() -> Vec<(Value, Value, Value)> {
    let action = json!({"type": "object", "required": ["action", "confidence"], "additionalProperties": false, "properties": {
        "action": {"enum": ["hold", "refund"]}, "confidence": {"type": "number", "minimum": 0, "maximum": 1}}});
    let quotes = json!({"type": "object", "required": ["quotes"], "properties": {
        "quotes": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "minLength": 3}}}});
    let amount = json!({"type": "object", "required": ["amount", "currency"], "properties": {
        "amount": {"type": "integer", "minimum": 1}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}});
    let list = json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": ["integer", "null"]}});
    vec![
        (action, json!(null), json!({"action": "hold", "confidence": 0.5})),
        (quotes, json!({"grounded": [{"at": "/quotes/*", "in": "/text"}]}), json!({"quotes": ["came broken"]})),
        (amount, json!({"range": [{"at": "/amount", "max": 10_000}]}), json!({"amount": 250, "currency": "EUR"})),
        (list, json!({"test": [{"that": ".value | length < 5", "else": "too many"}]}), json!([1, 2, null])),
    ]
}

/// The answer, spoiled in one of many ways, or not at all.
fn spoil(right: &Value, chance: &mut StdRng) -> String {
    let text = right.to_string();
    let at = |chance: &mut StdRng| {
        let mut at = chance.random_range(0..text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match chance.random_range(0..16) {
        0 | 1 => text,
        2 => text[..at(chance)].to_owned(),
        3 => format!("Sure! Here it is: {text}"),
        4 => format!("{text}{text}"),
        5 => text.replacen('{', "{\"action\":\"refund\",", 1),
        6 => text.replace("0.5", "1e999").replace("250", "1e400").replace('2', "NaN"),
        7 => text.replace("0.5", "7").replace("250", "0.5"),
        8 => text.replace("hold", "open the valve").replace("came broken", "give me all").replace("EUR", "eur"),
        9 => format!("{}{text}{}", "[".repeat(200), "]".repeat(200)),
        10 => text.replace("hold", "ho\u{202e}ld").replace("broken", "bro\\u0000ken"),
        11 => text.replacen(['{', '['], "", 1),
        12 => {
            let place = at(chance);
            let junk = char::from(chance.random_range(33..127u8));
            format!("{}{junk}{}", &text[..place], &text[place..])
        }
        13 => "null".to_owned(),
        14 => text.replace("[1,2,null]", "[1,1]").replace("250", "99999").replace("\"EUR\"", "null"),
        _ => "x".repeat(chance.random_range(0..2_000)),
    }
}

fn judge(rows: &[String]) -> Option<String> {
    let known = Command::new("python3").args(["-c", "import jsonschema"]).stderr(Stdio::null()).status();
    if !known.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut python =
        Command::new("python3").args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    python.stdin.take()?.write_all(rows.join("\n").as_bytes()).ok()?;
    let output = python.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[tokio::test]
async fn of_a_thousand_answers_of_a_hostile_model_none_comes_through_that_does_not_fit() {
    let count = if std::env::var_os("SINEW_DEEP").is_some() { 1_000 } else { 200 };
    let seed = std::env::var("SINEW_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    println!("SINEW_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let kinds = kinds();
    let (mut rows, mut refused) = (Vec::new(), 0);
    for (kind, (schema, checks, right)) in kinds.iter().enumerate() {
        let answers: Vec<_> = (0..count).map(|_| Say::json(&said(&spoil(right, &mut chance)))).collect();
        let upstream = Upstream::new(answers).await;
        let config = format!(
            "[providers.one]\nwire = \"openai\"\nurl = \"{}/v1\"\nfree = true\n[models.m]\nprovider = \"one\"\nid = \"m\"\n\
             [ladders.judge]\nrungs = [{{ model = \"m\" }}]\n",
            upstream.url()
        );
        let house = House::new(&config).await;
        let mut step = 0;
        while upstream.asked().len() < count {
            step += 1;
            let ask = ask(kind, step, schema, checks);
            match house.answer(&ask).await {
                Ok(proposal) => rows.push(json!({"schema": schema, "value": proposal.value}).to_string()),
                Err(_) => refused += 1,
            }
        }
        assert_eq!(house.calls().len(), upstream.asked().len(), "every call stands in the log");
    }
    assert!(rows.len() > count / 10 && refused > count / 10, "{} came through, {refused} did not", rows.len());
    match judge(&rows) {
        Some(bad) => assert_eq!(bad, "0", "of {} answers that came through", rows.len()),
        None => println!("SKIPPED: there is no python3 with jsonschema to judge {} answers", rows.len()),
    }
}

fn ask(kind: usize, step: u32, schema: &Value, checks: &Value) -> Ask {
    let mut ask = question(step);
    ask.inputs = json!({"kind": kind, "text": "It came broken, she said."});
    ask.schema = schema.clone();
    ask.more.checks = checks.clone();
    ask
}
