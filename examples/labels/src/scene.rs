//! A photograph of labels: where they lie, how the camera stood, what the light and the lens did.
//!
//! Rotation goes by the tangent of half the angle and noise by sums of uniform numbers, so that only exact arithmetic is used:
//! the same seed gives the same bytes on every machine.

use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::canvas::Canvas;
use crate::label::Label;
use crate::texture::{Ground, Texture};

/// Width of every picture, in pixels.
pub const WIDTH: usize = 900;
/// Height of every picture, in pixels.
pub const HEIGHT: usize = 700;

/// A label in the picture.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The card.
    pub label: Label,
    /// Where its middle lies, in pixels.
    pub middle: [f32; 2],
    /// Picture pixels for one pixel of the card.
    pub scale: f32,
    /// Tangent of half the angle by which it is turned: 0.1 is 11.4 degrees.
    pub turn: f32,
    /// How much its right and lower sides recede, for each 1000 pixels.
    pub recede: [f32; 2],
}

impl Placed {
    /// A label in the middle, straight, seen from above.
    pub fn middle(label: Label) -> Self {
        Self { label, middle: [450.0, 350.0], scale: 0.62, turn: 0.0, recede: [0.0, 0.0] }
    }
}

/// What spoils the picture.
#[derive(Clone, Copy, Debug)]
pub struct Spoil {
    /// Passes of a 3 x 3 mean over the picture.
    pub blur: u32,
    /// Pixels by which the camera moved sideways.
    pub shake: usize,
    /// Amplitude of the grain, in grey levels.
    pub grain: f32,
    /// A reflection: where, how wide, how strong (1 is white).
    pub glare: Option<([f32; 2], f32, f32)>,
    /// How much darker the right edge is, in per cent.
    pub shadow: f32,
    /// Quality of the JPEG file, 1 to 100: noise costs bytes, so a noisy picture is stored coarser, as telephones do.
    pub quality: u8,
}

impl Default for Spoil {
    /// A good photograph: a little of everything.
    fn default() -> Self {
        Self { blur: 1, shake: 0, grain: 4.0, glare: None, shadow: 12.0, quality: 85 }
    }
}

/// All that a picture is made from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Chance for texture and grain.
    pub seed: u64,
    /// What the labels lie on.
    pub ground: Ground,
    /// The labels, the lowest first.
    pub labels: Vec<Placed>,
    /// What spoils the picture.
    pub spoil: Spoil,
}

impl Scene {
    /// Takes the photograph and writes it as JPEG.
    ///
    /// # Errors
    /// When a label cannot carry its text.
    pub fn photograph(&self) -> anyhow::Result<Vec<u8>> {
        let mut chance = StdRng::seed_from_u64(self.seed);
        let texture = Texture::new(self.ground, &mut chance);
        let drawn = |placed: &Placed| Ok((placed.clone(), placed.label.draw(&mut chance)?));
        let cards: Vec<(Placed, Canvas)> = self.labels.iter().map(drawn).collect::<anyhow::Result<_>>()?;
        let mut film = Film::exposed(|x, y| colour(&texture, &cards, x, y));
        for _ in 0..self.spoil.blur {
            film = film.blurred(1, true);
            film = film.blurred(1, false);
        }
        if self.spoil.shake > 0 {
            film = film.blurred(self.spoil.shake, true);
        }
        film.lit(&self.spoil);
        film.grained(self.spoil.grain, &mut chance);
        film.jpeg(self.spoil.quality)
    }
}

/// The colour at a point: the topmost label there, else the ground.
fn colour(texture: &Texture, cards: &[(Placed, Canvas)], x: f32, y: f32) -> [f32; 3] {
    let on_card = |(placed, card): &(Placed, Canvas)| {
        let [u, v] = unproject(placed, x, y)?;
        let (u, v) = (u + card.width() as f32 / 2.0, v + card.height() as f32 / 2.0);
        let inside = u >= 0.0 && v >= 0.0 && u < card.width() as f32 && v < card.height() as f32;
        inside.then(|| [card.between(u - 0.5, v - 0.5); 3])
    };
    cards.iter().rev().find_map(on_card).unwrap_or_else(|| texture.at(x, y))
}

/// From a point of the picture to a point of the card, both relative to the card's middle.
fn unproject(placed: &Placed, x: f32, y: f32) -> Option<[f32; 2]> {
    let (dx, dy) = ((x - placed.middle[0]) / placed.scale, (y - placed.middle[1]) / placed.scale);
    let t2 = placed.turn * placed.turn;
    let (cos, sin) = ((1.0 - t2) / (1.0 + t2), 2.0 * placed.turn / (1.0 + t2));
    let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let depth = 1.0 - (placed.recede[0] * u + placed.recede[1] * v) / 1000.0;
    (depth > 0.1).then(|| [u / depth, v / depth])
}

/// Red, green and blue of each pixel, row by row.
struct Film {
    pixels: Vec<[f32; 3]>,
}

impl Film {
    /// Four samples a pixel, so that edges are soft as in a lens.
    fn exposed(colour: impl Fn(f32, f32) -> [f32; 3]) -> Self {
        let pixel = |i: usize| {
            let (x, y) = ((i % WIDTH) as f32, (i / WIDTH) as f32);
            let corners = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
            let samples = corners.map(|(dx, dy)| colour(x + dx, y + dy));
            [0, 1, 2].map(|c| samples.iter().map(|s| s[c]).sum::<f32>() / 4.0)
        };
        Self { pixels: (0..WIDTH * HEIGHT).map(pixel).collect() }
    }

    /// The mean over `reach` pixels to both sides, along rows or columns.
    fn blurred(&self, reach: usize, along_rows: bool) -> Self {
        let stride = if along_rows { 1 } else { WIDTH };
        let pixel = |i: usize| {
            let (at, size) = if along_rows { (i % WIDTH, WIDTH) } else { (i / WIDTH, HEIGHT) };
            let (from, to) = (at.saturating_sub(reach), (at + reach).min(size - 1));
            let first = i - (at - from) * stride;
            let near = || (0..=to - from).filter_map(|n| self.pixels.get(first + n * stride));
            let count = (to - from + 1) as f32;
            [0, 1, 2].map(|c| near().map(|p| p[c]).sum::<f32>() / count)
        };
        Self { pixels: (0..self.pixels.len()).map(pixel).collect() }
    }

    /// Applies shadow and glare.
    fn lit(&mut self, spoil: &Spoil) {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % WIDTH) as f32, (i / WIDTH) as f32);
            let shade = 1.0 - spoil.shadow / 100.0 * x / WIDTH as f32;
            let shine = spoil.glare.map_or(0.0, |glare| shine(glare, x, y));
            *pixel = pixel.map(|v| v * shade + (255.0 - v * shade) * shine);
        }
    }

    fn grained(&mut self, amplitude: f32, chance: &mut StdRng) {
        for pixel in &mut self.pixels {
            let grain: f32 = (0..3).map(|_| chance.random_range(-1.0f32..1.0)).sum::<f32>() * amplitude;
            *pixel = pixel.map(|v| v + grain);
        }
    }

    fn jpeg(&self, quality: u8) -> anyhow::Result<Vec<u8>> {
        let bytes: Vec<u8> = self.pixels.iter().flatten().map(|v| v.clamp(0.0, 255.0) as u8).collect();
        let mut out = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut out, quality);
        let (width, height) = (u32::try_from(WIDTH)?, u32::try_from(HEIGHT)?);
        encoder.write_image(&bytes, width, height, ExtendedColorType::Rgb8).context("cannot encode the photograph")?;
        Ok(out)
    }
}

/// Strength of a reflection at a point: full in its middle, falling softly.
fn shine((middle, reach, strength): ([f32; 2], f32, f32), x: f32, y: f32) -> f32 {
    let (dx, dy) = ((x - middle[0]) / reach, (y - middle[1]) / reach);
    let fall = 1.0 / (1.0 + dx * dx + dy * dy);
    strength * fall * fall
}
