//! Which playbooks the clock starts, and when next: folded from the log.
//!
//! Does not know the time. A start by the clock is an event in the log like any other; what was missed while nothing ran is
//! made up for once.

use std::collections::BTreeMap;

use sinew_contract::{Digest, Event, PlaybookName, Timestamp};

use crate::playbook::{Playbook, TICK};

/// What the log says about starts by the clock.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    /// The deployment, and when it was first there.
    deployed: (Digest, Timestamp),
    /// The last start of each playbook by the clock.
    ticks: BTreeMap<PlaybookName, Timestamp>,
    /// Its last end.
    ends: BTreeMap<PlaybookName, Timestamp>,
    /// How many of its runs have not ended.
    open: BTreeMap<PlaybookName, usize>,
}

impl Beats {
    pub fn booted(&mut self, catalogue: Digest, at: Timestamp) {
        if catalogue != self.deployed.0 || self.deployed.1 == Timestamp(0) {
            self.deployed = (catalogue, at);
        }
    }

    pub fn heard(&mut self, event: &Event, at: Timestamp) {
        let name = event.subject.as_deref().filter(|_| event.event_type == TICK).and_then(|name| name.parse().ok());
        if let Some(name) = name {
            self.ticks.insert(name, at);
        }
    }

    pub fn started(&mut self, playbook: &PlaybookName) {
        *self.open.entry(playbook.clone()).or_default() += 1;
    }

    pub fn ended(&mut self, playbook: &PlaybookName, at: Timestamp) {
        self.ends.insert(playbook.clone(), at);
        if let Some(open) = self.open.get_mut(playbook) {
            *open = open.saturating_sub(1);
        }
    }

    /// When the clock starts this playbook next.
    pub fn next(&self, playbook: &Playbook) -> Option<Timestamp> {
        let beat = playbook.schedule.beat.as_ref()?;
        if self.deployed.1 == Timestamp(0) {
            return None;
        }
        let name = playbook.name();
        let mut last = self.ticks.get(name).copied().unwrap_or_default().max(self.deployed.1);
        if beat.waits_for_end() {
            if self.open.get(name).is_some_and(|open| *open > 0) {
                return None;
            }
            last = last.max(self.ends.get(name).copied().unwrap_or_default());
        }
        beat.next(last)
    }
}
