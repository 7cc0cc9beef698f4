//! The reader's side: the course of one series, from chunks, rollups and what is still open.
//!
//! A stretch (one chunk and its rollups) is told by the least that says it exactly: its sums, where it lies in one bucket;
//! the widest rollup that fits; else its points. Where stretches overlap (late or repeated points), points decide, and of
//! two for one moment the later word stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;

use rusqlite::{Connection, OptionalExtension, params};
use sinew_contract::{Bucket, ErrorKind, Failure, SampleRange, Scope, Timestamp};

use super::chunk::{self, Point};
use super::store::{TIERS, reader};
use super::{Open, broken};

/// Buckets in one answer.
const BUCKETS_MAX: usize = 100_000;
/// Stretches that one question looks at: at 2,048 points each, some two hundred million points.
const ROWS_MAX: i64 = 400_000;

/// What some points come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sums {
    pub count: u64,
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub first: f64,
    pub last: f64,
    first_at: i64,
    last_at: i64,
}

impl Sums {
    fn one((at, value): Point) -> Self {
        Self { count: 1, min: value, max: value, sum: value, first: value, last: value, first_at: at, last_at: at }
    }

    /// Of points in order of time; zeros for none.
    pub(super) fn of(points: &[Point]) -> Self {
        let mut all = points.iter().map(|point| Self::one(*point));
        let first = all.next().unwrap_or_else(|| Self { count: 0, ..Self::one((0, 0.0)) });
        all.fold(first, Self::and)
    }

    fn and(self, other: Self) -> Self {
        let (early, late) = (
            if other.first_at < self.first_at { other } else { self },
            if other.last_at >= self.last_at { other } else { self },
        );
        Self {
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
            first: early.first,
            last: late.last,
            first_at: early.first_at,
            last_at: late.last_at,
        }
    }

    fn bucket(&self, at: i64) -> Bucket {
        let Self { count, min, max, sum, first, last, .. } = *self;
        Bucket { at: Timestamp(at), count, min, max, sum, first, last }
    }
}

/// By time; of several for one moment the one that came last.
pub(super) fn in_order(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by_key(|(at, _)| *at);
    let mut kept: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        match kept.last_mut() {
            Some(last) if last.0 == point.0 => *last = point,
            _ => kept.push(point),
        }
    }
    kept
}

fn begin(at: i64, width: i64) -> i64 {
    at - at.rem_euclid(width.max(1))
}

/// Sums by buckets, of points in order of time.
pub(super) fn rollup(points: &[Point], width: i64) -> Vec<(i64, Sums)> {
    let mut buckets: Vec<(i64, Sums)> = Vec::new();
    for point in points {
        let at = begin(point.0, width);
        match buckets.last_mut() {
            Some((last, sums)) if *last == at => *sums = sums.and(Sums::one(*point)),
            _ => buckets.push((at, Sums::one(*point))),
        }
    }
    buckets
}

/// Each column as a chunk of its own: times that step evenly cost nothing again.
pub(super) fn encode(buckets: &[(i64, Sums)]) -> Vec<u8> {
    #[expect(clippy::cast_precision_loss, reason = "points of one chunk")]
    let columns: [fn(&Sums) -> f64; 6] = [|s| s.count as f64, |s| s.min, |s| s.max, |s| s.sum, |s| s.first, |s| s.last];
    let mut bytes = Vec::new();
    for column in columns {
        let points: Vec<Point> = buckets.iter().map(|(at, sums)| (*at, column(sums))).collect();
        let column = chunk::encode(&points);
        bytes.extend(u32::try_from(column.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(column);
    }
    bytes
}

/// The buckets of a stretch; each knows that it cannot begin before it nor end after it.
fn decode(mut bytes: &[u8], width: i64, (since, until): (i64, i64)) -> Option<Vec<(i64, Sums)>> {
    let mut columns = Vec::with_capacity(6);
    for _ in 0..6 {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (column, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        columns.push(chunk::decode(column)?);
        bytes = rest;
    }
    let buckets = columns.first()?.len();
    let bucket = |place: usize| {
        let of = |column: usize| columns.get(column)?.get(place).map(|(_, value)| *value);
        let at = columns.first()?.get(place)?.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count")]
        let count = of(0)? as u64;
        let last_at = at.saturating_add(width - 1).min(until);
        let (min, max, sum, first, last) = (of(1)?, of(2)?, of(3)?, of(4)?, of(5)?);
        Some((at, Sums { count, min, max, sum, first, last, first_at: at.max(since), last_at }))
    };
    (0..buckets).map(bucket).collect()
}

struct Row {
    id: i64,
    tier: usize,
    points: bool,
    sums: Sums,
}

impl Row {
    fn width(&self) -> i64 {
        TIERS.get(self.tier).copied().unwrap_or_default()
    }
}

/// One chunk and its rollups, or what age has left of them.
struct Stretch {
    since: i64,
    until: i64,
    rows: Vec<Row>,
    /// Overlaps with another.
    tangled: bool,
}

pub(super) fn names(path: &Path, scope: &Scope, limit: usize) -> Result<Vec<String>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = || -> rusqlite::Result<Vec<String>> {
        let conn = reader(path).map_err(|_| rusqlite::Error::InvalidQuery)?;
        let mut names = conn.prepare("SELECT name FROM series WHERE scope = ?1 ORDER BY name LIMIT ?2")?;
        names.query_map(params![scope.as_str(), limit], |row| row.get(0))?.collect()
    };
    read().map_err(|e| broken("list its series", &e))
}

/// Uses `chunks_by_time`, once per series.
pub(super) fn latest(path: &Path, open: &Open, scope: &Scope) -> Result<Vec<(String, Timestamp, f64)>, Failure> {
    let sql = "SELECT s.id, s.name, c.until, c.last FROM series s LEFT JOIN chunks c ON c.id = (SELECT id FROM chunks \
               WHERE series = s.id AND points = 1 ORDER BY until DESC, id DESC LIMIT 1) WHERE s.scope = ?1 ORDER BY s.name";
    let conn = reader(path)?;
    let open = open.read().unwrap_or_else(PoisonError::into_inner);
    let latest = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Option<(String, Timestamp, f64)>> {
        let (at, value): (Option<i64>, Option<f64>) = (row.get("until")?, row.get("last")?);
        let still = open.get(&row.get("id")?).into_iter().flatten().copied();
        let newest = at.zip(value).into_iter().chain(still).max_by_key(|(at, _)| *at);
        let name = row.get("name")?;
        Ok(newest.map(|(at, value)| (name, Timestamp(at), value)))
    };
    let read = || -> rusqlite::Result<Vec<_>> {
        conn.prepare(sql)?.query_map([scope.as_str()], latest)?.filter_map(Result::transpose).collect()
    };
    read().map_err(|e| broken("look for the latest points", &e))
}

pub(super) fn range(path: &Path, open: &Open, query: &SampleRange) -> Result<Vec<Bucket>, Failure> {
    let conn = reader(path)?;
    let id = id_of(&conn, query).map_err(|e| broken("look for a series", &e))?;
    let id = id.ok_or_else(|| Failure::new(ErrorKind::Missing, format!("there is no series `{}`", query.series)))?;
    // The buffer first: what is sealed in between stands in both, and the same points twice are once.
    let still_open = open.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned().unwrap_or_default();
    let still_open: Vec<Point> = still_open.into_iter().filter(|point| is_in(query, point.0)).collect();
    let read = || course(&conn, id, still_open, query);
    let buckets = read().map_err(|e| broken("read a series", &e))?;
    Ok(buckets.into_iter().take(query.limit.min(BUCKETS_MAX)).collect())
}

fn is_in(query: &SampleRange, at: i64) -> bool {
    at >= query.from.0 && at < query.until.0
}

fn id_of(conn: &Connection, query: &SampleRange) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM series WHERE scope = ?1 AND name = ?2";
    conn.query_row(sql, params![query.scope.as_str(), &*query.series], |row| row.get(0)).optional()
}

fn course(conn: &Connection, id: i64, still_open: Vec<Point>, query: &SampleRange) -> rusqlite::Result<Vec<Bucket>> {
    let mut stretches = stretches(conn, id, query)?;
    untangle(&mut stretches, &still_open);
    let width = query.step.map(|step| i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1));
    let mut points = Vec::new();
    let mut buckets: BTreeMap<i64, Sums> = BTreeMap::new();
    let mut add = |at: i64, sums: Sums| {
        buckets.entry(at).and_modify(|before| *before = before.and(sums)).or_insert(sums);
    };
    for stretch in &stretches {
        match width {
            Some(width) => match stretch.best(width, query) {
                Best::Sums(sums) => add(begin(stretch.since, width), sums),
                Best::Rollup(row, tier) => {
                    let rolled = decode(&bytes(conn, row)?, tier, (stretch.since, stretch.until)).unwrap_or_default();
                    rolled
                        .into_iter()
                        .filter(|(at, _)| is_in(query, *at))
                        .for_each(|(at, sums)| add(begin(at, width), sums));
                }
                Best::Points(row) => points.extend(chunk::decode(&bytes(conn, row)?).unwrap_or_default()),
            },
            None => {
                if let Some(row) = stretch.rows.iter().find(|row| row.points) {
                    points.extend(chunk::decode(&bytes(conn, row.id)?).unwrap_or_default());
                }
            }
        }
    }
    points.extend(still_open);
    points.retain(|point| is_in(query, point.0));
    for point in in_order(points) {
        add(width.map_or(point.0, |width| begin(point.0, width)), Sums::one(point));
    }
    Ok(buckets.into_iter().map(|(at, sums)| sums.bucket(at)).collect())
}

enum Best {
    Sums(Sums),
    /// Which row, and how wide its buckets are.
    Rollup(i64, i64),
    Points(i64),
}

impl Stretch {
    fn best(&self, width: i64, query: &SampleRange) -> Best {
        let points = self.rows.iter().find(|row| row.points);
        let inside = self.since >= query.from.0 && self.until < query.until.0;
        if let (Some(row), true) = (points, self.tangled) {
            return Best::Points(row.id);
        }
        let first = self.rows.first();
        if let Some(row) = first.filter(|_| inside && begin(self.since, width) == begin(self.until, width)) {
            return Best::Sums(Sums { first_at: self.since, last_at: self.until, ..row.sums });
        }
        let fits = |row: &&Row| {
            let tier = row.width();
            !row.points
                && tier > 0
                && width % tier == 0
                && query.from.0 % tier == 0
                && (inside || query.until.0 % tier == 0)
        };
        let widest = self.rows.iter().filter(fits).max_by_key(|row| row.tier);
        match (widest, points, first) {
            (Some(row), ..) => Best::Rollup(row.id, row.width()),
            (None, Some(row), _) => Best::Points(row.id),
            // Only wider buckets are left of it: they are told where they begin.
            (None, None, Some(row)) => Best::Rollup(row.id, row.width()),
            (None, None, None) => Best::Sums(Sums::of(&[])),
        }
    }
}

/// Uses `chunks_by_time`. Rows of one stretch stand one after the other, the points first.
fn stretches(conn: &Connection, id: i64, query: &SampleRange) -> rusqlite::Result<Vec<Stretch>> {
    let sql = "SELECT id, tier, points, since, until, n, min, max, sum, first, last FROM chunks INDEXED BY chunks_by_time \
               WHERE series = ?1 AND until >= ?2 AND since < ?3 ORDER BY id LIMIT ?4";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query(params![id, query.from.0, query.until.0, ROWS_MAX])?;
    let mut found: Vec<Stretch> = Vec::new();
    while let Some(row) = rows.next()? {
        let (since, until): (i64, i64) = (row.get("since")?, row.get("until")?);
        let sums = Sums {
            count: u64::try_from(row.get::<_, i64>("n")?).unwrap_or(0),
            min: row.get("min")?,
            max: row.get("max")?,
            sum: row.get("sum")?,
            first: row.get("first")?,
            last: row.get("last")?,
            first_at: since,
            last_at: until,
        };
        let tier = usize::try_from(row.get::<_, i64>("tier")?).unwrap_or(usize::MAX);
        let row = Row { id: row.get("id")?, tier, points: row.get("points")?, sums };
        let last = found.last_mut().filter(|last| {
            let wider = last.rows.last().is_some_and(|before| before.tier < tier);
            !row.points && wider && (last.since, last.until) == (since, until)
        });
        match last {
            Some(stretch) => stretch.rows.push(row),
            None => found.push(Stretch { since, until, rows: vec![row], tangled: false }),
        }
    }
    Ok(found)
}

/// Marks what overlaps with something else.
fn untangle(stretches: &mut [Stretch], still_open: &[Point]) {
    let mut order: Vec<usize> = (0..stretches.len()).collect();
    let since = |stretches: &[Stretch], place: usize| stretches.get(place).map_or(0, |stretch| stretch.since);
    order.sort_by_key(|place| since(stretches, *place));
    let mut furthest: Option<(i64, usize)> = None;
    for place in order {
        let Some((since, until)) = stretches.get(place).map(|stretch| (stretch.since, stretch.until)) else { continue };
        if let Some((end, other)) = furthest.filter(|(end, _)| since <= *end) {
            for tangled in [place, other] {
                if let Some(stretch) = stretches.get_mut(tangled) {
                    stretch.tangled = true;
                }
            }
            furthest = Some(if until > end { (until, place) } else { (end, other) });
        } else {
            furthest = Some((until, place));
        }
    }
    let earliest = still_open.iter().map(|(at, _)| *at).min();
    for stretch in stretches.iter_mut().filter(|stretch| earliest.is_some_and(|at| at <= stretch.until)) {
        stretch.tangled = true;
    }
}

fn bytes(conn: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    conn.prepare_cached("SELECT bytes FROM chunks WHERE id = ?1")?.query_row([id], |row| row.get(0))
}
