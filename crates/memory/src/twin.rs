//! What an answer of a system of record says about things: the twin of customers, orders, returns.
//!
//! Pure. Keeps to one plain reading of JSON, so that it works for any shop whose answers are shaped like this:
//! a member `customer: {"id": "c17", …}` is the thing `customer:c17` with its plain members as properties; an object that
//! names an `order`, an `rma`, … is about that thing. What does not fit is left alone: it still stands in the receipt.

use serde_json::{Map, Value};

/// Members whose plain text names the thing that the object around it is about; the first found names it.
const NAMES: &[&str] = &["rma", "order"];
/// How deep an answer is looked into, and how much is taken from one.
const DEPTH_MAX: usize = 6;
const SIGHTINGS_MAX: usize = 256;

/// One property of one thing, as last seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sighting {
    pub thing: String,
    pub property: String,
    pub value: Value,
}

/// Finds what an answer says about things.
///
/// Looks at the `content` of a look-up's receipt; an act's own receipt says what was done, not how things are.
pub(crate) fn sightings(receipt: &Value) -> Vec<Sighting> {
    let mut seen = Vec::new();
    if let Some(content) = receipt.get("content") {
        look(content, 0, &mut seen);
    }
    seen.truncate(SIGHTINGS_MAX);
    seen
}

fn look(value: &Value, depth: usize, seen: &mut Vec<Sighting>) {
    if depth > DEPTH_MAX || seen.len() >= SIGHTINGS_MAX {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| look(item, depth + 1, seen)),
        Value::Object(object) => {
            named_by_itself(object, seen);
            for (name, member) in object {
                named_by_its_place(name, member, seen);
                look(member, depth + 1, seen);
            }
        }
        _ => {}
    }
}

/// `{"rma": "RMA-1", "order": "o-1", "reason": …}` is about `rma:RMA-1`, and says which order that belongs to.
fn named_by_itself(object: &Map<String, Value>, seen: &mut Vec<Sighting>) {
    let named = NAMES.iter().find_map(|name| Some((*name, id_text(object.get(*name)?)?)));
    let Some((name, id)) = named else { return };
    let thing = format!("{name}:{id}");
    for other in NAMES.iter().filter(|other| **other != name) {
        if let Some(text) = object.get(*other).and_then(id_text) {
            let value = Value::String(id.clone());
            seen.push(Sighting { thing: format!("{other}:{text}"), property: name.to_owned(), value });
        }
    }
    properties(&thing, object, seen);
}

fn named_by_its_place(name: &str, member: &Value, seen: &mut Vec<Sighting>) {
    let Some(object) = member.as_object() else { return };
    if let Some(id) = object.get("id").and_then(id_text) {
        properties(&format!("{name}:{id}"), object, seen);
    }
}

/// Plain members and money stand as they are; a nested thing stands as a reference to it.
fn properties(thing: &str, object: &Map<String, Value>, seen: &mut Vec<Sighting>) {
    for (property, member) in object {
        let value = match member {
            Value::Array(_) => continue,
            Value::Object(inner) => match inner.get("id").and_then(id_text) {
                Some(id) => Value::String(format!("{property}:{id}")),
                None if inner.values().all(is_plain) => member.clone(),
                None => continue,
            },
            plain => plain.clone(),
        };
        seen.push(Sighting { thing: thing.to_owned(), property: property.clone(), value });
    }
}

/// Ids are texts or whole numbers.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(content: &Value, expected: &[(&str, &str, Value)]) {
        let seen = sightings(&json!({"status": 200, "content": content}));
        let expected: Vec<_> = expected
            .iter()
            .map(|(thing, property, value)| Sighting {
                thing: (*thing).to_owned(),
                property: (*property).to_owned(),
                value: value.clone(),
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_match_tells_of_the_return_its_order_and_its_customer() {
        let content = json!({"code": "RMA-1", "matches": [{
            "rma": "RMA-1", "order": "o-7", "price": {"minor": 3990, "currency": "EUR"},
            "customer": {"id": "c17", "name": "Ada"}, "tags": ["x"],
        }]});
        check(
            &content,
            &[
                ("order:o-7", "rma", json!("RMA-1")),
                ("rma:RMA-1", "rma", json!("RMA-1")),
                ("rma:RMA-1", "order", json!("o-7")),
                ("rma:RMA-1", "price", json!({"minor": 3990, "currency": "EUR"})),
                ("rma:RMA-1", "customer", json!("customer:c17")),
                ("customer:c17", "id", json!("c17")),
                ("customer:c17", "name", json!("Ada")),
            ],
        );
    }

    #[test]
    fn an_id_may_be_a_number() {
        check(&json!({"customer": {"id": 17}}), &[("customer:17", "id", json!(17))]);
    }

    #[test]
    fn what_names_nothing_is_left_alone() {
        check(&json!({"matches": []}), &[]);
        check(&json!("text"), &[]);
        check(&json!({"customer": {"name": "no id"}, "order": 7.5}), &[]);
        assert_eq!(sightings(&json!({"refund": "rf-1", "order": "o-7"})), [], "an act's receipt is no look-up");
    }

    #[test]
    fn an_endless_answer_is_looked_at_only_so_far() {
        let deep = (0..100).fold(json!({"id": "x"}), |inner, _| json!({"thing": inner}));
        assert_eq!(sightings(&json!({"content": deep})), []);
        let wide: Vec<_> = (0..10_000).map(|n| json!({"rma": n.to_string()})).collect();
        assert_eq!(sightings(&json!({"content": wide})).len(), SIGHTINGS_MAX);
    }
}
