//! `sinew bench memory`: how fast memory finds and keeps, over data that is the same every time.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::json;
use sinew_memory::measure::{self, Place, Row};

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use crate::assembly::embedder::{self, Kind};

/// `sinew bench memory`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Vectors and texts of the first round.
    #[arg(long, default_value_t = 100_000)]
    n: usize,
    /// Vectors of the second round, whose rows lie in a file; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000)]
    many: usize,
    /// Points of the series; 0 leaves them out.
    #[arg(long, default_value_t = 10_000_000)]
    points: usize,
    /// Questions per round.
    #[arg(long, default_value_t = 200)]
    questions: usize,
    /// Take vectors from here instead: `base_N.f32` and `query_N.f32`, rows of 384 little-endian floats.
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Take series from the CSV files under here instead of made ones.
    #[arg(long, value_name = "DIR")]
    series: Vec<PathBuf>,
    /// Where files are written while measuring; the temporary folder of the system by default.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// A folder that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> anyhow::Result<Self> {
        let path = parent.join(format!("sinew-bench-memory-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("sinew: cannot remove `{}`: {error}", self.0.display());
        }
    }
}

/// Measures.
pub fn run(args: &Args, json: bool) -> Outcome {
    let parent = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&parent).or_exit(Exit::Failed)?;
    let place = Place { folder: scratch.0.clone(), embed: embedder::open(Kind::Hash, None).or_exit(Exit::Failed)? };
    let mut rows = Vec::new();
    let mut take = |new: Result<Vec<Row>, sinew_contract::Failure>| {
        let new = new.or_exit(Exit::Failed)?;
        if !json {
            new.iter().for_each(say);
        }
        rows.extend(new);
        Ok::<_, super::super::Coded>(())
    };
    // The largest first: what it gives back to the system does not count for the others.
    if args.many > 0 && args.vectors.is_none() {
        take(measure::vectors(&place, args.many, args.questions))?;
    }
    match &args.vectors {
        Some(folder) => take(measure::vectors_of(&place, folder, args.n))?,
        None => take(measure::vectors(&place, args.n, args.questions))?,
    }
    take(block_on(measure::texts(&place, args.n, args.questions))?)?;
    if args.points > 0 {
        take(block_on(measure::series(&place, args.points, &args.series))?)?;
    }
    if json {
        print_json(&json!({ "rows": rows, "machine": format!("{} virtual cores", cores()) }));
    }
    Ok(Exit::Ok)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn say(row: &Row) {
    let number = |name: &str, value: Option<f64>| value.map(|value| format!("  {name} {value}")).unwrap_or_default();
    print_line(&format!(
        "{:6} {:26} n {:>9}  {:>10}/s{}{}{}{}{}{}  rss {} MB",
        row.system,
        row.mode,
        row.n,
        row.per_s,
        number("p50 ms", row.p50_ms),
        number("p99 ms", row.p99_ms),
        number("worst ms", row.worst_ms),
        number("cpu ms", row.cpu_ms),
        number("recall@10", row.recall_at_10),
        number("bytes/point", row.bytes_per_point),
        row.rss_mb,
    ));
}
