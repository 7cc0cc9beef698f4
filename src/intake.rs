//! How a picture comes in: bytes to the blob store, read, its event to the journal. Durable before anybody hears of it.
//!
//! Does not know where the picture came from (upload, page, watched folder) nor what a playbook makes of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sinew_contract::{
    Blobs, Clock, Digest, Draft, Entry, ErrorKind, Event, Expect, Failure, Journal, PrincipalId, Reading, Record, Seq,
    Timestamp,
};
use sinew_drivers::FolderDevice;
use sinew_perception::{Capture, Scanner, scan_event};
use tokio::sync::Semaphore;

/// Pictures that are decoded at the same time; more wait. Decoding is bound by cores, and the pages need one too.
const DECODING_MAX: usize = 2;

/// How long a file of a watched folder waits where it could not be kept.
const PATIENCE: Duration = Duration::from_secs(1);

/// A picture on its way in.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The bytes as they came.
    pub picture: Bytes,
    /// The sender's name for it.
    pub name: String,
    /// Who sent it, as a URI reference: `/people/ana`, `/devices/dock-1`.
    pub source: String,
    /// Unique within `source`: the same one again is the same scan again.
    pub id: String,
    /// Who is behind it.
    pub by: PrincipalId,
    /// When it was taken, where the sender knows.
    pub at: Option<Timestamp>,
}

/// Where a scan came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Seq of its event.
    pub seq: Seq,
    /// It had been taken in before.
    pub repeated: bool,
}

/// The door for pictures.
pub struct Intake {
    journal: Arc<dyn Journal>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    scanner: Arc<Scanner>,
    decoding: Semaphore,
    seen: Mutex<Seen>,
}

/// Every event ever taken in, by digest of (source, id); folded from the log.
#[derive(Default)]
struct Seen {
    folded: Seq,
    events: HashMap<Digest, Seq>,
}

impl Intake {
    /// Opens the door.
    pub fn new(journal: Arc<dyn Journal>, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>, scanner: Arc<Scanner>) -> Self {
        let decoding = Semaphore::new(DECODING_MAX);
        Self { journal, blobs, clock, scanner, decoding, seen: Mutex::default() }
    }

    /// Folds an entry in. Entries come in order, without a gap; one that was folded already is skipped.
    pub fn observe(&self, entry: &Entry) {
        let mut seen = self.seen();
        if entry.seq() <= seen.folded {
            return;
        }
        seen.folded = entry.seq();
        if let Record::Event(event) = &entry.record {
            seen.events.entry(identity(&event.source, &event.id)).or_insert(entry.seq());
        }
    }

    /// Takes a picture in and returns when its event is on disk.
    ///
    /// # Errors
    /// `Invalid` for what is not a picture or is too large; `Busy` where it cannot be kept now; `Broken` where the log is.
    pub async fn take(&self, delivery: Delivery) -> Result<Taken, Failure> {
        let identity = identity(&delivery.source, &delivery.id);
        if let Some(seq) = self.known(identity) {
            return Ok(Taken { seq, repeated: true });
        }
        let observed = delivery.at.unwrap_or_else(|| self.clock.now().wall);
        let event = self.read(&delivery, observed).await?;
        self.admit(event, &delivery.by).await
    }

    /// Takes an event in and returns when it is on disk; the same one again is told apart by its source and id.
    ///
    /// # Errors
    /// `Busy` where it cannot be kept now; `Broken` where the log is.
    pub async fn admit(&self, event: Event, by: &PrincipalId) -> Result<Taken, Failure> {
        let identity = identity(&event.source, &event.id);
        loop {
            if let Some(seq) = self.known(identity) {
                return Ok(Taken { seq, repeated: true });
            }
            let since = self.seen().folded;
            let mut draft = Draft::new(by.clone(), Record::Event(event.clone()))
                .touching(format!("event/{}/{}", event.source, event.id));
            draft.observed = Some(event.time);
            match self.journal.append(vec![draft], Expect::Untouched { since }).await {
                Ok(appended) => {
                    let seq = appended.entries.first().map_or(Seq::ZERO, |entry| entry.seq);
                    return Ok(Taken { seq, repeated: false });
                }
                Err(failure) if failure.kind() == ErrorKind::Conflict => self.catch_up()?,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Keeps the bytes and decodes them, side by side: both must succeed before the event is written.
    async fn read(&self, delivery: &Delivery, observed: Timestamp) -> Result<Event, Failure> {
        let closed = |e| Failure::new(ErrorKind::Busy, "the reader of pictures is closing").caused_by(e);
        let _turn = self.decoding.acquire().await.map_err(closed)?;
        let (scanner, bytes) = (Arc::clone(&self.scanner), delivery.picture.clone());
        let scan = tokio::task::spawn_blocking(move || scanner.scan(&bytes)).await;
        let crashed = |e| Failure::new(ErrorKind::Broken, "the reader of pictures crashed").caused_by(e);
        let scan = scan.map_err(crashed)?.map_err(|e| Failure::new(e.kind(), e.to_string()))?;
        let image = self.blobs.put(delivery.picture.clone(), scan.media_type).await?;
        let capture = Capture {
            id: delivery.id.clone(),
            source: delivery.source.clone(),
            name: delivery.name.clone(),
            time: observed,
            image,
        };
        Ok(scan_event(capture, &scan))
    }

    fn known(&self, identity: Digest) -> Option<Seq> {
        self.seen().events.get(&identity).copied()
    }

    /// Folds in what has been appended since; used when the log has moved on under us.
    fn catch_up(&self) -> Result<(), Failure> {
        loop {
            let from = self.seen().folded.next();
            let entries = self.journal.read(from, 256)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                self.observe(entry);
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes in a file of a watched folder. It leaves the folder only when its event is durable, or when it is no picture.
///
/// # Errors
/// Where the log is broken, or the device's name is no principal.
pub async fn take_file(intake: &Intake, folder: &FolderDevice, reading: Reading) -> Result<(), Failure> {
    let name = reading.name.clone().unwrap_or_default();
    let by = format!("device:{}", reading.device);
    let delivery = Delivery {
        // The name and the bytes together: a file put there again is the same scan, another one of that name is not.
        id: format!("{name}/{}", sinew_expr::digest(&reading.body)),
        picture: reading.body,
        name: name.clone(),
        source: format!("/devices/{}", reading.device),
        by: by.parse().map_err(|_| Failure::new(ErrorKind::Invalid, format!("`{by}` is not a principal")))?,
        at: Some(reading.at),
    };
    let moved = match take_patiently(intake, delivery).await {
        Ok(()) => folder.acknowledge(&name).await,
        Err(failure) if failure.kind() == ErrorKind::Invalid => {
            tracing::warn!(%failure, file = name, "not a picture; set aside");
            folder.set_aside(&name).await
        }
        Err(failure) => return Err(failure),
    };
    // It stays where it is and is not handed out again by this process; after a restart it is known by its bytes.
    if let Err(failure) = moved {
        tracing::error!(%failure, file = name, "a file of a watched folder cannot be moved");
    }
    Ok(())
}

/// Nobody waits for an answer, so what cannot be kept now is tried until it can be. Cancel safe.
async fn take_patiently(intake: &Intake, delivery: Delivery) -> Result<(), Failure> {
    loop {
        match intake.take(delivery.clone()).await {
            Err(failure) if failure.kind().is_retryable() => {
                tracing::warn!(%failure, file = delivery.name, "a file cannot be taken in now; trying again");
                tokio::time::sleep(PATIENCE).await;
            }
            other => return other.map(drop),
        }
    }
}

fn identity(source: &str, id: &str) -> Digest {
    sinew_expr::digest_of(&(source, id))
}
