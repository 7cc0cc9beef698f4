//! The encoder: embeddings, six layers of attention and feed-forward, the mean.
//!
//! ```text
//! pieces of all texts, one after the other: [pieces, 384]
//!   -> per layer: query, key, value -> attention inside of each text -> add, norm -> 384 -> 1536 -> gelu -> 384 -> add, norm
//!   -> per text: mean over its pieces -> unit length
//! ```
//!
//! Texts of different length need no padding: only attention looks at which text a piece belongs to.
//! Does not know words.

use std::ops::Range;

use super::WeightsError;
use super::product::times_transposed;
use super::weights::Weights;

/// Coordinates of a piece.
pub(super) const WIDTH: usize = 384;
const INNER: usize = 1_536;
const HEADS: usize = 12;
const HEAD: usize = WIDTH / HEADS;
const LAYERS: usize = 6;
/// Pieces that have an embedding.
pub(super) const VOCABULARY: u32 = 30_522;
const PLACES: usize = 512;
const EPSILON: f32 = 1e-12;

/// A matrix and what is added after it.
struct Linear {
    weights: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Linear {
    fn load(all: &Weights<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Self, WeightsError> {
        let weights = all.tensor(&format!("{name}.weight"), inputs * outputs)?;
        Ok(Self { weights, bias: all.tensor(&format!("{name}.bias"), outputs)?, inputs })
    }

    fn of(&self, input: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let mut out = vec![0.0; input.len() / self.inputs * outputs];
        times_transposed(input, &self.weights, &mut out, self.inputs, outputs);
        for row in out.chunks_exact_mut(outputs) {
            row.iter_mut().zip(&self.bias).for_each(|(value, bias)| *value += bias);
        }
        out
    }
}

/// Each piece to mean 0 and deviation 1, then scaled and shifted.
struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    fn load(all: &Weights<'_>, name: &str) -> Result<Self, WeightsError> {
        let part = |part: &str| all.tensor(&format!("{name}.LayerNorm.{part}"), WIDTH);
        Ok(Self { scale: part("weight")?, shift: part("bias")? })
    }

    fn apply(&self, values: &mut [f32]) {
        for row in values.chunks_exact_mut(WIDTH) {
            let mean = row.iter().sum::<f32>() / WIDTH as f32;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / WIDTH as f32;
            let factor = 1.0 / (variance + EPSILON).sqrt();
            for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *x = (*x - mean) * factor * scale + shift;
            }
        }
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: Norm,
    wide: Linear,
    narrow: Linear,
    narrow_norm: Norm,
}

impl Layer {
    fn load(all: &Weights<'_>, index: usize) -> Result<Self, WeightsError> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let square = |part: &str| Linear::load(all, &name(part), WIDTH, WIDTH);
        Ok(Self {
            query: square("attention.self.query")?,
            key: square("attention.self.key")?,
            value: square("attention.self.value")?,
            attended: square("attention.output.dense")?,
            attended_norm: Norm::load(all, &name("attention.output"))?,
            wide: Linear::load(all, &name("intermediate.dense"), WIDTH, INNER)?,
            narrow: Linear::load(all, &name("output.dense"), INNER, WIDTH)?,
            narrow_norm: Norm::load(all, &name("output"))?,
        })
    }

    fn pass(&self, mut pieces: Vec<f32>, texts: &[Range<usize>]) -> Vec<f32> {
        let (query, key, value) = (self.query.of(&pieces), self.key.of(&pieces), self.value.of(&pieces));
        let mut mixed = vec![0.0; pieces.len()];
        for text in texts {
            attend(&query, &key, &value, &mut mixed, text);
        }
        add(&mut pieces, &self.attended.of(&mixed));
        self.attended_norm.apply(&mut pieces);
        let mut wide = self.wide.of(&pieces);
        wide.iter_mut().for_each(|x| *x = gelu(*x));
        add(&mut pieces, &self.narrow.of(&wide));
        self.narrow_norm.apply(&mut pieces);
        pieces
    }
}

fn add(values: &mut [f32], others: &[f32]) {
    values.iter_mut().zip(others).for_each(|(value, other)| *value += other);
}

/// The part of a piece's row that a head looks at.
fn head_of(values: &[f32], piece: usize, head: usize) -> &[f32] {
    let at = piece * WIDTH + head * HEAD;
    &values[at..at + HEAD]
}

/// Each piece of a text becomes a mix of the values of all of them, by how query and key agree.
fn attend(query: &[f32], key: &[f32], value: &[f32], mixed: &mut [f32], text: &Range<usize>) {
    let scale = 1.0 / (HEAD as f32).sqrt();
    let mut shares = vec![0.0; text.len()];
    for head in 0..HEADS {
        for piece in text.clone() {
            let asked = head_of(query, piece, head);
            for (share, other) in shares.iter_mut().zip(text.clone()) {
                *share = dot(asked, head_of(key, other, head)) * scale;
            }
            soften(&mut shares);
            let at = piece * WIDTH + head * HEAD;
            let out = &mut mixed[at..at + HEAD];
            for (share, other) in shares.iter().zip(text.clone()) {
                for (out, value) in out.iter_mut().zip(head_of(value, other, head)) {
                    *out += share * value;
                }
            }
        }
    }
}

/// Four sums side by side, so that the compiler may do them at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 4];
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Softmax: shares that add up to one.
fn soften(shares: &mut [f32]) {
    let most = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    shares.iter_mut().for_each(|share| *share = (*share - most).exp());
    let total: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
}

fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function to 5e-7, as a quotient of polynomials without a branch (the coefficients of Eigen's float kernel).
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let x2 = x * x;
    let mut above = -2.726_142_3e-10 * x2 + 2.770_681_4e-8;
    for coefficient in [-2.101_024e-6, -5.692_506_3e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2] {
        above = above * x2 + coefficient;
    }
    let mut below = -1.456_607_2e-5 * x2 + -2.133_740_6e-4;
    for coefficient in [-1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        below = below * x2 + coefficient;
    }
    x * above / below
}

/// All weights.
pub(super) struct Encoder {
    words: Vec<f32>,
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Encoder {
    pub(super) fn load(bytes: &[u8]) -> Result<Self, WeightsError> {
        let all = Weights::read(bytes)?;
        let mut places = all.tensor("embeddings.position_embeddings.weight", PLACES * WIDTH)?;
        // There is one kind of text only, so its vector goes with every place.
        let kinds = all.tensor("embeddings.token_type_embeddings.weight", 2 * WIDTH)?;
        for place in places.chunks_exact_mut(WIDTH) {
            add(place, &kinds);
        }
        Ok(Self {
            words: all.tensor("embeddings.word_embeddings.weight", VOCABULARY as usize * WIDTH)?,
            places,
            norm: Norm::load(&all, "embeddings")?,
            layers: (0..LAYERS).map(|index| Layer::load(&all, index)).collect::<Result<_, _>>()?,
        })
    }

    /// One vector per text of at least one and at most 512 pieces.
    pub(super) fn encode(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let mut pieces = Vec::new();
        let mut ranges = Vec::with_capacity(texts.len());
        for text in texts {
            let start = pieces.len() / WIDTH;
            for (id, place) in text.iter().zip(self.places.chunks_exact(WIDTH)) {
                let at = *id as usize * WIDTH;
                pieces.extend(self.words[at..at + WIDTH].iter().zip(place).map(|(word, place)| word + place));
            }
            ranges.push(start..pieces.len() / WIDTH);
        }
        self.norm.apply(&mut pieces);
        let pieces = self.layers.iter().fold(pieces, |pieces, layer| layer.pass(pieces, &ranges));
        ranges.into_iter().map(|range| mean(&pieces[range.start * WIDTH..range.end * WIDTH])).collect()
    }
}

/// The mean over pieces, at unit length.
fn mean(pieces: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0; WIDTH];
    pieces.chunks_exact(WIDTH).for_each(|piece| add(&mut sum, piece));
    let length = dot(&sum, &sum).sqrt();
    sum.iter_mut().for_each(|value| *value /= length);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: Abramowitz and Stegun, table 7.1.
    #[test]
    fn the_error_function_is_that_of_the_table() {
        let rows =
            [(0.0, 0.0), (0.1, 0.112_462_9), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (5.0, 1.0)];
        for (x, expected) in rows {
            assert!((erf(x) - expected).abs() < 1e-6, "erf({x}) = {}", erf(x));
            assert!((erf(-x) + expected).abs() < 1e-6, "erf(-{x}) = {}", erf(-x));
        }
    }

    #[test]
    fn shares_add_up_to_one_and_keep_their_order() {
        let mut shares = [1_000.0, 999.0, -1_000.0];
        soften(&mut shares);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(shares[0] > shares[1] && shares[1] > shares[2]);
    }

    #[test]
    fn a_norm_gives_mean_zero_and_deviation_one() {
        let norm = Norm { scale: vec![2.0; WIDTH], shift: vec![1.0; WIDTH] };
        let mut row: Vec<f32> = (0..WIDTH).map(|i| i as f32).collect();
        norm.apply(&mut row);
        let mean = row.iter().sum::<f32>() / WIDTH as f32;
        let deviation = (row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / WIDTH as f32).sqrt();
        assert!((mean - 1.0).abs() < 1e-4 && (deviation - 2.0).abs() < 1e-4, "{mean} {deviation}");
    }

    #[test]
    fn a_text_is_mixed_with_itself_alone() {
        let row = |x: f32| vec![x; WIDTH];
        let values = [row(1.0), row(3.0), row(100.0)].concat();
        let same = vec![0.5; 3 * WIDTH];
        let mut mixed = vec![0.0; 3 * WIDTH];
        attend(&same, &same, &values, &mut mixed, &(0..2));
        assert!(
            mixed[..2 * WIDTH].iter().all(|x| (x - 2.0).abs() < 1e-5) && mixed[2 * WIDTH..].iter().all(|x| *x == 0.0)
        );
    }
}
