//! Figures of rounds, put together: the median round is what is reported, so that one disturbance does not decide.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) system: String,
    pub(super) mode: &'static str,
    pub(super) concurrency: usize,
    pub(super) per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) rss_mb: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, mode, concurrency, per_s, p50_ms, p99_ms, rss_mb } = self;
        write!(
            f,
            "{system:8} {mode} at {concurrency:3}: {per_s:8.0}/s  p50 {p50_ms:8.3} ms  p99 {p99_ms:8.3} ms  rss {rss_mb:.0} MB"
        )
    }
}

/// All rounds so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rounds: BTreeMap<(usize, String), Vec<Row>>,
}

impl Tally {
    /// Adds what one round measured; round 0 is the warm-up and is not kept.
    pub(super) fn add(
        &mut self,
        round: usize,
        system: &str,
        concurrency: usize,
        (mut took, over): (Vec<Duration>, Duration),
        rss_mb: f64,
    ) {
        if round == 0 {
            return;
        }
        took.sort_unstable();
        let at = |share: f64| {
            // The share is between 0 and 1, so the product is an index.
            let index = (took.len().saturating_sub(1) as f64 * share).round() as usize;
            took.get(index).copied().unwrap_or_default().as_secs_f64() * 1_000.0
        };
        let per_s = took.len() as f64 / over.as_secs_f64();
        let row = Row {
            system: system.to_owned(),
            mode: "chat",
            concurrency,
            per_s,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            rss_mb,
        };
        self.rounds.entry((concurrency, system.to_owned())).or_default().push(row);
    }

    /// One row per system and concurrency: each figure is the median of its rounds.
    pub(super) fn rows(&self) -> Vec<Row> {
        let middle = |rows: &[Row], of: fn(&Row) -> f64| {
            let mut all: Vec<_> = rows.iter().map(of).collect();
            all.sort_unstable_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let one = |((concurrency, system), rows): (&(usize, String), &Vec<Row>)| Row {
            system: system.clone(),
            mode: "chat",
            concurrency: *concurrency,
            per_s: middle(rows, |row| row.per_s),
            p50_ms: middle(rows, |row| row.p50_ms),
            p99_ms: middle(rows, |row| row.p99_ms),
            rss_mb: middle(rows, |row| row.rss_mb),
        };
        self.rounds.iter().map(one).collect()
    }
}

/// Resident memory of a process, in MB (10^6 bytes); zero where that cannot be read.
pub(super) fn rss_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1_024.0 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_round_is_reported_and_the_warm_up_is_not() {
        let mut tally = Tally::default();
        for (round, ms) in [(0, 900), (1, 5), (2, 1), (3, 3)] {
            let took = vec![Duration::from_millis(ms); 10];
            tally.add(round, "sinew", 1, (took, Duration::from_secs(1)), 7.0);
        }
        let rows = tally.rows();
        let [row] = rows.as_slice() else { panic!("one row") };
        assert!((row.p50_ms - 3.0).abs() < 1e-9 && (row.per_s - 10.0).abs() < 1e-9);
        assert!(rss_mb(std::process::id()) > 1.0);
    }
}
