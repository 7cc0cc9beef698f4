//! Measures memory without the rest of the house: `cargo run --release -p sinew-memory --example measure [N [POINTS
//! [FOLDER of CSV files]…]]`.

use std::sync::Arc;

use async_trait::async_trait;
use sinew_contract::{Embed, Failure, Vector};
use sinew_memory::measure::{Place, series, texts, vectors};

/// Hashed words, as simple as can be: what embeds is another room's business.
struct Words;

#[async_trait]
impl Embed for Words {
    fn id(&self) -> &str {
        "words"
    }

    fn dimensions(&self) -> usize {
        4_096
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vector>, Failure> {
        let hash = |word: &str| word.bytes().fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % 4_096;
        let vector = |text: &String| {
            let mut row: Vec<(u32, f32)> = text.split(' ').map(|word| (hash(word), 0.3)).collect();
            row.sort_unstable_by_key(|(coordinate, _)| *coordinate);
            row.dedup_by_key(|(coordinate, _)| *coordinate);
            Vector::Sparse(row)
        };
        Ok(texts.iter().map(vector).collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("sinew-measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let place = Place { folder: folder.clone(), embed: Arc::new(Words) };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut rows = vectors(&place, n, 200)?;
    rows.extend(runtime.block_on(texts(&place, n.min(100_000), 500))?);
    let points = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let folders: Vec<_> = std::env::args().skip(3).map(Into::into).collect();
    rows.extend(runtime.block_on(series(&place, points, &folders))?);
    for row in rows {
        println!("{}", serde_json::to_string(&row)?);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
