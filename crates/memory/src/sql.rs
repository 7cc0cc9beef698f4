//! Read-only SQL for people and scripts (`sinew sql`): what it gives, and its limits.
//!
//! The tables are documented in `store/sqlite/0001_create_tables.sql`. Does not know how the limits are kept.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::error::MemoryError;
use crate::store::{Reader, sqlite};

/// At most so many rows; more are cut off and `truncated` says so.
pub const ROWS_MAX: usize = 10_000;
/// At most so much text and bytes in one answer, about.
pub const BYTES_MAX: usize = 16 << 20;
/// At most so long.
pub const TIME_MAX: Duration = Duration::from_secs(5);
/// The longest query text, in bytes.
pub const TEXT_MAX: i32 = 64 << 10;

/// The answer to a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One array per row: null, integer, real, text; blobs as lower-case hex.
    pub rows: Vec<Vec<Value>>,
    /// There were more rows than `ROWS_MAX`, or more bytes than `BYTES_MAX`.
    pub truncated: bool,
}

/// Runs one query on a memory's file without opening it as a memory: for a command beside a running house, or after it.
///
/// Blocks for as long as the query takes. Never changes the file; what has not been folded yet is not seen.
///
/// # Errors
/// `Missing` where there is no file; else as [`crate::Memory::query`].
pub fn query_file(path: &Path, sql: &str) -> Result<Table, MemoryError> {
    if !path.exists() {
        return Err(MemoryError::Missing { what: "file", id: path.display().to_string() });
    }
    sqlite::reader(path)?.query(sql)
}
