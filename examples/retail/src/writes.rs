//! The seven writes: what each checks, in order, and what it changes. A write that fails a check changes nothing.
//!
//! Pure over the rows. Where one call replaces several items, each gets the price and options of its own new variant.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::db::{Db, Rows};
use crate::world::Guard;

/// Why a write changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// The names of all writes.
pub const WRITES: [&str; 7] = [
    "cancel_pending_order",
    "exchange_delivered_order_items",
    "return_delivered_order_items",
    "modify_pending_order_items",
    "modify_pending_order_address",
    "modify_pending_order_payment",
    "modify_user_address",
];

const ADDRESS: [&str; 6] = ["address1", "address2", "city", "state", "country", "zip"];

/// Applies one write and returns the cents that it moved or booked.
///
/// # Errors
/// The first check that it fails; nothing has changed then.
pub fn apply(db: &mut Db, guard: Guard, action: &str, arguments: &Value) -> Result<i64, Refused> {
    let call = Call { arguments, guard };
    match action {
        "cancel_pending_order" => cancel(db, &call),
        "exchange_delivered_order_items" => exchange(db, &call),
        "return_delivered_order_items" => give_back(db, &call),
        "modify_pending_order_items" => modify_items(db, &call),
        "modify_pending_order_address" => modify_address(db, &call),
        "modify_pending_order_payment" => modify_payment(db, &call),
        "modify_user_address" => modify_user(db, &call),
        _ => Err(no(format!("no write is named `{action}`"))),
    }
}

fn no(why: impl Into<String>) -> Refused {
    Refused(why.into())
}

/// The arguments, and how closely they are looked at.
struct Call<'a> {
    arguments: &'a Value,
    guard: Guard,
}

impl Call<'_> {
    fn text(&self, name: &str) -> Result<&str, Refused> {
        self.arguments.get(name).and_then(Value::as_str).ok_or_else(|| no(format!("`{name}` is missing")))
    }

    fn list(&self, name: &str) -> Result<Vec<String>, Refused> {
        let items =
            self.arguments.get(name).and_then(Value::as_array).ok_or_else(|| no(format!("`{name}` is missing")))?;
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        texts.collect::<Option<_>>().ok_or_else(|| no(format!("`{name}` is not a list of ids")))
    }

    fn address(&self) -> Value {
        let of = |name: &&str| Some(((*name).to_owned(), self.arguments.get(*name).filter(|v| !v.is_null())?.clone()));
        Value::Object(ADDRESS.iter().filter_map(of).collect())
    }

    /// The order in question, where its status is as it must be.
    fn order(&self, db: &Db, good: impl Fn(&str) -> bool) -> Result<Value, Refused> {
        let id = self.text("order_id")?;
        let order = db.orders.get(id).ok_or_else(|| no(format!("order `{id}` not found")))?;
        let status = text(order, "status");
        if self.guard == Guard::Status && !good(status) {
            return Err(no(format!("order `{id}` is `{status}`")));
        }
        Ok(order.as_ref().clone())
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn cents(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn rows_of<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn set(value: &mut Value, name: &str, to: impl Into<Value>) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), to.into());
    }
}

fn append(value: &mut Value, name: &str, row: Value) {
    let list = value.as_object_mut().map(|object| object.entry(name).or_insert_with(|| json!([])));
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.push(row);
    }
}

fn keep(rows: &mut Rows, id: &str, row: Value) {
    rows.insert(id.to_owned(), Arc::new(row));
}

fn user_of(db: &Db, order: &Value) -> Result<Value, Refused> {
    let id = text(order, "user_id");
    db.users.get(id).map(|user| user.as_ref().clone()).ok_or_else(|| no(format!("user `{id}` not found")))
}

fn method<'v>(user: &'v Value, id: &str) -> Result<&'v Value, Refused> {
    let method = user.get("payment_methods").and_then(|methods| methods.get(id));
    method.ok_or_else(|| no(format!("payment method `{id}` is not the user's")))
}

fn is_gift_card(method: &Value) -> bool {
    text(method, "source") == "gift_card"
}

/// Adds to the balance of a gift card; any other method is left alone.
fn credit(user: &mut Value, id: &str, amount: i64) {
    let method = user.get_mut("payment_methods").and_then(|methods| methods.get_mut(id));
    if let Some(method) = method.filter(|method| is_gift_card(method)) {
        let balance = cents(method, "balance_cents") + amount;
        set(method, "balance_cents", balance);
    }
}

fn payment(kind: &str, amount: i64, method: &str) -> Value {
    json!({ "transaction_type": kind, "amount_cents": amount, "payment_method_id": method })
}

fn keep_both(db: &mut Db, order: Value, user: Value) {
    let (order_id, user_id) = (text(&order, "order_id").to_owned(), text(&user, "user_id").to_owned());
    keep(&mut db.orders, &order_id, order);
    keep(&mut db.users, &user_id, user);
}

fn cancel(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status == "pending")?;
    let reason = call.text("reason")?.to_owned();
    if !["no longer needed", "ordered by mistake"].contains(&reason.as_str()) {
        return Err(no(format!("`{reason}` is no reason to cancel")));
    }
    let mut user = user_of(db, &order)?;
    let mut moved = 0;
    for row in rows_of(&order, "payment_history").to_vec() {
        let (amount, by) = (cents(&row, "amount_cents"), text(&row, "payment_method_id"));
        append(&mut order, "payment_history", payment("refund", amount, by));
        credit(&mut user, by, amount);
        moved += amount;
    }
    set(&mut order, "status", "cancelled");
    set(&mut order, "cancel_reason", reason);
    keep_both(db, order, user);
    Ok(moved)
}

/// Each id occurs in the order at least as often as in the list.
fn check_items(order: &Value, ids: &[String]) -> Result<(), Refused> {
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    ids.iter().for_each(|id| *wanted.entry(id).or_default() += 1);
    for (id, count) in wanted {
        let there = rows_of(order, "items").iter().filter(|item| text(item, "item_id") == id).count();
        if there < count {
            return Err(no(format!("item `{id}` is not in the order so often")));
        }
    }
    Ok(())
}

fn item<'v>(order: &'v Value, id: &str) -> Result<&'v Value, Refused> {
    let found = rows_of(order, "items").iter().find(|item| text(item, "item_id") == id);
    found.ok_or_else(|| no(format!("item `{id}` is not in the order")))
}

/// The available variant of the same product.
fn variant<'d>(db: &'d Db, old: &Value, new_id: &str) -> Result<&'d Value, Refused> {
    let product = db.products.get(text(old, "product_id"));
    let found = product.and_then(|product| product.get("variants")?.get(new_id));
    let found = found.filter(|v| v.get("available").and_then(Value::as_bool) == Some(true));
    found.ok_or_else(|| no(format!("`{new_id}` is not an available variant of the same product")))
}

/// Sum of new prices less old ones, all checks of a swap made.
fn swap(db: &Db, order: &Value, old: &[String], new: &[String], other: bool) -> Result<i64, Refused> {
    check_items(order, old)?;
    if old.len() != new.len() {
        return Err(no("there must be as many new items as old ones"));
    }
    let mut difference = 0;
    for (old_id, new_id) in old.iter().zip(new) {
        if other && old_id == new_id {
            return Err(no(format!("item `{old_id}` would stay the same")));
        }
        let old = item(order, old_id)?;
        difference += cents(variant(db, old, new_id)?, "price_cents") - cents(old, "price_cents");
    }
    Ok(difference)
}

/// The method is the user's, and a gift card holds at least the amount.
fn check_method(user: &Value, id: &str, amount: i64) -> Result<(), Refused> {
    let method = method(user, id)?;
    if is_gift_card(method) && cents(method, "balance_cents") < amount {
        return Err(no(format!("gift card `{id}` does not hold enough")));
    }
    Ok(())
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn exchange(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status == "delivered")?;
    let (old, new) = (call.list("item_ids")?, call.list("new_item_ids")?);
    let difference = swap(db, &order, &old, &new, false)?;
    let by = call.text("payment_method_id")?;
    check_method(&user_of(db, &order)?, by, difference)?;
    set(&mut order, "status", "exchange requested");
    set(&mut order, "exchange_items", sorted(old));
    set(&mut order, "exchange_new_items", sorted(new));
    set(&mut order, "exchange_payment_method_id", by);
    set(&mut order, "exchange_price_difference_cents", difference);
    keep(&mut db.orders, call.text("order_id")?, order);
    Ok(difference)
}

fn give_back(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status == "delivered")?;
    let (items, by) = (call.list("item_ids")?, call.text("payment_method_id")?);
    let user = user_of(db, &order)?;
    let first = rows_of(&order, "payment_history").first().map(|row| text(row, "payment_method_id"));
    if !is_gift_card(method(&user, by)?) && first != Some(by) {
        return Err(no("money goes back to a gift card or to where it came from"));
    }
    check_items(&order, &items)?;
    let prices: i64 = items.iter().map(|id| item(&order, id).map_or(0, |item| cents(item, "price_cents"))).sum();
    set(&mut order, "status", "return requested");
    set(&mut order, "return_items", sorted(items));
    set(&mut order, "return_payment_method_id", by);
    keep(&mut db.orders, call.text("order_id")?, order);
    Ok(prices)
}

fn modify_items(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status == "pending")?;
    let (old, new) = (call.list("item_ids")?, call.list("new_item_ids")?);
    let difference = swap(db, &order, &old, &new, true)?;
    let by = call.text("payment_method_id")?;
    let mut user = user_of(db, &order)?;
    check_method(&user, by, difference)?;
    let kind = if difference > 0 { "payment" } else { "refund" };
    append(&mut order, "payment_history", payment(kind, difference.abs(), by));
    credit(&mut user, by, -difference);
    for (old_id, new_id) in old.iter().zip(&new) {
        let of_new = variant(db, item(&order, old_id)?, new_id)?.clone();
        put(&mut order, old_id, new_id, &of_new);
    }
    set(&mut order, "status", "pending (item modified)");
    keep_both(db, order, user);
    Ok(difference.abs())
}

/// Turns the first item of the old id into the new variant.
fn put(order: &mut Value, old_id: &str, new_id: &str, variant: &Value) {
    let items = order.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
    if let Some(item) = items.into_iter().find(|item| text(item, "item_id") == old_id) {
        set(item, "item_id", new_id);
        set(item, "price_cents", cents(variant, "price_cents"));
        set(item, "options", variant.get("options").cloned().unwrap_or_else(|| Value::Object(Map::new())));
    }
}

fn modify_address(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status.contains("pending"))?;
    set(&mut order, "address", call.address());
    keep(&mut db.orders, call.text("order_id")?, order);
    Ok(0)
}

fn modify_payment(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let mut order = call.order(db, |status| status.contains("pending"))?;
    let new = call.text("payment_method_id")?.to_owned();
    let mut user = user_of(db, &order)?;
    method(&user, &new)?;
    let (old, amount) = match rows_of(&order, "payment_history") {
        [one] if text(one, "transaction_type") == "payment" => {
            (text(one, "payment_method_id").to_owned(), cents(one, "amount_cents"))
        }
        _ => return Err(no("there must be exactly one payment row, and it a payment")),
    };
    if old == new {
        return Err(no(format!("it is paid by `{new}` already")));
    }
    check_method(&user, &new, amount)?;
    append(&mut order, "payment_history", payment("payment", amount, &new));
    append(&mut order, "payment_history", payment("refund", amount, &old));
    credit(&mut user, &new, -amount);
    credit(&mut user, &old, amount);
    keep_both(db, order, user);
    Ok(amount)
}

fn modify_user(db: &mut Db, call: &Call<'_>) -> Result<i64, Refused> {
    let id = call.text("user_id")?;
    let user = db.users.get(id).ok_or_else(|| no(format!("user `{id}` not found")))?;
    let mut user = user.as_ref().clone();
    set(&mut user, "address", call.address());
    keep(&mut db.users, id, user);
    Ok(0)
}
