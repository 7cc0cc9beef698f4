//! The writer's side: batches into the hot table, buffers into chunks and rollups, old chunks out.
//!
//! A batch is one row of the hot table, whatever series it is about: a commit costs the same for one point as for a
//! thousand. It is dropped when every point of it has been sealed; until then a restart reads it again. All that a batch
//! brings about stands in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sinew_contract::{Failure, Sample, Scope, Taken, Timestamp};

use super::chunk::{self, Point};
use super::course::{self, Sums};
use super::{Expired, Open, Retention, SeriesStats, broken, is_good};

/// Points of a full buffer. More compress no better; fewer make more rows.
const CHUNK_POINTS: usize = 2_048;
/// Buffers sealed in one transaction, so that no commit takes long.
const SEALS_MAX: usize = 8;
/// Points that may wait unsealed before slow series are sealed early: 32 bytes each in memory and on disk.
const OPEN_MAX: usize = 8_000_000;
/// 4 MiB at 16 KiB a page: small checkpoints, short commits.
const CHECKPOINT_PAGES: i64 = 256;

/// "snws": tells a file of ours from any other database.
const APPLICATION_ID: i64 = 0x736e_7773;

/// Tiers, the finest first: how long a bucket is, microseconds; 0 for points themselves.
pub(super) const TIERS: [i64; 4] = [0, 60_000_000, 3_600_000_000, 86_400_000_000];
/// A rollup is kept where it holds at least so many points a bucket; else the finer tier says the same in as little.
const ROLLUP_GAIN: i64 = 4;

const TABLES: &str = include_str!("0001_create_tables.sql");

pub(super) struct SeriesStore {
    conn: Connection,
    retention: Retention,
    ids: HashMap<Scope, HashMap<Arc<str>, i64>>,
    open: Arc<Open>,
    /// Per series with open points: the hot row that holds its earliest.
    since: BTreeMap<i64, i64>,
    open_points: usize,
    next_batch: i64,
    /// Full buffers that wait for their turn.
    full: Vec<i64>,
    newest_us: i64,
}

impl SeriesStore {
    pub(super) fn open(path: &Path, retention: Retention, open: Arc<Open>) -> Result<Self, Failure> {
        let conn = connect(path).map_err(|e| broken("open its file", &e))?;
        let mut store = Self {
            conn,
            retention,
            ids: HashMap::new(),
            open,
            since: BTreeMap::new(),
            open_points: 0,
            next_batch: 1,
            full: Vec::new(),
            newest_us: i64::MIN,
        };
        store.take_up().map_err(|e| broken("take up what was not sealed", &e))?;
        Ok(store)
    }

    /// Reads names and hot rows again.
    fn take_up(&mut self) -> rusqlite::Result<()> {
        let mut ids = self.conn.prepare("SELECT id, scope, name FROM series")?;
        let rows = ids.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
        for row in rows {
            let (id, scope, name): (i64, _, _) = row?;
            if let Ok(scope) = scope.parse::<Scope>() {
                self.ids.entry(scope).or_default().insert(name.into(), id);
            }
        }
        drop(ids);
        self.newest_us = self
            .conn
            .query_row("SELECT max(until) FROM chunks", [], |row| row.get::<_, Option<i64>>(0))?
            .unwrap_or(i64::MIN);
        let mut hot = self.conn.prepare("SELECT batch, points FROM hot ORDER BY batch")?;
        let rows: Vec<(i64, Vec<u8>)> =
            hot.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        drop(hot);
        let sealed: BTreeMap<i64, i64> = self.sealed_through()?;
        for (batch, bytes) in rows {
            self.next_batch = self.next_batch.max(batch + 1);
            for (series, at, value) in read_batch(&bytes) {
                // A row stays until all its points are sealed; those that are must not come twice.
                if sealed.get(&series).is_none_or(|through| batch > *through) {
                    self.buffer(series, batch, (at, value));
                }
            }
        }
        let through = sealed.values().max().copied().unwrap_or(0);
        self.next_batch = self.next_batch.max(through + 1);
        Ok(())
    }

    /// Per series the last batch whose points are all in chunks.
    fn sealed_through(&self) -> rusqlite::Result<BTreeMap<i64, i64>> {
        let mut rows = self.conn.prepare("SELECT id, sealed_batch FROM series WHERE sealed_batch > 0")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn buffer(&mut self, series: i64, batch: i64, point: Point) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let points = open.entry(series).or_default();
        points.push(point);
        if points.len() == CHUNK_POINTS {
            self.full.push(series);
        }
        self.since.entry(series).or_insert(batch);
        self.open_points += 1;
        self.newest_us = self.newest_us.max(point.0);
    }

    pub(super) fn record(&mut self, scope: &Scope, samples: &[Sample]) -> Result<Taken, Failure> {
        let mut taken = Taken::default();
        let oldest = self.newest_us.saturating_sub(micros(self.retention.raw));
        let mut batch = Vec::with_capacity(samples.len());
        for sample in samples {
            if !is_good(sample) {
                taken.refused += 1;
            } else if sample.at.0 < oldest {
                taken.late += 1;
            } else {
                taken.kept += 1;
                batch.push((
                    self.id(scope, &sample.series).map_err(|e| broken("name a series", &e))?,
                    sample.at.0,
                    sample.value,
                ));
            }
        }
        if batch.is_empty() {
            return Ok(taken);
        }
        self.commit(&batch).map_err(|e| broken("keep a batch", &e))?;
        Ok(taken)
    }

    fn id(&mut self, scope: &Scope, name: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(id) = self.ids.get(scope).and_then(|names| names.get(name)) {
            return Ok(*id);
        }
        // Outside of the batch's transaction: a name without points harms nobody.
        let sql = "INSERT INTO series (scope, name) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET name = name RETURNING id";
        let id = self.conn.prepare_cached(sql)?.query_row(params![scope.as_str(), &**name], |row| row.get(0))?;
        self.ids.entry(scope.clone()).or_default().insert(Arc::clone(name), id);
        Ok(id)
    }

    fn commit(&mut self, points: &[(i64, i64, f64)]) -> rusqlite::Result<()> {
        let number = self.next_batch;
        let turn: Vec<i64> = self.full.iter().take(SEALS_MAX).copied().collect();
        let tx = self.conn.transaction()?;
        tx.prepare_cached("INSERT INTO hot (batch, points) VALUES (?1, ?2)")?
            .execute(params![number, write_batch(points)])?;
        let sealed = seal(&tx, &self.open, &turn, number - 1)?;
        tx.commit()?;
        self.next_batch += 1;
        self.forget_sealed(&sealed);
        for (series, at, value) in points {
            self.buffer(*series, number, (*at, *value));
        }
        self.drop_hot()?;
        if self.open_points > OPEN_MAX {
            self.full = self.since.keys().copied().collect();
        }
        Ok(())
    }

    /// Takes sealed points out of the buffers, after the commit.
    fn forget_sealed(&mut self, sealed: &[i64]) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        for series in sealed {
            self.open_points -= open.remove(series).map_or(0, |points| points.len());
            self.since.remove(series);
        }
        self.full.retain(|series| open.contains_key(series));
    }

    /// Drops hot rows of which every point is in a chunk; now and then, since to look is a walk over all open series.
    fn drop_hot(&mut self) -> rusqlite::Result<()> {
        if self.next_batch % 64 != 0 {
            return Ok(());
        }
        let needed = self.since.values().min().copied().unwrap_or(self.next_batch);
        self.conn.prepare_cached("DELETE FROM hot WHERE batch < ?1")?.execute([needed])?;
        Ok(())
    }

    pub(super) fn seal_all(&mut self) -> Result<(), Failure> {
        self.seal_rest().map_err(|e| broken("seal", &e))
    }

    fn seal_rest(&mut self) -> rusqlite::Result<()> {
        while !self.since.is_empty() {
            let turn: Vec<i64> = self.since.keys().take(SEALS_MAX).copied().collect();
            let tx = self.conn.transaction()?;
            let sealed = seal(&tx, &self.open, &turn, self.next_batch - 1)?;
            tx.commit()?;
            self.forget_sealed(&sealed);
        }
        self.conn.execute("DELETE FROM hot", [])?;
        // Gives back one page per step, so it is stepped to its end.
        let mut vacuum = self.conn.prepare("PRAGMA incremental_vacuum")?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
        drop(steps);
        drop(vacuum);
        self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Result<Expired, Failure> {
        self.drop_old(now).map_err(|e| broken("drop what is old", &e))
    }

    /// Uses `chunks_by_age`. Rows are dropped whole, so that no other is rewritten.
    fn drop_old(&mut self, now: Timestamp) -> rusqlite::Result<Expired> {
        let mut expired = Expired::default();
        let keep = [self.retention.raw, self.retention.minute, self.retention.hour, self.retention.day];
        let tx = self.conn.transaction()?;
        for (tier, keep) in (0_i64..).zip(keep) {
            let before = now.0.saturating_sub(micros(keep));
            let points: i64 = tx
                .prepare_cached("SELECT coalesce(sum(n), 0) FROM chunks WHERE tier = ?1 AND until < ?2 AND points = 1")?
                .query_row([tier, before], |row| row.get(0))?;
            let gone =
                tx.prepare_cached("DELETE FROM chunks WHERE tier = ?1 AND until < ?2")?.execute([tier, before])?;
            expired.chunks += u64::try_from(gone).unwrap_or(u64::MAX);
            expired.points += u64::try_from(points).unwrap_or(0);
        }
        let counted = i64::try_from(expired.points).unwrap_or(i64::MAX);
        tx.execute("UPDATE meta SET expired = expired + ?1", [counted])?;
        tx.commit()?;
        Ok(expired)
    }
}

/// Seals the buffers of some series: a chunk each, and what rollups are worth it. Gives back those that were sealed.
fn seal(tx: &Transaction<'_>, open: &Open, turn: &[i64], through: i64) -> rusqlite::Result<Vec<i64>> {
    let mut sealed = Vec::with_capacity(turn.len());
    for series in turn {
        let points = open.read().unwrap_or_else(PoisonError::into_inner).get(series).cloned().unwrap_or_default();
        if points.is_empty() {
            continue;
        }
        let points = course::in_order(points);
        seal_one(tx, *series, &points)?;
        tx.prepare_cached("UPDATE series SET sealed_batch = ?2 WHERE id = ?1")?.execute([*series, through])?;
        sealed.push(*series);
    }
    Ok(sealed)
}

fn seal_one(tx: &Transaction<'_>, series: i64, points: &[Point]) -> rusqlite::Result<()> {
    let (Some((from, _)), Some((until, _))) = (points.first(), points.last()) else { return Ok(()) };
    let count = i64::try_from(points.len()).unwrap_or(i64::MAX);
    let span = until.saturating_sub(*from).max(1);
    // Points that are no denser than the buckets of a tier are as small as that tier, and are kept as long.
    let dense = |width: i64| span / width.max(1) < count;
    let own = TIERS.iter().rposition(|width| *width == 0 || !dense(*width)).unwrap_or(0);
    let sums = Sums::of(points);
    put(tx, series, own, (*from, *until), &sums, &chunk::encode(points), true)?;
    for (tier, width) in TIERS.iter().enumerate().skip(own + 1) {
        if span / width < count / ROLLUP_GAIN {
            let buckets = course::rollup(points, *width);
            put(tx, series, tier, (*from, *until), &sums, &course::encode(&buckets), false)?;
        }
    }
    Ok(())
}

fn put(
    tx: &Transaction<'_>,
    series: i64,
    tier: usize,
    (from, until): (i64, i64),
    sums: &Sums,
    bytes: &[u8],
    points: bool,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO chunks (series, tier, points, since, until, n, min, max, sum, first, last, bytes) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let tier = i64::try_from(tier).unwrap_or(i64::MAX);
    let count = i64::try_from(sums.count).unwrap_or(i64::MAX);
    tx.prepare_cached(sql)?.execute(params![
        series, tier, points, from, until, count, sums.min, sums.max, sums.sum, sums.first, sums.last, bytes
    ])?;
    Ok(())
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA busy_timeout = 2000;")?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        conn.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = 1; COMMIT;"))?;
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(conn)
}

/// Series and time as differences in seven-bit bytes, the number as it is.
fn write_batch(points: &[(i64, i64, f64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * 11);
    let (mut series_before, mut at_before) = (0, 0);
    for (series, at, value) in points {
        put_varint(super::bits::zigzag(series.wrapping_sub(series_before)), &mut bytes);
        put_varint(super::bits::zigzag(at.wrapping_sub(at_before)), &mut bytes);
        bytes.extend(value.to_le_bytes());
        (series_before, at_before) = (*series, *at);
    }
    bytes
}

fn read_batch(mut bytes: &[u8]) -> Vec<(i64, i64, f64)> {
    let (mut series, mut at) = (0_i64, 0_i64);
    let mut points = Vec::new();
    let mut next = || {
        series = series.wrapping_add(super::bits::unzigzag(take_varint(&mut bytes)?));
        at = at.wrapping_add(super::bits::unzigzag(take_varint(&mut bytes)?));
        let (value, rest) = bytes.split_first_chunk::<8>()?;
        bytes = rest;
        Some((series, at, f64::from_le_bytes(*value)))
    };
    while let Some(point) = next() {
        points.push(point);
    }
    points
}

fn put_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push((value & 0x7f | 0x80).to_le_bytes()[0]);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Opens a connection that can only read.
pub(super) fn reader(path: &Path) -> Result<Connection, Failure> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|e| broken("open its file for reading", &e))
}

pub(super) fn stats(path: &Path, open: &Open) -> Result<SeriesStats, Failure> {
    let conn = reader(path)?;
    let count = |sql: &str| -> Result<u64, Failure> {
        let number: Option<i64> =
            conn.query_row(sql, [], |row| row.get(0)).optional().map_err(|e| broken("count", &e))?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    };
    let open = open.read().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum::<usize>();
    Ok(SeriesStats {
        series: count("SELECT count(*) FROM series")?,
        sealed: count("SELECT coalesce(sum(n), 0) FROM chunks WHERE points = 1")?,
        open: u64::try_from(open).unwrap_or(u64::MAX),
        chunks: count("SELECT count(*) FROM chunks")?,
        expired: count("SELECT expired FROM meta")?,
        bytes: std::fs::metadata(path).map_or(0, |meta| meta.len()),
    })
}
