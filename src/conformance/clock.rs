//! A clock that stands still until everybody waits, and then goes to the next moment that somebody waits for.
//!
//! Does not know who waits: the stage moves it.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use sinew_contract::{BootTime, Clock, Now, Timestamp};
use tokio::sync::watch;

/// 2026-11-22T10:00:00Z, an hour after boot: where every run begins.
const START: Now = Now { wall: Timestamp(1_795_341_600_000_000), boot: BootTime(3_600_000_000) };

/// The clock of a scenario.
#[derive(Debug)]
pub struct StageClock {
    now: watch::Sender<Now>,
    /// The moments that are waited for, with a number for each who waits.
    sleepers: Mutex<(u64, Vec<(u64, Timestamp)>)>,
}

impl Default for StageClock {
    fn default() -> Self {
        Self { now: watch::Sender::new(START), sleepers: Mutex::default() }
    }
}

impl StageClock {
    /// How long it has gone since the beginning, in seconds.
    pub fn elapsed_s(&self) -> f64 {
        self.now().wall.since(START.wall).as_secs_f64()
    }

    /// Goes to the next moment that somebody waits for, up to `until`; says whether there was one.
    pub fn advance(&self, until: Timestamp) -> bool {
        let next = self.sleepers().1.iter().map(|(_, at)| *at).filter(|at| *at <= until).min();
        let Some(next) = next else { return false };
        let by = u64::try_from(next.since(self.now().wall).as_micros()).unwrap_or(u64::MAX);
        self.now
            .send_modify(|now| *now = Now { wall: next.max(now.wall), boot: BootTime(now.boot.0.saturating_add(by)) });
        true
    }

    /// Goes to a moment that nobody waits for.
    pub fn go_to(&self, at: Timestamp) {
        let by = u64::try_from(at.since(self.now().wall).as_micros()).unwrap_or(u64::MAX);
        self.now
            .send_modify(|now| *now = Now { wall: at.max(now.wall), boot: BootTime(now.boot.0.saturating_add(by)) });
    }

    fn sleepers(&self) -> std::sync::MutexGuard<'_, (u64, Vec<(u64, Timestamp)>)> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the list of those who wait, also when the wait is given up.
struct Asleep<'c>(&'c StageClock, u64);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.sleepers().1.retain(|(nr, _)| *nr != self.1);
    }
}

#[async_trait]
impl Clock for StageClock {
    fn now(&self) -> Now {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let nr = {
            let mut sleepers = self.sleepers();
            sleepers.0 += 1;
            let nr = sleepers.0;
            sleepers.1.push((nr, until));
            nr
        };
        let _asleep = Asleep(self, nr);
        // The sender lives as long as the clock.
        let _ = self.now.subscribe().wait_for(|now| now.wall >= until).await;
    }
}
