//! `sinew memory series`: numbers over time, in and out by standards. Works on the file itself, which is none of the log's.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use sinew_contract::{Clock, SampleRange, Samples, Scope, Taken};
use sinew_memory::series::{Retention, Series, influx, openmetrics, senml};

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use super::moment;
use crate::assembly::places::Places;
use crate::runtime::SystemClock;

/// Samples taken at a time.
const BATCH: usize = 4_096;

/// `sinew memory series …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take samples from a file.
    Take {
        /// Which file; `-` is standard input.
        file: PathBuf,
        /// What is in it.
        #[arg(long, value_enum)]
        format: Format,
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Tell the course of one series.
    Range {
        /// Its name.
        name: String,
        /// From here on, as in 2026-11-22T10:00:00Z.
        #[arg(long, default_value = "1970-01-01T00:00:00Z")]
        from: String,
        /// Up to here, exclusive.
        #[arg(long, default_value = "2200-01-01T00:00:00Z")]
        until: String,
        /// Seconds of one bucket; without, every point.
        #[arg(long, value_name = "SECONDS")]
        step: Option<u64>,
        /// At most so many buckets.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Write the latest value of each series as OpenMetrics.
    Metrics {
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Drop what is older than its tier allows.
    Expire,
    /// Count what there is.
    Stats,
}

/// What samples are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// RFC 8428, JSON.
    Senml,
    /// InfluxDB line protocol, times in nanoseconds.
    Influx,
}

/// Does what is said.
pub fn run(data: &Path, command: &Command) -> Outcome {
    let series = Series::open(&Places::new(data).series(), Retention::default()).or_exit(Exit::Failed)?;
    match command {
        Command::Take { file, format, scope } => take(&series, file, *format, scope),
        Command::Range { name, from, until, step, limit, scope } => {
            let query = SampleRange {
                scope: scope.clone(),
                series: name.as_str().into(),
                from: moment(from).or_exit(Exit::Usage)?,
                until: moment(until).or_exit(Exit::Usage)?,
                step: step.map(Duration::from_secs),
                limit: *limit,
            };
            let buckets = block_on(series.range(query))?.map_err(anyhow::Error::from).or_exit(Exit::Failed)?;
            let told = buckets.iter().map(|b| {
                json!({"at": b.at.to_string(), "count": b.count, "min": b.min, "max": b.max, "sum": b.sum,
                       "first": b.first, "last": b.last})
            });
            print_json(&json!({ "series": name, "buckets": told.collect::<Vec<_>>() }));
            Ok(Exit::Ok)
        }
        Command::Metrics { scope } => {
            let latest = block_on(series.latest(scope))?.map_err(anyhow::Error::from).or_exit(Exit::Failed)?;
            print_line(openmetrics(&latest).trim_end());
            Ok(Exit::Ok)
        }
        Command::Expire => {
            let expired = block_on(series.expire(SystemClock.now().wall))?.map_err(anyhow::Error::from);
            print_json(&expired.or_exit(Exit::Failed)?);
            Ok(Exit::Ok)
        }
        Command::Stats => {
            print_json(&block_on(series.stats())?.map_err(anyhow::Error::from).or_exit(Exit::Failed)?);
            Ok(Exit::Ok)
        }
    }
}

fn take(series: &Series, file: &Path, format: Format, scope: &Scope) -> Outcome {
    let text = read(file).or_exit(Exit::Usage)?;
    let now = SystemClock.now().wall;
    let (samples, errors) = match format {
        Format::Senml => senml(&text, now),
        Format::Influx => influx(&text, now),
    };
    let taken = block_on(async {
        let mut sum = Taken::default();
        for batch in samples.chunks(BATCH) {
            let taken = series.record(scope, batch.to_vec()).await?;
            (sum.kept, sum.late, sum.refused) =
                (sum.kept + taken.kept, sum.late + taken.late, sum.refused + taken.refused);
        }
        Ok::<_, anyhow::Error>(sum)
    })?
    .or_exit(Exit::Failed)?;
    let bad: Vec<_> = errors.iter().map(|error| json!({ "record": error.place, "what": error.what })).collect();
    print_json(&json!({ "kept": taken.kept, "late": taken.late, "refused": taken.refused, "unread": bad }));
    Ok(if bad.is_empty() && taken.refused == 0 { Exit::Ok } else { Exit::Failed })
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| anyhow!(error).context("cannot read standard input"))?;
    Ok(text)
}
