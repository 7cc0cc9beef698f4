//! Memory in one SQLite file: opening it, and setting aside what does not fit.
//!
//! It is a cache of the journal: WAL, synchronous NORMAL. A power cut may lose the last batches; they come with their
//! watermark in one transaction, so they are simply folded again.

mod ask;
mod guard;
pub(crate) mod items;
mod rows;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use sinew_contract::{Digest, EntryRef, LogId, Seq};

pub(crate) use ask::SqliteReader;
pub(crate) use write::SqliteStore;

use crate::error::MemoryError;
use crate::memory::{OpenReport, Reason};

/// "snwm": tells a file of ours from any other database.
const APPLICATION_ID: i64 = 0x736e_776d;
/// Forward only; the number of those applied stands in `user_version`.
const MIGRATIONS: &[&str] =
    &[include_str!("sqlite/0001_create_tables.sql"), include_str!("sqlite/0002_give_items_provenance.sql")];

/// Opens or makes the file; whatever does not fit is set aside and made anew.
pub(crate) fn open(path: &Path, log: LogId) -> Result<(SqliteStore, OpenReport), MemoryError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| MemoryError::Open { path: path.to_owned(), source })?;
    }
    let (reason, set_aside) = match inspect(path, log)? {
        Found::Fits(store) => {
            let watermark = store.head.seq;
            return Ok((store, OpenReport { reason: Reason::Kept, set_aside: None, watermark }));
        }
        Found::Nothing => (Reason::Fresh, None),
        Found::OtherLog => {
            remove(path)?;
            (Reason::OtherLog, None)
        }
        Found::Unfit(reason) => (reason, Some(put_aside(path)?)),
    };
    let store = make(path, log)?;
    Ok((store, OpenReport { reason, set_aside, watermark: Seq::ZERO }))
}

/// Opens a connection that can only read.
pub(crate) fn reader(path: &Path) -> Result<SqliteReader, MemoryError> {
    connection(path).map(SqliteReader::new)
}

/// The same, bare.
pub(crate) fn connection(path: &Path) -> Result<Connection, MemoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed("open its file for reading"))?;
    conn.execute_batch("PRAGMA query_only = 1; PRAGMA busy_timeout = 2000;").map_err(failed("prepare a reader"))?;
    Ok(conn)
}

/// Names what was tried, for an error of the database.
fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> MemoryError {
    move |source| MemoryError::Store { doing, source: Box::new(source) }
}

enum Found {
    Fits(SqliteStore),
    Nothing,
    OtherLog,
    Unfit(Reason),
}

/// Looks at what stands at `path` without changing it, unless it fits.
fn inspect(path: &Path, log: LogId) -> Result<Found, MemoryError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(source) => return Err(MemoryError::Open { path: path.to_owned(), source }),
        Ok(meta) if meta.len() == 0 => return Ok(Found::Nothing),
        Ok(_) => {}
    }
    match examine(path, log) {
        Ok(found) => Ok(found),
        Err(error) => match damage(&error) {
            Some(reason) => Ok(Found::Unfit(reason)),
            None => Err(failed("look at its file")(error)),
        },
    }
}

fn examine(path: &Path, log: LogId) -> rusqlite::Result<Found> {
    let conn = connect(path)?;
    let number = |pragma: &str| conn.query_row(pragma, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Ok(Found::Unfit(Reason::Foreign));
    }
    let version = number("PRAGMA user_version")?;
    if version > MIGRATIONS.len() as i64 {
        return Ok(Found::Unfit(Reason::Newer(version)));
    }
    let check: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Ok(Found::Unfit(Reason::Damaged(check)));
    }
    migrate(&conn)?;
    let meta = conn.query_row("SELECT log, watermark, hash FROM meta WHERE id = 1", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    });
    let Some((its_log, watermark, hash)) = meta.optional()? else {
        return Ok(Found::Unfit(Reason::Damaged("it does not say whose history it is".to_owned())));
    };
    if its_log != log.to_string() {
        return Ok(Found::OtherLog);
    }
    let (Ok(seq), Ok(hash)) = (u64::try_from(watermark), hash.parse::<Digest>()) else {
        return Ok(Found::Unfit(Reason::Damaged("its watermark cannot be read".to_owned())));
    };
    Ok(Found::Fits(SqliteStore { conn, head: EntryRef { seq: Seq(seq), hash } }))
}

/// Tells damage from trouble around the file (no rights, disk full, locked), which setting aside would not mend.
fn damage(error: &rusqlite::Error) -> Option<Reason> {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Some(Reason::Foreign),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch) => {
            Some(Reason::Damaged(error.to_string()))
        }
        Some(_) => None,
        None => Some(Reason::Damaged(error.to_string())),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn make(path: &Path, log: LogId) -> Result<SqliteStore, MemoryError> {
    let conn = connect(path).map_err(failed("make its file"))?;
    let begin = || -> rusqlite::Result<()> {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&conn)?;
        let sql = "INSERT INTO meta (id, log, watermark, hash) VALUES (1, ?1, 0, ?2)";
        conn.execute(sql, params![log.to_string(), Digest::ZERO.to_string()])?;
        Ok(())
    };
    begin().map_err(failed("make its tables"))?;
    Ok(SqliteStore { conn, head: EntryRef { seq: Seq::ZERO, hash: Digest::ZERO } })
}

/// Applies what is missing; each migration with its number in one transaction.
fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        conn.execute_batch(&format!("BEGIN; {migration} PRAGMA user_version = {}; COMMIT;", number + 1))?;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file and what SQLite keeps beside it.
fn parts(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| with_suffix(path, suffix))
}

fn remove(path: &Path) -> Result<(), MemoryError> {
    for part in parts(path) {
        match fs::remove_file(&part) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(MemoryError::Open { path: part, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Renames the file to the first free `….aside-N`, its companions with it.
fn put_aside(path: &Path) -> Result<PathBuf, MemoryError> {
    let free = (1..10_000).map(|n| with_suffix(path, &format!(".aside-{n}"))).find(|to| !to.exists());
    let full = || io::Error::new(io::ErrorKind::AlreadyExists, "10,000 files were set aside already; delete some");
    let target = free.ok_or_else(|| MemoryError::Open { path: path.to_owned(), source: full() })?;
    for (from, to) in parts(path).into_iter().zip(parts(&target)) {
        match fs::rename(&from, &to) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(MemoryError::Open { path: from, source });
            }
            _ => {}
        }
    }
    Ok(target)
}
