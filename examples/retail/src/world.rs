//! One copy of the rows, and a ledger with one line for each write that reached it, applied or refused.
//!
//! Does not know HTTP, and does not look at keys: the same command twice is two lines, and where its checks allow, two effects.

use serde::Serialize;
use serde_json::Value;

use crate::db::{Db, canonical_text, sha256};
use crate::writes::{self, Refused};

/// What a write is held against before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Everything, the order's status too: most doubles are refused by themselves.
    Status,
    /// Everything but the order's status, as a payment gateway or a valve would: a double is applied twice.
    NoStatus,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The rows were changed.
    Applied,
    /// Nothing was changed.
    Refused,
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The idempotency key that came with it.
    pub key: String,
    /// Which write.
    pub action: String,
    /// SHA-256 of the canonical text of its arguments.
    pub arguments_sha256: String,
    /// See `Fate`.
    pub outcome: Fate,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The money that it moved or booked, in cents; 0 where it moves none.
    pub money_cents: i64,
    /// When it arrived, in microseconds since 1970.
    pub at_us: i64,
}

/// Rows and ledger.
#[derive(Clone, Debug)]
pub struct World {
    db: Db,
    guard: Guard,
    ledger: Vec<Row>,
}

impl World {
    /// A fresh copy.
    pub fn new(db: Db, guard: Guard) -> Self {
        Self { db, guard, ledger: Vec::new() }
    }

    /// Takes a write, applies it where its checks allow, and notes it. Returns the line's place in the ledger.
    pub fn write(&mut self, key: &str, action: &str, arguments: &Value) -> usize {
        let written = writes::apply(&mut self.db, self.guard, action, arguments);
        let row = Row {
            key: key.to_owned(),
            action: action.to_owned(),
            arguments_sha256: sha256(&canonical_text(arguments)),
            outcome: if written.is_ok() { Fate::Applied } else { Fate::Refused },
            reason: written.as_ref().err().map(|Refused(why)| why.clone()),
            money_cents: written.unwrap_or_default(),
            at_us: jiff::Timestamp::now().as_microsecond(),
        };
        self.ledger.push(row);
        self.ledger.len() - 1
    }

    /// The rows.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Every write that arrived, in order.
    pub fn ledger(&self) -> &[Row] {
        &self.ledger
    }

    /// The first write that arrived under this key.
    pub fn by_key(&self, key: &str) -> Option<&Row> {
        self.ledger.iter().find(|row| row.key == key)
    }
}
