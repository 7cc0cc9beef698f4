//! Opening: again, twice at once, after a later version, in the wrong place.

use std::sync::Arc;

use sinew_contract::{ErrorKind, Expect, Follow, Journal, Record, Scope, Seq};
use sinew_journal::{OpenError, OpenReport, SimDisk, verify};
use sinew_testkit::journal_suite::{draft, note_of};

use crate::{Place, say};

#[tokio::test]
async fn a_log_goes_on_where_it_was_closed_over_many_segments() {
    let place = Place::real();
    for boot in 0..5u64 {
        let (log, report) = place.open().expect("it was closed well");
        assert_eq!((report.entries, report.created, report.truncated_bytes), (boot * 100, boot == 0, 0));
        for n in 0..100 {
            say(&log, &format!("{boot}:{n}")).await;
        }
        let tail = log.tail();
        log.close().await;
        log.close().await;
        let report = verify(place.disk.as_ref(), &place.path).expect("nothing changed");
        assert_eq!((report.head, report.checkpoint, report.torn_bytes), (tail, Some(tail.seq), 0));
        assert!(boot == 0 || report.segments > 1);
    }
    let (log, _) = place.open().expect("it was closed well");
    let entries = log.read(Seq(1), usize::MAX).expect("all of it reads");
    assert_eq!((entries.len(), note_of(&entries[342].record)), (500, Some("3:42")));
    for from in [1, 63, 64, 65, 250, 499, 500] {
        let some = log.read(Seq(from), 3).expect("all of it reads");
        assert_eq!(some.first().map(|entry| entry.seq()), Some(Seq(from)));
    }
}

#[tokio::test]
async fn a_closed_log_takes_nothing_and_ends_its_followers() {
    let (log, _) = Place::real().open().expect("the place is empty");
    let mut follower: Box<dyn Follow> = log.follow(Seq(1));
    say(&log, "last").await;
    assert_eq!(follower.next(5).await.expect("it was appended").len(), 1);
    let (ended, ()) = tokio::join!(follower.next(5), log.close());
    assert_eq!(ended.expect_err("closed").kind(), ErrorKind::Missing);
    let refused = log.append(vec![draft("too late")], Expect::Anything).await.expect_err("closed");
    assert_eq!(refused.kind(), ErrorKind::Broken);
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_directory() {
    for place in [Place::real(), Place::sim(&SimDisk::new(1))] {
        let held = place.open().expect("the place is empty");
        let error = place.open().expect_err("it is held");
        let pid = std::process::id().to_string();
        assert!(matches!(&error, OpenError::Locked { holder, .. } if *holder == pid), "{error}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        drop(held);
        place.open().expect("it was given back");
    }
}

#[tokio::test]
async fn a_directory_of_a_later_version_is_refused_unchanged() {
    let place = Place::real();
    drop(place.open().expect("the place is empty"));
    place.write(&place.file("FORMAT"), b"2\n");
    let error = place.open().expect_err("it is newer");
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(verify(place.disk.as_ref(), &place.path).is_err());
    place.write(&place.file("FORMAT"), b"1\n");
    place.open().expect("nothing else was changed");
}

#[tokio::test]
async fn a_directory_with_other_things_in_it_is_refused() {
    let place = Place::real();
    place.disk.create_dir(&place.path).expect("there is room");
    place.write(&place.file("thesis.tex"), b"important");
    let error = place.open().expect_err("it is foreign").to_string();
    assert!(error.contains("thesis.tex"), "{error}");
    assert_eq!(place.disk.list(&place.path).expect("it is there"), ["thesis.tex"]);
}

#[tokio::test]
async fn segments_of_another_log_are_refused() {
    let (ours, theirs) = (Place::real(), Place::real());
    drop(ours.open().expect("the place is empty"));
    drop(theirs.open().expect("the place is empty"));
    let name = "journal/00000000000000000001.seg";
    ours.write(&ours.file(name), &theirs.bytes(&theirs.file(name)));
    let error = ours.open().expect_err("it is of another log");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    ours.write(&ours.file(name), b"GIF89a, this is no segment at all, but long enough to hold an opening ........");
    let error = ours.open().expect_err("it is a picture").to_string();
    assert!(error.contains("not a segment"), "{error}");
}

#[tokio::test]
async fn followers_keep_their_places() {
    let place = Place::real();
    let (log, _) = place.open().expect("the place is empty");
    assert_eq!(log.checkpoint("memory"), Seq::ZERO);
    log.set_checkpoint("memory", Seq(42)).await.expect("there is room");
    assert_eq!(log.set_checkpoint("two words", Seq(1)).await.expect_err("blanks").kind(), ErrorKind::Invalid);
    drop(log);
    assert_eq!(place.open().expect("it was closed well").0.checkpoint("memory"), Seq(42));
}

#[tokio::test]
async fn an_erased_subject_is_gone_and_the_chain_is_whole() {
    let place = Place::real();
    let (log, _) = place.open().expect("the place is empty");
    let about = |note: &str, subject: &str| {
        let mut draft = draft(note);
        draft.subjects = vec![subject.to_owned()];
        vec![draft]
    };
    log.append(about("ana's secret", "customer:ana"), Expect::Anything).await.expect("the log is open");
    log.append(about("bob's secret", "customer:bob"), Expect::Anything).await.expect("the log is open");
    let stored = place.bytes(&place.file("journal/00000000000000000001.seg"));
    assert!(!stored.windows(6).any(|bytes| bytes == b"secret"), "what is about somebody is sealed");
    assert!(log.erase(&Scope::main(), "customer:ana").await.expect("the disk is on"));
    log.append(about("ana is back", "customer:ana"), Expect::Anything).await.expect("who comes back gets a new key");
    let expected = [None, Some("bob's secret"), Some("ana is back")];
    let check = |log: &dyn Journal| {
        let entries = log.read(Seq(1), 9).expect("the chain is whole");
        assert_eq!(entries.iter().map(|entry| note_of(&entry.record)).collect::<Vec<_>>(), expected);
        assert_eq!(entries[0].record, Record::Erased);
    };
    check(&log);
    drop(log);
    check(&place.open().expect("it was closed well").0);
    verify(place.disk.as_ref(), &place.path).expect("the chain is whole");
}

#[tokio::test]
async fn an_empty_log_opens_again_as_it_was() {
    let place = Place::sim(&SimDisk::new(1));
    drop(place.open().expect("the place is empty"));
    let (log, report) = place.open().expect("it was closed well");
    assert_eq!(report, OpenReport { segments: 1, ..OpenReport::default() });
    assert_eq!(Arc::new(log).tail().seq, Seq::ZERO);
}
