//! How much one run may do: steps of its loops, and how large and how deeply nested the state of a loop may get.
//!
//! A value nested without end would overflow the stack when it is compared, printed or dropped, and end the process.
//! Does not know programs.

use std::cell::Cell;

use jaq_json::Val;

/// Loops of one run count down from here: far beyond any honest expression, and over in well under a second.
pub(super) const STEPS_MAX: u64 = 100_000;

/// Nesting inside a run; what comes out may have at most 127.
const DEPTH_MAX: usize = 256;

/// Values in the state of a loop; 64 bytes of text count as one.
const SIZE_MAX: usize = 100_000;

/// Values in an output.
const OUTPUT_SIZE_MAX: usize = 1_000_000;

/// A small state is looked at after every step, a large one after every fourth: what doubles with each step can then be
/// sixteen times too large before it is seen, and memory still suffices.
const SIZE_LARGE: usize = 256;
const LOOK_IN_MAX: usize = 3;

/// Looking at so many values costs a step, so that honest loops may have some ten thousand of them.
const SIZE_PER_STEP: u64 = 1_000;

/// What one run has left.
#[derive(Debug)]
pub(super) struct Budget {
    steps_left: Cell<u64>,
    look_in: Cell<usize>,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { steps_left: Cell::new(STEPS_MAX), look_in: Cell::new(0) }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps_left.get() == 0
    }

    /// Takes a step; false when there is none left, or the state of the loop has grown beyond bounds.
    pub(super) fn step(&self, state: &Val) -> bool {
        match self.look_in.get().checked_sub(1) {
            Some(left) => {
                self.look_in.set(left);
                self.spend(1);
            }
            None => self.look(state),
        }
        !self.is_spent()
    }

    fn look(&self, state: &Val) {
        match size(state, 0, SIZE_MAX) {
            Some(size) => {
                self.look_in.set((size / SIZE_LARGE).min(LOOK_IN_MAX));
                self.spend(1 + u64::try_from(size).unwrap_or(u64::MAX) / SIZE_PER_STEP);
            }
            None => self.steps_left.set(0),
        }
    }

    fn spend(&self, steps: u64) {
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
    }
}

/// Says whether a value may come out: parts that are shared inside count each time, as they will in JSON.
pub(super) fn is_small(value: &Val) -> bool {
    size(value, 0, OUTPUT_SIZE_MAX).is_some()
}

/// Counts the values in a value; none where they are more than `limit` or nested too deeply.
fn size(value: &Val, depth: usize, limit: usize) -> Option<usize> {
    if depth > DEPTH_MAX {
        return None;
    }
    let counted = match value {
        Val::TStr(bytes) | Val::BStr(bytes) => 1 + bytes.len() / 64,
        Val::Arr(items) => size_of_all(items.iter(), depth, limit)?,
        Val::Obj(members) => size_of_all(members.iter().flat_map(|(k, v)| [k, v]), depth, limit)?,
        Val::Null | Val::Bool(_) | Val::Num(_) => 1,
    };
    (counted <= limit).then_some(counted)
}

fn size_of_all<'v>(mut inside: impl Iterator<Item = &'v Val>, depth: usize, limit: usize) -> Option<usize> {
    inside.try_fold(1, |sum: usize, value| Some(sum + size(value, depth + 1, limit.checked_sub(sum)?)?))
}
