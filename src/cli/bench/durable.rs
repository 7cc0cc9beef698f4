//! `sinew bench durable`: runs of ten trivial journaled steps, through the real engine, dispatcher and journal.
//!
//! Every round measures every row once, the floor among them, so that what else the machine does falls on all alike. The
//! floor is a bare log: framed records, a SHA-256 chain, one writer, group commit; ten appends per run, each waited for.
//! Views (memory, pages) are not fed: they follow the log beside the runs and hold none of them up.

mod disk;
mod floor;
mod house;
mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};

pub(super) use worker::work;

/// Steps of a run, everywhere.
const STEPS: usize = 10;

/// `sinew bench durable`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Runs per row and round. Default: 300 for one at a time, 4,000 up to 16, 8,000 above.
    #[arg(long)]
    runs: Option<usize>,
    /// How many callers wait for a run at the same time.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    concurrency: Vec<usize>,
    /// What to measure; all, where none is named. The floor is always measured beside.
    #[arg(long, value_delimiter = ',')]
    mode: Vec<Mode>,
    /// Rounds; each row tells its median.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where to write, on the disk that is meant. Emptied of what the bench made.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A bare log without any engine.
    Floor,
    /// Each step on disk before the next.
    Strict,
    /// Nothing leaves before it is on disk; pure steps ride.
    Native,
    /// Each step done by another process over HTTP, on the effect path.
    Worker,
}

impl Mode {
    fn system(self) -> &'static str {
        if self == Self::Floor { "floor" } else { "sinew" }
    }

    fn guarantees(self) -> &'static str {
        match self {
            Self::Floor => "each record synced before its answer; no engine, no recovery, no readers",
            Self::Strict => {
                "the start synced before it is acknowledged, each step synced before the next begins, the end synced \
                 before the caller hears of it; hash chain, replay, pinned playbook"
            }
            Self::Native => {
                "the start synced before it is acknowledged, the steps and the end synced before the caller hears of \
                 them; a crash in between folds the same steps again; hash chain, replay, pinned playbook"
            }
            Self::Worker => {
                "as strict, and each step a call to another process over HTTP: policy decision and intent synced \
                 before the request leaves, its outcome synced before the next begins"
            }
        }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub runs: usize,
    pub took: Duration,
    /// From asking for a run to hearing of its end.
    pub each: Vec<Duration>,
    pub syncs: u64,
}

/// The medians of a row.
#[derive(Clone, Debug, Serialize)]
struct Row {
    system: &'static str,
    mode: Mode,
    concurrency: usize,
    runs_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    fsyncs_per_run: f64,
    /// Of the floor's runs per second at the same concurrency.
    percent_of_floor: f64,
    guarantees: &'static str,
}

/// Measures.
pub fn run(args: &Args, json: bool) -> Outcome {
    let scratch = Scratch::make(args.dir.as_deref()).or_exit(Exit::Failed)?;
    let rows = block_on(measure(args, scratch.path()))?.or_exit(Exit::Failed)?;
    if json {
        print_json(&json!({ "steps_per_run": STEPS, "rounds": args.rounds, "cores": cores(), "rows": rows }));
    } else {
        say(&rows);
    }
    Ok(Exit::Ok)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn measure(args: &Args, dir: &Path) -> Result<Vec<Row>> {
    let modes = modes(&args.mode);
    let mut found: Vec<Vec<Measured>> = vec![Vec::new(); modes.len() * args.concurrency.len()];
    for round in 0..args.rounds.max(1) {
        let rows = args.concurrency.iter().flat_map(|c| modes.iter().map(move |m| (*c, *m)));
        for ((concurrency, mode), all) in rows.zip(&mut found) {
            let place = dir.join(format!("{}-{concurrency}-{round}", mode.system()));
            let runs = args.runs.unwrap_or(default_runs(mode, concurrency)).max(concurrency.max(1));
            let one = once(mode, &place, concurrency.max(1), runs).await;
            all.push(one.with_context(|| format!("measuring {mode:?} at {concurrency}"))?);
            std::fs::remove_dir_all(&place).with_context(|| format!("cannot empty `{}`", place.display()))?;
        }
    }
    let rows = args.concurrency.iter().flat_map(|c| modes.iter().map(move |m| (*c, *m)));
    let mut rows: Vec<_> = rows.zip(&found).map(|((c, mode), all)| row(mode, c, all)).collect();
    against_floor(&mut rows);
    Ok(rows)
}

/// The modes asked for, each once, the floor first.
fn modes(asked: &[Mode]) -> Vec<Mode> {
    let all = [Mode::Strict, Mode::Native, Mode::Worker];
    let mut modes = if asked.is_empty() { all.to_vec() } else { asked.to_vec() };
    modes.push(Mode::Floor);
    modes.sort_unstable();
    modes.dedup();
    modes
}

fn default_runs(mode: Mode, concurrency: usize) -> usize {
    let runs = match concurrency {
        0..=1 => 300,
        2..=16 => 4_000,
        _ => 8_000,
    };
    // A worker's run is ten requests.
    if mode == Mode::Worker { runs / 4 } else { runs }
}

async fn once(mode: Mode, dir: &Path, concurrency: usize, runs: usize) -> Result<Measured> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    match mode {
        Mode::Floor => floor::measure(dir, concurrency, runs).await,
        Mode::Strict | Mode::Native => house::measure(dir, mode, None, concurrency, runs).await,
        Mode::Worker => {
            let worker = worker::Worker::start().await?;
            house::measure(dir, mode, Some(worker.address()), concurrency, runs).await
        }
    }
}

fn row(mode: Mode, concurrency: usize, all: &[Measured]) -> Row {
    let of = |f: fn(&Measured) -> f64| median(all.iter().map(f).collect());
    Row {
        system: mode.system(),
        mode,
        concurrency,
        runs_per_s: round(of(|m| m.runs as f64 / m.took.as_secs_f64())),
        p50_ms: round(of(|m| quantile(&m.each, 50))),
        p99_ms: round(of(|m| quantile(&m.each, 99))),
        fsyncs_per_run: round(of(|m| m.syncs as f64 / m.runs as f64)),
        percent_of_floor: 0.0,
        guarantees: mode.guarantees(),
    }
}

fn against_floor(rows: &mut [Row]) {
    let floors: Vec<_> = rows.iter().filter(|r| r.mode == Mode::Floor).map(|r| (r.concurrency, r.runs_per_s)).collect();
    for row in rows {
        let floor = floors.iter().find(|(c, _)| *c == row.concurrency);
        row.percent_of_floor = floor.map_or(0.0, |(_, floor)| round(row.runs_per_s / floor * 100.0));
    }
}

/// In milliseconds, nearest rank.
fn quantile(each: &[Duration], percent: usize) -> f64 {
    let mut sorted = each.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(0.0, |d| d.as_secs_f64() * 1e3)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn round(n: f64) -> f64 {
    (n * 1_000.0).round() / 1_000.0
}

fn say(rows: &[Row]) {
    print_line("system mode    at once    runs/s   % floor    p50 ms    p99 ms  fsyncs/run");
    for r in rows {
        let mode = format!("{:?}", r.mode).to_lowercase();
        print_line(&format!(
            "{:<6} {:<7} {:>7} {:>9.0} {:>9.1} {:>9.3} {:>9.3} {:>11.3}",
            r.system, mode, r.concurrency, r.runs_per_s, r.percent_of_floor, r.p50_ms, r.p99_ms, r.fsyncs_per_run
        ));
    }
}

/// A folder of the bench's own, removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn make(dir: Option<&Path>) -> Result<Self> {
        let base = dir.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = base.join(format!("sinew-bench-{}", std::process::id()));
        std::fs::create_dir_all(&base).with_context(|| format!("cannot make `{}`", base.display()))?;
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(anyhow!(error).context(format!("cannot make `{}`", path.display()))),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "the bench's folder stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_medians_are_those_of_the_data() {
        let each: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((quantile(&each, 50), quantile(&each, 99), quantile(&[], 50)), (100.0, 198.0, 0.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn the_floor_is_always_measured_and_nothing_twice() {
        assert_eq!(modes(&[Mode::Strict, Mode::Strict]), [Mode::Floor, Mode::Strict]);
        assert_eq!(modes(&[]), [Mode::Floor, Mode::Strict, Mode::Native, Mode::Worker]);
    }
}
