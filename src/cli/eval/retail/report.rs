//! The verdicts of all tasks, their sums, and the files from which anybody can find them again.
//!
//! Does not judge.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sinew_example_retail::db::sha256;
use sinew_example_retail::judge::{Verdict, judge};
use sinew_example_retail::tasks::Task;
use sinew_example_retail::world::{Guard, World};

use super::Material;
use super::stage::Played;
use crate::cli::print_line;

/// One task: its verdict and its world.
struct Line {
    id: String,
    verdict: Verdict,
    world: World,
}

/// All that was found.
pub(super) struct Report {
    faults: Option<u64>,
    guard: Guard,
    lines: Vec<Line>,
    harms: BTreeMap<String, usize>,
    starts: usize,
    unkept: usize,
    /// Tasks whose rows were touched, and rows of ledgers, where nobody confirmed.
    withheld: (usize, usize),
}

impl Report {
    pub fn new(faults: Option<u64>, guard: Guard) -> Self {
        Self { faults, guard, lines: Vec::new(), harms: BTreeMap::new(), starts: 0, unkept: 0, withheld: (0, 0) }
    }

    /// Judges what a stage brought back.
    pub fn take(&mut self, material: &Material, tasks: &[Task], played: &Played) {
        for (task, world) in tasks.iter().zip(&played.worlds) {
            let expected = task.expect(&material.db, self.guard);
            // The given hashes are those of a store that looks at the status; without, the judge's own replay is the measure.
            let given = material.hashes.get(&task.id).filter(|_| self.guard == Guard::Status);
            let hash = given.unwrap_or(&expected.hash);
            let of_task = |(key, _): &(&String, &_)| task.actions.iter().any(|action| task.key(action) == **key);
            let said = played.said.iter().filter(of_task).map(|(key, said)| (key.clone(), *said)).collect();
            let verdict = judge(world, &expected, hash, &said);
            self.lines.push(Line { id: task.id.clone(), verdict, world: world.clone() });
        }
        for (harm, count) in &played.harms {
            *self.harms.entry(harm.clone()).or_default() += count;
        }
        self.starts += played.starts;
        self.unkept += played.unkept;
    }

    /// Holds the worlds of a stage without confirmation against a fresh copy.
    pub fn take_withheld(&mut self, material: &Material, played: &Played) {
        let touched = played.worlds.iter().filter(|world| *world.db() != material.db).count();
        let rows: usize = played.worlds.iter().map(|world| world.ledger().len()).sum();
        self.withheld = (self.withheld.0 + touched, self.withheld.1 + rows);
    }

    fn sum(&self, of: impl Fn(&Verdict) -> usize) -> usize {
        self.lines.iter().map(|line| of(&line.verdict)).sum()
    }

    /// Everything is as it must be.
    pub fn is_right(&self) -> bool {
        self.lines.iter().all(|line| line.verdict.is_right()) && self.unkept == 0 && self.withheld == (0, 0)
    }

    /// The numbers, for machines.
    pub fn numbers(&self) -> Value {
        let wrong: Vec<_> = self.lines.iter().filter(|line| !line.verdict.is_right()).collect();
        json!({
            "tasks": self.lines.len(),
            "hash_ok": self.sum(|v| usize::from(v.hash_ok)),
            "doubled": self.sum(|v| v.doubled),
            "lost": self.sum(|v| v.lost),
            "wrong_refusals": self.sum(|v| v.wrong_refusals),
            "unexpected": self.sum(|v| v.unexpected),
            "unknown": self.sum(|v| v.unknown),
            "keys_not_kept": self.unkept,
            "withheld": { "tasks_touched": self.withheld.0, "ledger_rows": self.withheld.1 },
            "guarded": self.guard == Guard::Status,
            "faults": { "seed": self.faults, "at_the_store": self.harms, "restarts": self.starts },
            "wrong": wrong.iter().map(|line| json!({ "task": line.id, "verdict": line.verdict })).collect::<Vec<_>>(),
            "ok": self.is_right(),
        })
    }

    /// The numbers, for people.
    pub fn print(&self) {
        let numbers = self.numbers();
        let of = |name: &str| numbers.get(name).cloned().unwrap_or_default();
        print_line(&format!("{} of {} tasks reach their hash", of("hash_ok"), of("tasks")));
        print_line(&format!(
            "doubled {}, lost {}, wrongly refused {}, unexpected {}, unknown {}, keys not kept {}",
            of("doubled"),
            of("lost"),
            of("wrong_refusals"),
            of("unexpected"),
            of("unknown"),
            of("keys_not_kept")
        ));
        let (touched, rows) = self.withheld;
        print_line(&format!("with confirmation withheld: {touched} tasks touched, {rows} rows in the ledger"));
        if self.faults.is_some() {
            print_line(&format!(
                "faults at the store: {:?}; the hub was started again {} times",
                self.harms, self.starts
            ));
        }
    }

    /// Writes rows and ledger of each task, and the numbers.
    pub fn write(&self, out: &Path) -> Result<()> {
        for line in &self.lines {
            let folder = out.join(file_name(&line.id));
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
            put(&folder.join("db.json"), &line.world.db().text())?;
            put(&folder.join("ledger.json"), &format!("{:#}\n", json!(line.world.ledger())))?;
        }
        put(&out.join("verdict.json"), &format!("{:#}\n", self.numbers()))
    }
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// A task's id where it can name a folder, else its digest.
fn file_name(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.len() <= 64 && id.chars().all(plain) { id.to_owned() } else { sha256(id) }
}
