//! The writer's core: from prepared batches to bytes on disk, one group at a time, with one write and one sync.
//!
//! Does not know threads or callers, so that a simulation can drive it step by step.
//!
//! ```text
//! batches -> check condition -> number, chain, seal -> one buffer -> write_at -> sync_data -> publish -> answers
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sinew_contract::{
    Appended, Cause, Clock, Digest, Entry, EntryRef, ErrorKind, Failure, Header, Now, OfRun, RunId, Seq,
};

use crate::disk::DiskFile;
use crate::errands::{Errands, Job};
use crate::error::kind_of_io;
#[cfg(feature = "faults")]
use crate::faults;
use crate::keyring::Keyring;
use crate::options::Options;
use crate::prepare::{Batch, Ready};
use crate::segment::{self, Chain, OPENING_SIZE, Opening, SEAL_SIZE};
use crate::shared::{Mark, Segment, Shared};
use crate::window::Window;
use crate::{frame, header, seal};

/// The segment that is being written.
pub(crate) struct Active {
    pub file: Arc<dyn DiskFile>,
    pub segment: Arc<Segment>,
    /// Where the next group goes.
    pub offset: u64,
    pub size: u64,
    /// Says whether the next segment has been asked for.
    pub spare_asked: bool,
}

impl Active {
    /// A segment that holds its opening and nothing more.
    pub fn fresh(file: Arc<dyn DiskFile>, path: PathBuf, first: Seq, size: u64) -> Self {
        Self {
            file,
            segment: Arc::new(Segment::new(path, first)),
            offset: OPENING_SIZE as u64,
            size,
            spare_asked: false,
        }
    }
}

/// The log as its one writer knows it.
pub(crate) struct Log {
    pub clock: Arc<dyn Clock>,
    pub keyring: Arc<Keyring>,
    pub options: Options,
    pub shared: Arc<Shared>,
    pub errands: Errands,
    pub active: Active,
    /// How far the log has come, with what is staged.
    pub chain: Chain,
    pub window: Window,
    /// How far it is on disk.
    pub durable: Chain,
    /// How far the last checkpoint says that it is.
    pub checked: Seq,
    /// Bytes of the group, not yet written.
    pub buffer: Vec<u8>,
    /// Entries of the group, not yet published, with the bytes each takes.
    pub staged: Vec<(Arc<Entry>, usize)>,
}

/// A failure that ends the log, or one of a single batch.
enum Trouble {
    Fatal(io::Error),
    Refused(Failure),
}

impl Log {
    /// Commits a group: each batch whole or not at all, all of them with one sync.
    ///
    /// The answers stand in the order of the batches. When it returns, what it answers is on disk and published.
    pub fn commit(&mut self, group: Vec<Batch>) -> Vec<Result<Appended, Failure>> {
        let many = group.len();
        if let Some(why) = self.shared.broken() {
            return (0..many).map(|_| Err(read_only(&why))).collect();
        }
        match self.try_commit(group) {
            Ok(answers) => answers,
            Err(error) => {
                let why = error.to_string();
                tracing::error!(%error, "writing the journal failed, it is read-only from now on");
                self.shared.set_broken(&why);
                (0..many).map(|_| Err(read_only(&why))).collect()
            }
        }
    }

    fn try_commit(&mut self, group: Vec<Batch>) -> io::Result<Vec<Result<Appended, Failure>>> {
        let now = self.clock.now();
        let mut answers = Vec::with_capacity(group.len());
        for batch in group {
            match self.stage(batch, now) {
                Ok(appended) => answers.push(Ok(appended)),
                Err(Trouble::Refused(failure)) => answers.push(Err(failure)),
                Err(Trouble::Fatal(error)) => return Err(error),
            }
        }
        self.flush()?;
        self.shared.publish(self.staged.drain(..));
        self.ask_for_help();
        Ok(answers)
    }

    /// Numbers, chains and encodes one batch, after everything that could refuse it.
    fn stage(&mut self, batch: Batch, now: Now) -> Result<Appended, Trouble> {
        self.check(&batch).map_err(Trouble::Refused)?;
        self.make_keys(&batch)?;
        self.make_room(batch.size)?;
        let (chain, start) = (self.chain, self.buffer.len());
        let many = batch.drafts.len();
        let mut entries = Vec::with_capacity(many);
        for (index, ready) in batch.drafts.into_iter().enumerate() {
            match self.encode(ready, &entries, index + 1 < many, now) {
                Ok(entry) => entries.push(entry),
                Err(failure) => {
                    self.buffer.truncate(start);
                    self.chain = chain;
                    return Err(Trouble::Refused(failure));
                }
            }
        }
        Ok(self.keep(entries, start))
    }

    fn check(&self, batch: &Batch) -> Result<(), Failure> {
        if let Some(since) = batch.since {
            let touches = batch.drafts.iter().flat_map(|ready| &ready.touches);
            let moved = self.window.check(touches, since);
            moved.map_err(|moved| Failure::new(ErrorKind::Conflict, format!("cannot append: {moved}")))?;
        }
        let head = self.chain.head;
        let caused_later = |ready: &&Ready| matches!(ready.draft.cause, Cause::Entry(cause) if cause > head);
        match batch.drafts.iter().find(caused_later) {
            None => Ok(()),
            Some(ready) => {
                let message =
                    format!("cannot append: its cause `{:?}` is after the log's end {head}", ready.draft.cause);
                Err(Failure::new(ErrorKind::Invalid, message))
            }
        }
    }

    /// New subjects' keys are on disk before anything that they seal.
    fn make_keys(&self, batch: &Batch) -> Result<(), Trouble> {
        if batch.drafts.iter().all(|ready| ready.subjects.is_empty()) {
            return Ok(());
        }
        let drafts = batch.drafts.iter();
        let wanted = drafts.flat_map(|ready| ready.subjects.iter().map(|id| (&ready.draft.scope, *id)));
        self.keyring.ensure(wanted).map_err(|error| full_or_fatal("keep a subject's key", error))
    }

    /// Goes on to the next segment where this one has no room left for a batch and its seal.
    fn make_room(&mut self, batch: usize) -> Result<(), Trouble> {
        let wanted = (self.buffer.len() + batch + SEAL_SIZE) as u64;
        if self.active.offset + wanted <= self.active.size {
            return Ok(());
        }
        // First the room, then the seal: on a full disk the old segment stays open.
        let spare = self.errands.workshop.take_spare();
        let spare = spare.map_err(|error| full_or_fatal("make the next segment", error))?;
        self.roll(spare).map_err(Trouble::Fatal)
    }

    /// Seals the segment, with what is staged for it, and opens the next.
    fn roll(&mut self, spare: Arc<dyn DiskFile>) -> io::Result<()> {
        segment::encode_seal(&mut self.buffer, self.durable.head.0, &self.chain);
        self.flush()?;
        let Chain { log, epoch, head, hash } = self.chain;
        let opening = Opening { log, epoch, first: head.next(), previous: hash };
        let path = self.errands.workshop.open_segment(spare.as_ref(), &opening)?;
        self.active = Active::fresh(spare, path, opening.first, self.options.segment_bytes());
        self.shared.add_segment(Arc::clone(&self.active.segment));
        self.errands.ask(Job::Checkpoint(self.durable));
        self.checked = self.durable.head;
        Ok(())
    }

    /// Appends one draft's frame to the buffer and moves the chain on to it.
    fn encode(&mut self, ready: Ready, batch: &[Staged], more: bool, now: Now) -> Result<Staged, Failure> {
        let mut header = self.header(&ready, batch, now);
        let Ready { draft, mut payload, size, .. } = ready;
        if !header.subjects.is_empty() {
            let sealed = seal::seal(&header, &self.keyring, &mut payload);
            if !sealed.map_err(|e| Failure::new(ErrorKind::Broken, "cannot seal a payload").caused_by(e))? {
                let message = "a subject was erased while something about it was being written; append again";
                return Err(Failure::new(ErrorKind::Conflict, message));
            }
            header.payload = seal::digest(&payload);
        }
        let mut hash = Digest::ZERO;
        frame::encode(&mut self.buffer, self.durable.head.0, &payload, more, |out| {
            let start = out.len();
            header::encode(&header, out);
            hash = header::hash(&out[start..]);
        });
        (self.chain.head, self.chain.hash) = (header.seq, hash);
        Ok(Staged { size, entry: Entry { header, hash, record: draft.record, labels: draft.labels } })
    }

    fn header(&self, ready: &Ready, batch: &[Staged], now: Now) -> Header {
        let (draft, seq) = (&ready.draft, self.chain.head.next());
        Header {
            format: header::VERSION,
            log: self.chain.log,
            epoch: self.chain.epoch,
            seq,
            previous: self.chain.hash,
            scope: draft.scope.clone(),
            kind: draft.record.code(),
            run: match draft.run {
                OfRun::None => None,
                OfRun::Is(run) => Some(run),
                OfRun::Starts => Some(RunId { log: self.chain.log.tag(), seq }),
            },
            cause: match draft.cause {
                Cause::Outside => None,
                Cause::Entry(cause) => Some(cause),
                Cause::InBatch(index) => batch.get(index).map(|staged| staged.entry.header.seq),
            },
            principal: draft.principal.clone(),
            observed: draft.observed.unwrap_or(now.wall),
            recorded: now.wall,
            boot: now.boot,
            subjects: ready.subjects.clone(),
            touches: ready.touches.clone(),
            labels: ready.labels,
            payload: ready.digest,
        }
    }

    /// Takes a whole encoded batch into the group.
    fn keep(&mut self, batch: Vec<Staged>, start: usize) -> Appended {
        if let Some(first) = batch.first() {
            let Header { seq, previous, .. } = first.entry.header;
            self.active.segment.mark(Mark { seq, offset: self.active.offset + start as u64, previous });
        }
        let mut entries = Vec::with_capacity(batch.len());
        for Staged { entry, size, .. } in batch {
            entry.header.touches.iter().for_each(|touch| self.window.touch(*touch, entry.seq()));
            entries.push(EntryRef { seq: entry.seq(), hash: entry.hash });
            self.staged.push((Arc::new(entry), size));
        }
        Appended { entries }
    }

    /// Writes the buffer and returns when it is on disk.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.fault_point(0);
        self.active.file.write_at(&self.buffer, self.active.offset)?;
        self.fault_point(1);
        if self.syncs() {
            self.active.file.sync_data()?;
        }
        self.fault_point(2);
        self.active.offset += self.buffer.len() as u64;
        self.buffer.clear();
        self.durable = self.chain;
        Ok(())
    }

    #[cfg(feature = "faults")]
    fn syncs(&self) -> bool {
        !self.options.skip_fsync
    }

    #[cfg(not(feature = "faults"))]
    #[expect(clippy::unused_self, reason = "the twin with fault points asks the options")]
    fn syncs(&self) -> bool {
        true
    }

    #[cfg(feature = "faults")]
    fn fault_point(&self, index: usize) {
        let phase = [faults::Phase::BeforeWrite, faults::Phase::AfterWrite, faults::Phase::AfterSync][index];
        let fresh = self.staged.iter().filter(|(entry, _)| entry.seq() > self.durable.head);
        faults::hit(phase, fresh.map(|(entry, _)| entry.record.kind()));
    }

    #[cfg(not(feature = "faults"))]
    #[expect(clippy::unused_self, reason = "the twin with fault points looks at the group")]
    fn fault_point(&self, _index: usize) {}

    /// Asks for a checkpoint every so often, and for the next segment once this one is half full.
    fn ask_for_help(&mut self) {
        if self.durable.head.0 >= self.checked.0 + self.options.checkpoint_every {
            self.checked = self.durable.head;
            self.errands.ask(Job::Checkpoint(self.durable));
        }
        let half = self.active.size / 2;
        if self.active.offset >= half && !std::mem::replace(&mut self.active.spare_asked, true) {
            self.errands.ask(Job::Spare);
        }
    }

    /// Ends the log: everything is on disk already; the checkpoint tells where it ends.
    pub fn close(&mut self) {
        self.errands.finish();
        if self.shared.broken().is_some() {
            return;
        }
        if let Err(error) = self.errands.workshop.write_checkpoint(&self.durable) {
            tracing::warn!(%error, "the last checkpoint cannot be written");
        }
    }
}

/// An entry in the buffer.
struct Staged {
    entry: Entry,
    size: usize,
}

fn read_only(why: &str) -> Failure {
    Failure::new(ErrorKind::Broken, format!("the journal is read-only since writing it failed: {why}"))
}

/// A full disk refuses one batch and changes nothing; any other failure of the disk ends the log.
fn full_or_fatal(what: &str, error: io::Error) -> Trouble {
    match kind_of_io(&error) {
        ErrorKind::Busy => Trouble::Refused(Failure::new(ErrorKind::Busy, format!("cannot {what}")).caused_by(error)),
        _ => Trouble::Fatal(error),
    }
}
