//! Which of many numbered things: one bit each.

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Those of `0..len` of which `keep` says yes.
    pub fn of(len: usize, keep: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self { words: vec![0; len.div_ceil(64)] };
        (0..len).filter(|n| keep(*n)).for_each(|n| bits.set(n));
        bits
    }

    /// Takes one in.
    pub fn set(&mut self, n: usize) {
        let word = n / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (n % 64);
        }
    }

    /// Whether it is among them.
    pub fn has(&self, n: usize) -> bool {
        self.words.get(n / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// All of them, ascending.
    pub fn ones(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0_u32..).flat_map(|(word, place)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    place * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn what_is_set_is_listed_counted_and_found() {
        let mut bits = Bits::of(200, |n| n % 63 == 0);
        bits.set(300);
        assert_eq!(bits.ones().collect::<Vec<_>>(), [0, 63, 126, 189, 300]);
        assert_eq!(bits.count(), 5);
        assert!(bits.has(126) && !bits.has(127) && !bits.has(100_000));
    }
}
