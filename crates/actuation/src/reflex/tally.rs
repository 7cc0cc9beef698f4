//! What a rule did since the log was last told: counts, first and last moment, and a running digest of all firings.
//!
//! Bounded, however long the log is away: it only counts.

use sinew_contract::{Digest, Timestamp};
use sinew_expr::digest;

/// How a message ended at one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Fired,
    Late,
    Refused,
    Held,
    Unsent,
    Malformed,
}

/// The counts of one rule since they were last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub count: u64,
    pub late: u64,
    pub refused: u64,
    pub held: u64,
    pub unsent: u64,
    pub malformed: u64,
    pub times: Option<(Timestamp, Timestamp)>,
    pub digest: Digest,
    bytes: Vec<u8>,
}

impl Tally {
    pub(super) fn note(&mut self, word: Word, at: Timestamp) {
        let count = match word {
            Word::Fired => &mut self.count,
            Word::Late => &mut self.late,
            Word::Refused => &mut self.refused,
            Word::Held => &mut self.held,
            Word::Unsent => &mut self.unsent,
            Word::Malformed => &mut self.malformed,
        };
        *count += 1;
        let first = self.times.map_or(at, |(first, _)| first);
        self.times = Some((first, at));
    }

    /// Adds a firing to the digest: each part with its length before it, so that no two firings look alike.
    pub(super) fn chain(&mut self, topic: &str, reading: &[u8], command: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&self.digest.0);
        for part in [topic.as_bytes(), reading, command] {
            self.bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            self.bytes.extend_from_slice(part);
        }
        self.digest = digest(&self.bytes);
    }

    /// What there is to tell, and starts anew; none where nothing happened.
    pub(super) fn take(&mut self) -> Option<Self> {
        self.times?;
        let bytes = std::mem::take(&mut self.bytes);
        let taken = std::mem::replace(self, Self { bytes, ..Self::default() });
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_and_starts_anew() {
        let mut tally = Tally::default();
        assert_eq!(tally.take(), None);
        tally.note(Word::Fired, Timestamp(5));
        tally.note(Word::Late, Timestamp(9));
        tally.chain("a", b"1", b"2");
        let taken = tally.take().expect("something happened");
        assert_eq!((taken.count, taken.late, taken.times), (1, 1, Some((Timestamp(5), Timestamp(9)))));
        assert_eq!(tally.take(), None);
    }

    #[test]
    fn other_firings_have_another_digest() {
        let chained = |parts: &[(&str, &str, &str)]| {
            let mut tally = Tally::default();
            parts
                .iter()
                .for_each(|(topic, reading, command)| tally.chain(topic, reading.as_bytes(), command.as_bytes()));
            tally.digest
        };
        assert_ne!(chained(&[("a", "b", "c")]), chained(&[("ab", "", "c")]));
        assert_ne!(chained(&[("a", "b", "c")]), chained(&[("a", "b", "c"), ("a", "b", "c")]));
        assert_eq!(chained(&[("a", "b", "c")]), chained(&[("a", "b", "c")]));
    }
}
