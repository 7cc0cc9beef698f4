//! The committed samples: one photograph for each thing that a return can turn out to be.
//!
//! | file | what it shows | code |
//! |---|---|---|
//! | `01-ean13` | a product with one open return | EAN of P01 |
//! | `02-code128` … `06-qr-glare` | plain, blurred, tilted, under a lamp | RMA-100002 … RMA-100006 (05: EAN of P05) |
//! | `07-two-codes` | a return label and the product's own code | RMA-100007 and the EAN of P07, which nobody returns |
//! | `08-damaged` | bars rubbed and torn | RMA-100008, unreadable |
//! | `09-unknown-product` | a valid code that no shop has | EAN 299999999999C |
//! | `10-same-parcel` | the parcel of 02 from another side | RMA-100002 |
//! | `11-late` … `13-above-limit-refused` | too late; dear; dearer | RMA-100011 … RMA-100013 |
//! | `14-no-code` | a card without a code | none |
//! | `15-unsure` … `18-transit` | what rules and shop must tell apart | RMA-100015 … RMA-100018 |
//! | `19-several` | a product with two open returns | EAN of P19 |
//! | `20-code128-noise` … `22-opened` | grain, tilt, an opened box | RMA-100021 … RMA-100023 |

use crate::goods::{product_ean, sample_rma, unknown_ean};
use crate::label::Label;
use crate::scene::{Placed, Scene, Spoil};
use crate::symbol::Kind;
use crate::texture::Ground;

/// One committed photograph.
pub struct Sample {
    /// The file's name.
    pub file: &'static str,
    /// How it is made.
    pub scene: Scene,
}

/// Draws a sample's bytes.
///
/// # Errors
/// When a label cannot carry its text.
pub fn draw(sample: &Sample) -> anyhow::Result<Vec<u8>> {
    sample.scene.photograph()
}

/// All samples in the order of their names.
pub fn all() -> Vec<Sample> {
    [first_ten(), the_rest()].into_iter().flatten().collect()
}

fn first_ten() -> Vec<Sample> {
    let spoil = Spoil::default();
    vec![
        single("01-ean13.jpg", Ground::Cardboard, ean(product_ean(1)), spoil),
        single("02-code128.jpg", Ground::Table, rma(Kind::Code128, 2), spoil),
        single("03-qr.jpg", Ground::Cardboard, rma(Kind::Qr, 3), spoil),
        single("04-code128-blur.jpg", Ground::Felt, rma(Kind::Code128, 4), Spoil { blur: 3, shake: 1, ..spoil }),
        single("05-ean13-tilt.jpg", Ground::Table, Placed { turn: 0.14, ..ean(product_ean(5)) }, spoil),
        single(
            "06-qr-glare.jpg",
            Ground::Felt,
            rma(Kind::Qr, 6),
            Spoil { glare: Some(([580.0, 300.0], 75.0, 0.8)), ..spoil },
        ),
        two_codes(),
        damaged(),
        single("09-unknown-product.jpg", Ground::Table, ean(unknown_ean()), spoil),
        single("10-same-parcel.jpg", Ground::Cardboard, same_parcel(), Spoil { shadow: 30.0, ..spoil }),
    ]
}

fn the_rest() -> Vec<Sample> {
    let spoil = Spoil::default();
    let tilted = Placed { turn: -0.22, recede: [0.25, 0.1], ..rma(Kind::Qr, 22) };
    vec![
        single("11-late.jpg", Ground::Felt, rma(Kind::Code128, 11), spoil),
        single("12-above-limit.jpg", Ground::Table, rma(Kind::Qr, 12), spoil),
        single("13-above-limit-refused.jpg", Ground::Cardboard, rma(Kind::Code128, 13), spoil),
        Sample { file: "14-no-code.jpg", scene: no_code() },
        single("15-unsure.jpg", Ground::Felt, rma(Kind::Code128, 15), spoil),
        single("16-discontinued.jpg", Ground::Table, rma(Kind::Qr, 16), spoil),
        single("17-worn.jpg", Ground::Cardboard, rma(Kind::Code128, 17), spoil),
        single("18-transit.jpg", Ground::Felt, rma(Kind::Qr, 18), spoil),
        single("19-several.jpg", Ground::Table, ean(product_ean(19)), spoil),
        single(
            "20-code128-noise.jpg",
            Ground::Cardboard,
            rma(Kind::Code128, 21),
            Spoil { grain: 9.0, quality: 62, ..spoil },
        ),
        single("21-qr-tilt.jpg", Ground::Table, tilted, spoil),
        single("22-opened.jpg", Ground::Felt, rma(Kind::Code128, 23), spoil),
    ]
}

/// A picture of one label; its number is its seed.
fn single(file: &'static str, ground: Ground, placed: Placed, spoil: Spoil) -> Sample {
    Sample { file, scene: Scene { seed: seed(file), ground, labels: vec![placed], spoil } }
}

fn seed(file: &str) -> u64 {
    file.bytes().take(2).fold(2026, |seed, digit| seed * 10 + u64::from(digit - b'0'))
}

fn rma(kind: Kind, number: u32) -> Placed {
    Placed::middle(Label::new(kind, sample_rma(number), "RETURN"))
}

fn ean(text: String) -> Placed {
    Placed::middle(Label::new(Kind::Ean13, text, "ARTICLE"))
}

fn two_codes() -> Sample {
    let upper = Placed { middle: [400.0, 180.0], scale: 0.5, turn: 0.02, ..rma(Kind::Code128, 7) };
    let lower = Placed { middle: [540.0, 500.0], scale: 0.5, turn: -0.03, ..ean(product_ean(7)) };
    let scene = Scene { seed: 202_607, ground: Ground::Cardboard, labels: vec![upper, lower], spoil: Spoil::default() };
    Sample { file: "07-two-codes.jpg", scene }
}

fn damaged() -> Sample {
    let mut placed = rma(Kind::Code128, 8);
    placed.label.damaged = true;
    single("08-damaged.jpg", Ground::Felt, placed, Spoil::default())
}

fn same_parcel() -> Placed {
    Placed { middle: [480.0, 330.0], scale: 0.55, turn: -0.06, recede: [0.15, 0.0], ..rma(Kind::Code128, 2) }
}

/// A picture of the ground alone: someone pressed the button too early.
fn no_code() -> Scene {
    Scene { seed: 202_614, ground: Ground::Cardboard, labels: Vec::new(), spoil: Spoil::default() }
}
