//! Chance that is the same every time (splitmix64).

pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1, 1 excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are a double's")]
    pub(super) fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 0 to `count`, `count` excluded.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.share() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Normal with mean 0 and deviation 1: the sum of twelve, less six. Its tails end at 6, which nothing here needs.
    #[expect(clippy::cast_possible_truncation, reason = "single floats are wanted")]
    pub(super) fn normal(&mut self) -> f32 {
        // Four 16-bit shares a draw: three draws make twelve.
        let twelve: u64 = (0..3)
            .map(|_| self.bits())
            .map(|b| (b & 0xffff) + (b >> 16 & 0xffff) + (b >> 32 & 0xffff) + (b >> 48))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "20 bits")]
        let sum = twelve as f64 / 65_536.0;
        (sum - 6.0) as f32
    }
}
