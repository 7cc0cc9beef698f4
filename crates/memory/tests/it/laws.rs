//! Folding is one function of the log: however it is cut, repeated or interrupted, the same rows come out.

use std::sync::Arc;
use std::time::Duration;

use sinew_contract::{Digest, Entry, ErrorKind, Seq};

use crate::story::{dump, everything, folded, open};

#[tokio::test]
async fn one_by_one_in_batches_and_rebuilt_are_the_same() {
    let story = everything();
    let folder = tempfile::tempdir().expect("there is room");
    let mut dumps = Vec::new();
    for size in [1, 2, 7, story.entries.len()] {
        let path = folder.path().join(format!("{size}.sqlite"));
        let memory = open(&path);
        for batch in story.entries.chunks(size) {
            memory.fold(batch.to_vec()).await.expect("it folds");
        }
        drop(memory);
        dumps.push(dump(&path));
    }
    let path = folder.path().join("1.sqlite");
    let memory = open(&path);
    memory.reset().await.expect("it forgets");
    assert_eq!(memory.watermark(), Seq::ZERO);
    memory.fold(story.entries.clone()).await.expect("it folds again");
    drop(memory);
    dumps.push(dump(&path));
    assert!(dumps.windows(2).all(|pair| pair[0] == pair[1]), "{dumps:#?}");
    assert!(dumps[0].contains("refunded") && dumps[0].lines().count() > story.entries.len());
}

#[tokio::test]
async fn stopping_after_any_entry_and_going_on_is_the_same() {
    let story = everything();
    let (memory, straight) = folded(&story).await;
    drop(memory);
    let expected = dump(&straight.path().join("memory.sqlite"));
    let folder = tempfile::tempdir().expect("there is room");
    for cut in 1..story.entries.len() {
        let path = folder.path().join(format!("{cut}.sqlite"));
        let before = open(&path);
        before.fold(story.entries[..cut].to_vec()).await.expect("it folds");
        drop(before);
        let after = open(&path);
        assert_eq!(after.watermark(), Seq(cut as u64));
        after.fold(story.entries.clone()).await.expect("what has been folded is skipped");
        drop(after);
        assert_eq!(dump(&path), expected, "cut after {cut}");
    }
}

#[tokio::test]
async fn folding_twice_is_folding_once() {
    let story = everything();
    let (memory, folder) = folded(&story).await;
    let once = dump(&folder.path().join("memory.sqlite"));
    for batch in story.entries.chunks(5) {
        assert_eq!(memory.fold(batch.to_vec()).await.expect("skipped"), story.last());
    }
    assert_eq!(dump(&folder.path().join("memory.sqlite")), once);
}

#[tokio::test]
async fn a_gap_is_refused_and_leaves_nothing() {
    let story = everything();
    let (memory, _folder) = folded(&crate::story::Story::default()).await;
    for (from, to) in [(1, 4), (5, 6)] {
        let failure = memory.fold(story.entries[from..to].to_vec()).await.expect_err("entry 1 is missing");
        assert_eq!(failure.kind(), ErrorKind::Invalid);
    }
    let mut holed = story.entries[..6].to_vec();
    holed.remove(3);
    memory.fold(holed).await.expect_err("entry 4 is missing");
    assert_eq!(memory.watermark(), Seq::ZERO);
    assert_eq!(memory.totals(&story.scope).await.expect("readable").runs, 0);
}

#[tokio::test]
async fn another_history_of_the_same_log_is_noticed() {
    let story = everything();
    let (memory, _folder) = folded(&story).await;
    let altered = |at: usize, change: fn(&mut Entry)| {
        let mut entry = Entry::clone(&story.entries[at]);
        change(&mut entry);
        vec![Arc::new(entry)]
    };
    let last = story.entries.len() - 1;
    let same_place = altered(last, |entry| entry.hash = Digest([1; 32]));
    let next_place = altered(last, |entry| {
        entry.header.seq = entry.header.seq.next();
        entry.header.previous = Digest([1; 32]);
    });
    for history in [same_place, next_place] {
        let failure = memory.fold(history).await.expect_err("it is another history");
        assert_eq!(failure.kind(), ErrorKind::Conflict);
        assert_eq!(memory.head(), story.entries[last].reference());
    }
}

#[tokio::test]
async fn who_waits_is_woken_when_the_fold_has_committed() {
    let story = everything();
    let (memory, _folder) = folded(&crate::story::Story::default()).await;
    let waiting = tokio::spawn({
        let (memory, last) = (memory.clone(), story.last());
        async move { memory.wait_for(last).await }
    });
    memory.fold(story.entries.clone()).await.expect("it folds");
    waiting.await.expect("no panic").expect("woken");
    let impatient = memory.clone().with_patience(Duration::ZERO);
    let failure = impatient.wait_for(story.last().next()).await.expect_err("nothing more comes");
    assert_eq!(failure.kind(), ErrorKind::Late);
}
