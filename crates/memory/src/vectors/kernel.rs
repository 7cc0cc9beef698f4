//! The two inner loops, compiled for what the machine has: AVX-512 with popcount, AVX2, or plain code.
//!
//! The loops are written once, in plain safe Rust, and inlined into one function per level; the compiler makes the vector
//! code. Only the counting of bits in AVX-512 is written out, since the compiler shuffles where nothing needs shuffling;
//! its twin is the plain loop. One of the few files that hold `unsafe`: calling a function compiled for a level asks for the
//! promise that the machine has it, which is looked up just before.
#![expect(unsafe_code, reason = "calling functions that are compiled for a level which has been detected")]

/// Vectors side by side in one block: one lane each of a 512-bit register.
pub(super) const LANES: usize = 8;
/// Bits per coordinate of a question.
pub(super) const PLANES: usize = 4;

/// For each vector of `blocks` the sum over its set bits of the question's four-bit coordinates.
///
/// A block is `words` times eight 64-bit words: word 0 of eight vectors, word 1 of eight vectors, … `planes` has for each
/// word the four bit planes of the question. `sums` has one place per vector.
pub(super) fn sums(blocks: &[u64], planes: &[[u64; PLANES]], sums: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: both features that the function is compiled for have just been detected.
            return unsafe { x86::sums_avx512(blocks, planes, sums) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: both features that the function is compiled for have just been detected.
            return unsafe { x86::sums_avx2(blocks, planes, sums) };
        }
    }
    sums_plain(blocks, planes, sums);
}

/// The inner product of two vectors of one length; of the shorter, where they differ.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature that the function is compiled for has just been detected.
            return unsafe { x86::dot_avx512(a, b) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: both features that the function is compiled for have just been detected.
            return unsafe { x86::dot_avx2(a, b) };
        }
    }
    dot_plain(a, b)
}

#[inline(always)]
fn sums_plain(blocks: &[u64], planes: &[[u64; PLANES]], sums: &mut [u32]) {
    for (block, sums) in blocks.chunks_exact(planes.len() * LANES).zip(sums.as_chunks_mut::<LANES>().0) {
        let mut counts = [[0_u64; LANES]; PLANES];
        for (lanes, planes) in block.as_chunks::<LANES>().0.iter().zip(planes) {
            for (counts, plane) in counts.iter_mut().zip(planes) {
                for (count, lane) in counts.iter_mut().zip(lanes) {
                    *count += u64::from((lane & plane).count_ones());
                }
            }
        }
        let [ones, twos, fours, eights] = counts;
        for (lane, sum) in sums.iter_mut().enumerate() {
            let total = ones[lane] + 2 * twos[lane] + 4 * fours[lane] + 8 * eights[lane];
            #[expect(clippy::cast_possible_truncation, reason = "at most 15 per coordinate")]
            {
                *sum = total as u32;
            }
        }
    }
}

/// Sixteen sums at once, in a fixed order, so that the compiler may use wide registers.
#[inline(always)]
fn dot_plain(a: &[f32], b: &[f32]) -> f32 {
    const WIDE: usize = 32;
    let mut sums = [0.0_f32; WIDE];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..WIDE {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_storeu_si256, _mm512_add_epi64, _mm512_and_si512, _mm512_cvtepi64_epi32, _mm512_loadu_si512,
        _mm512_popcnt_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64,
    };

    use super::{LANES, PLANES, dot_plain, sums_plain};

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    pub(super) fn sums_avx512(blocks: &[u64], planes: &[[u64; PLANES]], sums: &mut [u32]) {
        for (block, sums) in blocks.chunks_exact(planes.len() * LANES).zip(sums.as_chunks_mut::<LANES>().0) {
            let mut counts = [_mm512_setzero_si512(); PLANES];
            for (lanes, planes) in block.as_chunks::<LANES>().0.iter().zip(planes) {
                // SAFETY: `lanes` is an array of eight u64, which are the 64 bytes that are read; no alignment is needed.
                let lanes = unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) };
                for (count, plane) in counts.iter_mut().zip(planes) {
                    let both = _mm512_and_si512(lanes, _mm512_set1_epi64(plane.cast_signed()));
                    *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(both));
                }
            }
            let [ones, twos, fours, eights] = counts;
            let low = _mm512_add_epi64(ones, _mm512_slli_epi64::<1>(twos));
            let high = _mm512_add_epi64(_mm512_slli_epi64::<2>(fours), _mm512_slli_epi64::<3>(eights));
            let total = _mm512_cvtepi64_epi32(_mm512_add_epi64(low, high));
            // SAFETY: `sums` is an array of eight u32, which are the 32 bytes that are written; no alignment is needed.
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), total) };
        }
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn sums_avx2(blocks: &[u64], planes: &[[u64; PLANES]], sums: &mut [u32]) {
        sums_plain(blocks, planes, sums);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
        dot_plain(a, b)
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
        dot_plain(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::tests::noise;

    /// Bit by bit, without any of the above.
    fn slow(blocks: &[u64], planes: &[[u64; PLANES]], vector: usize) -> u32 {
        let (block, lane) = (vector / LANES, vector % LANES);
        let mut sum = 0;
        for (place, planes) in planes.iter().enumerate() {
            let word = blocks[(block * WORDS + place) * LANES + lane];
            for bit in 0..64 {
                let value: u64 = planes.iter().zip(0..).map(|(plane, weight)| (plane >> bit & 1) << weight).sum();
                sum += (word >> bit & 1) * value;
            }
        }
        u32::try_from(sum).expect("small")
    }

    const WORDS: usize = 3;

    #[test]
    fn every_level_counts_as_bit_by_bit() {
        let bits = |seed, count| {
            noise(seed, count).into_iter().map(|x| u64::from(x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        };
        let blocks: Vec<u64> = bits(1, WORDS * LANES * 5).collect();
        let planes: Vec<[u64; PLANES]> = bits(2, WORDS * PLANES).collect::<Vec<_>>().as_chunks::<PLANES>().0.to_vec();
        let expected: Vec<u32> = (0..5 * LANES).map(|vector| slow(&blocks, &planes, vector)).collect();
        let mut fast = vec![0; expected.len()];
        sums(&blocks, &planes, &mut fast);
        let mut plain = vec![0; expected.len()];
        sums_plain(&blocks, &planes, &mut plain);
        assert_eq!(fast, expected);
        assert_eq!(plain, expected);
        assert!(expected.iter().any(|sum| *sum > 0));
    }

    #[test]
    fn every_level_multiplies_alike() {
        for len in [0, 1, 31, 32, 384, 401] {
            let (a, b) = (noise(1, len), noise(2, len));
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            for product in [dot(&a, &b), dot_plain(&a, &b)] {
                assert!((f64::from(product) - expected).abs() < 1e-3, "{len}: {product} {expected}");
            }
        }
    }
}
