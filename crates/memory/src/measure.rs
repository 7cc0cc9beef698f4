//! How fast memory is: the same data every time, one question at a time, the processor's time told beside the clock's.
//!
//! Wall time suffers from whatever else the machine does; processor time much less. Nothing here is kept: files lie in a
//! folder of the caller. A floor (the plain exact way) is measured in the same round.

mod chance;
mod series;
mod texts;
mod vectors;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use sinew_contract::{Embed, Failure};

pub use series::series;
pub use texts::texts;
pub use vectors::{vectors, vectors_of};

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// `sinew`, or `floor`: the plain way.
    pub system: &'static str,
    /// What was done.
    pub mode: String,
    /// Over how many vectors, documents or points.
    pub n: usize,
    /// How many a second of wall time: questions, vectors, documents or points.
    pub per_s: f64,
    /// Wall time of one question or commit, median.
    pub p50_ms: Option<f64>,
    /// The same, 99 of 100 are quicker.
    pub p99_ms: Option<f64>,
    /// The slowest.
    pub worst_ms: Option<f64>,
    /// Processor time of one question or commit, mean.
    pub cpu_ms: Option<f64>,
    /// The share of the true ten nearest that was found.
    pub recall_at_10: Option<f64>,
    /// Memory of the whole process at that moment.
    pub rss_mb: f64,
    /// Bytes on disk per point.
    pub bytes_per_point: Option<f64>,
}

/// What a measurement may use.
pub struct Place {
    /// A folder of its own, on the disk that is meant.
    pub folder: PathBuf,
    /// Makes vectors of texts.
    pub embed: Arc<dyn Embed>,
}

/// What goes wrong while measuring.
pub(crate) fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(sinew_contract::ErrorKind::Broken, format!("cannot measure: {error}"))
}

/// Wall and processor time of calls of one kind.
pub(crate) struct Watch {
    walls_ms: Vec<f64>,
    cpu_ms: f64,
    begun: Instant,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { walls_ms: Vec::new(), cpu_ms: 0.0, begun: Instant::now() }
    }

    pub(crate) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), cpu_ms());
        let answer = call();
        self.cpu_ms += cpu_ms() - cpu;
        self.walls_ms.push(wall.elapsed().as_secs_f64() * 1e3);
        answer
    }

    /// The row, with what was measured since the watch was made. `per_call` is how many things one call was about.
    #[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
    pub(crate) fn row(mut self, system: &'static str, mode: impl Into<String>, n: usize, per_call: f64) -> Row {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.walls_ms.sort_by(f64::total_cmp);
        let calls = self.walls_ms.len();
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
            let place = ((calls.max(1) - 1) as f64 * share).round() as usize;
            self.walls_ms.get(place).copied()
        };
        Row {
            system,
            mode: mode.into(),
            n,
            per_s: rounded(calls as f64 * per_call / seconds.max(1e-9)),
            p50_ms: at(0.5).map(rounded),
            p99_ms: at(0.99).map(rounded),
            worst_ms: at(1.0).map(rounded),
            cpu_ms: (calls > 0).then(|| rounded(self.cpu_ms / calls as f64)),
            rss_mb: rss_mb(),
            ..Row::default()
        }
    }
}

/// Four digits are more than a measurement is worth.
pub(crate) fn rounded(value: f64) -> f64 {
    if value.abs() >= 1_000.0 { value.round() } else { (value * 10_000.0).round() / 10_000.0 }
}

/// Processor time of this thread, milliseconds; the wall's where the system does not tell it.
fn cpu_ms() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    spent.map_or_else(|| START.elapsed().as_secs_f64() * 1e3, |ns| ns / 1e6)
}

static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

/// Memory of this process, millions of bytes; zero where the system does not tell it.
fn rss_mb() -> f64 {
    let told = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default();
    rounded(kib * 1024.0 / 1e6)
}
