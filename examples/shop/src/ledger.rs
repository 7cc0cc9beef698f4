//! The effect ledger: one row for every POST that reached the shop, whatever became of it. Rows are never changed.
//!
//! Knows nothing of the rules. The digest of the arguments is SHA-256 over their JSON with sorted keys and no spaces, which
//! for the integers and plain keys of this shop is RFC 8785; so an auditor can compute it from outside.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::rules::Action;
use crate::store::{Answer, Call};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was done.
    Done,
    /// It was not done.
    Refused,
    /// It had been answered before under this key: the first answer was given again, nothing was done.
    Repeated,
}

impl Fate {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "applied",
            Self::Refused => "refused",
            Self::Repeated => "repeated",
        }
    }
}

/// SHA-256 of the arguments in their canonical form, in hex.
pub fn arguments_sha256(arguments: &Value) -> String {
    let digest = Sha256::digest(sorted(arguments).to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Adds the row of one call.
pub(crate) fn write(tx: &Transaction<'_>, call: &Call, fate: Fate, answer: &Answer) -> rusqlite::Result<()> {
    let mut add = tx.prepare_cached(
        "INSERT INTO ledger (key, action, rma, arguments_sha256, arguments, applied, reason, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let reason = answer.body.get("detail").and_then(Value::as_str);
    add.execute(params![
        call.key,
        call.action.as_str(),
        rma_of(tx, call)?,
        arguments_sha256(&call.arguments),
        call.arguments.to_string(),
        fate.as_str(),
        reason,
        jiff::Timestamp::now().to_string(),
    ])?;
    Ok(())
}

/// The return that a call is about: named in its arguments, or by the refund or movement that it takes back.
fn rma_of(tx: &Transaction<'_>, call: &Call) -> rusqlite::Result<Option<String>> {
    let argument = |name: &str| call.arguments.get(name).and_then(Value::as_str);
    let number = |name: &str| argument(name).and_then(|id| id.rsplit('-').next()?.parse::<i64>().ok());
    let find = |sql: &str, id: Option<i64>| tx.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional();
    match call.action {
        Action::RefundVoid => find("SELECT rma FROM refunds WHERE id = ?1", number("refund")),
        Action::Unstock => find("SELECT rma FROM movements WHERE id = ?1", number("movement")),
        Action::Refund | Action::Restock | Action::Message => Ok(argument("rma").map(str::to_owned)),
    }
}

/// All rows, in the order in which the calls came.
pub(crate) fn rows(connection: &Connection) -> rusqlite::Result<Vec<Value>> {
    let mut all = connection.prepare_cached(
        "SELECT n, key, action, rma, arguments_sha256, arguments, applied, reason, at FROM ledger ORDER BY n",
    )?;
    let rows = all.query_map([], |row| {
        let arguments: String = row.get(5)?;
        Ok(json!({
            "n": row.get::<_, i64>(0)?,
            "key": row.get::<_, Option<String>>(1)?,
            "action": row.get::<_, String>(2)?,
            "rma": row.get::<_, Option<String>>(3)?,
            "arguments_sha256": row.get::<_, String>(4)?,
            "arguments": serde_json::from_str::<Value>(&arguments).unwrap_or(Value::Null),
            "applied": row.get::<_, String>(6)?,
            "reason": row.get::<_, Option<String>>(7)?,
            "at": row.get::<_, String>(8)?,
        }))
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_keys() {
        let one = json!({"rma": "RMA-1", "amount": {"minor": 5, "currency": "EUR"}});
        let other = json!({"amount": {"currency": "EUR", "minor": 5}, "rma": "RMA-1"});
        assert_eq!(arguments_sha256(&one), arguments_sha256(&other));
        assert_ne!(arguments_sha256(&one), arguments_sha256(&json!({"rma": "RMA-1"})));
        // SHA-256 of `{}`, as any other tool computes it.
        assert_eq!(arguments_sha256(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }
}
