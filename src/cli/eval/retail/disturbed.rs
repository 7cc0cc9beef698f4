//! What goes wrong between the dispatcher and the last hop: orders get lost, arrive twice at once, late, or again.
//!
//! Knows no device: it can only hand permits on, and lie about what came back. Whatever it does, the last hop must see to it
//! that each wish is done once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sinew_contract::{Actuator, Entry, EntryRef, Failure, Outcome, Prepared, Stop, Wish};
use tokio::task::JoinSet;

/// Longer than any command of the evaluation lives.
const PAST_EXPIRY: Duration = Duration::from_millis(1_100);
/// While the command still lives.
const WITHIN: Duration = Duration::from_millis(40);
/// How many stray orders may be on their way; more are not made.
const STRAYS_MAX: usize = 256;

/// One way to go wrong.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The order never arrives.
    Lost,
    /// It is carried out, and the answer is lost.
    Unheard,
    /// It arrives twice at once.
    Twice,
    /// It arrives when it has expired.
    Late,
    /// It is given up for lost, and arrives a little later.
    Stray,
    /// It is given up for lost, and arrives when it has expired.
    LateStray,
    /// It is carried out, and arrives once more afterwards.
    Again,
}

/// Of a hundred orders, so many go each way; the rest go straight.
const WAYS: [(Way, u64); 7] = [
    (Way::Lost, 5),
    (Way::Unheard, 7),
    (Way::Twice, 7),
    (Way::Late, 4),
    (Way::Stray, 5),
    (Way::LateStray, 4),
    (Way::Again, 8),
];

/// A last hop that is hard to reach.
pub(super) struct Disturbed {
    inner: Arc<dyn Actuator>,
    seed: u64,
    orders: AtomicU64,
    strays: Mutex<JoinSet<()>>,
}

impl Disturbed {
    /// Stands before `inner` from now on.
    pub fn new(inner: Arc<dyn Actuator>, seed: u64) -> Self {
        Self { inner, seed, orders: AtomicU64::new(0), strays: Mutex::default() }
    }

    fn way(&self) -> Option<Way> {
        let nth = self.orders.fetch_add(1, Ordering::Relaxed);
        let mut drawn = mixed(self.seed ^ mixed(nth)) % 100;
        for (way, share) in WAYS {
            if drawn < share {
                return Some(way);
            }
            drawn -= share;
        }
        None
    }

    /// Hands the permit on after a while, whatever becomes of it.
    fn stray(&self, permit: EntryRef, after: Duration) {
        let inner = Arc::clone(&self.inner);
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        while strays.try_join_next().is_some() {}
        if strays.len() < STRAYS_MAX {
            strays.spawn(async move {
                tokio::time::sleep(after).await;
                inner.carry_out(permit).await;
            });
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn unheard(reason: &str) -> Outcome {
    Outcome::Unknown { reason: reason.to_owned() }
}

#[async_trait]
impl Actuator for Disturbed {
    fn prepare(&self, wish: &Wish) -> Result<Prepared, Failure> {
        self.inner.prepare(wish)
    }

    async fn carry_out(&self, permit: EntryRef) -> Outcome {
        let Some(way) = self.way() else { return self.inner.carry_out(permit).await };
        match way {
            Way::Lost => unheard("the order was lost on its way"),
            Way::Unheard => {
                self.inner.carry_out(permit).await;
                unheard("the answer was lost on its way")
            }
            Way::Twice => {
                let (one, other) = tokio::join!(self.inner.carry_out(permit), self.inner.carry_out(permit));
                // The one that the last hop turned away knows nothing of what became of the other.
                if matches!(&one, Outcome::Refused { by, .. } if by == "key") { other } else { one }
            }
            Way::Late => {
                tokio::time::sleep(PAST_EXPIRY).await;
                self.inner.carry_out(permit).await
            }
            Way::Stray => {
                self.stray(permit, WITHIN);
                unheard("the order is somewhere")
            }
            Way::LateStray => {
                self.stray(permit, PAST_EXPIRY);
                unheard("the order is somewhere")
            }
            Way::Again => {
                let outcome = self.inner.carry_out(permit).await;
                self.stray(permit, WITHIN);
                self.stray(permit, PAST_EXPIRY);
                outcome
            }
        }
    }

    async fn settle(&self, permit: EntryRef) -> Outcome {
        self.inner.settle(permit).await
    }

    fn halt(&self, stop: &Stop) -> Result<(), Failure> {
        self.inner.halt(stop)
    }

    fn observe(&self, entry: &Entry) {
        self.inner.observe(entry);
    }
}
