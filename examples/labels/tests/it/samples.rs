//! The folder `deployments/returns/samples` against the generator and against the scanner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sinew_example_labels::{expected, samples};
use sinew_perception::{Scan, ScanConfig, Scanner};

fn committed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/returns/samples").join(file)
}

fn bytes(file: &str) -> Vec<u8> {
    let path = committed(file);
    std::fs::read(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()))
}

fn expectations() -> Vec<Value> {
    let value: Value = serde_json::from_slice(&bytes("expected.json")).expect("expected.json is JSON");
    value["samples"].as_array().expect("a list of samples").clone()
}

#[test]
fn drawing_the_samples_again_gives_the_committed_bytes() {
    for sample in samples::all() {
        let drawn = samples::draw(&sample).expect("a sample is drawn");
        assert!(drawn == bytes(sample.file), "`{}` is not what the generator draws", sample.file);
        assert!(drawn.len() < 120_000, "`{}` has {} bytes", sample.file, drawn.len());
    }
    assert_eq!(expected::expected_json().into_bytes(), bytes("expected.json"));
    assert_eq!(expected::people_json().into_bytes(), bytes("people.json"));
}

#[test]
fn every_sample_has_an_expectation_and_no_other_file_lies_beside_them() {
    let drawn: BTreeSet<String> = samples::all().iter().map(|s| s.file.to_owned()).collect();
    let expected: BTreeSet<String> =
        expectations().iter().filter_map(|s| s["file"].as_str().map(str::to_owned)).collect();
    let entries = std::fs::read_dir(committed("")).expect("the folder is readable");
    let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    let pictures: BTreeSet<String> = names.filter(|n| n.ends_with(".jpg")).collect();
    assert_eq!(drawn, expected);
    assert_eq!(drawn, pictures);
}

#[test]
fn the_scanner_reads_every_committed_sample_as_expected() {
    let scanner = Scanner::new(ScanConfig::default()).expect("formats are listed");
    for expected in expectations() {
        let file = expected["file"].as_str().expect("a file name");
        let scan = scanner.scan(&bytes(file)).expect("a sample is a picture");
        check(file, &scan, &expected);
    }
}

fn check(file: &str, scan: &Scan, expected: &Value) {
    let seen = serde_json::to_value(scan).expect("a scan is JSON");
    for field in ["verdict", "code", "format"] {
        assert_eq!(seen[field], expected[field], "{field} of `{file}`: {seen}");
    }
    let believed: BTreeSet<&str> =
        scan.claims.iter().filter(|c| c.confidence_permille >= 800).map(|c| c.value.as_str()).collect();
    let codes: BTreeSet<&str> =
        expected["codes"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(believed, codes, "claims of `{file}`: {seen}");
    if expected["verdict"] == "read" {
        assert!(scan.confidence_permille >= 900, "`{file}` is read by one pass only: {seen}");
        assert!(scan.claims.iter().all(|c| quad_lies_in(c.quad.as_slice(), scan)), "quads of `{file}`: {seen}");
    }
}

fn quad_lies_in(quad: &[[f32; 2]], scan: &Scan) -> bool {
    let inside = |p: &[f32; 2]| p[0] >= 0.0 && p[1] >= 0.0 && p[0] <= scan.width as f32 && p[1] <= scan.height as f32;
    quad.len() == 4 && quad.iter().all(inside)
}
