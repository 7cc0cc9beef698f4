//! The shop's SQLite file, and one POST as one transaction: key, expiry, rule, effect and ledger row stand or fall together.
//!
//! Knows nothing of HTTP or of switches. The key is judged before the expiry: a call whose key was carried out gets the
//! first answer again even when it comes late, since "expired" must always mean "was not done".

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::{Value, json};

use crate::ledger::{self, Fate};
use crate::rules::{self, Action, Refusal};
use crate::seed;

const SCHEMA: &str = "
CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, earlier_returns INTEGER NOT NULL) STRICT;
CREATE TABLE products (sku TEXT PRIMARY KEY, ean TEXT NOT NULL UNIQUE, title TEXT NOT NULL, price_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, discontinued INTEGER NOT NULL) STRICT;
CREATE TABLE stock (sku TEXT PRIMARY KEY, qty INTEGER NOT NULL) STRICT;
CREATE TABLE order_lines (order_id TEXT NOT NULL, line INTEGER NOT NULL, customer TEXT NOT NULL, sku TEXT NOT NULL,
    price_minor INTEGER NOT NULL, currency TEXT NOT NULL, delivered_on TEXT NOT NULL, PRIMARY KEY (order_id, line)) STRICT;
CREATE TABLE returns (rma TEXT PRIMARY KEY, order_id TEXT NOT NULL, line INTEGER NOT NULL, announced_on TEXT NOT NULL,
    condition TEXT NOT NULL, reason TEXT NOT NULL, restockable INTEGER NOT NULL) STRICT;
CREATE TABLE refunds (id INTEGER PRIMARY KEY, rma TEXT NOT NULL, order_id TEXT NOT NULL, line INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, voided INTEGER NOT NULL DEFAULT 0, key TEXT NOT NULL) STRICT;
CREATE TABLE movements (id INTEGER PRIMARY KEY, rma TEXT NOT NULL, sku TEXT NOT NULL, qty INTEGER NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0, key TEXT NOT NULL) STRICT;
CREATE TABLE messages (id INTEGER PRIMARY KEY, rma TEXT NOT NULL, customer TEXT NOT NULL, subject TEXT NOT NULL,
    body TEXT NOT NULL, key TEXT NOT NULL) STRICT;
CREATE TABLE effects (key TEXT PRIMARY KEY, action TEXT NOT NULL, arguments_sha256 TEXT NOT NULL, applied INTEGER NOT NULL,
    status INTEGER NOT NULL, result TEXT NOT NULL) STRICT;
CREATE TABLE ledger (n INTEGER PRIMARY KEY, key TEXT, action TEXT NOT NULL, rma TEXT, arguments_sha256 TEXT NOT NULL,
    arguments TEXT NOT NULL, applied TEXT NOT NULL, reason TEXT, at TEXT NOT NULL) STRICT;
CREATE INDEX order_lines_by_sku ON order_lines (sku);
CREATE INDEX returns_by_line ON returns (order_id, line);
CREATE INDEX refunds_by_line ON refunds (order_id, line);
CREATE INDEX movements_by_rma ON movements (rma);
";

const SCHEMA_VERSION: i64 = 1;

/// Why the shop's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says no.
    #[error("cannot use the shop's database")]
    Sql(#[from] rusqlite::Error),
    /// The file was written by another version.
    #[error("the shop's database has version {found}, this shop reads version {SCHEMA_VERSION}; start with a new file")]
    Version {
        /// What stands in the file.
        found: i64,
    },
}

/// One POST, as it reached the shop.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is to be done.
    pub action: Action,
    /// The `Idempotency-Key`; none is refused.
    pub key: Option<String>,
    /// The `Command-Expires`; none never expires.
    pub expires: Option<Timestamp>,
    /// The body.
    pub arguments: Value,
    /// Do not honour the key, and do again what was done.
    pub unguarded: bool,
}

/// What a POST is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The result, or a problem (RFC 9457).
    pub body: Value,
}

/// The shop's file and its day.
#[derive(Debug)]
pub struct Store {
    /// The connection; views read by it.
    pub(crate) connection: Connection,
    /// The day on which the shop lives.
    pub(crate) today: Date,
}

impl Store {
    /// Opens the file, or a database in memory, and fills a new one with the seed and `bulk` more returns.
    ///
    /// # Errors
    /// `Sql` where the file cannot be opened or written; `Version` where another version wrote it.
    pub fn open(path: Option<&Path>, today: Date, bulk: u32) -> Result<Self, StoreError> {
        let mut connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may lose the shop's last moments; a killed process loses nothing. It is an example.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(64);
        match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => fill(&mut connection, today, bulk)?,
            SCHEMA_VERSION => {}
            found => return Err(StoreError::Version { found }),
        }
        Ok(Self { connection, today })
    }

    /// Carries out one POST in one transaction, the ledger row included.
    ///
    /// # Errors
    /// `Sql`; then nothing was done and nothing stands in the ledger.
    pub fn post(&mut self, call: &Call) -> Result<Answer, StoreError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (fate, answer) = judge(&tx, call, Timestamp::now())?;
        ledger::write(&tx, call, fate, &answer)?;
        tx.commit()?;
        Ok(answer)
    }

    /// Writes down a POST that was turned away before anybody looked at it.
    ///
    /// # Errors
    /// `Sql`.
    pub fn turn_away(&mut self, call: &Call, answer: &Answer) -> Result<(), StoreError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        ledger::write(&tx, call, Fate::Refused, answer)?;
        Ok(tx.commit()?)
    }
}

fn fill(connection: &mut Connection, today: Date, bulk: u32) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(SCHEMA)?;
    seed::plant(&tx, today, bulk)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()
}

/// The whole decision about one POST at `now`, inside its transaction.
fn judge(tx: &Transaction<'_>, call: &Call, now: Timestamp) -> rusqlite::Result<(Fate, Answer)> {
    let Some(key) = &call.key else {
        return Ok((Fate::Refused, problem(400, "the header `Idempotency-Key` is missing")));
    };
    if !call.unguarded
        && let Some(known) = known_key(tx, call, key)?
    {
        return Ok(known);
    }
    if call.expires.is_some_and(|expires| now >= expires) {
        return Ok((Fate::Refused, problem(410, "the command has expired; nothing was done")));
    }
    let (fate, answer) = match rules::carry_out(tx, call, key)? {
        Ok(result) => (Fate::Done, Answer { status: 201, body: result }),
        Err(Refusal { status, reason }) => (Fate::Refused, problem(status, &reason)),
    };
    remember(tx, call, key, fate, &answer)?;
    Ok((fate, answer))
}

/// The first answer again where the key is known with these arguments, a refusal where it is known with others.
fn known_key(tx: &Transaction<'_>, call: &Call, key: &str) -> rusqlite::Result<Option<(Fate, Answer)>> {
    let mut find = tx.prepare_cached("SELECT action, arguments_sha256, status, result FROM effects WHERE key = ?1")?;
    let first = find
        .query_row([key], |row| {
            let (status, result): (u16, String) = (row.get(2)?, row.get(3)?);
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, status, result))
        })
        .optional()?;
    let Some((action, digest, status, result)) = first else { return Ok(None) };
    if action != call.action.as_str() || digest != ledger::arguments_sha256(&call.arguments) {
        let answer = problem(422, &format!("the key `{key}` was used with other arguments"));
        return Ok(Some((Fate::Refused, answer)));
    }
    let status = if status == 201 { 200 } else { status };
    let body = serde_json::from_str(&result).unwrap_or(Value::Null);
    Ok(Some((Fate::Repeated, Answer { status, body })))
}

/// Keeps the answer under the key. An unguarded call never hides the first effect of its key.
fn remember(tx: &Transaction<'_>, call: &Call, key: &str, fate: Fate, answer: &Answer) -> rusqlite::Result<()> {
    let mut keep = tx.prepare_cached(
        "INSERT INTO effects (key, action, arguments_sha256, applied, status, result) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key) DO UPDATE SET action = ?2, arguments_sha256 = ?3, applied = ?4, status = ?5, result = ?6
         WHERE NOT effects.applied",
    )?;
    let digest = ledger::arguments_sha256(&call.arguments);
    let done = fate == Fate::Done;
    keep.execute(params![key, call.action.as_str(), digest, done, answer.status, answer.body.to_string()])?;
    Ok(())
}

/// A problem document (RFC 9457).
pub fn problem(status: u16, detail: &str) -> Answer {
    let title = match status {
        400 => "bad request",
        404 => "not found",
        409 => "conflict",
        410 => "expired",
        422 => "cannot be done",
        503 => "busy",
        _ => "error",
    };
    Answer { status, body: json!({"type": "about:blank", "status": status, "title": title, "detail": detail}) }
}
