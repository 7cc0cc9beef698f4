//! What is to be done: tasks with their ground-truth actions, and what must come of each.
//!
//! Does not know who does it. The expectation is either given (a line of `expected.jsonl`) or found by doing the actions once
//! each, in order, on a fresh copy.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::db::{DataError, Db};
use crate::reads;
use crate::world::{Fate, Guard, World};
use crate::writes::WRITES;

/// One action of a task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Action {
    /// Its name within the task.
    pub action_id: String,
    /// Which read or write.
    pub name: String,
    /// With what.
    pub arguments: Value,
}

impl Action {
    /// Says whether it changes rows.
    pub fn is_write(&self) -> bool {
        WRITES.contains(&self.name.as_str())
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// What is to be done, in order.
    pub actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Written {
    id: Value,
    evaluation_criteria: Criteria,
}

#[derive(Deserialize)]
struct Criteria {
    #[serde(default)]
    actions: Option<Vec<Action>>,
}

#[derive(Deserialize)]
struct Line {
    task_id: Value,
    db_sha256_itemwise: String,
}

fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

impl Task {
    /// Reads a file of tasks.
    ///
    /// # Errors
    /// Where it is not a list of tasks of the known form, or two of them have one id.
    pub fn read_all(text: &str) -> Result<Vec<Self>, DataError> {
        let written: Vec<Written> =
            serde_json::from_str(text).map_err(|e| DataError::new(format!("not a list of tasks: {e}")))?;
        let task = |w: Written| Self { id: plain(&w.id), actions: w.evaluation_criteria.actions.unwrap_or_default() };
        let tasks: Vec<_> = written.into_iter().map(task).collect();
        let mut seen = BTreeSet::new();
        match tasks.iter().find(|task| !seen.insert(&task.id)) {
            Some(twice) => Err(DataError::new(format!("there are two tasks `{}`", twice.id))),
            None => Ok(tasks),
        }
    }

    /// The idempotency key of one of its actions.
    pub fn key(&self, action: &Action) -> String {
        format!("{}/{}", self.id, action.action_id)
    }

    /// What must come of it.
    pub fn expect(&self, db: &Db, guard: Guard) -> Expected {
        let mut world = World::new(db.clone(), guard);
        let mut expected = Expected::default();
        for action in &self.actions {
            let key = self.key(action);
            if action.is_write() {
                world.write(&key, &action.name, &action.arguments);
            } else if reads::answer(world.db(), &action.name, &action.arguments).is_none() {
                expected.not_found.insert(key);
            }
        }
        for row in world.ledger() {
            let set = if row.outcome == Fate::Applied { &mut expected.applied } else { &mut expected.refused };
            set.insert(row.key.clone());
        }
        expected.hash = world.db().hash();
        expected
    }
}

/// What must come of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Hash of all rows at the end.
    pub hash: String,
    /// Keys of the writes that change rows.
    pub applied: BTreeSet<String>,
    /// Keys of the writes that fail a check.
    pub refused: BTreeSet<String>,
    /// Keys of the look-ups that find nothing.
    pub not_found: BTreeSet<String>,
}

/// Reads `expected.jsonl`: task -> hash of all rows at the end.
///
/// # Errors
/// Where a line is not of the known form.
pub fn read_hashes(text: &str) -> Result<BTreeMap<String, String>, DataError> {
    let line = |(nth, text): (usize, &str)| {
        let line: Line =
            serde_json::from_str(text).map_err(|e| DataError::new(format!("line {} is not right: {e}", nth + 1)))?;
        Ok((plain(&line.task_id), line.db_sha256_itemwise))
    };
    text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()).map(line).collect()
}
