//! `hash-1`: hashed words, word pairs and character n-grams. Needs no model and no download; takes microseconds.
//!
//! ```text
//! text -> words (lower case) -> features (word, pair, 3- to 5-grams of ^word$) -> index and sign by hash
//!      -> weight * (1 + ln count) -> unit length
//! ```
//!
//! Two texts are near when they are spelled alike; two words for one thing are far apart, and it does not know so.
//! The common words of English weigh less, because they say how a sentence is built, not what it is about. This is a
//! fixed list and no statistic, so that a vector never depends on which texts came before.
//! Source of the trick: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009.

use async_trait::async_trait;
use sinew_contract::{Embed, Failure, Vector};

/// The id under which vectors are kept. Any change of what follows is a new id.
const ID: &str = "hash-1";

/// 2^18: a vocabulary of some 40,000 features meets itself seldom; a power of two, so that it folds.
const DIMENSIONS: u32 = 1 << 18;

/// Weights against each other, chosen by nearest neighbour on BANKING77's training rows.
const WORD: f32 = 1.0;
const PAIR: f32 = 0.7;
const GRAM: f32 = 0.5;
const COMMON: f32 = 0.3;
const GRAM_LENGTHS: [usize; 3] = [3, 4, 5];

/// Sorted, for binary search.
const COMMON_WORDS: &[&str] = &[
    "a", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for",
    "from", "had", "has", "have", "how", "i", "if", "in", "is", "it", "its", "just", "m", "me", "my", "no", "not",
    "of", "on", "or", "please", "s", "should", "so", "t", "that", "the", "there", "this", "to", "was", "we", "what",
    "when", "where", "which", "who", "why", "will", "with", "would", "you", "your",
];

/// The embedded embedding.
///
/// Vectors are sparse, some 120 coordinates for a sentence, and of unit length; a text without a letter or digit has none.
/// Signs are balanced, so adding up the coordinates by `index % n`, for a power of two `n`, gives a smaller dense form.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashEmbedding;

impl HashEmbedding {
    /// How many coordinates there are.
    pub const DIMENSIONS: u32 = DIMENSIONS;

    /// The coordinates of one text that are not zero, by index, ascending.
    pub fn coordinates(self, text: &str) -> Vec<(u32, f32)> {
        weighing(text, COMMON)
    }
}

#[async_trait]
impl Embed for HashEmbedding {
    fn id(&self) -> &str {
        ID
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS as usize
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vector>, Failure> {
        Ok(texts.iter().map(|text| Vector::Sparse(self.coordinates(text))).collect())
    }
}

/// The coordinates of a text with another weight for common words: what is trained on rows learns their weights itself.
pub(crate) fn weighing(text: &str, common: f32) -> Vec<(u32, f32)> {
    unit(summed(features(&words(text), common)))
}

/// The runs of letters and digits of a text, in lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(str::to_lowercase).collect()
}

/// Says whether a word (in lower case) is one of those that say little.
fn is_common(word: &str) -> bool {
    COMMON_WORDS.binary_search(&word).is_ok()
}

fn weight(word: &str, common: f32) -> f32 {
    if is_common(word) { common } else { 1.0 }
}

/// Each feature as often as it occurs.
fn features(words: &[String], common: f32) -> Vec<(u32, f32)> {
    let mut found = Vec::with_capacity(words.len() * 16);
    for word in words {
        let weight = weight(word, common);
        found.push(place(&[b"w", word.as_bytes()], WORD * weight));
        grams(word, GRAM * weight, &mut found);
    }
    for pair in words.windows(2) {
        let [a, b] = pair else { continue };
        let weight = (weight(a, common) * weight(b, common)).sqrt();
        found.push(place(&[b"p", a.as_bytes(), b" ", b.as_bytes()], PAIR * weight));
    }
    found
}

/// The character n-grams of a word between its borders.
fn grams(word: &str, weight: f32, found: &mut Vec<(u32, f32)>) {
    let bordered = format!("^{word}$");
    let mut starts: Vec<usize> = bordered.char_indices().map(|(at, _)| at).collect();
    starts.push(bordered.len());
    for length in GRAM_LENGTHS {
        for borders in starts.windows(length + 1) {
            let (Some(from), Some(to)) = (borders.first(), borders.last()) else { continue };
            let gram = bordered.get(*from..*to).unwrap_or_default();
            found.push(place(&[b"g", gram.as_bytes()], weight));
        }
    }
}

/// Where a feature goes, and with which sign.
fn place(parts: &[&[u8]], weight: f32) -> (u32, f32) {
    let hash = hash(parts);
    let index = u32::try_from(hash & u64::from(DIMENSIONS - 1)).expect("masked to 18 bits");
    (index, if hash >> 63 == 0 { weight } else { -weight })
}

/// FNV-1a, 64 bits, and the last step of MurmurHash3, so that all bits depend on all bytes.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().copied().flatten() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// One value per index: a feature that occurs ten times counts little more than three times.
fn summed(mut found: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let same = found.chunk_by(|a, b| a.0 == b.0);
    same.filter_map(|group| {
        let count = group.len() as f32;
        let mean = group.iter().map(|(_, weight)| weight).sum::<f32>() / count;
        Some((group.first()?.0, mean * (1.0 + count.ln())))
    })
    .filter(|(_, value)| *value != 0.0)
    .collect()
}

fn unit(mut coordinates: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    let length = coordinates.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    coordinates.iter_mut().for_each(|(_, value)| *value /= length);
    coordinates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::cosine;

    fn near(a: &str, b: &str) -> f32 {
        let vector = |text| Vector::Sparse(HashEmbedding.coordinates(text));
        cosine(&vector(a), &vector(b))
    }

    #[test]
    fn texts_that_are_spelled_alike_are_near() {
        let rows = [
            ("where is my card", "Where is MY card?", 0.999, 1.001),
            ("my card has not arrived", "the card hasn't arrived yet", 0.5, 0.95),
            ("my card has not arrived", "weather in Oslo tomorrow", -0.1, 0.1),
            ("Überweisung verspätet", "überweisungen sind verspätet", 0.5, 0.95),
            ("返金はいつですか", "返金はいつ届きますか", 0.2, 0.95),
        ];
        for (a, b, least, most) in rows {
            let near = near(a, b);
            assert!((least..=most).contains(&near), "`{a}` and `{b}`: {near}");
        }
    }

    #[test]
    fn vectors_are_ascending_and_of_unit_length() {
        for text in
            ["a", "refund", "the the the the", "where is my refund of order 10023", "ß", "x".repeat(5_000).as_str()]
        {
            let coordinates = HashEmbedding.coordinates(text);
            assert!(coordinates.windows(2).all(|pair| pair[0].0 < pair[1].0), "`{text}`");
            assert!(coordinates.iter().all(|(index, _)| *index < DIMENSIONS));
            let length: f32 = coordinates.iter().map(|(_, value)| value * value).sum();
            assert!((length - 1.0).abs() < 1e-4, "`{text}`: {length}");
        }
        for nothing in ["", "  ", "?!…"] {
            assert_eq!(HashEmbedding.coordinates(nothing), [], "`{nothing}`");
        }
    }

    /// Vectors are kept: this fails where the same id would give other vectors than yesterday.
    #[test]
    fn the_same_id_gives_the_same_vectors_for_ever() {
        let coordinates = HashEmbedding.coordinates("refund");
        let text: Vec<_> = coordinates.iter().map(|(index, value)| format!("{index}:{value:.4}")).collect();
        let expected = "311:0.2294 22077:-0.2294 23079:0.2294 42762:0.2294 57463:0.2294 101609:0.2294 109332:0.2294 \
                        110648:0.4588 115121:-0.2294 127760:-0.2294 142892:-0.2294 179253:0.2294 211255:0.2294 \
                        225664:-0.2294 235080:-0.2294 260747:0.2294";
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn common_words_stand_in_order_so_that_they_are_found() {
        assert!(COMMON_WORDS.is_sorted());
        assert!(is_common("the") && is_common("a") && is_common("your") && !is_common("refund"));
    }
}
