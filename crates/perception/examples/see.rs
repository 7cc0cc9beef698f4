//! Prints what the scanner makes of each picture named on the command line: one JSON line a picture, with the time it took.
//!
//! `cargo run --release -p sinew-perception --example see -- FILE…`

use std::time::Instant;

use sinew_perception::{ScanConfig, Scanner};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scanner = Scanner::new(ScanConfig::default())?;
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let begun = Instant::now();
        let answer = scanner.scan(&bytes);
        let took_ms = begun.elapsed().as_millis();
        let line = match &answer {
            Ok(scan) => serde_json::json!({ "file": path, "took_ms": took_ms, "scan": scan }),
            Err(error) => serde_json::json!({ "file": path, "took_ms": took_ms, "error": error.to_string() }),
        };
        println!("{line}");
    }
    Ok(())
}
