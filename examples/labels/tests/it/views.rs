//! Views that the samples do not have: turned labels, a second label askew, a photograph larger than the first look.

use std::collections::BTreeSet;

use image::imageops::{FilterType, resize};
use sinew_contract::ReadVerdict;
use sinew_example_labels::label::Label;
use sinew_example_labels::scene::{Placed, Scene, Spoil};
use sinew_example_labels::symbol::Kind;
use sinew_example_labels::texture::Ground;
use sinew_perception::{Picture, Scan, ScanConfig, Scanner};

fn scanner() -> Scanner {
    Scanner::new(ScanConfig::default()).expect("formats are listed")
}

fn label(kind: Kind, text: &str) -> Placed {
    Placed::middle(Label::new(kind, text, "RETURN"))
}

fn photograph(labels: Vec<Placed>) -> Vec<u8> {
    let scene = Scene { seed: 11, ground: Ground::Table, labels, spoil: Spoil::default() };
    scene.photograph().expect("a photograph is taken")
}

fn scan(labels: Vec<Placed>) -> Scan {
    scanner().scan(&photograph(labels)).expect("a picture")
}

#[test]
fn a_label_is_read_at_any_angle() {
    // Tangents of half the angle: 10, 30, 50, 70, 90, 135 and 170 degrees, and some of them the other way.
    for turn in [0.087f32, 0.268, 0.466, 0.7, 1.0, 2.414, 11.43, -0.268, -0.7] {
        for kind in [Kind::Code128, Kind::Qr] {
            let scan = scan(vec![Placed { turn, scale: 0.52, ..label(kind, "RMA-100001") }]);
            assert_eq!(scan.code.as_deref(), Some("RMA-100001"), "{} at {turn}: {:?}", kind.name(), scan.claims);
        }
    }
}

#[test]
fn a_second_label_askew_is_a_conflict_and_not_overlooked() {
    for (turn, kind) in [(0.0f32, Kind::Qr), (0.36, Kind::Code128), (0.6, Kind::Code128), (-0.45, Kind::Code128)] {
        let straight = Placed { middle: [300.0, 150.0], scale: 0.45, ..label(Kind::Code128, "RMA-100001") };
        let askew = Placed { middle: [600.0, 480.0], scale: 0.45, turn, ..label(kind, "RMA-100002") };
        let scan = scan(vec![straight, askew]);
        assert_eq!(scan.verdict, ReadVerdict::Conflict, "turned by {turn}: {:?}", scan.claims);
        let values: BTreeSet<&str> = scan.claims.iter().take(2).map(|c| c.value.as_str()).collect();
        assert_eq!(values, BTreeSet::from(["RMA-100001", "RMA-100002"]), "turned by {turn}");
    }
}

#[test]
fn the_same_code_twice_is_no_conflict() {
    let upper = Placed { middle: [450.0, 170.0], scale: 0.45, ..label(Kind::Code128, "RMA-100001") };
    let lower = Placed { middle: [450.0, 500.0], scale: 0.45, ..label(Kind::Qr, "RMA-100001") };
    let scan = scan(vec![upper, lower]);
    assert_eq!((scan.verdict, scan.code.as_deref()), (ReadVerdict::Read, Some("RMA-100001")), "{:?}", scan.claims);
}

#[test]
fn a_large_photograph_is_read_and_its_quads_are_in_its_own_pixels() {
    let small = image::load_from_memory(&photograph(vec![label(Kind::Code128, "RMA-100001")])).expect("a picture");
    let large = resize(&small.into_luma8(), 3600, 2800, FilterType::Triangle);
    let picture = Picture::from_luma(3600, 2800, large.into_raw()).expect("3600 x 2800");
    let scan = scanner().read(&picture);
    assert_eq!(scan.code.as_deref(), Some("RMA-100001"), "{:?}", scan.claims);
    let corners = scan.claims.iter().flat_map(|c| c.quad.iter());
    // The card is some 600 x 300 pixels in the middle of the small picture, and four times that in the large one.
    for [x, y] in corners {
        assert!((600.0..3000.0).contains(x) && (800.0..2000.0).contains(y), "{x}, {y}");
    }
}
