//! Queries of people and scripts: one statement, read only, bounded in time, rows and bytes.
//!
//! Three walls, each enough alone: the connection is opened read-only, `query_only` is on, and an authorizer lets pass
//! only reads. The limits hold inside SQLite (length, depth, a progress handler), not after the fact.

use std::time::Instant;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Statement};
use serde_json::Value;

use super::failed;
use crate::error::MemoryError;
use crate::sql::{BYTES_MAX, ROWS_MAX, TEXT_MAX, TIME_MAX, Table};

/// Steps of SQLite's machine between two looks at the time: some tens of microseconds.
const STEPS: i32 = 10_000;
/// The longest single value.
const VALUE_MAX: i32 = 1 << 20;

/// Runs one query; the connection serves typed views again afterwards.
pub(super) fn query(conn: &mut Connection, sql: &str) -> Result<Table, MemoryError> {
    guard(conn)?;
    let table = run(conn, sql);
    unguard(conn)?;
    table
}

fn guard(conn: &mut Connection) -> Result<(), MemoryError> {
    let until = Instant::now() + TIME_MAX;
    let mut limit = || -> rusqlite::Result<()> {
        for (limit, most) in limits() {
            conn.set_limit(limit, most)?;
        }
        conn.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
        conn.authorizer(Some(authorize))
    };
    limit().map_err(failed("guard a query"))
}

fn limits() -> [(Limit, i32); 4] {
    [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, TEXT_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    ]
}

fn unguard(conn: &mut Connection) -> Result<(), MemoryError> {
    let mut lift = || -> rusqlite::Result<()> {
        conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        conn.progress_handler(0, None::<fn() -> bool>)?;
        conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::MAX)?;
        conn.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, i32::MAX)?;
        Ok(())
    };
    lift().map_err(failed("end a query"))
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if function_name != "load_extension" => Authorization::Allow,
        // Names of tables and columns, so that people can look around.
        AuthAction::Pragma { pragma_name: "table_info" | "table_list", .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

fn run(conn: &Connection, sql: &str) -> Result<Table, MemoryError> {
    let mut statement = conn.prepare(sql).map_err(explain)?;
    if statement.column_count() == 0 || !statement.readonly() {
        return Err(refused("only one SELECT is allowed here; memory is written by the journal alone"));
    }
    collect(&mut statement).map_err(explain)
}

fn collect(statement: &mut Statement<'_>) -> rusqlite::Result<Table> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table { columns, ..Table::default() };
    let mut bytes = 0;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if table.rows.len() >= ROWS_MAX || bytes >= BYTES_MAX {
            table.truncated = true;
            break;
        }
        let values = (0..table.columns.len()).map(|at| row.get_ref(at).map(|value| shown(value, &mut bytes)));
        table.rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok(table)
}

fn shown(value: ValueRef<'_>, bytes: &mut usize) -> Value {
    *bytes += 16;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => {
            *bytes += text.len();
            String::from_utf8_lossy(text).into()
        }
        ValueRef::Blob(blob) => {
            *bytes += blob.len() * 2;
            blob.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
    }
}

fn refused(reason: impl Into<String>) -> MemoryError {
    MemoryError::Query { reason: reason.into() }
}

/// Says in words what SQLite says in codes.
fn explain(error: rusqlite::Error) -> MemoryError {
    match (&error, error.sqlite_error_code()) {
        (rusqlite::Error::MultipleStatement, _) => refused("one statement at a time; remove what follows the `;`"),
        (_, Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly)) => {
            refused("only reading is allowed here; memory is written by the journal alone")
        }
        (_, Some(ErrorCode::OperationInterrupted)) => {
            MemoryError::TooSlow { limit_ms: u64::try_from(TIME_MAX.as_millis()).unwrap_or(u64::MAX) }
        }
        (_, Some(ErrorCode::TooBig)) => refused("a value or the query itself is too long"),
        (rusqlite::Error::SqlInputError { msg, .. }, _) => refused(msg.clone()),
        (rusqlite::Error::SqliteFailure(_, Some(text)), Some(ErrorCode::Unknown)) => refused(text.clone()),
        _ => failed("run a query")(error),
    }
}
