//! The codes: signs of rotated, centred vectors in blocks of eight, and the estimate that they give.
//!
//! For a vector x with centre c, y = R(x - c), s = sign(y): <q - c, x - c> is estimated by <R(q - c), s> * |y|² / <s, y>
//! (Gao and Long, SIGMOD 2024, theorem 3.2), and <q, x> is that plus <x, c>, up to what is the same for all x.

use super::bits::Bits;
use super::kernel::{LANES, PLANES, dot, sums};
use super::rotate::Rotation;

/// Vectors scanned between two looks at the best: their estimates stay in the first cache.
const STRETCH: usize = 1_024;
/// The highest four-bit number.
const TOP: f32 = 15.0;

/// Numbers beside the codes, one of each per vector, in columns so that many are computed at once.
#[derive(Debug, Default)]
struct Factors {
    /// |y|² / <s, y>.
    scale: Vec<f32>,
    /// The same times the number of set bits.
    scaled_ones: Vec<f32>,
    /// <x, c>.
    centre: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Codes {
    rotation: Rotation,
    /// In the vectors' own coordinates.
    centre: Vec<f32>,
    /// How many vectors the centre was taken of.
    centred_on: usize,
    blocks: Vec<u64>,
    factors: Factors,
}

/// A question, ready to be asked of all codes.
struct Asked {
    planes: Vec<[u64; PLANES]>,
    /// Estimate = scale * (step * sum + offset) + scaled_ones * low + centre.
    step: f32,
    low: f32,
    offset: f32,
}

impl Asked {
    #[inline]
    fn estimate(&self, sum: u32, scale: f32, scaled_ones: f32, centre: f32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "at most 15 per coordinate")]
        let sum = sum as f32;
        scale * (self.step * sum + self.offset) + scaled_ones * self.low + centre
    }
}

impl Codes {
    pub(super) fn new(dimensions: usize) -> Self {
        Self::centred(dimensions, &vec![0.0; dimensions], 0)
    }

    pub(super) fn centred(dimensions: usize, centre: &[f32], centred_on: usize) -> Self {
        let rotation = Rotation::new(dimensions);
        Self { rotation, centre: centre.to_vec(), centred_on, blocks: Vec::new(), factors: Factors::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.factors.scale.len()
    }

    pub(super) fn centred_on(&self) -> usize {
        self.centred_on
    }

    fn words(&self) -> usize {
        self.rotation.padded() / 64
    }

    fn turned(&self, vector: &[f32]) -> Vec<f32> {
        let mut turned: Vec<f32> = vector.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
        turned.resize(self.rotation.padded(), 0.0);
        self.rotation.turn(&mut turned);
        turned
    }

    /// Adds the next vector.
    pub(super) fn push(&mut self, vector: &[f32]) {
        let turned = self.turned(vector);
        let lane = self.len() % LANES;
        if lane == 0 {
            self.blocks.resize(self.blocks.len() + self.words() * LANES, 0);
        }
        let start = self.blocks.len() - self.words() * LANES;
        let block = self.blocks.get_mut(start..).unwrap_or_default();
        let (mut signs, mut ones) = (0.0, 0_u32);
        for (lanes, chunk) in block.chunks_exact_mut(LANES).zip(turned.chunks_exact(64)) {
            let mut word = 0_u64;
            for (bit, x) in chunk.iter().enumerate() {
                word |= u64::from(*x > 0.0) << bit;
                signs += x.abs();
            }
            ones += word.count_ones();
            if let Some(place) = lanes.get_mut(lane) {
                *place = word;
            }
        }
        let scale = if signs > 0.0 { dot(&turned, &turned) / signs } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "at most as many as there are dimensions")]
        let scaled_ones = scale * ones as f32;
        self.factors.scale.push(scale);
        self.factors.scaled_ones.push(scaled_ones);
        self.factors.centre.push(dot(vector, &self.centre));
    }

    /// <q, s> = 2 * (sum of q over the set bits) - (sum of q), with q = low + step * (0 to 15).
    fn ask(&self, query: &[f32]) -> Asked {
        let turned = self.turned(query);
        let (least, most) = turned.iter().fold((f32::MAX, f32::MIN), |(l, m), x| (l.min(*x), m.max(*x)));
        let step = ((most - least) / TOP).max(f32::MIN_POSITIVE);
        let mut planes = vec![[0_u64; PLANES]; self.words()];
        for (planes, chunk) in planes.iter_mut().zip(turned.chunks_exact(64)) {
            for (bit, x) in chunk.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 15")]
                let level = ((x - least) / step).round().clamp(0.0, TOP) as u64;
                for (weight, plane) in planes.iter_mut().enumerate() {
                    *plane |= (level >> weight & 1) << bit;
                }
            }
        }
        Asked { planes, step: 2.0 * step, low: 2.0 * least, offset: -turned.iter().sum::<f32>() }
    }

    /// The `count` that are estimated nearest among those allowed, in no order.
    pub(super) fn best(&self, query: &[f32], count: usize, allowed: Option<&Bits>) -> Vec<u32> {
        let asked = self.ask(query);
        let mut best = Best::new(count);
        let mut counted = [0_u32; STRETCH];
        let mut estimates = [0.0_f32; STRETCH];
        let Factors { scale, scaled_ones, centre } = &self.factors;
        let columns = scale.chunks(STRETCH).zip(scaled_ones.chunks(STRETCH)).zip(centre.chunks(STRETCH));
        let stretches = self.blocks.chunks(STRETCH * self.words()).zip(columns);
        for ((blocks, ((scale, scaled_ones), centre)), first) in stretches.zip((0_u32..).step_by(STRETCH)) {
            sums(blocks, &asked.planes, &mut counted);
            let places = estimates.iter_mut().zip(&counted).zip(scale.iter().zip(scaled_ones).zip(centre));
            for ((estimate, sum), ((scale, scaled_ones), centre)) in places {
                *estimate = asked.estimate(*sum, *scale, *scaled_ones, *centre);
            }
            let found = estimates.get(..scale.len()).unwrap_or_default();
            best.take(found, first, |n| allowed.is_none_or(|bits| bits.has(n as usize)));
        }
        best.into_numbers()
    }

    /// The `count` that are estimated nearest of those named, which are looked at one by one.
    pub(super) fn best_of(&self, query: &[f32], count: usize, numbers: impl Iterator<Item = u32>) -> Vec<u32> {
        let asked = self.ask(query);
        let mut best = Best::new(count);
        for number in numbers {
            let place = number as usize;
            let Factors { scale, scaled_ones, centre } = &self.factors;
            let (Some(scale), Some(ones), Some(centre)) = (scale.get(place), scaled_ones.get(place), centre.get(place))
            else {
                continue;
            };
            let start = place / LANES * LANES * self.words() + place % LANES;
            let words = self.blocks.get(start..).unwrap_or_default().iter().step_by(LANES);
            let sum: u32 = words.zip(&asked.planes).map(|(word, planes)| weighted(*word, planes)).sum();
            best.take(&[asked.estimate(sum, *scale, *ones, *centre)], number, |_| true);
        }
        best.into_numbers()
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<u64>() + self.factors.scale.capacity() * 3 * size_of::<f32>()
    }
}

fn weighted(word: u64, planes: &[u64; PLANES]) -> u32 {
    planes.iter().zip(0_u32..).map(|(plane, weight)| (word & plane).count_ones() << weight).sum()
}

/// The largest so far: a buffer that is cut in half when it is full, and the least that still gets in.
struct Best {
    count: usize,
    least: f32,
    held: Vec<(f32, u32)>,
}

impl Best {
    fn new(count: usize) -> Self {
        Self { count, least: f32::NEG_INFINITY, held: Vec::with_capacity(count * 2 + LANES) }
    }

    /// Takes those of a stretch that are large enough; `first` is the number of its first.
    fn take(&mut self, estimates: &[f32], first: u32, allowed: impl Fn(u32) -> bool) {
        for (sixteen, start) in estimates.chunks(16).zip((first..).step_by(16)) {
            // Most sixteens have none: one comparison without a branch inside.
            if sixteen.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x)) <= self.least {
                continue;
            }
            for (estimate, number) in sixteen.iter().zip(start..) {
                if *estimate > self.least && allowed(number) {
                    self.held.push((*estimate, number));
                }
            }
            if self.held.len() >= self.count * 2 {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.count > 0 && self.held.len() > self.count {
            self.held.select_nth_unstable_by(self.count - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.held.truncate(self.count);
            self.least = self.held.last().map_or(f32::NEG_INFINITY, |(estimate, _)| *estimate);
        }
    }

    fn into_numbers(mut self) -> Vec<u32> {
        self.cut();
        self.held.into_iter().map(|(_, number)| number).collect()
    }
}
