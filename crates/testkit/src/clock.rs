//! A clock that moves only when the test says so.
//!
//! Does not know real time, so nothing that waits on it can be flaky: a sleeper wakes when `advance` passes its moment.

use std::time::Duration;

use async_trait::async_trait;
use sinew_contract::{BootTime, Clock, Now, Timestamp};
use tokio::sync::watch;

/// Answers `Clock` with simulated time. Share it in an `Arc`.
///
/// ```
/// # use std::time::Duration;
/// # use sinew_contract::{Clock, Timestamp};
/// # use sinew_testkit::SimClock;
/// let clock = SimClock::at(Timestamp(1_000));
/// clock.advance(Duration::from_micros(5));
/// assert_eq!(clock.now().wall, Timestamp(1_005));
/// ```
#[derive(Debug)]
pub struct SimClock {
    now: watch::Sender<Now>,
    sleepers: watch::Sender<Vec<Timestamp>>,
}

impl Default for SimClock {
    /// Starts at 2026-11-22T09:00:00Z, an hour after boot.
    fn default() -> Self {
        Self::at(Timestamp(1_795_338_000_000_000))
    }
}

impl SimClock {
    /// Starts at this moment, an hour after boot.
    pub fn at(wall: Timestamp) -> Self {
        let now = Now { wall, boot: BootTime(3_600_000_000) };
        Self { now: watch::Sender::new(now), sleepers: watch::Sender::new(Vec::new()) }
    }

    /// Moves both clocks on and wakes every sleeper whose moment has come.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).expect("invariant: tests advance by less than 580,000 years");
        self.now.send_modify(|now| {
            now.wall = now.wall.after(by);
            now.boot = BootTime(now.boot.0 + micros);
        });
    }

    /// The moment of the earliest sleeper.
    pub fn next_sleeper(&self) -> Option<Timestamp> {
        self.sleepers.borrow().iter().min().copied()
    }

    /// Moves on to the moment of the earliest sleeper; says whether there was one.
    pub fn advance_to_next_sleeper(&self) -> bool {
        let next = self.sleepers.borrow().iter().min().copied();
        if let Some(until) = next {
            let by = until.since(self.now().wall);
            self.advance(by);
        }
        next.is_some()
    }

    /// Sets the wall clock alone, as a person or NTP would; the boot clock stays.
    pub fn set_wall(&self, wall: Timestamp) {
        self.now.send_modify(|now| now.wall = wall);
    }

    /// Sets the boot clock alone, as a reboot would; the wall clock stays.
    pub fn set_boot(&self, boot: BootTime) {
        self.now.send_modify(|now| now.boot = boot);
    }

    /// Returns when at least `count` tasks sleep on this clock: what a test waits for before it advances. Cancel safe.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        sleepers.wait_for(|all| all.len() >= count).await.expect("invariant: the sender lives as long as `self`");
    }

    /// How many tasks sleep on this clock.
    pub fn sleepers(&self) -> usize {
        self.sleepers.borrow().len()
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Now {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut now = self.now.subscribe();
        if now.borrow().wall >= until {
            return;
        }
        let _asleep = Asleep::register(&self.sleepers, until);
        now.wait_for(|now| now.wall >= until).await.expect("invariant: the sender lives as long as `self`");
    }
}

/// Counts a sleeper for as long as it sleeps, also when it is cancelled.
struct Asleep<'a> {
    sleepers: &'a watch::Sender<Vec<Timestamp>>,
    until: Timestamp,
}

impl<'a> Asleep<'a> {
    fn register(sleepers: &'a watch::Sender<Vec<Timestamp>>, until: Timestamp) -> Self {
        sleepers.send_modify(|all| all.push(until));
        Self { sleepers, until }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.sleepers.send_modify(|all| {
            if let Some(at) = all.iter().position(|moment| *moment == self.until) {
                all.swap_remove(at);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_moment_comes_and_not_before() {
        let clock = Arc::new(SimClock::default());
        let until = clock.now().wall.after(Duration::from_secs(10));
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep_until(until).await }
        });
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        assert!(clock.advance_to_next_sleeper());
        sleeper.await.expect("the sleeper ends");
        assert_eq!((clock.now().wall, clock.sleepers()), (until, 0));
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_not_waited_for() {
        let clock = SimClock::default();
        clock.sleep_until(clock.now().wall).await;
        assert!(!clock.advance_to_next_sleeper());
    }

    #[test]
    fn the_two_clocks_can_disagree() {
        let clock = SimClock::at(Timestamp(5_000_000));
        clock.set_wall(Timestamp(1));
        assert_eq!(clock.now(), Now { wall: Timestamp(1), boot: BootTime(3_600_000_000) });
        clock.set_boot(BootTime(7));
        assert_eq!(clock.now().boot, BootTime(7));
    }
}
