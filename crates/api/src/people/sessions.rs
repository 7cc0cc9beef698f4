//! Sessions and one-time login links: in memory only, so a restart signs everybody out.
//!
//! Keeps hashes alone: who reads this memory cannot sign in with it. Does not know roles. Both tables are bounded: when
//! one is full, its oldest entry goes.

use std::collections::VecDeque;
use std::time::Duration;

use sinew_contract::{Digest, Timestamp};

use super::secret::{hash, same};

/// One thing that is known by its hash, belongs to a person and ends.
#[derive(Clone, Debug)]
struct Held {
    hash: Digest,
    person: String,
    ends: Timestamp,
}

/// A bounded table of things that end.
#[derive(Debug)]
pub(crate) struct Holdings {
    held: VecDeque<Held>,
    len_max: usize,
    lives: Duration,
}

impl Holdings {
    pub(crate) const fn new(len_max: usize, lives: Duration) -> Self {
        Self { held: VecDeque::new(), len_max, lives }
    }

    /// How long each lives.
    pub(crate) const fn lives(&self) -> Duration {
        self.lives
    }

    /// Keeps a secret for a person.
    pub(crate) fn add(&mut self, secret: &str, person: &str, now: Timestamp) {
        self.held.retain(|held| held.ends > now);
        while self.held.len() >= self.len_max {
            self.held.pop_front();
        }
        self.held.push_back(Held { hash: hash(secret), person: person.into(), ends: now.after(self.lives) });
    }

    /// Whose it is, while it lasts.
    pub(crate) fn owner(&self, secret: &str, now: Timestamp) -> Option<String> {
        let wanted = hash(secret);
        self.held.iter().find(|held| same(held.hash, wanted) && held.ends > now).map(|held| held.person.clone())
    }

    /// Whose it was; afterwards it is nobody's.
    pub(crate) fn take(&mut self, secret: &str, now: Timestamp) -> Option<String> {
        let owner = self.owner(secret, now);
        let wanted = hash(secret);
        self.held.retain(|held| !same(held.hash, wanted));
        owner
    }

    /// Takes away all that a person has.
    pub(crate) fn drop_all_of(&mut self, person: &str) {
        self.held.retain(|held| held.person != person);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_or_was_taken_is_nobodys() {
        let mut links = Holdings::new(2, Duration::from_secs(60));
        links.add("a", "ana", Timestamp(0));
        assert_eq!(links.owner("a", Timestamp(59_999_999)), Some("ana".into()));
        assert_eq!(links.owner("a", Timestamp(60_000_000)), None, "it ends on the dot");
        assert_eq!(links.take("a", Timestamp(1)), Some("ana".into()));
        assert_eq!(links.take("a", Timestamp(1)), None, "once only");
    }

    #[test]
    fn a_full_table_lets_its_oldest_go() {
        let mut links = Holdings::new(2, Duration::from_secs(60));
        for name in ["a", "b", "c"] {
            links.add(name, "ana", Timestamp(0));
        }
        let owners = ["a", "b", "c"].map(|name| links.owner(name, Timestamp(1)).is_some());
        assert_eq!(owners, [false, true, true]);
    }
}
