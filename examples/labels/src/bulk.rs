//! As many readable photographs as a test wants: one for each bulk return, Code 128 and QR in turn.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::goods::bulk_rma;
use crate::label::Label;
use crate::scene::{Placed, Scene, Spoil};
use crate::symbol::Kind;
use crate::texture::Ground;

/// The file's name: `00001.jpg`, …
pub fn file(place: u32) -> String {
    format!("{place:05}.jpg")
}

/// Draws the photograph of bulk return `place`, from 1.
///
/// # Errors
/// When the label cannot carry the number.
pub fn draw(seed: u64, place: u32) -> anyhow::Result<Vec<u8>> {
    scene(seed, place).photograph()
}

fn scene(seed: u64, place: u32) -> Scene {
    let seed = seed.wrapping_mul(1_000_003).wrapping_add(u64::from(place));
    let mut chance = StdRng::seed_from_u64(seed);
    let kind = if place.is_multiple_of(2) { Kind::Qr } else { Kind::Code128 };
    let ground = match chance.random_range(0..3) {
        0 => Ground::Cardboard,
        1 => Ground::Table,
        _ => Ground::Felt,
    };
    let label = Label::new(kind, bulk_rma(place), "RETURN");
    let placed = Placed {
        label,
        middle: [450.0 + chance.random_range(-60.0f32..60.0), 350.0 + chance.random_range(-60.0f32..60.0)],
        scale: chance.random_range(0.5f32..0.66),
        turn: chance.random_range(-0.06f32..0.06),
        recede: [chance.random_range(-0.1f32..0.1), chance.random_range(-0.1f32..0.1)],
    };
    let spoil = Spoil {
        blur: chance.random_range(0..3),
        grain: chance.random_range(1.0f32..4.5),
        shadow: chance.random_range(0.0f32..30.0),
        quality: 80,
        ..Spoil::default()
    };
    Scene { seed: seed ^ 0x5eed, ground, labels: vec![placed], spoil }
}
