//! Fault points for crash tests: the process ends itself, as `kill -9` would, at a chosen boundary of the journal.
//!
//! Does not exist in a released binary: compiled under the feature `faults` alone.

use std::sync::{Mutex, PoisonError};

/// A boundary of a group commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of the group is written.
    BeforeWrite,
    /// It is written and may not survive.
    AfterWrite,
    /// It is on disk and nobody has been told.
    AfterSync,
}

/// When to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// At which boundary.
    pub phase: Phase,
    /// Only for groups with a record of this kind, as in `intended`; any, where none.
    pub kind: Option<String>,
    /// At the so-manieth such group, from 1.
    pub nth: u64,
}

static PLAN: Mutex<Option<(Plan, u64)>> = Mutex::new(None);

/// Sets the plan of this process; the count starts anew.
pub fn install(plan: Plan) {
    *PLAN.lock().unwrap_or_else(PoisonError::into_inner) = Some((plan, 0));
}

/// Ends the process where the plan says so. `kinds` are the kinds of the group's records.
pub(crate) fn hit<'a>(phase: Phase, mut kinds: impl Iterator<Item = &'a str>) {
    let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((plan, count)) = plan.as_mut().filter(|(plan, _)| plan.phase == phase) else { return };
    if plan.kind.as_deref().is_some_and(|wanted| !kinds.any(|kind| kind == wanted)) {
        return;
    }
    *count += 1;
    if *count == plan.nth {
        std::process::abort();
    }
}
