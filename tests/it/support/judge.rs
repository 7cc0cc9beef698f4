//! The judge: says what is wrong with a shop's ledger, given what was fed and what an undisturbed history did.
//!
//! Shares no code with what it judges, and asks the hub nothing. Every call that reached the shop counts, also the ones
//! that the shop turned away or had answered before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::text;

/// One call about a return that the shop carried out or refused for good: action, fate, digest of the arguments.
pub type Deed = (String, String, String);

/// What was done about each return, in the order in which it was done. Keys are not in it: they hold run ids, which
/// differ between histories.
pub type Deeds = BTreeMap<String, Vec<Deed>>;

/// What the ledger says was done, in the form in which two histories can be compared.
pub fn deeds(ledger: &[Value]) -> Deeds {
    let mut deeds = Deeds::new();
    for row in ledger.iter().filter(|row| !nothing_done(row)) {
        let deed = (text(row, "action").to_owned(), text(row, "applied").to_owned(), arguments(row));
        deeds.entry(text(row, "rma").to_owned()).or_default().push(deed);
    }
    deeds
}

/// All that is wrong; empty for a ledger that is as it must be.
pub fn judge(ledger: &[Value], undisturbed: &Deeds) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(key_faults(ledger));
    wrong.extend(thing_faults(ledger));
    wrong.extend(differences(&deeds(ledger), undisturbed));
    wrong
}

/// A key stands for one call with one set of arguments, and after it was carried out nothing more is sent under it.
fn key_faults(ledger: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut meaning: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for row in ledger {
        let (key, what) = (text(row, "key"), (text(row, "action"), text(row, "arguments_sha256")));
        if key.is_empty() {
            wrong.push(format!("call {} has no key", row["n"]));
        }
        if *meaning.entry(key).or_insert(what) != what {
            wrong.push(format!("key {key} stands for two things: call {}", row["n"]));
        }
        if done.contains(key) {
            let fate = text(row, "applied");
            wrong
                .push(format!("doubled: key {key} was sent again after it was carried out: call {}, {fate}", row["n"]));
        }
        if text(row, "applied") == "applied" {
            done.insert(key);
        }
    }
    wrong
}

/// No return holds two refunds or lies in stock twice at any moment; no customer is told twice.
fn thing_faults(ledger: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut held: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for row in ledger.iter().filter(|row| text(row, "applied") == "applied") {
        let (thing, by) = match text(row, "action") {
            "refund-void" => ("refund", -1),
            "unstock" => ("restock", -1),
            other => (other, 1),
        };
        let count = held.entry((text(row, "rma"), thing)).or_default();
        *count += by;
        if !(0..=1).contains(count) {
            wrong.push(format!("doubled: {thing} of {} stands at {count} after call {}", text(row, "rma"), row["n"]));
        }
    }
    wrong
}

fn differences(is: &Deeds, should: &Deeds) -> Vec<String> {
    let returns: BTreeSet<_> = is.keys().chain(should.keys()).collect();
    let differ = |rma: &&String| is.get(*rma) != should.get(*rma);
    let words = |deeds: Option<&Vec<Deed>>| {
        let words = deeds.into_iter().flatten().map(|(action, fate, _)| format!("{action} {fate}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let tell =
        |rma: &String| format!("{rma} has [{}] and should have [{}]", words(is.get(rma)), words(should.get(rma)));
    returns.into_iter().filter(differ).map(tell).collect()
}

/// A call that came in vain and may be sent again: the shop was busy, or the call came too late.
fn nothing_done(row: &Value) -> bool {
    text(row, "applied") == "refused" && text(row, "reason").ends_with("nothing was done")
}

/// An undo names the number that the shop gave to what it undoes, which differs between histories; which return it is
/// about stands in the row.
fn arguments(row: &Value) -> String {
    match text(row, "action") {
        "refund-void" | "unstock" => String::new(),
        _ => text(row, "arguments_sha256").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ledger(rows: &[(&str, &str, &str)]) -> Vec<Value> {
        let row = |(n, (key, action, fate)): (usize, &(&str, &str, &str))| {
            let reason = if *fate == "busy" { "the shop is busy; nothing was done" } else { "" };
            let fate = if *fate == "busy" { "refused" } else { fate };
            json!({ "n": n + 1, "key": key, "action": action, "rma": "RMA-1", "arguments_sha256": action, "applied": fate,
                "reason": reason })
        };
        rows.iter().enumerate().map(row).collect()
    }

    fn check(rows: &[(&str, &str, &str)], words: &[&str]) {
        let good = deeds(&ledger(&[("a", "refund", "applied"), ("b", "restock", "applied")]));
        let wrong = judge(&ledger(rows), &good);
        let found = words.iter().all(|word| wrong.iter().any(|line| line.contains(word)));
        assert!(found && wrong.is_empty() == words.is_empty(), "{rows:?}: {wrong:#?}");
    }

    #[test]
    fn another_try_after_nothing_was_done_is_right() {
        check(&[("x", "refund", "busy"), ("x", "refund", "applied"), ("y", "restock", "applied")], &[]);
    }

    #[test]
    fn what_is_sent_again_is_found_even_where_the_shop_kept_it_from_harm() {
        let repeated = ("x", "refund", "repeated");
        check(&[("x", "refund", "applied"), repeated, ("y", "restock", "applied")], &["sent again"]);
    }

    #[test]
    fn two_refunds_under_two_keys_are_found() {
        let twice = [("x", "refund", "applied"), ("z", "refund", "applied"), ("y", "restock", "applied")];
        check(&twice, &["stands at 2", "should have"]);
    }

    #[test]
    fn what_is_missing_or_out_of_order_is_found() {
        check(&[("x", "refund", "applied")], &["should have"]);
        check(&[("y", "restock", "applied"), ("x", "refund", "applied")], &["should have"]);
        check(&[("x", "refund", "applied"), ("x", "restock", "applied")], &["two things"]);
    }
}
