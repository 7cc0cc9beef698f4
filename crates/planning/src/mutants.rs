//! Wrong folds, switched on one at a time, for tests of the tests: a simulation that lets one of them pass is no good.
//!
//! Only in builds with the feature `faults`; never in a released binary.

use std::cell::Cell;
use std::collections::HashMap;

use sinew_contract::Timestamp;

/// One way in which a fold must not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// It reads the machine's clock instead of the entry's time.
    ReadsTheClock,
    /// It hands out what it asks in the order of a hash map.
    IteratesAHashMap,
}

thread_local! {
    static SWITCHED_ON: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Switches a mutant on for this thread, or all off.
pub fn switch(mutant: Option<Mutant>) {
    SWITCHED_ON.set(mutant);
}

/// The time of the entry that is folded; the machine's under the mutant.
pub(crate) fn time(recorded: Timestamp) -> Timestamp {
    if SWITCHED_ON.get() != Some(Mutant::ReadsTheClock) {
        return recorded;
    }
    #[expect(clippy::disallowed_methods, reason = "this is the mistake that the simulation must find")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_micros()).unwrap_or(0))
}

/// What was asked, in the order of asking; in any order under the mutant.
pub(crate) fn order<T>(asked: Vec<T>) -> Vec<T> {
    if SWITCHED_ON.get() != Some(Mutant::IteratesAHashMap) {
        return asked;
    }
    let shuffled: HashMap<usize, T> = asked.into_iter().enumerate().collect();
    shuffled.into_values().collect()
}
