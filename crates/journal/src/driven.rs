//! The log without threads: what is appended waits until whoever drives it commits it.
//!
//! For simulations, in which a seed must tell the whole history: the shipped core, the shipped bytes, and groups that
//! are as large as the driver says. Does not know what is simulated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sinew_contract::{
    Appended, Clock, Draft, Entry, EntryRef, ErrorKind, Expect, Failure, Follow, Journal, LogId, Seq,
};
use tokio::sync::oneshot;

use crate::data_dir::DataDir;
use crate::error::OpenError;
use crate::journal::{Opened, batch_bytes_max, open_core};
use crate::keyring::Keyring;
use crate::log::Log;
use crate::options::Options;
use crate::prepare;
use crate::reader::{Follower, Reader};
use crate::recover::OpenReport;
use crate::writer::Waiting;

/// A log that is driven by hand.
pub struct DrivenLog {
    core: Mutex<Core>,
    keyring: Arc<Keyring>,
    reader: Arc<Reader>,
    batch_bytes_max: usize,
}

struct Core {
    log: Log,
    waiting: Vec<Waiting>,
}

impl DrivenLog {
    /// Opens the log in a data directory, as `FileLog::open` does.
    ///
    /// # Errors
    /// As `FileLog::open`.
    pub fn open(dir: &DataDir, options: &Options, clock: Arc<dyn Clock>) -> Result<(Self, OpenReport), OpenError> {
        let Opened { log, reader, report } = open_core(dir, options, clock, false)?;
        let keyring = Arc::clone(&log.keyring);
        let core = Mutex::new(Core { log, waiting: Vec::new() });
        Ok((Self { core, keyring, reader, batch_bytes_max: batch_bytes_max(options) }, report))
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many batches wait.
    pub fn waiting(&self) -> usize {
        self.core().waiting.len()
    }

    /// Commits the first `at_most` batches that wait as one group; returns how many there were.
    pub fn commit(&self, at_most: usize) -> usize {
        let mut core = self.core();
        let many = at_most.min(core.waiting.len());
        let group: Vec<_> = core.waiting.drain(..many).collect();
        let (batches, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.batch, w.answer)).unzip();
        let done = core.log.commit(batches);
        // Who gave up waiting has dropped the other end: the entries stand all the same.
        answers.into_iter().zip(done).for_each(|(answer, result)| drop(answer.send(result)));
        many
    }
}

#[async_trait]
impl Journal for DrivenLog {
    async fn append(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        let batch = prepare::prepare(&self.keyring, batch, expect, self.batch_bytes_max)?;
        let (answer, ticket) = oneshot::channel();
        self.core().waiting.push(Waiting { batch, answer });
        ticket.await.map_err(|_| Failure::new(ErrorKind::Broken, "cannot append: the journal is closed"))?
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        self.reader.read(from, limit)
    }

    fn follow(&self, from: Seq) -> Box<dyn Follow> {
        Box::new(Follower::new(Arc::clone(&self.reader), from))
    }

    fn tail(&self) -> EntryRef {
        self.reader.shared.tail()
    }

    fn id(&self) -> LogId {
        self.reader.identity.log
    }
}
