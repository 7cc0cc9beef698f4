//! What need not hold up the writer: the next segment made in advance, the checkpoint signed and written.
//!
//! Does not append. Queue `journal.errands`, bounded; when it is full a job is dropped, since a later one does the same.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::checkpoint;
use crate::disk::{self, Disk, DiskFile, Mode};
use crate::keyring::Keyring;
use crate::segment::{self, Chain, Opening};

/// A checkpoint and a spare may wait.
const QUEUE_MAX: usize = 4;

/// One thing to do beside the writer.
pub(crate) enum Job {
    Spare,
    Checkpoint(Chain),
}

/// The next segment.
enum Spare {
    None,
    InTheMaking,
    Made(Arc<dyn DiskFile>),
    /// The writer has it, still under its first name: until it is renamed nobody may make another.
    Taken,
}

/// What all jobs need.
pub(crate) struct Workshop {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    keyring: Arc<Keyring>,
    spare: Mutex<Spare>,
    made: Condvar,
}

impl Workshop {
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, segment_bytes: u64, keyring: Arc<Keyring>) -> Self {
        Self { disk, dir, segment_bytes, keyring, spare: Mutex::new(Spare::None), made: Condvar::new() }
    }

    fn spare_path(&self) -> PathBuf {
        self.dir.join("spare")
    }

    fn make_spare(&self) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.spare_path();
        // A spare that could not be made whole would keep the room that others need.
        let made =
            self.disk.open(&path, Mode::Create).and_then(|file| file.allocate(self.segment_bytes).map(|()| file));
        made.inspect_err(|_| drop(self.disk.remove(&path)))
    }

    /// Makes the next segment in advance, unless there is one.
    fn prepare_spare(&self) {
        {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*spare, Spare::None) {
                return;
            }
            *spare = Spare::InTheMaking;
        }
        let made = self.make_spare();
        if let Err(error) = &made {
            tracing::warn!(%error, "the next segment cannot be prepared yet");
        }
        self.set_spare(made.map_or(Spare::None, Spare::Made));
    }

    /// Takes the prepared segment, or makes it now.
    pub fn take_spare(&self) -> io::Result<Arc<dyn DiskFile>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |spare: &mut Spare| matches!(spare, Spare::InTheMaking);
        let mut spare = self.made.wait_while(spare, waiting).unwrap_or_else(PoisonError::into_inner);
        if let Spare::Made(file) = std::mem::replace(&mut *spare, Spare::Taken) {
            return Ok(file);
        }
        drop(spare);
        self.make_spare().inspect_err(|_| self.set_spare(Spare::None))
    }

    fn set_spare(&self, spare: Spare) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = spare;
        self.made.notify_all();
    }

    /// Turns a spare into the segment with this opening, and returns when that is on disk.
    pub fn open_segment(&self, spare: &dyn DiskFile, opening: &Opening) -> io::Result<PathBuf> {
        let mut bytes = Vec::with_capacity(segment::OPENING_SIZE);
        segment::encode_opening(&mut bytes, opening);
        spare.write_at(&bytes, 0)?;
        spare.sync_data()?;
        let path = self.dir.join(segment::file_name(opening.first));
        self.disk.rename(&self.spare_path(), &path)?;
        self.set_spare(Spare::None);
        self.disk.sync_dir(&self.dir)?;
        Ok(path)
    }

    /// Signs and writes how far the log has come.
    pub fn write_checkpoint(&self, chain: &Chain) -> io::Result<()> {
        let text = checkpoint::render(chain, self.keyring.signing());
        disk::replace(self.disk.as_ref(), &self.dir.join("checkpoint"), text.as_bytes())
    }

    fn run(&self, job: &Job) {
        match job {
            Job::Spare => self.prepare_spare(),
            Job::Checkpoint(chain) => {
                if let Err(error) = self.write_checkpoint(chain) {
                    tracing::warn!(%error, seq = %chain.head, "the checkpoint cannot be written");
                }
            }
        }
    }
}

/// Hands jobs to a thread of its own, or does them at once where a simulation must stay in step.
pub(crate) struct Errands {
    pub workshop: Arc<Workshop>,
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Errands {
    /// Does every job at once.
    pub fn inline(workshop: Workshop) -> Self {
        Self { workshop: Arc::new(workshop), queue: None, thread: None }
    }

    /// Starts the thread.
    pub fn start(workshop: Workshop) -> io::Result<Self> {
        let workshop = Arc::new(workshop);
        let (queue, jobs): (_, Receiver<Job>) = sync_channel(QUEUE_MAX);
        let shared = Arc::clone(&workshop);
        let run = move || jobs.iter().for_each(|job| shared.run(&job));
        let thread = std::thread::Builder::new().name("journal-errands".into()).spawn(run)?;
        Ok(Self { workshop, queue: Some(queue), thread: Some(thread) })
    }

    pub fn ask(&self, job: Job) {
        match &self.queue {
            Some(queue) => drop(queue.try_send(job)),
            None => self.workshop.run(&job),
        }
    }

    /// Returns when all jobs are done and the thread has ended.
    pub fn finish(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that runs the journal's errands panicked");
        }
    }
}

impl Drop for Errands {
    fn drop(&mut self) {
        self.finish();
    }
}
