//! What came of a task: the rows at the end, the ledger, and what the house said, each held against what must be.
//!
//! Believes the ledger. What the house said counts only against it: something acknowledged that the ledger does not have is
//! lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::tasks::Expected;
use crate::world::{Fate, World};

/// What the house said of one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// It is done.
    Done,
    /// It was refused, or nothing was found.
    Refused,
    /// It surely was not done.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// What came of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rows are as they must be.
    pub hash_ok: bool,
    /// The hash of the rows.
    pub hash: String,
    /// What it should be.
    pub expected: String,
    /// Applications of a key beyond the first.
    pub doubled: usize,
    /// Writes that were acknowledged, or had to be applied, and are not in the ledger as applied.
    pub lost: usize,
    /// Actions that were refused and should not have been.
    pub wrong_refusals: usize,
    /// Keys that were applied and should not have been.
    pub unexpected: usize,
    /// Actions of which the house does not know what became.
    pub unknown: usize,
}

impl Verdict {
    /// Everything is as it must be.
    pub const fn is_right(&self) -> bool {
        let Self { hash_ok, doubled, lost, wrong_refusals, unexpected, unknown, .. } = self;
        *hash_ok && *doubled == 0 && *lost == 0 && *wrong_refusals == 0 && *unexpected == 0 && *unknown == 0
    }
}

/// Judges one task. `hash` is what the rows must hash to.
pub fn judge(world: &World, expected: &Expected, hash: &str, said: &BTreeMap<String, Said>) -> Verdict {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let applied = world.ledger().iter().filter(|row| row.outcome == Fate::Applied);
    applied.for_each(|row| *times.entry(&row.key).or_default() += 1);
    let of = |what: Said| said.iter().filter(move |(_, said)| **said == what).map(|(key, _)| key.as_str());
    let writes: BTreeSet<&str> = expected.applied.iter().chain(&expected.refused).map(String::as_str).collect();
    let owed: BTreeSet<&str> =
        expected.applied.iter().map(String::as_str).chain(of(Said::Done).filter(|key| writes.contains(key))).collect();
    let refusals: BTreeSet<&str> = expected.refused.iter().chain(&expected.not_found).map(String::as_str).collect();
    let in_ledger = world.ledger().iter().filter(|row| row.outcome == Fate::Refused).map(|row| row.key.as_str());
    let refused: BTreeSet<&str> = of(Said::Refused).chain(of(Said::Failed)).chain(in_ledger).collect();
    let found = world.db().hash();
    Verdict {
        hash_ok: found == hash,
        hash: found,
        expected: hash.to_owned(),
        doubled: times.values().map(|n| n - 1).sum(),
        lost: owed.iter().filter(|key| !times.contains_key(*key)).count(),
        wrong_refusals: refused.difference(&refusals).count(),
        unexpected: times.keys().filter(|key| !expected.applied.contains(**key)).count(),
        unknown: of(Said::Unknown).count(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::Db;
    use crate::tasks::{Action, Task};
    use crate::world::Guard;

    type Heard<'a> = &'a [(&'a str, Said)];

    const DB: &str = r#"{"products":{},"orders":{},"users":{"u":{"user_id":"u","address":{}}}}"#;

    fn task() -> Task {
        let arguments = json!({ "user_id": "u", "address1": "1 Main St" });
        let action = |id: &str, arguments| Action {
            action_id: id.to_owned(),
            name: "modify_user_address".to_owned(),
            arguments,
        };
        Task { id: "7".to_owned(), actions: vec![action("a", arguments), action("b", json!({ "user_id": "v" }))] }
    }

    fn verdict(calls: &[&str], said: &[(&str, Said)]) -> Verdict {
        let (db, task) = (Db::read(DB).expect("right"), task());
        let expected = task.expect(&db, Guard::NoStatus);
        let mut world = World::new(db, Guard::NoStatus);
        for id in calls {
            let action = task.actions.iter().find(|a| a.action_id == *id).expect("it is there");
            world.write(&task.key(action), &action.name, &action.arguments);
        }
        let said = said.iter().map(|(id, said)| (format!("7/{id}"), *said)).collect();
        judge(&world, &expected, &expected.hash, &said)
    }

    #[test]
    fn each_way_to_go_wrong_is_counted() {
        let good = [("a", Said::Done), ("b", Said::Refused)];
        let counts = |v: &Verdict| (v.hash_ok, v.doubled, v.lost, v.wrong_refusals, v.unexpected, v.unknown);
        let rows: [(&[&str], Heard<'_>, _); 6] = [
            (&["a", "b"], &good, (true, 0, 0, 0, 0, 0)),
            (&["a", "a", "b"], &good, (true, 1, 0, 0, 0, 0)),
            (&["b"], &good, (false, 0, 1, 0, 0, 0)),
            (&["a", "b"], &[("a", Said::Refused)], (true, 0, 0, 1, 0, 0)),
            (&["a", "b"], &[("a", Said::Done), ("b", Said::Done)], (true, 0, 1, 0, 0, 0)),
            (&["a"], &[("a", Said::Unknown)], (true, 0, 0, 0, 0, 1)),
        ];
        for (calls, said, expected) in rows {
            let found = verdict(calls, said);
            assert_eq!(counts(&found), expected, "{calls:?} {said:?}");
            assert_eq!(found.is_right(), calls == ["a", "b"] && said == good);
        }
    }
}
