//! Two clocks: the wall's, for people, and the boot clock, for expiry. Times are microseconds.
//!
//! Does not know how to read a clock: that is the `Clock` port.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on the wall clock: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `by` later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// How long from `earlier` to this; zero if it was not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with the fraction it has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A moment on CLOCK_BOOTTIME: microseconds since the machine started, suspended time counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(pub u64);

/// Both clocks, read together, and which boot the second belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// The boot clock.
    pub boot: BootTime,
}

/// The moment past which a command must not leave our last hop, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// On the wall clock.
    pub wall: Timestamp,
    /// On the boot clock of the boot during which it was set.
    pub boot: BootTime,
}

impl Deadline {
    /// The deadline that is `within` from now.
    pub fn within(now: Now, within: Duration) -> Self {
        let boot = BootTime(now.boot.0.saturating_add(u64::try_from(micros(within)).unwrap_or(u64::MAX)));
        Self { wall: now.wall.after(within), boot }
    }

    /// Says whether either clock has reached it. Where the clocks disagree, it is expired: stale never moves anything.
    ///
    /// After a reboot the boot clock starts again from zero and could say "not yet" for days; then the wall clock decides.
    pub fn is_past(&self, now: Now) -> bool {
        now.wall >= self.wall || now.boot >= self.boot
    }

    /// How long until the first of the two clocks reaches it; zero when past.
    pub fn remaining(&self, now: Now) -> Duration {
        let boot = Duration::from_micros(self.boot.0.saturating_sub(now.boot.0));
        self.wall.since(now.wall).min(boot)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: i64, boot: u64) -> Now {
        Now { wall: Timestamp(wall), boot: BootTime(boot) }
    }

    #[test]
    fn a_deadline_is_past_when_either_clock_says_so() {
        let deadline = Deadline::within(now(1_000, 50), Duration::from_micros(100));
        assert!(!deadline.is_past(now(1_099, 149)));
        assert!(deadline.is_past(now(1_100, 60)), "wall clock jumped ahead");
        assert!(deadline.is_past(now(0, 150)), "wall clock was set back");
        assert_eq!(deadline.remaining(now(1_000, 140)), Duration::from_micros(10));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let deadline = Deadline::within(now(i64::MAX, u64::MAX), Duration::MAX);
        assert!(deadline.is_past(now(i64::MAX, 0)));
        assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), Duration::ZERO);
    }
}
