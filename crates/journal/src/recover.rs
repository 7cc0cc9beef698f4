//! Opening a log: find its end, cut off what a power cut tore, refuse what was changed.
//!
//! Does not append. Looks at the last segment only, so that opening takes no longer for a longer log; `verify` looks at all.

use std::io;
use std::path::Path;
use std::sync::Arc;

use sinew_contract::{Digest, EntryRef, Seq};

use crate::checkpoint;
use crate::data_dir::DataDir;
use crate::disk::{self, Mode};
use crate::errands::Workshop;
use crate::error::{Flaw, OpenError};
use crate::frame::Verdict;
use crate::keyring::Keyring;
use crate::log::Active;
use crate::options::Options;
use crate::segment::{self, BadPlace, Chain, Opening, Walked};
use crate::shared::Segment;
use crate::window::Window;

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Entries in the log.
    pub entries: u64,
    /// Segment files.
    pub segments: usize,
    /// Bytes of a torn write that were cut off; nobody had been told of them.
    pub truncated_bytes: u64,
    /// Says whether the log was made just now.
    pub created: bool,
}

/// A log as it was found.
pub(crate) struct Recovered {
    pub chain: Chain,
    /// How far the last checkpoint says that it is.
    pub checked: Seq,
    pub active: Active,
    pub segments: Vec<Arc<Segment>>,
    pub window: Window,
    pub report: OpenReport,
}

/// The last segment as it was found.
struct Last {
    walked: Walked,
    window: Window,
    torn_bytes: u64,
}

/// Opens the log in a data directory, making the first segment where there is none.
///
/// # Errors
/// `Damaged` where something that was once acknowledged is not there as it was; `Foreign`; `Io`.
pub(crate) fn recover(
    dir: &DataDir,
    keyring: &Keyring,
    workshop: &Workshop,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let journal = dir.journal();
    clear_leftovers(dir, &journal).map_err(OpenError::io("clear leftovers in", &journal))?;
    let names = dir.disk().list(&journal).map_err(OpenError::io("list", &journal))?;
    let files = segment::segments(&journal, &names);
    let none = Chain { log: keyring.log(), epoch: 1, head: Seq::ZERO, hash: Digest::ZERO };
    let checkpoint = read_checkpoint(dir, keyring, &none)?;
    let Some((first, path)) = files.last() else {
        return create(workshop, &journal, none, checkpoint, options);
    };
    let last = read_last(dir, *first, path, &none, checkpoint.as_ref(), options)?;
    let mut segments: Vec<_> = files.iter().map(|(first, path)| Arc::new(Segment::new(path.clone(), *first))).collect();
    let chain = last.walked.chain;
    let active = if last.walked.sealed {
        let active = begin(workshop, chain, options).map_err(OpenError::io("make the next segment after", path))?;
        segments.push(Arc::clone(&active.segment));
        active
    } else {
        reopen(
            dir,
            path,
            &last,
            segments.last().cloned().unwrap_or_else(|| Arc::new(Segment::new(path.clone(), *first))),
        )?
    };
    let report = OpenReport {
        entries: chain.head.0,
        segments: segments.len(),
        truncated_bytes: last.torn_bytes,
        created: false,
    };
    let checked = checkpoint.map_or(Seq::ZERO, |checkpoint| checkpoint.head);
    Ok(Recovered { chain, checked, active, segments, window: last.window, report })
}

fn clear_leftovers(dir: &DataDir, journal: &Path) -> io::Result<()> {
    dir.disk().create_dir(journal)?;
    ["spare", "checkpoint.tmp", "followers.tmp"].iter().try_for_each(|name| dir.disk().remove(&journal.join(name)))
}

/// Reads the checkpoint; one that does not verify is damage.
fn read_checkpoint(dir: &DataDir, keyring: &Keyring, expected: &Chain) -> Result<Option<Chain>, OpenError> {
    let path = dir.journal().join("checkpoint");
    let text = disk::read_if_there(dir.disk().as_ref(), &path).map_err(OpenError::io("read", &path))?;
    let Some(text) = text else { return Ok(None) };
    let key = keyring.signing().verifying_key();
    let read = checkpoint::read(&text, expected, &key);
    let what = "the checkpoint is not as it was signed with the key of this directory";
    read.map(Some).ok_or_else(|| OpenError::Damaged(Flaw::new(&path, 0, None, what)))
}

/// Makes the first segment. A checkpoint without segments means that they were taken away.
fn create(
    workshop: &Workshop,
    journal: &Path,
    none: Chain,
    checkpoint: Option<Chain>,
    options: &Options,
) -> Result<Recovered, OpenError> {
    if let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.head > Seq::ZERO) {
        let what = format!("there are no segments, but the checkpoint says that there are {} entries", checkpoint.head);
        return Err(OpenError::Damaged(Flaw::new(journal, 0, Some(checkpoint.head.0), what)));
    }
    let active = begin(workshop, none, options).map_err(OpenError::io("make the first segment in", journal))?;
    Ok(Recovered {
        chain: none,
        checked: Seq::ZERO,
        segments: vec![Arc::clone(&active.segment)],
        active,
        window: Window::new(Seq::ZERO, options.window_max),
        report: OpenReport { segments: 1, created: true, ..OpenReport::default() },
    })
}

fn begin(workshop: &Workshop, chain: Chain, options: &Options) -> io::Result<Active> {
    let opening = Opening { log: chain.log, epoch: chain.epoch, first: chain.head.next(), previous: chain.hash };
    let file = workshop.take_spare()?;
    let path = workshop.open_segment(file.as_ref(), &opening)?;
    Ok(Active::fresh(file, path, opening.first, options.segment_bytes()))
}

/// Reads and checks the last segment, without changing it.
fn read_last(
    dir: &DataDir,
    first: Seq,
    path: &Path,
    none: &Chain,
    checkpoint: Option<&Chain>,
    options: &Options,
) -> Result<Last, OpenError> {
    let bytes = disk::read_all(dir.disk().as_ref(), path).map_err(OpenError::io("read", path))?;
    let damaged = |bad: BadPlace| OpenError::Damaged(Flaw::new(path, bad.offset, bad.seq, bad.what));
    let opening = segment::read_opening(&bytes).map_err(damaged)?;
    if opening.log != none.log {
        let why =
            format!("it belongs to log `{}`, the keys here to `{}`; put it back where it was", opening.log, none.log);
        return Err(OpenError::Foreign { path: path.to_path_buf(), why });
    }
    if opening.first != first {
        return Err(OpenError::Damaged(Flaw::new(
            path,
            0,
            None,
            "its opening states another first entry than its name",
        )));
    }
    let chain = Chain::opened_by(&opening);
    let mut window = Window::new(chain.head, options.window_max);
    let mut hash_at_checkpoint = checkpoint.filter(|c| c.head == chain.head).map(|_| chain.hash);
    let walked = segment::walk(&bytes, chain, |header, _| {
        header.touches.iter().for_each(|touch| window.touch(*touch, header.seq));
        if checkpoint.is_some_and(|checkpoint| checkpoint.head.next() == header.seq) {
            hash_at_checkpoint = Some(header.previous);
        }
    });
    let walked = walked.map_err(damaged)?;
    if let Some(checkpoint) = checkpoint {
        let at_end = (walked.chain.head == checkpoint.head).then_some(walked.chain.hash);
        check_against(checkpoint, &walked, hash_at_checkpoint.or(at_end)).map_err(damaged)?;
    }
    let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let torn_bytes = if walked.rest == Verdict::Torn { used.saturating_sub(walked.end) as u64 } else { 0 };
    Ok(Last { walked, window, torn_bytes })
}

/// A log that ends before its checkpoint, or has another entry there, is not the one that was signed.
fn check_against(checkpoint: &Chain, walked: &Walked, hash: Option<Digest>) -> Result<(), BadPlace> {
    let Chain { head, .. } = walked.chain;
    let bad = |seq: u64, what: String| Err(BadPlace { offset: walked.end, seq: Some(seq), what });
    if head < checkpoint.head {
        return bad(
            head.0 + 1,
            format!("the log ends here, but the checkpoint says that it has {} entries", checkpoint.head),
        );
    }
    match hash {
        Some(hash) if hash != checkpoint.hash => {
            bad(checkpoint.head.0, "the entry is not the one that the checkpoint was signed for".into())
        }
        _ => Ok(()),
    }
}

/// Opens the last segment to go on writing it, with everything after its end zero again.
fn reopen(dir: &DataDir, path: &Path, last: &Last, segment: Arc<Segment>) -> Result<Active, OpenError> {
    let cut = || -> io::Result<Active> {
        let file = dir.disk().open(path, Mode::Write)?;
        if last.torn_bytes > 0 {
            tracing::warn!(file = %path.display(), bytes = last.torn_bytes, "a torn write is cut off");
            let torn = usize::try_from(last.torn_bytes).map_err(io::Error::other)?;
            file.write_at(&vec![0; torn], last.walked.end as u64)?;
            file.sync_data()?;
        }
        let size = file.len()?;
        Ok(Active { file, segment, offset: last.walked.end as u64, size, spare_asked: false })
    };
    cut().map_err(OpenError::io("open", path))
}

/// The reference that a chain's head is.
pub(crate) fn tail(chain: &Chain) -> EntryRef {
    EntryRef { seq: chain.head, hash: chain.hash }
}
