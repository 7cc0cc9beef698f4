//! What the shop answers to a GET: plain JSON over its tables, without any effect.
//!
//! Knows nothing of HTTP. `None` is "there is no such thing".

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use crate::ledger;
use crate::store::Store;

type View = rusqlite::Result<Option<Value>>;

impl Store {
    /// The returns that a scanned code may mean. A return's own number finds it whether or not it is refunded; a product's
    /// EAN finds the open returns of that product, which may be none or several.
    ///
    /// # Errors
    /// As SQLite.
    pub fn returns(&self, code: &str) -> rusqlite::Result<Value> {
        let mut find = self.connection.prepare_cached(
            "SELECT r.rma, l.order_id, l.line, c.id, c.name, c.email, p.sku, p.ean, p.title, l.price_minor, l.currency,
                    l.delivered_on, r.announced_on, r.condition, r.reason, r.restockable, c.earlier_returns,
                    EXISTS (SELECT 1 FROM refunds f WHERE f.order_id = l.order_id AND f.line = l.line AND NOT f.voided) AS done
             FROM returns r JOIN order_lines l USING (order_id, line) JOIN products p USING (sku)
                  JOIN customers c ON c.id = l.customer
             WHERE r.rma = ?1 OR (p.ean = ?1 AND NOT done) ORDER BY r.rma",
        )?;
        let matches = find.query_map([code], |row| a_match(row, self.today))?;
        Ok(json!({"code": code, "matches": matches.collect::<Result<Vec<_>, _>>()?}))
    }

    /// One customer.
    ///
    /// # Errors
    /// As SQLite.
    pub fn customer(&self, id: &str) -> View {
        let mut find =
            self.connection.prepare_cached("SELECT id, name, email, earlier_returns FROM customers WHERE id = ?1")?;
        let customer = |row: &Row<'_>| {
            let (id, name, email): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(json!({"id": id, "name": name, "email": email, "earlier_returns": row.get::<_, i64>(3)?}))
        };
        find.query_row([id], customer).optional()
    }

    /// One order with its lines.
    ///
    /// # Errors
    /// As SQLite.
    pub fn order(&self, id: &str) -> View {
        let mut find = self.connection.prepare_cached(
            "SELECT l.line, l.sku, p.ean, p.title, l.price_minor, l.currency, l.delivered_on, l.customer
             FROM order_lines l JOIN products p USING (sku) WHERE l.order_id = ?1 ORDER BY l.line",
        )?;
        let lines = find.query_map([id], |row| {
            let (sku, ean, title): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let line = json!({
                "line": row.get::<_, i64>(0)?, "sku": sku, "ean": ean, "title": title,
                "price": money(row, 4)?, "delivered_on": row.get::<_, String>(6)?,
            });
            Ok((row.get::<_, String>(7)?, line))
        })?;
        let (customers, lines): (Vec<_>, Vec<_>) = lines.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let first = customers.first();
        Ok(first.map(|customer| json!({"order": id, "customer": customer, "lines": lines})))
    }

    /// One product by its EAN.
    ///
    /// # Errors
    /// As SQLite.
    pub fn product(&self, ean: &str) -> View {
        let mut find = self.connection.prepare_cached(
            "SELECT sku, ean, title, price_minor, currency, discontinued FROM products WHERE ean = ?1",
        )?;
        let product = |row: &Row<'_>| {
            let (sku, ean, title): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let discontinued: bool = row.get(5)?;
            Ok(json!({"sku": sku, "ean": ean, "title": title, "price": money(row, 3)?, "discontinued": discontinued}))
        };
        find.query_row([ean], product).optional()
    }

    /// How many pieces of one article lie in stock.
    ///
    /// # Errors
    /// As SQLite.
    pub fn stock(&self, sku: &str) -> View {
        let mut find = self.connection.prepare_cached("SELECT qty FROM stock WHERE sku = ?1")?;
        let qty: Option<i64> = find.query_row([sku], |row| row.get(0)).optional()?;
        Ok(qty.map(|qty| json!({"sku": sku, "qty": qty})))
    }

    /// What became of a key; none where no call with it was ever decided.
    ///
    /// # Errors
    /// As SQLite.
    pub fn effect(&self, key: &str) -> View {
        let mut find = self
            .connection
            .prepare_cached("SELECT action, arguments_sha256, applied, result FROM effects WHERE key = ?1")?;
        let effect = |row: &Row<'_>| {
            let (action, digest, result): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let result: Value = serde_json::from_str(&result).unwrap_or(Value::Null);
            let applied: bool = row.get(2)?;
            Ok(json!({"key": key, "action": action, "arguments_sha256": digest, "applied": applied, "result": result}))
        };
        find.query_row([key], effect).optional()
    }

    /// The whole effect ledger.
    ///
    /// # Errors
    /// As SQLite.
    pub fn ledger(&self) -> rusqlite::Result<Vec<Value>> {
        ledger::rows(&self.connection)
    }

    /// Counts of what stands, and how many effects stand more than once.
    ///
    /// # Errors
    /// As SQLite.
    pub fn state(&self) -> rusqlite::Result<Value> {
        let count = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(json!({
            "today": self.today.to_string(),
            "returns": count("SELECT count(*) FROM returns")?,
            "refunds": count("SELECT count(*) FROM refunds WHERE NOT voided")?,
            "refunds_voided": count("SELECT count(*) FROM refunds WHERE voided")?,
            "refunded_minor": count("SELECT coalesce(sum(amount_minor), 0) FROM refunds WHERE NOT voided")?,
            "restocks": count("SELECT count(*) FROM movements WHERE NOT undone")?,
            "restocks_undone": count("SELECT count(*) FROM movements WHERE undone")?,
            "messages": count("SELECT count(*) FROM messages")?,
            "doubled": doubled(&self.connection)?,
            "ledger_rows": count("SELECT count(*) FROM ledger")?,
        }))
    }
}

/// Effects beyond the first: a line refunded again, a piece put back again, a letter sent again under the same key.
fn doubled(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT coalesce(sum(n - 1), 0) FROM (
           SELECT count(*) AS n FROM refunds WHERE NOT voided GROUP BY order_id, line
           UNION ALL SELECT count(*) FROM movements WHERE NOT undone GROUP BY rma
           UNION ALL SELECT count(*) FROM messages GROUP BY key)",
        params![],
        |row| row.get(0),
    )
}

fn money(row: &Row<'_>, at: usize) -> rusqlite::Result<Value> {
    Ok(json!({"minor": row.get::<_, i64>(at)?, "currency": row.get::<_, String>(at + 1)?}))
}

fn a_match(row: &Row<'_>, today: Date) -> rusqlite::Result<Value> {
    let text = |at: usize| row.get::<_, String>(at);
    let delivered_on = text(11)?;
    let days = delivered_on.parse::<Date>().map(|day| today.duration_since(day).as_hours() / 24).ok();
    let status = if row.get(17)? { "refunded" } else { "open" };
    Ok(json!({
        "rma": text(0)?,
        "order": text(1)?,
        "line": row.get::<_, i64>(2)?,
        "customer": {"id": text(3)?, "name": text(4)?, "email": text(5)?},
        "sku": text(6)?,
        "ean": text(7)?,
        "title": text(8)?,
        "price": money(row, 9)?,
        "delivered_on": delivered_on,
        "announced_on": text(12)?,
        "days_since_delivery": days,
        "condition": text(13)?,
        "reason": text(14)?,
        "restockable": row.get::<_, bool>(15)?,
        "earlier_returns": row.get::<_, i64>(16)?,
        "status": status,
    }))
}
