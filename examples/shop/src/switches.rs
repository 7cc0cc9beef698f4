//! The faults that the shop can be asked to make, and which of them the next POST gets.
//!
//! Knows nothing of HTTP. `PUT /switches` sets all of them (what is not named is off); `PATCH /switches` sets only what it names.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a fault is made: never, always, or on the next so many POSTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Often {
    /// `false`: never; `true`: on every POST.
    Switch(bool),
    /// On the next so many POSTs, then never.
    Next(u32),
}

impl Default for Often {
    fn default() -> Self {
        Self::Switch(false)
    }
}

impl Often {
    /// Says whether this POST gets the fault, and counts it.
    fn take(&mut self) -> bool {
        match self {
            Self::Switch(on) => *on,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// All faults, as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// The POST is committed, then the connection is closed without an answer.
    pub lose_reply: Often,
    /// The same on every n-th POST; 0 is never.
    pub lose_reply_every: u32,
    /// The connection is closed before the POST is looked at.
    pub lose_request: Often,
    /// The same on every n-th POST; 0 is never.
    pub lose_request_every: u32,
    /// The POST is answered 503 with `Retry-After`.
    pub busy: Often,
    /// The same on every n-th POST; 0 is never.
    pub busy_every: u32,
    /// What `Retry-After` says, in seconds.
    pub retry_after_s: u32,
    /// Every call waits so many milliseconds first.
    pub slow_ms: u64,
    /// The POST is carried out twice, as by a network that delivers it twice; the first answer is given.
    pub duplicate: Often,
    /// The same on every n-th POST; 0 is never.
    pub duplicate_every: u32,
    /// The key is not honoured on POST, and what was done already is done again. `GET /effects/{key}` still answers.
    pub unguarded: bool,
    /// Every call but those of the administration is dropped without an answer.
    pub down: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            lose_reply: Often::default(),
            lose_reply_every: 0,
            lose_request: Often::default(),
            lose_request_every: 0,
            busy: Often::default(),
            busy_every: 0,
            retry_after_s: 1,
            slow_ms: 0,
            duplicate: Often::default(),
            duplicate_every: 0,
            unguarded: false,
            down: false,
        }
    }
}

/// What happens to one POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Drop it before looking at it.
    pub lose_request: bool,
    /// Answer 503 and this `Retry-After`.
    pub busy: Option<u32>,
    /// Carry it out twice.
    pub duplicate: bool,
    /// Drop the answer.
    pub lose_reply: bool,
    /// Do not honour keys.
    pub unguarded: bool,
}

/// The switches of a running shop.
#[derive(Debug, Default)]
pub struct Panel(Mutex<(Switches, u32)>);

impl Panel {
    /// Reads all switches.
    pub fn get(&self) -> Switches {
        self.with(|switches, _| switches.clone())
    }

    /// Sets all switches, and starts the count of `…_every` anew.
    pub fn set(&self, new: Switches) {
        self.with(|switches, posts| {
            *switches = new;
            *posts = 0;
        });
    }

    /// How long each call waits first.
    pub fn delay(&self) -> Duration {
        self.with(|switches, _| Duration::from_millis(switches.slow_ms))
    }

    /// Says whether the shop plays dead.
    pub fn is_down(&self) -> bool {
        self.with(|switches, _| switches.down)
    }

    /// Decides about one POST, and counts it.
    pub fn plan(&self) -> Plan {
        self.with(|switches, posts| {
            *posts += 1;
            plan(switches, *posts)
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Switches, &mut u32) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (switches, posts) = &mut *state;
        f(switches, posts)
    }
}

/// The first fault that stops the call uses up its count; those behind it wait for the next call.
fn plan(switches: &mut Switches, nth: u32) -> Plan {
    let every = |n: u32| n > 0 && nth.is_multiple_of(n);
    let mut plan =
        Plan { lose_request: false, busy: None, duplicate: false, lose_reply: false, unguarded: switches.unguarded };
    if every(switches.lose_request_every) || switches.lose_request.take() {
        plan.lose_request = true;
    } else if every(switches.busy_every) || switches.busy.take() {
        plan.busy = Some(switches.retry_after_s);
    } else {
        plan.duplicate = every(switches.duplicate_every) || switches.duplicate.take();
        plan.lose_reply = every(switches.lose_reply_every) || switches.lose_reply.take();
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_replies(switches: Switches, posts: usize) -> Vec<bool> {
        let panel = Panel::default();
        panel.set(switches);
        (0..posts).map(|_| panel.plan().lose_reply).collect()
    }

    #[test]
    fn a_count_runs_out_and_a_rhythm_does_not() {
        let next = Switches { lose_reply: Often::Next(2), ..Switches::default() };
        assert_eq!(lost_replies(next, 4), [true, true, false, false]);
        let every = Switches { lose_reply_every: 2, ..Switches::default() };
        assert_eq!(lost_replies(every, 4), [false, true, false, true]);
        let always = Switches { lose_reply: Often::Switch(true), ..Switches::default() };
        assert_eq!(lost_replies(always, 3), [true, true, true]);
    }

    #[test]
    fn a_call_that_was_lost_uses_up_no_other_fault() {
        let panel = Panel::default();
        panel.set(Switches { lose_request: Often::Next(1), lose_reply: Often::Next(1), ..Switches::default() });
        let first = panel.plan();
        assert!(first.lose_request && !first.lose_reply);
        let second = panel.plan();
        assert!(!second.lose_request && second.lose_reply);
    }

    #[test]
    fn switches_are_read_as_flags_or_counts_and_misspelt_ones_are_refused() {
        let read: Switches = serde_json::from_str(r#"{"busy": true, "lose_reply": 3}"#).expect("both forms are known");
        assert_eq!((read.busy, read.lose_reply), (Often::Switch(true), Often::Next(3)));
        assert!(serde_json::from_str::<Switches>(r#"{"lose_replies": 3}"#).is_err());
    }
}
