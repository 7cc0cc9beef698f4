//! What each sample must lead to, and what a person answers: `expected.json` and `people.json`.
//!
//! `expected.json` is `{"samples": [S]}` in the order in which the samples are fed, where `S` has
//!
//! | field | meaning |
//! |---|---|
//! | `file` | the photograph |
//! | `verdict` | `read`, `unread` or `conflict` |
//! | `code`, `format` | what is read; `null` unless `read` |
//! | `codes` | every value that must be among the claims |
//! | `rma` | the return that the sample is about, when the shop can tell |
//! | `outcome` | how the run ends: `refunded`, `refused`, `duplicate` or `needs-operator` |
//! | `asked` | whether a person is asked |
//! | `answer` | what the person of `people.json` says; `null` when not asked |
//! | `effects` | the calls that this sample adds to the shop's ledger, in order |
//!
//! An effect is `{action, applied, arguments}`: `applied` as in the ledger (`applied` or `refused`); `arguments` are those that must be
//! in the call, others may stand beside them. A sample without effects adds no call at all.

use serde_json::{Value, json};

use crate::goods::{product_ean, sample_rma, unknown_ean};

/// The text of `expected.json`.
pub fn expected_json() -> String {
    pretty(&json!({ "samples": samples() }))
}

/// The text of `people.json`: who answers, and what; everything that is not named is refused.
pub fn people_json() -> String {
    let approved = ["07-two-codes.jpg", "12-above-limit.jpg", "15-unsure.jpg"];
    let answers: serde_json::Map<String, Value> =
        approved.into_iter().map(|f| (f.to_owned(), json!("approve"))).collect();
    pretty(&json!({ "by": "ana", "default": "refuse", "answers": answers }))
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("a JSON value is written");
    text + "\n"
}

fn samples() -> Vec<Value> {
    vec![
        refunded(read_ean("01-ean13.jpg", &product_ean(1)), 1, 3990),
        refunded(read_rma("02-code128.jpg", "code-128", 2), 2, 5490),
        refunded(read_rma("03-qr.jpg", "qr", 3), 3, 7990),
        refunded(read_rma("04-code128-blur.jpg", "code-128", 4), 4, 4290),
        refunded(read_ean("05-ean13-tilt.jpg", &product_ean(5)), 5, 3590),
        refunded(read_rma("06-qr-glare.jpg", "qr", 6), 6, 8990),
        asked(refunded(conflict("07-two-codes.jpg", &[sample_rma(7), product_ean(7)]), 7, 3790), "approve"),
        asked(ended(unread("08-damaged.jpg"), "refused", &[]), "refuse"),
        asked(ended(read_ean("09-unknown-product.jpg", &unknown_ean()), "refused", &[]), "refuse"),
        asked(ended(about(read_rma("10-same-parcel.jpg", "code-128", 2), 2), "duplicate", &[]), "refuse"),
        declined(read_rma("11-late.jpg", "code-128", 11), 11),
        asked(refunded(read_rma("12-above-limit.jpg", "qr", 12), 12, 18900), "approve"),
        asked(declined(read_rma("13-above-limit-refused.jpg", "code-128", 13), 13), "refuse"),
        asked(ended(unread("14-no-code.jpg"), "refused", &[]), "refuse"),
        asked(refunded(read_rma("15-unsure.jpg", "code-128", 15), 15, 4490), "approve"),
        undone(read_rma("16-discontinued.jpg", "qr", 16), 16, 2290),
        declined(read_rma("17-worn.jpg", "code-128", 17), 17),
        not_restocked(read_rma("18-transit.jpg", "qr", 18), 18, 6990),
        asked(ended(read_ean("19-several.jpg", &product_ean(19)), "refused", &[]), "refuse"),
        refunded(read_rma("20-code128-noise.jpg", "code-128", 21), 21, 1990),
        refunded(read_rma("21-qr-tilt.jpg", "qr", 22), 22, 3290),
        refunded(read_rma("22-opened.jpg", "code-128", 23), 23, 2190),
    ]
}

fn read(file: &str, code: &str, format: &str) -> Value {
    json!({ "file": file, "verdict": "read", "code": code, "format": format, "codes": [code], "rma": null })
}

fn read_rma(file: &str, format: &str, number: u32) -> Value {
    read(file, &sample_rma(number), format)
}

fn read_ean(file: &str, code: &str) -> Value {
    read(file, code, "ean-13")
}

fn unread(file: &str) -> Value {
    json!({ "file": file, "verdict": "unread", "code": null, "format": null, "codes": [], "rma": null })
}

fn conflict(file: &str, codes: &[String]) -> Value {
    json!({ "file": file, "verdict": "conflict", "code": null, "format": null, "codes": codes, "rma": null })
}

fn about(mut sample: Value, number: u32) -> Value {
    sample["rma"] = json!(sample_rma(number));
    sample
}

fn ended(mut sample: Value, outcome: &str, effects: &[Value]) -> Value {
    sample["outcome"] = json!(outcome);
    sample["asked"] = json!(false);
    sample["answer"] = Value::Null;
    sample["effects"] = json!(effects);
    sample
}

fn asked(mut sample: Value, answer: &str) -> Value {
    sample["asked"] = json!(true);
    sample["answer"] = json!(answer);
    sample
}

fn refunded(sample: Value, number: u32, minor: i64) -> Value {
    let effects = [refund(number, minor), restock(number, "applied"), message(number)];
    ended(about(sample, number), "refunded", &effects)
}

fn not_restocked(sample: Value, number: u32, minor: i64) -> Value {
    ended(about(sample, number), "refunded", &[refund(number, minor), message(number)])
}

fn declined(sample: Value, number: u32) -> Value {
    ended(about(sample, number), "refused", &[message(number)])
}

fn undone(sample: Value, number: u32, minor: i64) -> Value {
    let void = json!({ "action": "refund-void", "applied": "applied", "arguments": {} });
    let effects = [refund(number, minor), restock(number, "refused"), void];
    ended(about(sample, number), "needs-operator", &effects)
}

fn refund(number: u32, minor: i64) -> Value {
    let arguments = json!({ "rma": sample_rma(number), "amount": { "minor": minor, "currency": "EUR" } });
    json!({ "action": "refund", "applied": "applied", "arguments": arguments })
}

fn restock(number: u32, applied: &str) -> Value {
    json!({ "action": "restock", "applied": applied, "arguments": { "rma": sample_rma(number) } })
}

fn message(number: u32) -> Value {
    json!({ "action": "message", "applied": "applied", "arguments": { "rma": sample_rma(number) } })
}
