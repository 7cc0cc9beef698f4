//! The log as the house sees it: answers `Journal` over segment files.
//!
//! Does not know bytes or threads; it puts the parts together.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use sinew_contract::{
    Appended, Clock, Draft, Entry, EntryRef, ErrorKind, Expect, Failure, Follow, Journal, LogId, Scope, Seq,
};
use tokio::sync::{mpsc, oneshot};

use crate::data_dir::DataDir;
use crate::errands::{Errands, Workshop};
use crate::error::{OpenError, kind_of_io};
use crate::followers::Followers;
use crate::keyring::Keyring;
use crate::log::Log;
use crate::options::Options;
use crate::prepare::{self, Batch};
use crate::reader::{Follower, Reader};
use crate::recover::{self, OpenReport};
use crate::segment::{OPENING_SIZE, SEAL_SIZE};
use crate::shared::{RingMax, Shared};
use crate::writer::{self, Message, Waiting};

/// The log in a data directory. Dropping it closes it.
pub struct FileLog {
    dir: DataDir,
    keyring: Arc<Keyring>,
    reader: Arc<Reader>,
    followers: Arc<Followers>,
    batch_bytes_max: usize,
    queue: Option<mpsc::Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The core of an opened log and what readers need, before anything runs.
pub(crate) struct Opened {
    pub log: Log,
    pub reader: Arc<Reader>,
    pub report: OpenReport,
}

/// Opens the core; `threaded` says whether errands get a thread of their own.
pub(crate) fn open_core(
    dir: &DataDir,
    options: &Options,
    clock: Arc<dyn Clock>,
    threaded: bool,
) -> Result<Opened, OpenError> {
    let keyring = Arc::new(Keyring::open(dir.disk().as_ref(), &dir.keys())?);
    let workshop = Workshop::new(Arc::clone(dir.disk()), dir.journal(), options.segment_bytes(), Arc::clone(&keyring));
    let found = recover::recover(dir, &keyring, &workshop, options)?;
    let ring_max = RingMax { entries: options.recent_entries_max, bytes: options.recent_bytes_max };
    let shared = Arc::new(Shared::new(recover::tail(&found.chain), found.segments, ring_max));
    let reader = Arc::new(Reader {
        disk: Arc::clone(dir.disk()),
        keyring: Arc::clone(&keyring),
        shared: Arc::clone(&shared),
        identity: found.chain,
        closed: AtomicBool::new(false),
    });
    let errands = if threaded { Errands::start(workshop) } else { Ok(Errands::inline(workshop)) };
    let log = Log {
        clock,
        keyring,
        options: options.clone(),
        shared,
        errands: errands.map_err(OpenError::io("start the errands thread for", dir.path()))?,
        active: found.active,
        chain: found.chain,
        window: found.window,
        durable: found.chain,
        checked: found.checked,
        buffer: Vec::new(),
        staged: Vec::new(),
    };
    Ok(Opened { log, reader, report: found.report })
}

/// Bytes that one batch may take: what the options say, and never more than a segment holds.
pub(crate) fn batch_bytes_max(options: &Options) -> usize {
    let segment = usize::try_from(options.segment_bytes()).unwrap_or(usize::MAX);
    options.batch_bytes_max.min(segment - OPENING_SIZE - SEAL_SIZE)
}

impl FileLog {
    /// Opens the log in a data directory, or makes it; cuts off what a power cut tore at its end.
    ///
    /// # Errors
    /// `Damaged`, naming file, offset and entry; `Foreign`; `Newer`; `Io`.
    pub fn open(dir: &DataDir, options: &Options, clock: Arc<dyn Clock>) -> Result<(Self, OpenReport), OpenError> {
        let Opened { log, reader, report } = open_core(dir, options, clock, true)?;
        let path = dir.journal().join("followers");
        let followers =
            Followers::open(dir.disk().as_ref(), path).map_err(OpenError::io("read the followers in", dir.path()))?;
        let keyring = Arc::clone(&log.keyring);
        let (queue, messages) = mpsc::channel(options.queue_max.max(1));
        let of_thread = Arc::clone(&reader);
        let thread = std::thread::Builder::new().name("journal-writer".into());
        let thread = thread.spawn(move || writer::run(log, messages, &of_thread));
        let thread = thread.map_err(OpenError::io("start the writer thread for", dir.path()))?;
        let log = Self {
            dir: dir.clone(),
            keyring,
            reader,
            followers: Arc::new(followers),
            batch_bytes_max: batch_bytes_max(options),
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
        };
        Ok((log, report))
    }

    /// Writes what waits, signs the last checkpoint and ends the threads. Appending fails from now on; twice is harmless.
    pub async fn close(&self) {
        if let Some(queue) = &self.queue {
            drop(queue.send(Message::Close).await);
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || join(thread)).await);
        }
    }

    /// The place up to which a named follower has come; zero where it never said.
    pub fn checkpoint(&self, follower: &str) -> Seq {
        self.followers.get(follower)
    }

    /// Keeps the place up to which a named follower has come, and returns when it is on disk.
    ///
    /// After a crash between call and return the old place or the new one stands.
    ///
    /// # Errors
    /// `Invalid` for a name with blanks; `Busy` when the disk is full; `Broken` for other I/O errors.
    pub async fn set_checkpoint(&self, follower: &str, seq: Seq) -> Result<(), Failure> {
        if follower.is_empty() || follower.contains(char::is_whitespace) {
            let message = format!("`{follower}` is not a follower's name; it must not be empty or have blanks");
            return Err(Failure::new(ErrorKind::Invalid, message));
        }
        let (dir, followers, name) = (self.dir.clone(), Arc::clone(&self.followers), follower.to_owned());
        let write = move || followers.set(dir.disk().as_ref(), &name, seq);
        let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        let message = || format!("cannot keep the place of follower `{follower}`");
        written.map_err(|error| Failure::new(kind_of_io(&error), message()).caused_by(error))
    }

    /// Erases the key of a subject for ever: what it sealed reads as `Record::Erased`, the chain stays whole.
    ///
    /// Says whether there was a live key. After a crash between call and return the key may stand or not: call again.
    ///
    /// # Errors
    /// `Broken` where the key could not be overwritten.
    pub async fn erase(&self, scope: &Scope, subject: &str) -> Result<bool, Failure> {
        let id = self.keyring.subject(scope, subject);
        let (keyring, shared) = (Arc::clone(&self.keyring), Arc::clone(&self.reader.shared));
        let erase = move || keyring.erase(id).inspect(|_| shared.forget(id));
        let erased = tokio::task::spawn_blocking(erase).await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        erased.map_err(|e| Failure::new(ErrorKind::Broken, "cannot overwrite a subject's key").caused_by(e))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    async fn send(&self, batch: Batch) -> Result<Appended, Failure> {
        let closed = || Failure::new(ErrorKind::Broken, "cannot append: the journal is closed");
        let (answer, ticket) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(Message::Append(Waiting { batch, answer })).await.map_err(|_| closed())?;
        ticket.await.map_err(|_| closed())?
    }
}

impl std::fmt::Debug for FileLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLog").field("dir", &self.dir).field("tail", &self.tail()).finish_non_exhaustive()
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("the journal's writer thread panicked");
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        thread.into_iter().for_each(join);
    }
}

#[async_trait]
impl Journal for FileLog {
    async fn append(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        self.send(prepare::prepare(&self.keyring, batch, expect, self.batch_bytes_max)?).await
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
