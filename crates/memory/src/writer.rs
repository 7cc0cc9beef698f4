//! The one writer: a thread that owns the store and takes orders from a bounded queue.
//!
//! Knows order, gaps and forks; not tables. Publishes the head only after its transaction has committed.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sinew_contract::{Digest, Entry, EntryRef, Seq};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::MemoryError;
use crate::project::project;
use crate::store::Store;

/// Batches that may wait for the writer; whoever comes after waits.
const QUEUE_LEN: usize = 64;

type Answer<T> = oneshot::Sender<Result<T, MemoryError>>;

enum Order {
    Fold(Vec<Arc<Entry>>, Answer<Seq>),
    Reset(Answer<()>),
}

/// The way to the writer thread. Dropping it lets the thread finish what is queued, and waits for it.
pub(crate) struct Writer {
    orders: Option<mpsc::Sender<Order>>,
    head: watch::Receiver<EntryRef>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(store: Box<dyn Store>) -> Result<Self, MemoryError> {
        let (orders, queue) = mpsc::channel(QUEUE_LEN);
        let (publish, head) = watch::channel(store.head());
        let thread = std::thread::Builder::new().name("memory-writer".to_owned());
        let thread = thread
            .spawn(move || serve(store, queue, &publish))
            .map_err(|source| MemoryError::Store { doing: "start its writer thread", source: Box::new(source) })?;
        Ok(Self { orders: Some(orders), head, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn head(&self) -> EntryRef {
        *self.head.borrow()
    }

    pub(crate) async fn fold(&self, entries: Vec<Arc<Entry>>) -> Result<Seq, MemoryError> {
        self.order(|answer| Order::Fold(entries, answer)).await
    }

    pub(crate) async fn reset(&self) -> Result<(), MemoryError> {
        self.order(Order::Reset).await
    }

    async fn order<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, MemoryError> {
        let (answer, answered) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or(MemoryError::Closed)?;
        orders.send(order(answer)).await.map_err(|_| MemoryError::Closed)?;
        answered.await.map_err(|_| MemoryError::Closed)?
    }

    pub(crate) async fn wait_for(&self, wanted: Seq, patience: Duration) -> Result<(), MemoryError> {
        let mut head = self.head.clone();
        let reached = head.wait_for(|head| head.seq >= wanted);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(MemoryError::Closed),
            Err(_) => Err(MemoryError::Behind { watermark: self.head().seq, wanted }),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("memory writer ended by a panic");
        }
    }
}

fn serve(mut store: Box<dyn Store>, mut queue: mpsc::Receiver<Order>, publish: &watch::Sender<EntryRef>) {
    while let Some(order) = queue.blocking_recv() {
        // Who no longer waits for an answer is not told; the order was carried out all the same.
        match order {
            Order::Fold(entries, answer) => {
                let folded = fold(store.as_mut(), &entries);
                publish.send_replace(store.head());
                let _ = answer.send(folded);
            }
            Order::Reset(answer) => {
                let reset = store.reset();
                publish.send_replace(store.head());
                let _ = answer.send(reset);
            }
        }
    }
}

/// Folds what is new of a batch, in one transaction.
fn fold(store: &mut dyn Store, entries: &[Arc<Entry>]) -> Result<Seq, MemoryError> {
    let head = store.head();
    let new = check(head, entries)?;
    let Some(last) = new.last() else { return Ok(head.seq) };
    let batch: Vec<_> = new.iter().map(|entry| project(entry)).collect();
    store.apply(&batch, last.reference())?;
    Ok(last.seq())
}

/// Skips what has been folded, and refuses what does not follow on from it.
fn check(head: EntryRef, entries: &[Arc<Entry>]) -> Result<&[Arc<Entry>], MemoryError> {
    let folded = entries.iter().take_while(|entry| entry.seq() <= head.seq).count();
    let (old, new) = entries.split_at(folded);
    if let Some(same) = old.last().filter(|entry| entry.seq() == head.seq && entry.hash != head.hash) {
        return Err(MemoryError::Forked { at: same.seq() });
    }
    let mut before = head;
    for entry in new {
        if entry.seq() != before.seq.next() {
            return Err(MemoryError::Gap { watermark: before.seq, got: entry.seq() });
        }
        if before.seq > Seq::ZERO && before.hash != Digest::ZERO && entry.header.previous != before.hash {
            return Err(MemoryError::Forked { at: before.seq });
        }
        before = entry.reference();
    }
    Ok(new)
}
