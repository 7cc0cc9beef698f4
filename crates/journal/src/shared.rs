//! What the one writer tells the many readers: the durable tail, the latest entries, the segments.
//!
//! Does not write and does not read files. Everything in here is on disk already, or says that the log is broken.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinew_contract::{Digest, Entry, EntryRef, LabelMap, Record, Seq, SubjectKeyId};
use tokio::sync::watch;

/// Entries between two marks of a segment: a read walks past at most so many that it does not want.
const MARK_EVERY: u64 = 64;

/// A place in a segment from which a reader can start, with all it needs to verify.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// The entry that starts there.
    pub seq: Seq,
    /// Where.
    pub offset: u64,
    /// The hash that it must continue.
    pub previous: Digest,
}

/// One segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub first: Seq,
    /// In order; only ever of verified entries.
    marks: Mutex<Vec<Mark>>,
}

impl Segment {
    pub fn new(path: PathBuf, first: Seq) -> Self {
        Self { path, first, marks: Mutex::default() }
    }

    fn marks(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a place, where the last one is far enough behind.
    pub fn mark(&self, mark: Mark) {
        let mut marks = self.marks();
        if marks.last().is_none_or(|last| last.seq.0 + MARK_EVERY <= mark.seq.0) {
            marks.push(mark);
        }
    }

    /// The last known place at or before an entry.
    pub fn nearest(&self, seq: Seq) -> Option<Mark> {
        let marks = self.marks();
        let after = marks.partition_point(|mark| mark.seq <= seq);
        after.checked_sub(1).and_then(|at| marks.get(at).copied())
    }
}

/// Bounds of what is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingMax {
    pub entries: usize,
    pub bytes: usize,
}

/// The latest entries, without a gap up to the tail.
#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, entry: Arc<Entry>, size: usize, max: RingMax) {
        self.entries.push_back((entry, size));
        self.bytes += size;
        while self.entries.len() > max.entries || self.bytes > max.bytes {
            let Some((_, size)) = self.entries.pop_front() else { return };
            self.bytes -= size;
        }
    }

    /// Entries from `from` on, where the ring has that one.
    fn from(&self, from: Seq, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.front()?.0.seq();
        let skip = usize::try_from(from.0.checked_sub(first.0)?).ok()?;
        Some(
            self.entries
                .range(skip.min(self.entries.len())..)
                .take(limit)
                .map(|(entry, _)| Arc::clone(entry))
                .collect(),
        )
    }
}

#[derive(Debug)]
struct State {
    tail: EntryRef,
    ring: Ring,
    segments: Vec<Arc<Segment>>,
    broken: Option<Arc<str>>,
}

/// Shared by the writer and all readers. The lock is held for moments, never over I/O.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    ring_max: RingMax,
    durable: watch::Sender<Seq>,
}

impl Shared {
    pub fn new(tail: EntryRef, segments: Vec<Arc<Segment>>, ring_max: RingMax) -> Self {
        let state = State { tail, ring: Ring::default(), segments, broken: None };
        Self { state: Mutex::new(state), ring_max, durable: watch::Sender::new(tail.seq) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tail(&self) -> EntryRef {
        self.state().tail
    }

    /// Tells everybody of entries that are on disk now, each with the bytes it takes.
    pub fn publish(&self, entries: impl Iterator<Item = (Arc<Entry>, usize)>) {
        let mut state = self.state();
        for (entry, size) in entries {
            state.tail = entry.reference();
            state.ring.push(entry, size, self.ring_max);
        }
        let tail = state.tail.seq;
        drop(state);
        self.durable.send_replace(tail);
    }

    pub fn add_segment(&self, segment: Arc<Segment>) {
        self.state().segments.push(segment);
    }

    /// The segment that holds an entry, and the one after it.
    pub fn segment_of(&self, seq: Seq) -> Option<Arc<Segment>> {
        let state = self.state();
        let after = state.segments.partition_point(|segment| segment.first <= seq);
        after.checked_sub(1).and_then(|at| state.segments.get(at).cloned())
    }

    /// The latest entries from `from` on, where they are all in memory.
    pub fn recent(&self, from: Seq, limit: usize) -> Option<Vec<Arc<Entry>>> {
        self.state().ring.from(from, limit)
    }

    /// Replaces what is kept in memory of a subject whose key is gone.
    pub fn forget(&self, id: SubjectKeyId) {
        let mut state = self.state();
        for (entry, _) in state.ring.entries.iter_mut().filter(|(entry, _)| entry.header.subjects.contains(&id)) {
            let erased = Entry { record: Record::Erased, labels: LabelMap::new(), ..Entry::clone(entry) };
            *entry = Arc::new(erased);
        }
    }

    /// Marks the log read-only, for ever, with the first reason.
    pub fn set_broken(&self, why: &str) {
        self.state().broken.get_or_insert_with(|| why.into());
    }

    pub fn broken(&self) -> Option<Arc<str>> {
        self.state().broken.clone()
    }

    /// Wakes whenever the durable tail moves.
    pub fn watch(&self) -> watch::Receiver<Seq> {
        self.durable.subscribe()
    }
}
