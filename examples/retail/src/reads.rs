//! The look-ups: they change nothing, and leave no line in the ledger.
//!
//! Only whether something is found matters to whoever replays a task; what is found is handed back as it stands.

use serde_json::{Value, json};

use crate::db::Db;

/// Answers a look-up; none where it finds nothing. An unknown look-up finds nothing.
pub fn answer(db: &Db, name: &str, arguments: &Value) -> Option<Value> {
    let text = |of: &str| arguments.get(of).and_then(Value::as_str).unwrap_or_default();
    match name {
        "find_user_id_by_email" => user_where(db, |user| same(user, "/email", text("email"))),
        "find_user_id_by_name_zip" => user_where(db, |user| {
            same(user, "/name/first_name", text("first_name"))
                && same(user, "/name/last_name", text("last_name"))
                && user.pointer("/address/zip").and_then(Value::as_str) == Some(text("zip"))
        }),
        "get_order_details" => db.orders.get(text("order_id")).map(|row| row.as_ref().clone()),
        "get_product_details" => db.products.get(text("product_id")).map(|row| row.as_ref().clone()),
        "get_user_details" => db.users.get(text("user_id")).map(|row| row.as_ref().clone()),
        "get_item_details" => item(db, text("item_id")),
        "list_all_product_types" => Some(types(db)),
        "calculate" => Some(json!({ "expression": text("expression") })),
        "transfer_to_human_agents" => Some(json!({ "summary": text("summary") })),
        _ => None,
    }
}

fn same(user: &Value, at: &str, wanted: &str) -> bool {
    user.pointer(at).and_then(Value::as_str).is_some_and(|own| own.to_lowercase() == wanted.to_lowercase())
}

fn user_where(db: &Db, is: impl Fn(&Value) -> bool) -> Option<Value> {
    db.users.iter().find(|(_, user)| is(user)).map(|(id, _)| json!({ "user_id": id }))
}

fn item(db: &Db, id: &str) -> Option<Value> {
    db.products.values().find_map(|product| product.get("variants")?.get(id).cloned())
}

fn types(db: &Db) -> Value {
    let named = |(id, product): (&String, &std::sync::Arc<Value>)| {
        (product.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(), Value::String(id.clone()))
    };
    Value::Object(db.products.iter().map(named).collect())
}
