//! What the shop does for each action, and when it says no. Each rule checks first and writes then.
//!
//! Knows nothing of keys, expiry or HTTP: it is called inside the transaction, once it is clear that the call counts.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::store::Call;

/// What a POST asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `POST /refunds`.
    Refund,
    /// `POST /refunds/void`.
    RefundVoid,
    /// `POST /stock/restock`.
    Restock,
    /// `POST /stock/unstock`.
    Unstock,
    /// `POST /messages`.
    Message,
}

impl Action {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::RefundVoid => "refund-void",
            Self::Restock => "restock",
            Self::Unstock => "unstock",
            Self::Message => "message",
        }
    }
}

/// A no for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Why, for a person.
    pub reason: String,
}

type Verdict = rusqlite::Result<Result<Value, Refusal>>;

fn refuse<T>(status: u16, reason: impl Into<String>) -> rusqlite::Result<Result<T, Refusal>> {
    Ok(Err(Refusal { status, reason: reason.into() }))
}

/// Money in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Money {
    minor: i64,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundArgs {
    rma: String,
    order: String,
    line: i64,
    amount: Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VoidArgs {
    refund: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestockArgs {
    rma: String,
    sku: String,
    qty: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnstockArgs {
    movement: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageArgs {
    rma: String,
    customer: String,
    subject: String,
    body: String,
}

/// Does what the call asks for, or says why not.
pub(crate) fn carry_out(tx: &Transaction<'_>, call: &Call, key: &str) -> Verdict {
    match call.action {
        Action::Refund => with_args(call, |args| refund(tx, &args, call.unguarded, key)),
        Action::RefundVoid => with_args(call, |args| refund_void(tx, &args, call.unguarded)),
        Action::Restock => with_args(call, |args| restock(tx, &args, call.unguarded, key)),
        Action::Unstock => with_args(call, |args| unstock(tx, &args, call.unguarded)),
        Action::Message => with_args(call, |args| message(tx, &args, key)),
    }
}

fn with_args<A: DeserializeOwned>(call: &Call, f: impl FnOnce(A) -> Verdict) -> Verdict {
    match A::deserialize(&call.arguments) {
        Ok(args) => f(args),
        Err(error) => refuse(422, format!("the arguments are not understood: {error}")),
    }
}

/// The return and its order line, as far as the rules ask.
struct Known {
    order: String,
    line: i64,
    customer: String,
    sku: String,
    price: Money,
    discontinued: bool,
    restockable: bool,
}

impl Known {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            order: row.get(0)?,
            line: row.get(1)?,
            customer: row.get(2)?,
            sku: row.get(3)?,
            price: Money { minor: row.get(4)?, currency: row.get(5)? },
            discontinued: row.get(6)?,
            restockable: row.get(7)?,
        })
    }
}

fn find_return(tx: &Transaction<'_>, rma: &str) -> rusqlite::Result<Result<Known, Refusal>> {
    let mut find = tx.prepare_cached(
        "SELECT l.order_id, l.line, l.customer, l.sku, l.price_minor, l.currency, p.discontinued, r.restockable
         FROM returns r JOIN order_lines l USING (order_id, line) JOIN products p USING (sku) WHERE r.rma = ?1",
    )?;
    match find.query_row([rma], Known::from_row).optional()? {
        Some(known) => Ok(Ok(known)),
        None => refuse(422, format!("there is no return `{rma}`")),
    }
}

fn exists(tx: &Transaction<'_>, sql: &str, args: impl rusqlite::Params) -> rusqlite::Result<bool> {
    tx.prepare_cached(sql)?.exists(args)
}

/// The number in an id such as `rf-000042`.
fn number(id: &str, prefix: &str) -> Option<i64> {
    id.strip_prefix(prefix)?.parse().ok()
}

fn refund(tx: &Transaction<'_>, args: &RefundArgs, unguarded: bool, key: &str) -> Verdict {
    let known = match find_return(tx, &args.rma)? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if (&args.order, args.line) != (&known.order, known.line) {
        return refuse(422, format!("return `{}` is not about line {} of order `{}`", args.rma, args.line, args.order));
    }
    if args.amount.currency != known.price.currency || !(1..=known.price.minor).contains(&args.amount.minor) {
        let paid = &known.price;
        return refuse(422, format!("the amount is not within the {} {} that were paid", paid.minor, paid.currency));
    }
    let refunded = "SELECT 1 FROM refunds WHERE order_id = ?1 AND line = ?2 AND NOT voided";
    if !unguarded && exists(tx, refunded, params![args.order, args.line])? {
        return refuse(409, format!("line {} of order `{}` is already refunded", args.line, args.order));
    }
    let mut add = tx.prepare_cached(
        "INSERT INTO refunds (rma, order_id, line, amount_minor, currency, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let id = add.insert(params![args.rma, args.order, args.line, args.amount.minor, args.amount.currency, key])?;
    let (rma, order, line, amount) = (&args.rma, &args.order, args.line, &args.amount);
    Ok(Ok(json!({"refund": format!("rf-{id:06}"), "rma": rma, "order": order, "line": line, "amount": amount})))
}

fn refund_void(tx: &Transaction<'_>, args: &VoidArgs, unguarded: bool) -> Verdict {
    let id = number(&args.refund, "rf-");
    let mut find = tx.prepare_cached("SELECT voided FROM refunds WHERE id = ?1")?;
    match find.query_row([id], |row| row.get::<_, bool>(0)).optional()? {
        None => return refuse(422, format!("there is no refund `{}`", args.refund)),
        Some(true) if !unguarded => return refuse(409, format!("refund `{}` is already void", args.refund)),
        Some(_) => {}
    }
    tx.prepare_cached("UPDATE refunds SET voided = 1 WHERE id = ?1")?.execute([id])?;
    Ok(Ok(json!({"refund": args.refund, "voided": true})))
}

fn restock(tx: &Transaction<'_>, args: &RestockArgs, unguarded: bool, key: &str) -> Verdict {
    let known = match find_return(tx, &args.rma)? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if args.sku != known.sku || args.qty != 1 {
        return refuse(422, format!("return `{}` is about one piece of `{}`", args.rma, known.sku));
    }
    if known.discontinued {
        return refuse(422, format!("`{}` is discontinued and has no place in stock", args.sku));
    }
    if !known.restockable {
        return refuse(422, format!("the piece of return `{}` cannot be sold again", args.rma));
    }
    let restocked = "SELECT 1 FROM movements WHERE rma = ?1 AND NOT undone";
    if !unguarded && exists(tx, restocked, [&args.rma])? {
        return refuse(409, format!("the piece of return `{}` is already back in stock", args.rma));
    }
    let mut add = tx.prepare_cached("INSERT INTO movements (rma, sku, qty, key) VALUES (?1, ?2, ?3, ?4)")?;
    let id = add.insert(params![args.rma, args.sku, args.qty, key])?;
    move_stock(tx, &args.sku, args.qty)?;
    Ok(Ok(json!({"movement": format!("mv-{id:06}"), "rma": args.rma, "sku": args.sku, "qty": args.qty})))
}

fn unstock(tx: &Transaction<'_>, args: &UnstockArgs, unguarded: bool) -> Verdict {
    let id = number(&args.movement, "mv-");
    let mut find = tx.prepare_cached("SELECT undone, sku, qty FROM movements WHERE id = ?1")?;
    let found =
        find.query_row([id], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)));
    let Some((undone, sku, qty)) = found.optional()? else {
        return refuse(422, format!("there is no movement `{}`", args.movement));
    };
    if undone && !unguarded {
        return refuse(409, format!("movement `{}` is already undone", args.movement));
    }
    tx.prepare_cached("UPDATE movements SET undone = 1 WHERE id = ?1")?.execute([id])?;
    move_stock(tx, &sku, -qty)?;
    Ok(Ok(json!({"movement": args.movement, "undone": true})))
}

fn move_stock(tx: &Transaction<'_>, sku: &str, by: i64) -> rusqlite::Result<usize> {
    tx.prepare_cached("UPDATE stock SET qty = qty + ?2 WHERE sku = ?1")?.execute(params![sku, by])
}

/// Messages have no rule of their own against a second one: only the key stands between the customer and two letters.
fn message(tx: &Transaction<'_>, args: &MessageArgs, key: &str) -> Verdict {
    let known = match find_return(tx, &args.rma)? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if args.customer != known.customer {
        return refuse(422, format!("return `{}` does not belong to customer `{}`", args.rma, args.customer));
    }
    if args.subject.is_empty() || args.body.is_empty() {
        return refuse(422, "a message needs a subject and a body");
    }
    let mut add =
        tx.prepare_cached("INSERT INTO messages (rma, customer, subject, body, key) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let id = add.insert(params![args.rma, args.customer, args.subject, args.body, key])?;
    Ok(Ok(json!({"message": format!("msg-{id:06}"), "rma": args.rma, "customer": args.customer})))
}
