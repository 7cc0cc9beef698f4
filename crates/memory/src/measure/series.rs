//! Numbers over time: taken, sealed, dropped. Made ones, or the columns of CSV files, one after the other until there are
//! enough.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sinew_contract::{Failure, Sample, SampleRange, Samples, Scope, Timestamp};

use super::chance::Chance;
use super::{Place, Row, Watch, failed, rounded};
use crate::series::{Retention, Series};

/// Series at a time, where they are made.
const MADE: usize = 1_000;
/// Points of one batch.
const BATCH: usize = 4_000;

/// The values of one series, repeated without end.
struct Source {
    name: Arc<str>,
    values: Vec<f64>,
    step_us: i64,
}

/// Measures `points` points.
///
/// # Errors
/// Where files cannot be read or written.
pub async fn series(place: &Place, points: usize, folders: &[PathBuf]) -> Result<Vec<Row>, Failure> {
    let mut sources = Vec::new();
    for folder in folders {
        csv_files(folder, &mut sources)?;
    }
    let kind = if sources.is_empty() { "made" } else { "files" };
    if sources.is_empty() {
        sources = made();
    }
    let path = place.folder.join(format!("series-{kind}.sqlite"));
    let series =
        Series::open(&path, Retention { raw: Duration::from_secs(u64::MAX / 4_000_000), ..Retention::default() })?;
    let (taken, last_us) = ingest(&series, &sources, points).await?;
    let mut rows = vec![Row { mode: format!("series-ingest-{kind}"), ..taken }];
    let begun = Instant::now();
    series.seal().await?;
    let stats = series.stats().await?;
    #[expect(clippy::cast_precision_loss, reason = "counts and sizes")]
    if let Some(row) = rows.first_mut() {
        let seconds = begun.elapsed().as_secs_f64();
        row.per_s = rounded(points as f64 / (points as f64 / row.per_s + seconds));
        row.bytes_per_point = Some(rounded(stats.bytes as f64 / points as f64));
    }
    rows.push(ask(&series, &sources, last_us).await?);
    drop(series);
    rows.push(forget(&path, last_us, points).await?);
    Ok(rows)
}

async fn ingest(series: &Series, sources: &[Source], points: usize) -> Result<(Row, i64), Failure> {
    let (began, scope) = (Instant::now(), Scope::main());
    let (mut given, mut turn) = (0_usize, 0_i64);
    let mut last_us = 0;
    let mut waits = Vec::new();
    // As many points of one series at a time as make a batch of all of them.
    let run = (BATCH / sources.len().max(1)).max(1);
    while given < points {
        let mut batch = Vec::with_capacity(BATCH + run);
        for source in sources {
            for n in 0..i64::try_from(run).unwrap_or(1) {
                let tick = turn + n;
                let place = usize::try_from(tick).unwrap_or(0) % source.values.len().max(1);
                let at = Timestamp(START_US + tick * source.step_us);
                last_us = last_us.max(at.0);
                batch.push(Sample {
                    series: Arc::clone(&source.name),
                    at,
                    value: source.values.get(place).copied().unwrap_or(0.0),
                });
            }
        }
        turn += i64::try_from(run).unwrap_or(1);
        batch.truncate(points - given);
        given += batch.len();
        let begun = Instant::now();
        series.record(&scope, batch).await?;
        waits.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut row = Watch::new().row("sinew", "", points, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    {
        row.per_s = points as f64 / seconds.max(1e-9);
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: usize| waits.get((waits.len().saturating_sub(1)) * share / 100).copied().map(rounded);
    (row.p50_ms, row.p99_ms, row.worst_ms, row.cpu_ms) = (at(50), at(99), at(100), None);
    Ok((row, last_us))
}

/// 2026-01-01T00:00:00Z.
const START_US: i64 = 1_767_225_600_000_000;

/// Averages by hour over all of one series.
async fn ask(series: &Series, sources: &[Source], last_us: i64) -> Result<Row, Failure> {
    let mut waits = Vec::new();
    let begun = Instant::now();
    for source in sources.iter().cycle().take(100) {
        let query = SampleRange {
            scope: Scope::main(),
            series: Arc::clone(&source.name),
            from: Timestamp(START_US),
            until: Timestamp(last_us + 1),
            step: Some(Duration::from_secs(3_600)),
            limit: 10_000,
        };
        let asked = Instant::now();
        series.range(query).await?;
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let mut row = Watch::new().row("sinew", "series-by-hour", waits.len(), 1.0);
    waits.sort_by(f64::total_cmp);
    let at = |share: usize| waits.get((waits.len().saturating_sub(1)) * share / 100).copied().map(rounded);
    (row.p50_ms, row.p99_ms, row.worst_ms) = (at(50), at(99), at(100));
    row.per_s = rounded(100.0 / begun.elapsed().as_secs_f64());
    Ok(row)
}

/// Drops the older half of the points.
async fn forget(path: &Path, last_us: i64, points: usize) -> Result<Row, Failure> {
    let half = Duration::from_micros(u64::try_from((last_us - START_US) / 2).unwrap_or(0));
    let all = Retention { raw: half, minute: half, hour: half, day: half };
    let series = Series::open(path, all)?;
    let begun = Instant::now();
    let expired = series.expire(Timestamp(last_us)).await?;
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    let mut row = Watch::new().row("sinew", "series-expire-half", points, 1.0);
    (row.p50_ms, row.worst_ms) = (Some(rounded(ms)), Some(rounded(ms)));
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    {
        row.per_s = rounded(expired.points as f64 / (ms / 1e3).max(1e-9));
    }
    Ok(row)
}

/// Sensors of two decimal places that wander.
fn made() -> Vec<Source> {
    let mut chance = Chance::new(5);
    let mut source = |n: usize| {
        let mut level = 20.0 + f64::from(chance.normal()) * 10.0;
        let values = (0..4_096).map(|_| {
            level += f64::from(chance.normal()) * 0.05;
            (level * 100.0).round() / 100.0
        });
        Source { name: format!("sensor-{n}").into(), values: values.collect(), step_us: 1_000_000 }
    };
    (0..MADE).map(&mut source).collect()
}

/// Every column of numbers of every CSV file below the folder; the first column is a time, whose step is kept.
fn csv_files(folder: &Path, sources: &mut Vec<Source>) -> Result<(), Failure> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|e| failed(&format!("`{}`: {e}", folder.display())))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            csv_files(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            let text = fs::read_to_string(&path).map_err(|e| failed(&e))?;
            csv(&path.display().to_string(), &text, sources);
        }
    }
    Ok(())
}

fn csv(name: &str, text: &str, sources: &mut Vec<Source>) {
    let separator = if text.lines().next().is_some_and(|head| head.contains(';')) { ';' } else { ',' };
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().split(separator).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(separator).collect()).collect();
    let seconds = |row: &Vec<&str>| {
        let time = row.first()?.replace(' ', "T").parse::<jiff::civil::DateTime>().ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    };
    let mut steps: Vec<i64> =
        rows.windows(2).filter_map(|pair| Some(seconds(&pair[1])? - seconds(&pair[0])?)).collect();
    steps.sort_unstable();
    let step_us = steps.get(steps.len() / 2).copied().unwrap_or(1).max(1) * 1_000_000;
    for (column, head) in heads.iter().enumerate().skip(1) {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.get(column)?.parse().ok()).collect();
        if !values.is_empty() {
            sources.push(Source { name: format!("{name}/{head}").into(), values, step_us });
        }
    }
}
