//! Texts: found by words, and by words and vectors together. The texts are ours, with words as frequent as in a language.

use std::time::Instant;

use sinew_contract::Failure;

use super::chance::Chance;
use super::{Place, Row, Watch, rounded};
use crate::shelf::{Ask, Note, Shelf};

/// Different words; the frequency of the n-th is as 1 / (n + 2).
const WORDS: usize = 30_000;
const FILLER: &[&str] = &["the", "to", "my", "is", "a", "i", "do", "how", "what", "can", "of", "for", "not", "it"];
const SYLLABLES: &[&str] = &[
    "ra", "ten", "mo", "li", "sur", "ken", "pa", "dis", "gor", "ve", "an", "tri", "lo", "mar", "chi", "set", "bo",
    "nal", "fi", "der", "us", "per", "qua", "zin", "hel", "ow",
];
/// Texts embedded at a time.
const BATCH: usize = 256;

struct Writer {
    chance: Chance,
    words: Vec<String>,
    shares: Vec<f64>,
}

impl Writer {
    fn new() -> Self {
        let mut chance = Chance::new(77);
        let mut word = || {
            let count = 2 + chance.below(3);
            (0..count).map(|_| SYLLABLES[chance.below(SYLLABLES.len())]).collect::<String>()
        };
        let words = (0..WORDS).map(|_| word()).collect();
        let mut sum = 0.0;
        let shares = (0..WORDS).map(|n| {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let share = 1.0 / (n as f64 + 2.0);
            sum += share;
            sum
        });
        Self { chance, words, shares: shares.collect() }
    }

    fn word(&mut self) -> &str {
        let drawn = self.chance.share() * self.shares.last().copied().unwrap_or_default();
        let place = self.shares.partition_point(|sum| *sum < drawn).min(WORDS - 1);
        self.words.get(place).map_or("", String::as_str)
    }

    /// Eight to twenty words, every third of them filler.
    fn text(&mut self) -> String {
        let count = 8 + self.chance.below(13);
        let mut text = String::new();
        for n in 0..count {
            if n > 0 {
                text.push(' ');
            }
            if n % 3 == 0 {
                text.push_str(FILLER[self.chance.below(FILLER.len())]);
            } else {
                let word = self.word().to_owned();
                text.push_str(&word);
            }
        }
        text
    }
}

/// Measures `n` texts with `questions` questions: by words alone, then with vectors, embedding of the question included.
///
/// # Errors
/// Where texts cannot be embedded.
pub async fn texts(place: &Place, n: usize, questions: usize) -> Result<Vec<Row>, Failure> {
    let mut writer = Writer::new();
    let mut shelf = Shelf::default();
    let begun = Instant::now();
    while shelf.len() < n {
        let texts: Vec<String> = (0..BATCH.min(n - shelf.len())).map(|_| writer.text()).collect();
        let vectors = place.embed.embed(&texts).await?;
        for (text, vector) in texts.into_iter().zip(vectors) {
            let note = Note { id: shelf.len().to_string(), text, confidence_permille: 1000, ..Note::default() };
            shelf.add(note, Some(&vector));
        }
    }
    let mut added = Watch::new().row("sinew", "texts-add", n, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    {
        added.per_s = rounded(n as f64 / begun.elapsed().as_secs_f64());
    }
    let asked: Vec<String> = (0..questions).map(|_| writer.text()).collect();
    let mut words = Watch::new();
    for text in &asked {
        words.time(|| shelf.find(&Ask { text, limit: 10, ..Ask::default() }));
    }
    let words = words.row("sinew", "text", n, 1.0);
    let mut both = Watch::new();
    for text in &asked {
        // A hashed vector is ready at once: there is nothing to wait for, so the clock may run over the await.
        both.time(|| {
            let vector = now(place.embed.embed(std::slice::from_ref(text)))?.into_iter().next();
            Ok::<_, Failure>(shelf.find(&Ask { text, vector: vector.as_ref(), limit: 10, ..Ask::default() }))
        })?;
    }
    let both = both.row("sinew", format!("hybrid-{}", place.embed.id()), n, 1.0);
    Ok(vec![added, words, both])
}

/// Runs a future to its end on this thread.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
        std::thread::yield_now();
    }
}
