//! Compares what happened with what should have.
//!
//! Looks at the log, at the hosts outside and at the clock; never into the engine.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use sinew_contract::{Entry, Record, RunEnd, RunId};

use super::hosts::World;
use super::steps::{Expected, Scenario};

/// What happened.
pub struct Happened<'h> {
    pub entries: &'h [Arc<Entry>],
    pub world: &'h World,
    pub elapsed_s: f64,
    /// The process was killed on the way: it may have asked again what it had no answer to.
    pub was_resumed: bool,
}

/// Judges every expectation.
///
/// # Errors
/// Says which step does not hold, and what was found instead.
pub fn judge(scenario: &Scenario, happened: &Happened<'_>) -> Result<()> {
    for (line, expected) in &scenario.expected {
        if let Err(problem) = one(expected, happened) {
            bail!("line {line}: {problem}");
        }
    }
    Ok(())
}

fn one(expected: &Expected, happened: &Happened<'_>) -> Result<()> {
    let tasks = happened.tasks();
    let place = |task: &str| tasks.iter().position(|passed| passed == task);
    match expected {
        Expected::Completes => happened.output().map(drop),
        Expected::CompletesWith(wanted) => {
            let output = happened.output()?;
            ensure!(output == wanted, "the output is {output}, not {wanted}");
            Ok(())
        }
        Expected::Faults => happened.error().map(drop),
        Expected::FaultsWith(wanted) => {
            let error = happened.error()?;
            ensure!(part_of(wanted, &error), "the error is {error}, not {wanted}");
            Ok(())
        }
        Expected::Cancelled => {
            ensure!(matches!(happened.end(), Some(RunEnd::Cancelled { .. })), "it ended so: {:?}", happened.end());
            Ok(())
        }
        Expected::Waits => {
            ensure!(happened.root().is_some() && happened.end().is_none(), "it ended so: {:?}", happened.end());
            Ok(())
        }
        Expected::Has(names) => {
            let output = happened.output()?;
            let missing: Vec<_> = names.iter().filter(|name| property(output, name).is_none()).collect();
            ensure!(missing.is_empty(), "the output {output} lacks {missing:?}");
            Ok(())
        }
        Expected::Property(name, wanted) => {
            let found = property(happened.output()?, name);
            ensure!(found == Some(wanted), "`{name}` is {found:?}, not {wanted}");
            Ok(())
        }
        Expected::Items(name, count) => {
            let found = property(happened.output()?, name).and_then(Value::as_array).map(Vec::len);
            ensure!(found == Some(*count), "`{name}` has {found:?} items, not {count}");
            Ok(())
        }
        Expected::First(task) => {
            ensure!(tasks.first() == Some(task), "the tasks were {tasks:?}");
            Ok(())
        }
        Expected::Last(task) => {
            ensure!(tasks.last() == Some(task), "the tasks were {tasks:?}");
            Ok(())
        }
        Expected::After(task, other) => {
            let follows = place(task).zip(place(other)).is_some_and(|(task, other)| task > other);
            ensure!(follows, "the tasks were {tasks:?}");
            Ok(())
        }
        Expected::Times(task, count) => {
            let found = tasks.iter().filter(|passed| *passed == task).count();
            ensure!(found == *count, "`{task}` was passed {found} times; the tasks were {tasks:?}");
            Ok(())
        }
        Expected::Refused(rule) => bail!("the definition was accepted, and should be refused by `{rule}`"),
        Expected::Asked(host, method, count) => happened.was_asked(host, method, *count),
        Expected::Records(kind, count) => {
            let found = happened.entries.iter().filter(|entry| entry.record.kind() == kind).count();
            ensure!(found == *count || happened.was_resumed, "there are {found} records `{kind}`, not {count}");
            Ok(())
        }
        Expected::Took(least, most) => {
            let took = happened.elapsed_s;
            ensure!((*least..=*most).contains(&took) || happened.was_resumed, "it took {took} s");
            Ok(())
        }
        Expected::NowhereInLog(text) => {
            let holds =
                |entry: &&Arc<Entry>| serde_json::to_string(&entry.record).is_ok_and(|json| json.contains(text));
            let found = happened.entries.iter().find(holds);
            ensure!(found.is_none(), "entry {} holds `{text}`", found.map_or(0, |entry| entry.seq().0));
            Ok(())
        }
    }
}

impl Happened<'_> {
    /// The run that the scenario is about: the first.
    pub fn root(&self) -> Option<RunId> {
        self.entries
            .iter()
            .find(|entry| matches!(entry.record, Record::RunStarted(_)))
            .and_then(|entry| entry.header.run)
    }

    /// How it ended.
    pub fn end(&self) -> Option<&RunEnd> {
        let root = self.root()?;
        self.entries.iter().filter(|entry| entry.header.run == Some(root)).find_map(|entry| match &entry.record {
            Record::RunEnded(ended) => Some(&ended.end),
            _ => None,
        })
    }

    fn output(&self) -> Result<&Value> {
        match self.end() {
            Some(RunEnd::Completed { output }) => Ok(output),
            Some(RunEnd::Faulted { error }) => {
                bail!("it faulted: {}", serde_json::to_string(error).unwrap_or_default())
            }
            Some(RunEnd::Cancelled { reason }) => bail!("it was cancelled: {reason}"),
            None => bail!("it has not ended; its tasks so far: {:?}", self.tasks()),
        }
    }

    fn error(&self) -> Result<Value> {
        match self.end() {
            Some(RunEnd::Faulted { error }) => Ok(serde_json::to_value(error)?),
            other => bail!("it did not fault, but {other:?}"),
        }
    }

    /// The tasks that the run passed, by name, in the order of the log.
    fn tasks(&self) -> Vec<String> {
        let root = self.root();
        let of_root = self.entries.iter().filter(|entry| entry.header.run == root);
        let name = |entry: &Arc<Entry>| match &entry.record {
            Record::Stepped(step) => {
                let name = step.task.rsplit('/').next().unwrap_or_default();
                Some(name.replace("~1", "/").replace("~0", "~"))
            }
            _ => None,
        };
        of_root.filter_map(name).collect()
    }

    /// What acts is counted exactly; a look may be repeated after a crash.
    fn was_asked(&self, host: &str, method: &str, count: usize) -> Result<()> {
        let asked = self.world.asked();
        let found = asked.iter().filter(|request| request.host == host && request.method == method);
        let found = found.filter(|request| !request.path.starts_with("/effects/")).count();
        let looks = matches!(method, "GET" | "HEAD");
        let good = if self.was_resumed && looks { found >= count } else { found == count };
        ensure!(good, "`{host}` was asked {found} times with {method}, not {count}");
        Ok(())
    }
}

/// Says whether every member that is wanted is there.
fn part_of(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|f| part_of(value, f)))
        }
        _ => wanted == found,
    }
}

fn property<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |at, name| at.get(name))
}
