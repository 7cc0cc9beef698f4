//! Every changed byte is found and named; every torn tail is cut off, and nothing else.

use sinew_contract::{Digest, Draft, Expect, Journal, Seq};
use sinew_journal::{Disk, Mode, OpenError, Options, SimDisk, VerifyError, segment_files, verify};
use sinew_testkit::journal_suite::draft;

use crate::{Place, say};

/// Entries in the small log.
const ENTRIES: u64 = 14;

/// A log over two segments, sealed payloads among its entries, closed or killed.
async fn small_log(disk: &SimDisk, close: bool) -> Place {
    let place = Place::sim(disk);
    let tiny = Options { segment_bytes: 4 << 10, checkpoint_every: 4, ..Options::default() };
    let (log, _) = place.open_with(&tiny).expect("the place is empty");
    for n in 0..ENTRIES {
        let mut about = draft(&n.to_string());
        about.subjects = if n % 7 == 0 { vec!["customer:ana".into()] } else { Vec::new() };
        log.append(vec![about], Expect::Anything).await.expect("the log is open");
    }
    // Signed beside the writer: where the machine is busy it comes late. What is set below makes its name durable.
    let signed = || disk.list(&place.file("journal")).is_ok_and(|names| names.iter().any(|name| name == "checkpoint"));
    while !signed() {
        tokio::task::yield_now().await;
    }
    log.set_checkpoint("memory", Seq(3)).await.expect("there is room");
    if close {
        log.close().await;
    } else {
        // What a killed process leaves: the disk as it is, without the last checkpoint.
        disk.cut_after(1);
        drop(log);
        disk.crash();
    }
    place
}

fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

#[tokio::test]
async fn verify_names_the_place_of_every_changed_byte() {
    for close in [true, false] {
        let disk = SimDisk::new(1);
        let place = small_log(&disk, close).await;
        let report = verify(&disk, &place.path).expect("nothing changed");
        assert!(report.segments >= 2 && report.entries == ENTRIES && report.checkpoint.is_some());
        let journal = place.file("journal");
        let mut names = disk.list(&journal).expect("it is there");
        names.retain(|name| name != "spare");
        if !close {
            // What differs from a closed log is how the last segment ends.
            names = names.into_iter().rfind(|name| name.ends_with(".seg")).into_iter().collect();
        }
        for name in names {
            let file = journal.join(&name);
            // Past the end too: what was never written must stay as it is.
            let bytes = place.bytes(&file);
            for offset in 0..bytes.len().min(used(&bytes) + 24) {
                let mask = 1 << (offset % 8);
                disk.flip(&file, offset, mask);
                match verify(&disk, &place.path) {
                    Err(VerifyError::Flaw(flaw)) if flaw.file == file => {
                        assert!(flaw.offset <= offset as u64 + 8, "{flaw} for byte {offset}");
                    }
                    other => panic!("byte {offset} of {name} changed: {other:?}"),
                }
                disk.flip(&file, offset, mask);
            }
        }
    }
}

#[tokio::test]
async fn opening_refuses_a_changed_byte_in_the_last_segment_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let place = small_log(&disk, false).await;
    let last = segment_files(&disk, &place.path).expect("it is there").pop().expect("there are segments");
    let before = place.bytes(&last);
    for offset in 0..used(&before) {
        disk.flip(&last, offset, 0x10);
        let error = place.open().expect_err("a changed byte is refused");
        assert!(matches!(&error, OpenError::Damaged(_) | OpenError::Foreign { .. }), "byte {offset}: {error}");
        disk.flip(&last, offset, 0x10);
    }
    assert!(place.bytes(&last) == before);
    assert_eq!(place.open().expect("it is whole again").1.entries, ENTRIES);
}

#[tokio::test]
async fn a_cut_log_does_not_reach_its_checkpoint() {
    let disk = SimDisk::new(1);
    let place = small_log(&disk, true).await;
    let files = segment_files(&disk, &place.path).expect("it is there");
    let last = files.last().expect("there are segments");
    let bytes = place.bytes(last);
    // Cut after the opening: 104 bytes.
    let mut cut = bytes.clone();
    cut[104..].fill(0);
    place.write(last, &cut);
    assert!(matches!(verify(&disk, &place.path), Err(VerifyError::Flaw(_))));
    assert!(matches!(place.open(), Err(OpenError::Damaged(_))));
    place.write(last, &bytes);
    disk.remove(last).expect("it is there");
    assert!(matches!(verify(&disk, &place.path), Err(VerifyError::Flaw(_))));
    for file in &files {
        disk.remove(file).expect("the disk is on");
    }
    assert!(matches!(place.open(), Err(OpenError::Damaged(_))));
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_wherever_it_was_torn() {
    let disk = SimDisk::new(1);
    let place = Place::sim(&disk);
    let (log, _) = place.open().expect("the place is empty");
    say(&log, "first").await;
    let file = place.file("journal/00000000000000000001.seg");
    let whole = used(&place.bytes(&file));
    let batch: Vec<Draft> = (0..3).map(|n| draft(&format!("{n} {}", "x".repeat(700)))).collect();
    log.append(batch, Expect::Anything).await.expect("the log is open");
    disk.cut_after(1);
    drop(log);
    disk.crash();
    let bytes = place.bytes(&file);
    // Disks write sectors: the tail is cut at each of them, and each of them is lost alone.
    let sectors = whole / 512..used(&bytes).div_ceil(512);
    for sector in sectors {
        for only in [true, false] {
            let mut torn = bytes.clone();
            let end = if only { ((sector + 1) * 512).min(torn.len()) } else { torn.len() };
            torn[(sector * 512).max(whole)..end].fill(0);
            place.write(&file, &torn);
            let (log, report) = place.open().expect("a torn tail is no damage");
            assert_eq!((report.entries, log.tail().seq), (1, Seq(1)), "sector {sector}: the batch is not there at all");
            assert_ne!(log.tail().hash, Digest::ZERO);
            say(&log, "second").await;
            drop(log);
            verify(&disk, &place.path).expect("the log is whole");
            disk.remove(&place.file("journal/checkpoint")).expect("it is there");
        }
    }
}

#[tokio::test]
async fn a_tail_that_stops_anywhere_is_torn_or_refused_but_never_believed() {
    let disk = SimDisk::new(1);
    let place = Place::sim(&disk);
    let (log, _) = place.open().expect("the place is empty");
    say(&log, "first").await;
    let file = place.file("journal/00000000000000000001.seg");
    let whole = used(&place.bytes(&file));
    say(&log, &"y".repeat(600)).await;
    disk.cut_after(1);
    drop(log);
    disk.crash();
    let bytes = place.bytes(&file);
    let end = used(&bytes);
    for stop in whole..end {
        let torn = disk.open(&file, Mode::Create).expect("there is room");
        torn.write_at(&bytes[..stop], 0).expect("there is room");
        torn.write_at(&vec![0; bytes.len() - stop], stop as u64).expect("there is room");
        match place.open() {
            Ok((_, report)) => assert_eq!((report.entries, report.truncated_bytes > 0), (1, stop > whole), "{stop}"),
            // No disk stops inside a sector: so it was changed, and a person must look.
            Err(OpenError::Damaged(flaw)) => assert_eq!(flaw.seq, Some(2), "{flaw}"),
            Err(error) => panic!("{error}"),
        }
        disk.remove(&place.file("journal/checkpoint")).expect("the disk is on");
    }
}
