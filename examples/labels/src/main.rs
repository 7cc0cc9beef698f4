//! The command line of the label generator.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use sinew_example_labels::{bulk, expected, samples};

/// Draws label photographs from a seed: same seed, same bytes.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Writes the sample photographs, `expected.json` and `people.json`.
    Samples {
        /// The folder, made if it is missing.
        #[arg(long)]
        out: PathBuf,
    },
    /// Writes photographs of the returns RMA-200001, RMA-200002, …, all of which can be read.
    Bulk {
        /// Chance for tilt, light and noise.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many.
        #[arg(long, default_value_t = 200)]
        count: u32,
        /// The folder, made if it is missing.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().what {
        What::Samples { out } => write_samples(&out),
        What::Bulk { seed, count, out } => write_bulk(&out, seed, count),
    }
}

fn write_samples(out: &Path) -> anyhow::Result<()> {
    for sample in samples::all() {
        write(out, sample.file, &samples::draw(&sample)?)?;
    }
    write(out, "expected.json", expected::expected_json().as_bytes())?;
    write(out, "people.json", expected::people_json().as_bytes())
}

fn write_bulk(out: &Path, seed: u64, count: u32) -> anyhow::Result<()> {
    for place in 1..=count {
        write(out, &bulk::file(place), &bulk::draw(seed, place)?)?;
    }
    Ok(())
}

fn write(out: &Path, file: &str, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder `{}`", out.display()))?;
    let path = out.join(file);
    std::fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}
