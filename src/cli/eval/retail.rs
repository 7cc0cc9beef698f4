//! `sinew eval retail`: ground-truth actions of a retail back end through the whole effect path, with faults, and a judge
//! outside of the house who counts.
//!
//! Does not decide what is right: `sinew-example-retail` owns the rows, the ledger and the verdict, and shares no code with
//! the house. Nothing here is told to the judge but what the house says of each action.
//!
//! ```text
//! tasks -> stage (a hub as a process of its own) -POST-> store (rows, ledger)
//!            ^ gates answered over HTTP                    |
//!          people                        judge <-----------+
//! ```

mod deployment;
mod disturbed;
pub(super) mod replica;
mod report;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use sinew_example_retail::db::Db;
use sinew_example_retail::tasks::{Task, read_hashes};
use sinew_example_retail::world::Guard;

use super::super::{Exit, ExitWith, Outcome, block_on, print_json};
use report::Report;
use stage::{Plan, Stage};

/// Tasks that one hub does side by side; the next ones get a hub of their own.
const TASKS_PER_HUB: usize = 60;

/// `sinew eval retail`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The tasks, in the form of `tasks.json`. Default: that file in the folder of `--data`.
    #[arg(long, value_name = "FILE")]
    tasks: Option<PathBuf>,
    /// The hashes to reach, in the form of `expected.jsonl`. Default: that file in the folder of `--data`; a task without a
    /// line there is held against its actions done once each on a fresh copy.
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,
    /// Draw faults from this seed: lost requests and replies, doubles, late and repeated orders, kills, a full disk.
    #[arg(long, value_name = "SEED")]
    faults: Option<u64>,
    /// The store applies writes without looking at the order's status, so that every double shows.
    #[arg(long)]
    unguarded: bool,
    /// Write each task's final rows and ledger to `OUT/<task>/db.json` (canonical: its SHA-256 is the hash) and `ledger.json`.
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Keep the hubs' data here. Default: a folder of its own, removed at the end.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What is judged.
struct Material {
    db: Db,
    tasks: Vec<Task>,
    hashes: BTreeMap<String, String>,
}

/// Judges, prints, and fails where anything is not as it must be.
pub fn run(args: &Args, data: Option<&Path>, json: bool) -> Outcome {
    let data =
        data.ok_or_else(|| anyhow!("name the folder with db.json and tasks.json: --data DIR")).or_exit(Exit::Usage)?;
    let material = read(args, data).or_exit(Exit::BadConfig)?;
    let report = block_on(judge(args, &material))?.or_exit(Exit::Failed)?;
    if let Some(out) = &args.out {
        report.write(out).or_exit(Exit::Failed)?;
    }
    if json {
        print_json(&report.numbers());
    } else {
        report.print();
    }
    Ok(if report.is_right() { Exit::Ok } else { Exit::Failed })
}

fn read(args: &Args, data: &Path) -> anyhow::Result<Material> {
    let file = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
    let tasks = args.tasks.clone().unwrap_or_else(|| data.join("tasks.json"));
    let wrong = |path: &Path| format!("`{}` is not right", path.display());
    let db = data.join("db.json");
    let expected = args.expected.clone().unwrap_or_else(|| data.join("expected.jsonl"));
    // Without the file the judge does the actions itself; a file that was named must be there.
    let hashes = if args.expected.is_some() || expected.exists() { file(&expected)? } else { String::new() };
    Ok(Material {
        db: Db::read(&file(&db)?).with_context(|| wrong(&db))?,
        tasks: Task::read_all(&file(&tasks)?).with_context(|| wrong(&tasks))?,
        hashes: read_hashes(&hashes).with_context(|| wrong(&expected))?,
    })
}

async fn judge(args: &Args, material: &Material) -> anyhow::Result<Report> {
    let guard = if args.unguarded { Guard::NoStatus } else { Guard::Status };
    let folder = Folder::new(args.keep.as_deref())?;
    let mut report = Report::new(args.faults, guard);
    for (nth, tasks) in material.tasks.chunks(TASKS_PER_HUB).enumerate() {
        let plan = Plan { guard, faults: args.faults, confirmed: true };
        let stage = Stage::open(&folder.path.join(format!("confirmed-{nth}")), &material.db, tasks, plan).await?;
        let played = stage.play().await?;
        report.take(material, tasks, &played);
        let plan = Plan { guard, faults: None, confirmed: false };
        let stage = Stage::open(&folder.path.join(format!("withheld-{nth}")), &material.db, tasks, plan).await?;
        report.take_withheld(material, &stage.play().await?);
    }
    Ok(report)
}

/// A folder for the hubs' data, removed when dropped unless it was asked for.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        let kept = keep.is_some();
        let own = || std::env::temp_dir().join(format!("sinew-retail-{}", std::process::id()));
        let path = keep.map_or_else(own, Path::to_owned);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self { path, kept })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is a folder in the system's own place for such.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
