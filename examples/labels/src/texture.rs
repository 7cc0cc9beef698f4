//! What a label lies on: cardboard, a table top, felt.
//!
//! Uses no function whose last bit differs from one machine to the next, so that a seed gives the same bytes everywhere.

use rand::RngExt;
use rand::rngs::StdRng;

/// The kinds of background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Brown, with faint flutes.
    Cardboard,
    /// A grey fall of light.
    Table,
    /// Dark and blotchy.
    Felt,
}

/// A background, ready to be asked for the colour at any pixel.
pub struct Texture {
    ground: Ground,
    coarse: Lattice,
    fine: Lattice,
}

impl Texture {
    /// Draws the chance that the texture needs.
    pub fn new(ground: Ground, chance: &mut StdRng) -> Self {
        Self { ground, coarse: Lattice::new(chance, 90.0), fine: Lattice::new(chance, 9.0) }
    }

    /// Red, green and blue at a pixel.
    pub fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let (coarse, fine) = (self.coarse.at(x, y), self.fine.at(x, y));
        match self.ground {
            Ground::Cardboard => {
                let flute = if (y as i32).rem_euclid(14) < 7 { 3.0 } else { -3.0 };
                let light = coarse * 18.0 + fine * 7.0 + flute;
                [176.0 + light, 136.0 + light * 0.9, 92.0 + light * 0.7]
            }
            Ground::Table => {
                let light = x * 0.05 + y * 0.03 + coarse * 10.0 + fine * 3.0;
                [118.0 + light, 122.0 + light, 128.0 + light]
            }
            Ground::Felt => {
                let light = coarse * 16.0 + fine * 12.0;
                [62.0 + light, 74.0 + light, 70.0 + light]
            }
        }
    }
}

/// Smooth noise from -1 to 1: random values on a lattice and a soft blend between them.
struct Lattice {
    cell: f32,
    values: Vec<f32>,
}

/// Cells to a side before the noise repeats.
const SIDE: usize = 64;

impl Lattice {
    fn new(chance: &mut StdRng, cell: f32) -> Self {
        let values = (0..SIDE * SIDE).map(|_| chance.random_range(-1.0f32..1.0)).collect();
        Self { cell, values }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = ((x / self.cell).max(0.0), (y / self.cell).max(0.0));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (soft(x - left as f32), soft(y - top as f32));
        let node = |x: usize, y: usize| self.values.get((y % SIDE) * SIDE + x % SIDE).copied().unwrap_or(0.0);
        let upper = node(left, top) * (1.0 - fx) + node(left + 1, top) * fx;
        let lower = node(left, top + 1) * (1.0 - fx) + node(left + 1, top + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

fn soft(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
