//! A disk that fails: the log says so, refuses cleanly, and is whole when the disk is.

use std::sync::Arc;

use sinew_contract::{ErrorKind, Expect, Journal, Seq};
use sinew_journal::SimDisk;
use sinew_testkit::journal_suite::draft;

use crate::{Place, say};

#[tokio::test]
async fn a_failed_sync_makes_the_log_read_only() {
    let disk = SimDisk::new(1);
    let place = Place::sim(&disk);
    let (log, _) = place.open().expect("the place is empty");
    say(&log, "kept").await;
    disk.fail_sync(1);
    for note in ["lost", "and every one after"] {
        let failure = log.append(vec![draft(note)], Expect::Anything).await.expect_err("the disk failed");
        assert_eq!(failure.kind(), ErrorKind::Broken);
    }
    assert_eq!((log.tail().seq, log.read(Seq(1), 9).expect("reading goes on").len()), (Seq(1), 1));
    drop(log);
    disk.crash();
    let (log, report) = place.open().expect("the disk is well again");
    assert!(report.entries >= 1);
    say(&log, "on we go").await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_without_help() {
    let disk = SimDisk::new(1);
    let place = Place::sim(&disk);
    let (log, _) = place.open().expect("the place is empty");
    disk.set_capacity(Some(20 << 10));
    let mut taken = 0;
    let refused = loop {
        match log.append(vec![draft(&"x".repeat(6_000))], Expect::Anything).await {
            Ok(_) => taken += 1,
            Err(failure) => break failure,
        }
        assert!(taken < 1_000, "the disk is never full");
    };
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    say(&log, "a smaller one still fits").await;
    disk.set_capacity(None);
    say(&log, &"x".repeat(6_000)).await;
    assert_eq!(log.tail().seq, Seq(taken + 2));
}

#[tokio::test]
async fn a_batch_that_no_segment_holds_is_refused() {
    let (log, _) = Place::real().open().expect("the place is empty");
    let failure = log.append(vec![draft(&"x".repeat(20_000))], Expect::Anything).await.expect_err("too large");
    assert_eq!(failure.kind(), ErrorKind::Invalid);
    say(&log, &"x".repeat(15_000)).await;
}

#[tokio::test]
async fn what_could_not_be_read_back_is_refused() {
    let (log, _) = Place::real().open().expect("the place is empty");
    let deep = (0..119).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let mut nested = draft("");
    nested.record = sinew_contract::Record::RunEnded(sinew_contract::RunEnded {
        end: sinew_contract::RunEnd::Completed { output: deep },
    });
    let failure = log.append(vec![nested], Expect::Anything).await.expect_err("too deep");
    assert_eq!(failure.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_harms_nobody() {
    let (log, _) = Place::real().open().expect("the place is empty");
    let log = Arc::new(log);
    let given_up = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(vec![draft("given up")], Expect::Anything).await }
    });
    tokio::task::yield_now().await;
    given_up.abort();
    say(&log, "goes on").await;
    assert!((1..=2).contains(&log.tail().seq.0));
}
