//! A file that does not fit is set aside, never served and never in the way.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use sinew_contract::{LogId, Seq};
use sinew_memory::{Memory, OpenReport, Reason};

use crate::story::{LOG, everything, folded};

/// A memory that has folded a story and was closed, damaged by `damage` and opened again.
async fn reopened(log: LogId, damage: impl FnOnce(&Path)) -> (OpenReport, u64, tempfile::TempDir) {
    let story = everything();
    let (memory, folder) = folded(&story).await;
    drop(memory);
    let path = folder.path().join("memory.sqlite");
    damage(&path);
    let (memory, report) = Memory::open(&path, log).expect("what does not fit is set aside");
    assert_eq!(memory.watermark(), report.watermark);
    memory.fold(story.entries.clone()).await.expect("it folds again");
    let runs = memory.totals(&story.scope).await.expect("readable").runs;
    (report, runs, folder)
}

#[tokio::test]
async fn a_file_that_fits_is_kept() {
    let (report, runs, _folder) = reopened(LOG, |_| ()).await;
    assert_eq!((report.reason, report.set_aside), (Reason::Kept, None));
    assert_eq!((report.watermark, runs), (everything().last(), 6));
}

#[tokio::test]
async fn a_deleted_file_is_made_again() {
    let (report, runs, _folder) = reopened(LOG, |path| fs::remove_file(path).expect("it is there")).await;
    assert_eq!((report.reason, report.watermark, runs), (Reason::Fresh, Seq::ZERO, 6));
}

#[tokio::test]
async fn the_file_of_another_log_is_dropped() {
    let (report, runs, _folder) = reopened(LogId([8; 16]), |_| ()).await;
    assert_eq!((report.reason, report.set_aside, runs), (Reason::OtherLog, None, 6));
}

#[tokio::test]
async fn a_newer_file_is_set_aside_whole() {
    let newer = |path: &Path| {
        let conn = Connection::open(path).expect("it is a database");
        conn.pragma_update(None, "user_version", 99).expect("writable");
    };
    let (report, runs, _folder) = reopened(LOG, newer).await;
    assert_eq!((report.reason, runs), (Reason::Newer(99), 6));
    let aside = Connection::open(report.set_aside.expect("it was set aside")).expect("it is a database");
    let kept: i64 = aside.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).expect("still readable");
    assert_eq!(kept, 7, "both scopes");
}

#[tokio::test]
async fn a_foreign_file_is_set_aside() {
    let text =
        |path: &Path| fs::write(path, "these are somebody's notes, not a database\n".repeat(200)).expect("writable");
    let database = |path: &Path| {
        fs::remove_file(path).expect("it is there");
        Connection::open(path).and_then(|conn| conn.execute_batch("CREATE TABLE t (x)")).expect("writable");
    };
    for damage in [&text as &dyn Fn(&Path), &database] {
        let (report, runs, _folder) = reopened(LOG, damage).await;
        assert_eq!((report.reason, runs), (Reason::Foreign, 6));
        assert!(report.set_aside.is_some_and(|aside| aside.exists()));
    }
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let scribble = |path: &Path| {
        let mut bytes = fs::read(path).expect("readable");
        let page = bytes.len() / 2 / 4096 * 4096;
        bytes[page..page + 4096].fill(0xa5);
        fs::write(path, bytes).expect("writable");
    };
    let cut = |path: &Path| {
        let bytes = fs::read(path).expect("readable");
        fs::write(path, &bytes[..bytes.len() / 3]).expect("writable");
    };
    let forget = |path: &Path| {
        Connection::open(path).and_then(|conn| conn.execute_batch("DELETE FROM meta")).expect("writable");
    };
    for damage in [&scribble as &dyn Fn(&Path), &cut, &forget] {
        let (report, runs, _folder) = reopened(LOG, damage).await;
        assert!(matches!(report.reason, Reason::Damaged(_)), "{:?}", report.reason);
        assert_eq!((report.watermark, runs), (Seq::ZERO, 6));
    }
}

#[test]
fn a_place_that_cannot_be_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("writable");
    let error = Memory::open(&file.join("memory.sqlite"), LOG).err().expect("a file is no folder");
    assert!(error.to_string().contains("memory.sqlite"), "{error}");
}
