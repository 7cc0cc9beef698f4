//! Answering: the statements behind the typed views.
//!
//! Every statement on a growing table names its index and has a limit, but for the counts, which read an index whole.

use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde_json::{Map, Value};
use sinew_contract::{Cost, EffectId, GateId, RunId, Scope, Seq};

use super::{failed, guard, rows};
use crate::error::MemoryError;
use crate::health::HealthQuery;
use crate::items::{Catalogues, Embedder, FoundItem, Search};
use crate::sql::Table;
use crate::store::{Find, Found, Reader, Sample};
use crate::views::{
    ActCount, EffectRow, GateRow, GateStatus, RunFilter, RunRow, RunStatus, ScanRow, TimelineRow, Totals,
};

/// Runs that a health window looks at; the newest. A hundred days of a thousand returns a day.
const SAMPLES_MAX: i64 = 100_000;
/// Entries of one run's timeline.
const TIMELINE_MAX: i64 = 10_000;

const GATE: &str = "SELECT g.*, coalesce(r.playbook, '') AS playbook, r.trigger_name AS trigger_name \
                    FROM gates g LEFT JOIN runs r ON r.scope = g.scope AND r.run = g.run";

/// One connection that only reads.
pub(crate) struct SqliteReader {
    conn: Connection,
}

impl SqliteReader {
    pub(super) fn new(conn: Connection) -> Self {
        Self { conn }
    }

    fn many<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&dyn ToSql],
        row: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, MemoryError> {
        let all = || self.conn.prepare_cached(sql)?.query_map(values, row)?.collect::<rusqlite::Result<Vec<_>>>();
        all().map_err(failed(doing))
    }

    fn one<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&dyn ToSql],
        row: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, MemoryError> {
        let one = || self.conn.prepare_cached(sql)?.query_row(values, row).optional();
        one().map_err(failed(doing))
    }

    fn count(&self, sql: &str, scope: &Scope) -> Result<u64, MemoryError> {
        let count = self.one("count", sql, params![scope.as_str()], |row| row.get::<_, i64>(0))?;
        Ok(rows::unsigned(count.unwrap_or(0)))
    }
}

fn limited(limit: usize, most: usize) -> i64 {
    i64::try_from(limit.min(most)).unwrap_or(i64::MAX)
}

impl Reader for SqliteReader {
    fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, MemoryError> {
        let (index, statuses) = match (&filter.trigger_name, filter.status) {
            (Some(_), _) => ("runs_by_trigger", "AND trigger_name = ?4"),
            (None, Some(_)) => ("runs_by_status", ""),
            (None, None) => ("runs_by_seq", ""),
        };
        let sql = format!(
            "SELECT * FROM runs INDEXED BY {index} WHERE scope = ?1 AND (?2 IS NULL OR status = ?2) \
             AND (?3 IS NULL OR playbook = ?3) AND (?4 IS NULL OR trigger_name = ?4) {statuses} AND seq < ?5 \
             ORDER BY seq DESC LIMIT ?6"
        );
        let before = filter.before.map_or(i64::MAX, |run| i64::try_from(run.seq.0).unwrap_or(i64::MAX));
        let status = filter.status.map(RunStatus::as_str);
        let limit = limited(filter.limit, 1_000);
        let values = params![filter.scope.as_str(), status, filter.playbook, filter.trigger_name, before, limit];
        self.many("list runs", &sql, values, rows::run)
    }

    fn run(&self, scope: &Scope, run: RunId) -> Result<Option<RunRow>, MemoryError> {
        let sql = "SELECT * FROM runs WHERE scope = ?1 AND run = ?2";
        self.one("read a run", sql, params![scope.as_str(), run.to_string()], rows::run)
    }

    /// Uses `timeline_by_run`; the trigger stands in no run and comes by its place.
    fn timeline(&self, scope: &Scope, run: RunId) -> Result<Vec<TimelineRow>, MemoryError> {
        let sql = "SELECT * FROM timeline WHERE scope = ?1 AND seq = \
                   (SELECT trigger_seq FROM runs WHERE scope = ?1 AND run = ?2) \
                   UNION ALL SELECT * FROM timeline WHERE scope = ?1 AND run = ?2 ORDER BY seq LIMIT ?3";
        let values = params![scope.as_str(), run.to_string(), TIMELINE_MAX];
        self.many("read a timeline", sql, values, rows::timeline)
    }

    /// Uses `effects_by_run`.
    fn effects(&self, scope: &Scope, run: RunId) -> Result<Vec<EffectRow>, MemoryError> {
        let sql = "SELECT * FROM effects WHERE scope = ?1 AND run = ?2 ORDER BY step LIMIT ?3";
        let values = params![scope.as_str(), run.to_string(), TIMELINE_MAX];
        self.many("list effects", sql, values, rows::effect)
    }

    fn effect(&self, scope: &Scope, effect: EffectId) -> Result<Option<EffectRow>, MemoryError> {
        let sql = "SELECT * FROM effects WHERE scope = ?1 AND effect = ?2";
        self.one("read an effect", sql, params![scope.as_str(), effect.to_string()], rows::effect)
    }

    /// Uses `gates_by_status` for one status; a list of all is walked from its newest end.
    fn gates(&self, scope: &Scope, status: Option<GateStatus>, limit: usize) -> Result<Vec<GateRow>, MemoryError> {
        let limit = limited(limit, 1_000);
        let Some(status) = status else {
            let sql = format!("{GATE} WHERE g.scope = ?1 ORDER BY g.seq DESC LIMIT ?2");
            return self.many("list gates", &sql, params![scope.as_str(), limit], rows::gate);
        };
        let sql = format!("{GATE} WHERE g.scope = ?1 AND g.status = ?2 ORDER BY g.seq LIMIT ?3");
        self.many("list gates", &sql, params![scope.as_str(), status.as_str(), limit], rows::gate)
    }

    fn gate(&self, scope: &Scope, gate: GateId) -> Result<Option<GateRow>, MemoryError> {
        let sql = format!("{GATE} WHERE g.scope = ?1 AND g.gate = ?2");
        self.one("read a gate", &sql, params![scope.as_str(), gate.to_string()], rows::gate)
    }

    fn scans(&self, scope: &Scope, limit: usize) -> Result<Vec<ScanRow>, MemoryError> {
        let sql = "SELECT * FROM scans WHERE scope = ?1 ORDER BY seq DESC LIMIT ?2";
        self.many("list scans", sql, params![scope.as_str(), limited(limit, 10_000)], rows::scan)
    }

    fn totals(&self, scope: &Scope) -> Result<Totals, MemoryError> {
        // One read transaction, so that the counts belong together.
        let _snapshot = self.conn.unchecked_transaction().map_err(failed("begin to count"))?;
        let mut totals = Totals {
            as_of: Seq(self
                .one("read the watermark", "SELECT watermark FROM meta", &[], |r| r.get(0))?
                .map_or(0, rows::unsigned)),
            events: self.count("SELECT count(*) FROM events WHERE scope = ?1", scope)?,
            gates: self.count("SELECT count(*) FROM gates WHERE scope = ?1", scope)?,
            gates_open: self.count("SELECT count(*) FROM gates WHERE scope = ?1 AND status = 'open'", scope)?,
            person_touches: self.count("SELECT count(*) FROM people_touches WHERE scope = ?1", scope)?,
            cost: self.cost(scope)?,
            acts: self.acts(scope)?,
            ..Totals::default()
        };
        self.count_runs(scope, &mut totals)?;
        self.count_scans(scope, &mut totals)?;
        Ok(totals)
    }

    /// Uses `runs_by_start`; acts by `effects_by_run`.
    fn samples(&self, query: &HealthQuery) -> Result<Vec<Sample>, MemoryError> {
        let sql = "SELECT r.started, r.ended IS NOT NULL AS ended, r.status = 'faulted' AS faulted, r.verdict_us, \
                   r.cost_micros, r.touches, count(e.effect) AS acts, coalesce(sum(e.outcome = 'done'), 0) AS acts_done, \
                   coalesce(sum(e.outcome IN ('failed', 'unknown')), 0) AS acts_failed \
                   FROM runs r INDEXED BY runs_by_start LEFT JOIN effects e \
                   ON e.scope = r.scope AND e.run = r.run AND e.settled = 1 AND e.class <> 'pure' \
                   WHERE r.scope = ?1 AND r.started >= ?2 AND r.started < ?3 AND (?4 IS NULL OR r.playbook = ?4) \
                   GROUP BY r.started, r.run ORDER BY r.started DESC, r.run LIMIT ?5";
        let values = params![query.scope.as_str(), query.since.0, query.until.0, query.playbook, SAMPLES_MAX];
        self.many("take the health of runs", sql, values, sample)
    }

    fn search(
        &self,
        catalogues: &Catalogues,
        search: &Search,
        embed: Option<&Embedder>,
    ) -> Result<Vec<FoundItem>, MemoryError> {
        catalogues.search(&self.conn, search, embed)
    }

    /// Reads things by the start of their name, a range of the primary key: `customer:` up to `customer;`.
    fn things(&self, find: &Find<'_>) -> Result<Vec<Found>, MemoryError> {
        let kind = find.kind.unwrap_or_default();
        let (from, to) = (format!("{kind}:"), format!("{kind};"));
        let sql = "SELECT * FROM twin WHERE scope = ?1 AND thing IN \
                   (SELECT thing FROM twin WHERE scope = ?1 AND thing >= ?2 AND thing < ?3 AND (?4 IS NULL OR thing = ?4) \
                   GROUP BY thing ORDER BY max(seq) DESC LIMIT ?5) ORDER BY thing, property";
        let values = params![find.scope.as_str(), from, to, find.subject, limited(find.limit, 1_000)];
        Ok(gather(kind, self.many("recall things", sql, values, rows::property)?))
    }

    fn query(&mut self, sql: &str) -> Result<Table, MemoryError> {
        guard::query(&mut self.conn, sql)
    }
}

impl SqliteReader {
    fn cost(&self, scope: &Scope) -> Result<Cost, MemoryError> {
        let sql = "SELECT coalesce(sum(micros), 0), coalesce(sum(tokens), 0) FROM costs WHERE scope = ?1";
        let cost = self.one("sum costs", sql, params![scope.as_str()], |row| {
            Ok(Cost { micros: row.get(0)?, tokens: rows::unsigned(row.get(1)?) })
        })?;
        Ok(cost.unwrap_or_default())
    }

    fn acts(&self, scope: &Scope) -> Result<Vec<ActCount>, MemoryError> {
        let sql = "SELECT capability, coalesce(outcome, 'open') AS how, count(*) AS n FROM effects WHERE scope = ?1 \
                   GROUP BY capability, how ORDER BY capability, how LIMIT 10000";
        self.many("count acts", sql, params![scope.as_str()], |row| {
            let count = rows::unsigned(row.get("n")?);
            Ok(ActCount { capability: row.get("capability")?, outcome: row.get("how")?, count })
        })
    }

    /// Uses `runs_by_status`.
    fn count_runs(&self, scope: &Scope, totals: &mut Totals) -> Result<(), MemoryError> {
        let sql = "SELECT status, count(*) FROM runs WHERE scope = ?1 GROUP BY status";
        for (status, count) in self.counted(sql, scope)? {
            totals.runs += count;
            match status.as_str() {
                "running" => totals.running = count,
                "waiting" => totals.waiting = count,
                "completed" => totals.completed = count,
                "faulted" => totals.faulted = count,
                _ => totals.cancelled = count,
            }
        }
        Ok(())
    }

    fn count_scans(&self, scope: &Scope, totals: &mut Totals) -> Result<(), MemoryError> {
        let sql = "SELECT verdict, count(*) FROM scans WHERE scope = ?1 GROUP BY verdict LIMIT 100";
        for (verdict, count) in self.counted(sql, scope)? {
            match verdict.as_str() {
                "read" => totals.scans_read = count,
                "conflict" => totals.scans_conflict = count,
                _ => totals.scans_unread += count,
            }
        }
        Ok(())
    }

    fn counted(&self, sql: &str, scope: &Scope) -> Result<Vec<(String, u64)>, MemoryError> {
        self.many("count", sql, params![scope.as_str()], |row| Ok((row.get(0)?, rows::unsigned(row.get(1)?))))
    }
}

fn sample(row: &rusqlite::Row<'_>) -> rusqlite::Result<Sample> {
    let count = |column: &str| row.get::<_, i64>(column).map(rows::unsigned);
    Ok(Sample {
        started_us: row.get("started")?,
        ended: row.get("ended")?,
        faulted: row.get("faulted")?,
        verdict_us: row.get("verdict_us")?,
        cost_micros: row.get("cost_micros")?,
        touches: count("touches")?,
        acts: count("acts")?,
        acts_done: count("acts_done")?,
        acts_failed: count("acts_failed")?,
    })
}

/// Makes one thing of its properties, which come together; as old as its newest, seen where its newest was.
fn gather(kind: &str, properties: Vec<(String, String, Value, String, i64, Seq)>) -> Vec<Found> {
    let mut things: Vec<Found> = Vec::new();
    for (thing, property, value, source, at_us, seq) in properties {
        if things.last().is_none_or(|last| last.id != thing) {
            things.push(Found {
                id: thing.clone(),
                kind: kind.to_owned(),
                subject: thing,
                content: Value::Object(Map::new()),
                at_us,
                sources: Vec::new(),
                confidence_permille: 1000,
                seq,
            });
        }
        let Some(last) = things.last_mut() else { continue };
        if let Some(content) = last.content.as_object_mut() {
            content.insert(property, value);
        }
        if !last.sources.contains(&source) {
            last.sources.push(source);
        }
        (last.at_us, last.seq) = (last.at_us.max(at_us), last.seq.max(seq));
    }
    things
}
