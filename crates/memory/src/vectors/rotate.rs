//! A fixed random rotation in n log n: signs flipped, Hadamard over the first and the last power of two, and a Kac step.
//!
//! Four rounds, as in the reference library of RaBitQ; orthogonal, so that lengths and inner products stay. Any vector of
//! the world looks like noise afterwards, which is what makes a sign worth a coordinate.

/// Rounds of flip, transform and step.
const ROUNDS: usize = 4;

/// One rotation for vectors of one length; longer by zeros, up to a whole number of 64-bit words.
#[derive(Debug)]
pub(super) struct Rotation {
    padded: usize,
    /// 1 or -1 per round and coordinate.
    signs: Vec<f32>,
}

impl Rotation {
    pub(super) fn new(dimensions: usize) -> Self {
        let padded = dimensions.max(1).next_multiple_of(64);
        let mut state = 0x5eed_0f51_7e77_u64;
        let sign = || {
            // splitmix64; the seed is part of the codes' format.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (z ^ (z >> 31)) & 1 == 1 { 1.0 } else { -1.0 }
        };
        let signs = std::iter::repeat_with(sign).take(padded * ROUNDS).collect();
        Self { padded, signs }
    }

    /// Length of what comes out.
    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    /// Rotates in place; `vector` is as long as `padded`.
    pub(super) fn turn(&self, vector: &mut [f32]) {
        let power = if self.padded.is_power_of_two() { self.padded } else { self.padded.next_power_of_two() / 2 };
        for (round, signs) in self.signs.chunks_exact(self.padded).enumerate() {
            vector.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
            let part = if round % 2 == 0 { vector.get_mut(..power) } else { vector.get_mut(self.padded - power..) };
            if let Some(part) = part {
                hadamard(part);
            }
            if power != self.padded {
                kac(vector);
            }
        }
    }
}

/// The Hadamard transform, scaled to keep lengths. The length is a power of two.
fn hadamard(vector: &mut [f32]) {
    let mut half = 1;
    while half < vector.len() {
        for pair in vector.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for (x, y) in low.iter_mut().zip(high) {
                (*x, *y) = (*x + *y, *x - *y);
            }
        }
        half *= 2;
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths are small")]
    let scale = (vector.len() as f32).sqrt().recip();
    vector.iter_mut().for_each(|x| *x *= scale);
}

/// Turns each coordinate of the first half with its partner of the second by 45 degrees.
fn kac(vector: &mut [f32]) {
    let (low, high) = vector.split_at_mut(vector.len() / 2);
    for (x, y) in low.iter_mut().zip(high) {
        let (a, b) = (*x, *y);
        (*x, *y) = ((a + b) * std::f32::consts::FRAC_1_SQRT_2, (a - b) * std::f32::consts::FRAC_1_SQRT_2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::tests::noise;

    #[test]
    fn lengths_and_products_stay_and_one_coordinate_spreads() {
        for dimensions in [64, 70, 384, 1_024] {
            let rotation = Rotation::new(dimensions);
            let turned = |mut vector: Vec<f32>| {
                vector.resize(rotation.padded(), 0.0);
                rotation.turn(&mut vector);
                vector
            };
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            let (a, b) = (noise(1, dimensions), noise(2, dimensions));
            let before = product(&a, &b);
            let after = product(&turned(a), &turned(b));
            assert!((before - after).abs() < 1e-3 * (1.0 + before.abs()), "{dimensions}: {before} {after}");
            let mut one = vec![0.0; dimensions];
            one[dimensions / 3] = 1.0;
            let largest = turned(one).into_iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(largest < 0.6, "{dimensions}: {largest}");
        }
    }
}
