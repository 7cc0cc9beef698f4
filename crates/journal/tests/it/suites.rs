//! One suite per port, on both disks.

use std::sync::Arc;

use sinew_contract::{Blobs, ErrorKind, Expect, Journal, Seq};
use sinew_journal::{FileBlobs, Options, SimDisk};
use sinew_testkit::journal_suite::{draft, note_of};
use sinew_testkit::{blobs_suite, journal_suite};

use crate::{Place, small};

fn both() -> [Place; 2] {
    [Place::real(), Place::sim(&SimDisk::new(1))]
}

#[tokio::test]
async fn the_log_answers_the_journal_port_on_both_disks() {
    for place in both() {
        let (log, report) = place.open().expect("the place is empty");
        assert!(report.created);
        journal_suite::run(Arc::new(log)).await;
    }
}

#[tokio::test]
async fn the_log_answers_the_journal_port_when_nothing_stays_in_memory() {
    for place in both() {
        let forgetful = Options { recent_entries_max: 0, ..small() };
        let (log, _) = place.open_with(&forgetful).expect("the place is empty");
        journal_suite::run(Arc::new(log)).await;
    }
}

#[tokio::test]
async fn the_blobs_answer_their_port_on_both_disks() {
    for place in both() {
        let dir = place.dir().expect("the place is empty");
        blobs_suite::run(&FileBlobs::open(&dir).expect("the place is empty")).await;
    }
}

#[tokio::test]
async fn an_altered_blob_is_reported_and_mended_by_keeping_it_again() {
    for place in both() {
        let dir = place.dir().expect("the place is empty");
        let blobs = FileBlobs::open(&dir).expect("the place is empty");
        let kept = blobs.put("abc".into(), "text/plain").await.expect("there is room");
        let hex = kept.digest.to_string();
        place.write(&place.file("blobs").join(&hex[..2]).join(&hex), b"abd");
        assert_eq!(blobs.get(kept.digest).await.expect_err("altered").kind(), ErrorKind::Broken);
        blobs.put("abc".into(), "text/plain").await.expect("there is room");
        assert_eq!(blobs.get(kept.digest).await.expect("mended"), "abc");
    }
}

#[tokio::test]
async fn many_writers_share_groups_and_everything_stands_once() {
    let place = Place::real();
    let (log, _) = place.open().expect("the place is empty");
    let log: Arc<dyn Journal> = Arc::new(log);
    let writers: Vec<_> = (0..16).map(|writer| tokio::spawn(write_many(Arc::clone(&log), writer))).collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    let entries = log.read(Seq(1), usize::MAX).expect("all of it reads");
    let mut notes: Vec<_> = entries.iter().filter_map(|entry| note_of(&entry.record)).collect();
    notes.sort_unstable();
    notes.dedup();
    assert_eq!((entries.len(), notes.len()), (16 * 40, 16 * 40));
}

async fn write_many(log: Arc<dyn Journal>, writer: usize) {
    for n in 0..40 {
        let said = log.append(vec![draft(&format!("{writer}:{n}"))], Expect::Anything).await.expect("the log is open");
        assert!(log.tail().seq >= said.entries[0].seq, "who is answered sees what was appended");
    }
}

#[tokio::test]
async fn of_two_that_want_the_same_key_one_gets_it() {
    let (log, _) = Place::real().open().expect("the place is empty");
    let want =
        |note: &str| log.append(vec![draft(note).touching("refund/o-1/1")], Expect::Untouched { since: Seq::ZERO });
    let (one, two) = tokio::join!(want("one"), want("two"));
    assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
}
