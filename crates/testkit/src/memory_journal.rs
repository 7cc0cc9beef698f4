//! A log in memory: numbers, chains and guards as the real one does, and is gone with the test.
//!
//! Does not know disks, seals or crashes. A crash is a new log over the first entries of an old one, see `over`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{
    Appended, Cause, Clock, Digest, Draft, Entry, EntryRef, ErrorKind, Expect, Failure, Follow, Header, Journal, LogId,
    Now, OfRun, RunId, Seq, SubjectKeyId, Touch,
};
use tokio::sync::watch;

const LOG: LogId = LogId([7; 16]);

/// Answers `Journal` from memory. Share it in an `Arc`.
pub struct MemoryJournal {
    log: watch::Sender<Log>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Log {
    entries: Vec<Arc<Entry>>,
    /// How many entries came with each append.
    batches: Vec<usize>,
    touched: HashMap<Touch, Seq>,
}

impl MemoryJournal {
    /// An empty log; `clock` says when each entry is recorded.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::over(&[], clock)
    }

    /// A log that begins with these entries of another: what a crash left of it.
    pub fn over(entries: &[Arc<Entry>], clock: Arc<dyn Clock>) -> Self {
        let mut log = Log::default();
        entries.iter().for_each(|entry| log.push(Arc::clone(entry)));
        Self { log: watch::Sender::new(log), clock }
    }

    /// All entries.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.log.borrow().entries.clone()
    }

    /// How many entries came with each append, in order.
    pub fn batches(&self) -> Vec<usize> {
        self.log.borrow().batches.clone()
    }

    /// Returns when `holds` says so of all entries: what a test waits for. Cancel safe.
    pub async fn wait_until(&self, mut holds: impl FnMut(&[Arc<Entry>]) -> bool) {
        let mut log = self.log.subscribe();
        log.wait_for(|log| holds(&log.entries)).await.expect("invariant: the sender lives as long as `self`");
    }

    /// As `Journal::append`, where nobody can wait.
    ///
    /// # Errors
    /// As `Journal::append`.
    pub fn append_now(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        let now = self.clock.now();
        let mut answer = Err(Failure::new(ErrorKind::Broken, "the log was not asked"));
        self.log.send_modify(|log| answer = log.append(batch, expect, now));
        answer
    }
}

impl Log {
    fn tail(&self) -> EntryRef {
        self.entries.last().map_or(EntryRef { seq: Seq::ZERO, hash: Digest::ZERO }, |entry| entry.reference())
    }

    fn append(&mut self, batch: Vec<Draft>, expect: Expect, now: Now) -> Result<Appended, Failure> {
        self.check(&batch, expect)?;
        let (first, count) = (self.tail().seq.next(), batch.len());
        let entries = batch.into_iter().map(|draft| {
            let entry = Arc::new(self.enter(draft, first, now));
            self.push(Arc::clone(&entry));
            entry.reference()
        });
        let entries = entries.collect();
        self.batches.push(count);
        Ok(Appended { entries })
    }

    fn check(&self, batch: &[Draft], expect: Expect) -> Result<(), Failure> {
        let invalid = |what: &str| Err(Failure::new(ErrorKind::Invalid, format!("cannot append {what}")));
        let dangles = |(at, draft): (usize, &Draft)| match draft.cause {
            Cause::Outside => false,
            Cause::Entry(seq) => seq > self.tail().seq,
            Cause::InBatch(before) => before >= at,
        };
        if batch.is_empty() {
            return invalid("an empty batch");
        }
        if batch.iter().enumerate().any(dangles) {
            return invalid("a draft whose cause does not stand before it");
        }
        let Expect::Untouched { since } = expect else { return Ok(()) };
        let mut touches = batch.iter().flat_map(|draft| &draft.touches);
        match touches.find(|key| self.touched.get(&touch(key)).is_some_and(|by| *by > since)) {
            Some(key) => Err(Failure::new(ErrorKind::Conflict, format!("`{key}` was touched after entry {since}"))),
            None => Ok(()),
        }
    }

    fn enter(&self, draft: Draft, first: Seq, now: Now) -> Entry {
        let EntryRef { seq: last, hash: previous } = self.tail();
        let seq = last.next();
        let run = match draft.run {
            OfRun::None => None,
            OfRun::Is(run) => Some(run),
            OfRun::Starts => Some(RunId { log: LOG.tag(), seq }),
        };
        let cause = match draft.cause {
            Cause::Outside => None,
            Cause::Entry(seq) => Some(seq),
            Cause::InBatch(at) => Some(Seq(first.0 + u64::try_from(at).expect("invariant: a batch is small"))),
        };
        let header = Header {
            format: 1,
            log: LOG,
            epoch: 0,
            seq,
            previous,
            scope: draft.scope,
            kind: draft.record.code(),
            run,
            cause,
            principal: draft.principal,
            observed: draft.observed.unwrap_or(now.wall),
            recorded: now.wall,
            boot: now.boot,
            subjects: draft.subjects.iter().map(|name| SubjectKeyId(bytes_of(&json!(name)))).collect(),
            touches: draft.touches.iter().map(|key| touch(key)).collect(),
            labels: if draft.labels.is_empty() { Digest::ZERO } else { Digest(bytes_of(&json!(draft.labels))) },
            payload: Digest(bytes_of(&json!(draft.record))),
        };
        Entry { hash: Digest(bytes_of(&json!(header))), header, record: draft.record, labels: draft.labels }
    }

    fn push(&mut self, entry: Arc<Entry>) {
        self.touched.extend(entry.header.touches.iter().map(|touch| (*touch, entry.seq())));
        self.entries.push(entry);
    }

    fn read(&self, from: Seq, limit: usize) -> Vec<Arc<Entry>> {
        self.entries.iter().skip_while(|entry| entry.seq() < from).take(limit).cloned().collect()
    }
}

/// The touch under which a guarded key is kept.
fn touch(key: &str) -> Touch {
    Touch(bytes_of(&json!(key)))
}

/// Tells values apart as well as a test needs; not the real log's SHA-256, and no protection against anybody.
fn bytes_of<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.to_string();
    let lane = |at: usize| {
        let mut hasher = DefaultHasher::new();
        (at / 8, &text).hash(&mut hasher);
        hasher.finish().to_be_bytes()[at % 8]
    };
    std::array::from_fn(lane)
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        self.append_now(batch, expect)
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        Ok(self.log.borrow().read(from, limit))
    }

    fn follow(&self, from: Seq) -> Box<dyn Follow> {
        Box::new(Follower { log: self.log.subscribe(), next: from })
    }

    fn tail(&self) -> EntryRef {
        self.log.borrow().tail()
    }

    fn id(&self) -> LogId {
        LOG
    }
}

struct Follower {
    log: watch::Receiver<Log>,
    next: Seq,
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        let closed = |_| Failure::new(ErrorKind::Missing, "the log was closed");
        let next = self.next;
        let entries = self.log.wait_for(|log| log.tail().seq >= next).await.map_err(closed)?.read(next, limit);
        self.next = entries.last().map_or(next, |entry| entry.seq().next());
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SimClock, journal_suite};

    #[tokio::test]
    async fn it_answers_as_every_journal_must() {
        journal_suite::run(Arc::new(MemoryJournal::new(Arc::new(SimClock::default())))).await;
    }

    #[tokio::test]
    async fn what_a_crash_left_is_the_same_log_and_guards_the_same_keys() {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::default());
        let before = MemoryJournal::new(Arc::clone(&clock));
        let drafts = vec![journal_suite::draft("one").touching("k"), journal_suite::draft("two")];
        before.append(drafts, Expect::Anything).await.expect("a good batch is taken");
        let after = MemoryJournal::over(&before.entries()[..1], clock);
        assert_eq!(after.tail(), before.entries()[0].reference());
        let again = vec![journal_suite::draft("one again").touching("k")];
        let failure = after.append(again, Expect::Untouched { since: Seq::ZERO }).await.expect_err("it is taken");
        assert_eq!((failure.kind(), before.batches()), (ErrorKind::Conflict, vec![2]));
    }
}
