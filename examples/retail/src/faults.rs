//! What the network, the disk and the power do around a write: drawn from a seed, the key and how often the key has come.
//!
//! Knows no socket and no process. The same seed gives the same draws, in whatever order the keys arrive.

use sha2::{Digest, Sha256};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// The request never arrives.
    RequestLost,
    /// It is done, and nobody hears of it.
    ReplyLost,
    /// The back end says to come back.
    Busy,
    /// Whoever sent it loses its life before anything is done.
    KilledBefore,
    /// Whoever sent it loses its life when it is done, before the answer is out.
    KilledAfter,
    /// It is done; whoever sent it finds its disk full when it wants to write the receipt down.
    DiskFull,
}

impl Harm {
    /// Says whether it falls on whoever sent the write.
    pub const fn is_on_sender(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter | Self::DiskFull)
    }

    /// Says whether the write is applied before it strikes.
    pub const fn is_after(self) -> bool {
        matches!(self, Self::ReplyLost | Self::KilledAfter | Self::DiskFull)
    }
}

/// Of a hundred first writes, so many meet each harm: about every second write meets one.
const WRITES: [(Harm, u8); 6] = [
    (Harm::RequestLost, 14),
    (Harm::ReplyLost, 14),
    (Harm::Busy, 8),
    (Harm::KilledBefore, 4),
    (Harm::KilledAfter, 5),
    (Harm::DiskFull, 2),
];
/// Of a hundred first look-ups, so many get no answer.
const READS: u8 = 6;
/// After so many tries of one key the network is well, so that every run comes to its end.
const TRIES_MAX: u32 = 4;

/// All draws of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    seed: u64,
}

impl Faults {
    /// The draws of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// What meets the `nth` arrival (from 0) of a write under this key.
    pub fn of_write(self, key: &str, nth: u32) -> Option<Harm> {
        let mut drawn = self.draw("write", key, nth)?;
        for (harm, share) in WRITES {
            match drawn.checked_sub(share) {
                None => return Some(harm),
                Some(rest) => drawn = rest,
            }
        }
        None
    }

    /// Whether the `nth` question (from 0) of these words stays without an answer.
    pub fn of_read(self, words: &str, nth: u32) -> bool {
        self.draw("read", words, nth).is_some_and(|drawn| drawn < READS)
    }

    /// 0 to 99; none where there were tries enough.
    fn draw(self, what: &str, key: &str, nth: u32) -> Option<u8> {
        let digest = Sha256::digest(format!("{}\n{what}\n{key}\n{nth}", self.seed));
        let word = digest.iter().take(2).fold(0u16, |word, byte| word << 8 | u16::from(*byte));
        let drawn = u8::try_from(word % 100).unwrap_or_default();
        (nth < TRIES_MAX).then_some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_harm_strikes_about_as_often_as_it_should() {
        let faults = Faults::new(7);
        let mut counts: BTreeMap<Option<Harm>, u32> = BTreeMap::new();
        (0..10_000).for_each(|n| *counts.entry(faults.of_write(&format!("k{n}"), 0)).or_default() += 1);
        for (harm, share) in WRITES {
            let (count, expected) = (counts[&Some(harm)], u32::from(share) * 100);
            assert!(count.abs_diff(expected) < expected / 2, "{harm:?}: {count} and not about {expected}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_and_ends() {
        let one = |seed| (0..64).map(|n| Faults::new(seed).of_write(&format!("k{n}"), 1)).collect::<Vec<_>>();
        assert_eq!(one(3), one(3));
        assert_ne!(one(3), one(4));
        assert!((0..64).all(|n| Faults::new(3).of_write(&format!("k{n}"), TRIES_MAX).is_none()));
    }
}
