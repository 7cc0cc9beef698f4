//! Stands before the ports: knows whether anybody is at work, and can make the process "die" before an append.
//!
//! Does not answer anything itself. What would come after a death never returns, so nothing of it is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use sinew_contract::{
    Actuator, Appended, Ask, Draft, Entry, EntryRef, Expect, Failure, Follow, Journal, LogId, Model, Outcome, Prepared,
    Proposal, Recall, RecallQuery, Seq, Stop, Wish,
};

/// What is going on.
#[derive(Debug, Default)]
pub struct Guard {
    /// Calls that have not come back.
    working: AtomicUsize,
    /// How far the one who follows has come, while it waits for more; `u64::MAX` while it works.
    followed: AtomicU64,
    /// Appends that are still allowed.
    left: AtomicU64,
    /// An append was one too many.
    dead: AtomicBool,
    /// Appends that were made.
    pub appends: AtomicU64,
    /// The answers of the model are counted, to see that none is asked for twice.
    pub asked: AtomicU64,
}

impl Guard {
    /// A guard that lets so many appends through.
    pub fn with(appends: u64) -> Arc<Self> {
        let guard = Self::default();
        guard.left.store(appends, Ordering::SeqCst);
        guard.followed.store(u64::MAX, Ordering::SeqCst);
        Arc::new(guard)
    }

    /// Says whether the process is dead.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Says whether everybody waits, and all that the log holds was taken in.
    pub fn is_idle(&self, tail: Seq) -> bool {
        self.working.load(Ordering::SeqCst) == 0 && self.followed.load(Ordering::SeqCst) == tail.0
    }

    fn work(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::SeqCst);
        Working(Arc::clone(self))
    }
}

struct Working(Arc<Guard>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A port, with its guard.
pub struct Guarded<P: ?Sized> {
    pub guard: Arc<Guard>,
    pub port: Arc<P>,
}

#[async_trait]
impl Journal for Guarded<dyn Journal> {
    async fn append(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        let left = self.guard.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() || self.guard.is_dead() {
            self.guard.dead.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let _working = self.guard.work();
        self.guard.appends.fetch_add(1, Ordering::SeqCst);
        self.port.append(batch, expect).await
    }

    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        self.port.read(from, limit)
    }

    fn follow(&self, from: Seq) -> Box<dyn Follow> {
        Box::new(Following { guard: Arc::clone(&self.guard), follow: self.port.follow(from), next: from })
    }

    fn tail(&self) -> EntryRef {
        self.port.tail()
    }

    fn id(&self) -> LogId {
        self.port.id()
    }
}

struct Following {
    guard: Arc<Guard>,
    follow: Box<dyn Follow>,
    next: Seq,
}

#[async_trait]
impl Follow for Following {
    async fn next(&mut self, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        self.guard.followed.store(self.next.0.saturating_sub(1), Ordering::SeqCst);
        let entries = self.follow.next(limit).await?;
        self.guard.followed.store(u64::MAX, Ordering::SeqCst);
        if let Some(last) = entries.last() {
            self.next = last.seq().next();
        }
        Ok(entries)
    }
}

#[async_trait]
impl Recall for Guarded<dyn Recall> {
    async fn recall(&self, query: RecallQuery) -> Result<Value, Failure> {
        let _working = self.guard.work();
        self.port.recall(query).await
    }
}

#[async_trait]
impl Model for Guarded<dyn Model> {
    async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure> {
        let _working = self.guard.work();
        self.guard.asked.fetch_add(1, Ordering::SeqCst);
        self.port.answer(ask).await
    }
}

#[async_trait]
impl Actuator for Guarded<dyn Actuator> {
    fn prepare(&self, wish: &Wish) -> Result<Prepared, Failure> {
        self.port.prepare(wish)
    }

    async fn carry_out(&self, permit: EntryRef) -> Outcome {
        let _working = self.guard.work();
        self.port.carry_out(permit).await
    }

    // Settling waits on the clock, so it does not count as work.
    async fn settle(&self, permit: EntryRef) -> Outcome {
        self.port.settle(permit).await
    }

    fn halt(&self, stop: &Stop) -> Result<(), Failure> {
        self.port.halt(stop)
    }

    fn observe(&self, entry: &Entry) {
        self.port.observe(entry);
    }
}
