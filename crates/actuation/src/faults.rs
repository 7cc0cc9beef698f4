//! Faults that the crash tests switch on: abort here, and a mutant that must be found. Never in a released binary.
//!
//! Does not know what the tests expect; a plan belongs to one actuator.

use std::sync::atomic::{AtomicU64, Ordering};

/// A boundary of the device write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The permit is used up, nothing has left yet.
    BeforeSend,
    /// The device has answered, nobody has heard it yet.
    AfterSend,
}

impl Point {
    /// All of them, for a suite that hits each.
    pub const ALL: [Self; 2] = [Self::BeforeSend, Self::AfterSend];

    /// The name on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeSend => "before-send",
            Self::AfterSend => "after-send",
        }
    }
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub struct Plan {
    /// Abort the process at this point, the n-th time (from 1) that it is passed.
    pub abort: Option<(Point, u64)>,
    /// The mutant: an unknown outcome is answered by sending again, with no question.
    pub blind_retry: bool,
    passed: [AtomicU64; 2],
}

impl Plan {
    /// Aborts at the n-th passing of a point; 0 never aborts.
    pub fn abort_at(point: Point, nth: u64) -> Self {
        Self { abort: Some((point, nth)), ..Self::default() }
    }

    /// The mutant alone.
    pub fn blind_retry() -> Self {
        Self { blind_retry: true, ..Self::default() }
    }

    /// How often a point was passed.
    pub fn passed(&self, point: Point) -> u64 {
        self.counter(point).load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, point: Point) {
        let count = self.counter(point).fetch_add(1, Ordering::SeqCst) + 1;
        if self.abort == Some((point, count)) {
            std::process::abort();
        }
    }

    fn counter(&self, point: Point) -> &AtomicU64 {
        let [before, after] = &self.passed;
        match point {
            Point::BeforeSend => before,
            Point::AfterSend => after,
        }
    }
}
