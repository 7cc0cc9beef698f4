//! The seven writes against the given hashes, where the data is at hand.

use std::path::PathBuf;

use sinew_example_retail::db::Db;
use sinew_example_retail::tasks::{Task, read_hashes};
use sinew_example_retail::world::Guard;

fn data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/retail");
    if !folder.is_dir() {
        println!("SKIPPED: there is no `{}`", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn doing_each_action_once_reaches_every_given_hash() {
    let Some(data) = data() else { return };
    let read = |name: &str| std::fs::read_to_string(data.join(name)).expect("the file is there");
    let db = Db::read(&read("db.json")).expect("a database");
    assert_eq!(db.hash(), "872be19752c2da9ac798407ee9ce6fb4c450511b78284bb3bfcc63610b323b3a");
    let hashes = read_hashes(&read("expected.jsonl")).expect("hashes");
    let tasks = Task::read_all(&read("tasks.json")).expect("tasks");
    let wrong: Vec<_> =
        tasks.iter().filter(|t| t.expect(&db, Guard::Status).hash != hashes[&t.id]).map(|t| &t.id).collect();
    assert_eq!((tasks.len(), wrong), (57, Vec::new()));
}

#[test]
fn the_hash_alone_does_not_see_doubles_and_the_ledger_does() {
    let Some(data) = data() else { return };
    let read = |name: &str| std::fs::read_to_string(data.join(name)).expect("the file is there");
    let db = Db::read(&read("db.json")).expect("a database");
    let tasks = Task::read_all(&read("tasks.json")).expect("tasks");
    let (mut same, mut doubled) = (0, 0);
    for task in &tasks {
        let twice = Task { id: task.id.clone(), actions: task.actions.iter().chain(&task.actions).cloned().collect() };
        same += usize::from(twice.expect(&db, Guard::Status).hash == task.expect(&db, Guard::Status).hash);
        let mut world = sinew_example_retail::world::World::new(db.clone(), Guard::NoStatus);
        for action in twice.actions.iter().filter(|action| action.is_write()) {
            world.write(&task.key(action), &action.name, &action.arguments);
        }
        let expected = task.expect(&db, Guard::NoStatus);
        let verdict = sinew_example_retail::judge::judge(&world, &expected, &expected.hash, &Default::default());
        doubled += usize::from(verdict.doubled > 0);
        // A second swap of the same items is refused for other reasons than the status; the ledger shows that it came.
        assert!(expected.applied.is_empty() || verdict.doubled + verdict.wrong_refusals > 0, "task {}", task.id);
    }
    assert!(same > 50, "{same} of 57 hashes do not see it");
    assert!(doubled > 30, "{doubled} of the 50 tasks that write");
}
