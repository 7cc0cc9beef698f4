//! I11: in a log of 2,000 entries every changed byte is found, and every cut end against a checkpoint that was kept elsewhere.
//!
//! The fast tier takes every so manieth place; with `SINEW_DEEP` all of them.

use std::path::Path;

use sinew_contract::{Expect, Journal};
use sinew_journal::proof::{NoteError, Proven, raw_entries};
use sinew_journal::{Disk, Mode, Options, SimDisk, VerifyError, segment_files, verify};
use sinew_testkit::journal_suite::draft;

use crate::Place;

const ENTRIES: u64 = 2_000;

fn every(fast: usize) -> usize {
    if std::env::var_os("SINEW_DEEP").is_some() { 1 } else { fast }
}

/// A closed log over several segments.
async fn large_log(disk: &SimDisk) -> Place {
    let place = Place::sim(disk);
    let options = Options { segment_bytes: 128 << 10, ..Options::default() };
    let (log, _) = place.open_with(&options).expect("the place is empty");
    for n in 0..ENTRIES {
        log.append(vec![draft(&n.to_string())], Expect::Anything).await.expect("the log is open");
    }
    log.close().await;
    place
}

fn write(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    disk.open(path, Mode::Create).expect("there is room").write_at(bytes, 0).expect("there is room");
}

#[tokio::test]
async fn every_changed_byte_of_a_large_log_is_found() {
    let disk = SimDisk::new(1);
    let place = large_log(&disk).await;
    assert_eq!(verify(&disk, &place.path).expect("nothing changed").entries, ENTRIES);
    let files = segment_files(&disk, &place.path).expect("it is there");
    assert!(files.len() > 3, "several segments: {}", files.len());
    let mut seen = 0_usize;
    for file in &files {
        let used = place.bytes(file).iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        // 4,999: a prime, so that the places fall everywhere in a frame.
        for offset in (0..used).step_by(every(4_999)) {
            disk.flip(file, offset, 1 << (offset % 8));
            let found = verify(&disk, &place.path);
            assert!(matches!(found, Err(VerifyError::Flaw(_))), "byte {offset} of {}: {found:?}", file.display());
            disk.flip(file, offset, 1 << (offset % 8));
            seen += 1;
        }
    }
    eprintln!("{seen} changed bytes, all found");
}

#[tokio::test]
async fn every_cut_end_is_found_against_a_checkpoint_kept_elsewhere() {
    let disk = SimDisk::new(1);
    let place = large_log(&disk).await;
    let note = Proven::read(&disk, &place.path).expect("it verifies").checkpoint();
    // The best that somebody can do who cuts: our own signed note of the head is gone too, and the last segment ends in zeros.
    disk.remove(&place.file("journal/checkpoint")).expect("it is there");
    let files = segment_files(&disk, &place.path).expect("it is there");
    let last = files.last().expect("there are segments").clone();
    let whole = place.bytes(&last);
    let ends = ends_in(&disk, &place, &last);
    assert!(ends.len() > 50, "{}", ends.len());
    for end in ends.iter().rev().skip(1).step_by(every(23)) {
        let mut cut = whole.clone();
        cut[*end..].fill(0);
        write(&disk, &last, &cut);
        let cut = Proven::read(&disk, &place.path).expect("alone, nobody can tell");
        assert!(matches!(cut.continues(&note), Err(NoteError::Cut { kept: ENTRIES, .. })), "cut at {end}");
    }
    write(&disk, &last, &whole);
    assert!(Proven::read(&disk, &place.path).expect("it is whole again").continues(&note).is_ok());
}

/// Where the entries of the last segment end: behind the header and payload of each stand at most fifteen bytes.
fn ends_in(disk: &SimDisk, place: &Place, last: &Path) -> Vec<usize> {
    let bytes = place.bytes(last);
    let mut ends = Vec::new();
    let mut from = 0;
    raw_entries::<VerifyError>(disk, &place.path, |entry| {
        let at = bytes.get(from..).and_then(|rest| rest.windows(entry.header.len()).position(|w| w == entry.header));
        if let Some(at) = at {
            let frame = 16 + (entry.header.len() + entry.payload.len()).next_multiple_of(8) + 8;
            ends.push(from + at - 16 + frame);
            from += at + entry.header.len();
        }
        Ok(())
    })
    .expect("it reads");
    // Only the ends of batches: what ends inside of one is torn, and was never told to anybody.
    ends.into_iter().filter(|end| bytes.get(end - 4..*end) == Some(b"END.")).collect()
}
