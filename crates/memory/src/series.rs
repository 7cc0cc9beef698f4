//! Numbers over time: a hot part that takes them as they come, sealed chunks that hold them small, rollups that outlive them.
//!
//! Has an SQLite file of its own, so that its checkpoints never delay what decides. Not folded from the journal: samples
//! never were in the log; what is too old is dropped by tier, and counted. Answers the `Samples` port.
//!
//! ```text
//! batch -> queue "series" (64, refuses when full) -> writer thread -> hot: one row per batch, and open buffers in memory
//!       -> a buffer is full -> chunk (compressed, with its sums) + rollups by minute, hour, day -> TTL by tier
//! ask   -> chunks and rollups by time, read-only, + what is still open
//! ```
//!
//! Knows names, times and numbers; not what they measure.

mod bits;
mod chunk;
mod course;
mod lines;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use sinew_contract::{Bucket, ErrorKind, Failure, Sample, SampleRange, Samples, Scope, Taken, Timestamp};
use tokio::sync::oneshot;

pub use lines::{LineError, influx, openmetrics, senml};

use chunk::Point;
use store::SeriesStore;

/// Batches that may wait for the writer; more are refused, since samples may be dropped.
const QUEUE_LEN: usize = 64;
/// Bytes of a series' name.
const NAME_MAX: usize = 512;

/// How long each tier is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Points as they came, and chunks that are no denser than one point a minute are kept as `minute`.
    pub raw: Duration,
    /// Sums by minute.
    pub minute: Duration,
    /// Sums by hour.
    pub hour: Duration,
    /// Sums by day.
    pub day: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Default for Retention {
    /// 30 days, half a year, two years, twenty years.
    fn default() -> Self {
        Self { raw: DAY * 30, minute: DAY * 183, hour: DAY * 730, day: DAY * 7_300 }
    }
}

/// What became of old points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Chunks and rollups dropped.
    pub chunks: u64,
    /// Points that were in them.
    pub points: u64,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeriesStats {
    /// Series.
    pub series: u64,
    /// Points in sealed chunks.
    pub sealed: u64,
    /// Points not sealed yet.
    pub open: u64,
    /// Chunks.
    pub chunks: u64,
    /// Points dropped by age since the file was made.
    pub expired: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

enum Order {
    Record(Scope, Vec<Sample>, oneshot::Sender<Result<Taken, Failure>>),
    Seal(oneshot::Sender<Result<(), Failure>>),
    Expire(Timestamp, oneshot::Sender<Result<Expired, Failure>>),
}

/// What is not sealed yet, as readers see it.
pub(crate) type Open = RwLock<BTreeMap<i64, Vec<Point>>>;

/// The handle. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Series {
    inner: Arc<Inner>,
}

struct Inner {
    path: std::path::PathBuf,
    orders: Option<mpsc::SyncSender<Order>>,
    open: Arc<Open>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.orders = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("series writer ended by a panic");
        }
    }
}

impl Series {
    /// Opens or makes the file; takes up again what was not sealed. Blocks for milliseconds.
    ///
    /// # Errors
    /// `Broken` where the file cannot be opened.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, Failure> {
        let open = Arc::new(Open::default());
        let store = SeriesStore::open(path, retention, Arc::clone(&open))?;
        let (orders, queue) = mpsc::sync_channel(QUEUE_LEN);
        let thread = std::thread::Builder::new().name("series-writer".to_owned());
        let thread = thread.spawn(move || serve(store, &queue)).map_err(|error| broken("start its thread", &error))?;
        let thread = std::sync::Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), orders: Some(orders), open, thread }) })
    }

    /// Seals all that is open, however little, and folds the write-ahead log into the file.
    ///
    /// # Errors
    /// `Broken` where the store fails.
    pub async fn seal(&self) -> Result<(), Failure> {
        self.order(Order::Seal).await
    }

    /// Drops what is older than its tier allows, seen from `now`.
    ///
    /// # Errors
    /// `Broken` where the store fails.
    pub async fn expire(&self, now: Timestamp) -> Result<Expired, Failure> {
        self.order(|answer| Order::Expire(now, answer)).await
    }

    /// How much there is.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub async fn stats(&self) -> Result<SeriesStats, Failure> {
        let inner = Arc::clone(&self.inner);
        blocking(move || store::stats(&inner.path, &inner.open)).await
    }

    /// Names of the series of a scope, in order, at most `limit`.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub async fn names(&self, scope: &Scope, limit: usize) -> Result<Vec<String>, Failure> {
        let (inner, scope) = (Arc::clone(&self.inner), scope.clone());
        blocking(move || course::names(&inner.path, &scope, limit)).await
    }

    /// The latest point of each series of a scope, by name.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub async fn latest(&self, scope: &Scope) -> Result<Vec<(String, Timestamp, f64)>, Failure> {
        let (inner, scope) = (Arc::clone(&self.inner), scope.clone());
        blocking(move || course::latest(&inner.path, &inner.open, &scope)).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Order) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let orders = self.inner.orders.as_ref().ok_or_else(closed)?;
        match orders.try_send(order(answer)) {
            Ok(()) => answered.await.map_err(|_| closed())?,
            Err(mpsc::TrySendError::Full(_)) => Err(Failure::new(
                ErrorKind::Busy,
                format!("{QUEUE_LEN} batches of samples wait already; come back or drop"),
            )),
            Err(mpsc::TrySendError::Disconnected(_)) => Err(closed()),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| closed())?
}

#[async_trait]
impl Samples for Series {
    async fn record(&self, scope: &Scope, batch: Vec<Sample>) -> Result<Taken, Failure> {
        self.order(|answer| Order::Record(scope.clone(), batch, answer)).await
    }

    async fn range(&self, query: SampleRange) -> Result<Vec<Bucket>, Failure> {
        let inner = Arc::clone(&self.inner);
        blocking(move || course::range(&inner.path, &inner.open, &query)).await
    }
}

fn serve(mut store: SeriesStore, queue: &mpsc::Receiver<Order>) {
    while let Ok(order) = queue.recv() {
        // Who no longer waits for an answer is not told; the order was carried out all the same.
        match order {
            Order::Record(scope, batch, answer) => drop(answer.send(store.record(&scope, &batch))),
            Order::Seal(answer) => drop(answer.send(store.seal_all())),
            Order::Expire(now, answer) => drop(answer.send(store.expire(now))),
        }
    }
}

/// Whether a sample can be kept at all.
fn is_good(sample: &Sample) -> bool {
    let name = &sample.series;
    sample.value.is_finite() && !name.is_empty() && name.len() <= NAME_MAX && !name.contains(char::is_control)
}

fn closed() -> Failure {
    Failure::new(ErrorKind::Busy, "the store of series is closed")
}

fn broken(doing: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Broken, format!("the store of series could not {doing}: {error}"))
}
