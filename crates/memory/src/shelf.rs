//! What can be found, in memory: words, pieces of words, vectors and circumstances of each note, and how they add up.
//!
//! Knows notes and questions; not where notes come from (`catalogue` fills it from the store) and no clock. Derived: it is
//! made anew from rows whenever it is in doubt, and nothing of it lies on disk.
//!
//! ```text
//! question -> filter -> words (BM25) + pieces (BM25) + vectors (codes) -> candidates
//!          -> each part normalised -> relevance + what its neighbours say + who + when -> with age, confidence, trust, use
//! ```

mod dates;
mod find;
mod sense;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sinew_contract::Vector;

pub use dates::date_words;

use crate::text::{self, Postings};
use sense::Sense;

/// One thing that can be found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    /// Its id; the same id again replaces the one before.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Who says it or whom it is about, as in `Ada` or `customer:c17`.
    pub who: String,
    /// Words of its date, as in `8 may 2023`; see [`date_words`].
    pub when: String,
    /// Notes of one thread that are added one after the other stand beside each other.
    pub thread: Option<u64>,
    /// When it was observed, microseconds; none where that is not known.
    pub at_us: Option<i64>,
    /// After how long it counts half as recent, microseconds; none where age says nothing.
    pub half_life_us: Option<i64>,
    /// 0 to 1000.
    pub confidence_permille: u16,
    /// 0 to 1000.
    pub trust_permille: u16,
    /// How often it was of use.
    pub used: u32,
}

/// A question to a shelf.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// In words; empty asks for all that is allowed, the best standing first.
    pub text: &'a str,
    /// The same as a vector, where there is one.
    pub vector: Option<&'a Vector>,
    /// At most so many.
    pub limit: usize,
    /// Nothing below this score, 0 to 1000.
    pub score_min: u32,
    /// From when age is counted, microseconds; none counts from the newest note found.
    pub now_us: Option<i64>,
    /// Which notes may be found, by place; none is all.
    pub allowed: Option<&'a crate::vectors::Bits>,
    /// Leaves out what says almost the same as something better.
    pub diverse: bool,
}

/// What a score is made of; each part 0 to 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Words in common, weighed by how rare they are.
    pub lexical: u32,
    /// Nearness of the vectors.
    pub semantic: u32,
    /// What stands before and after it says to the question.
    pub nearby: u32,
    /// It is by or about whom the question names.
    pub who: u32,
    /// It is of the date that the question names.
    pub when: u32,
    /// 1000 for now, 500 after one half-life.
    pub recency: u32,
    /// How sure it is.
    pub confidence: u32,
    /// How far its source is trusted.
    pub trust: u32,
    /// How often it was of use, the most used 1000.
    pub r#use: u32,
}

/// One note found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its place on the shelf.
    pub place: usize,
    /// Its id.
    pub id: String,
    /// 0 to 1000.
    pub score: u32,
    /// What the score is made of.
    pub parts: Parts,
}

/// How much each part weighs. Relevance is shared out among the first five, standing among the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of words in common.
    pub words: f32,
    /// Of pieces of words in common.
    pub pieces: f32,
    /// Of nearness of sparse vectors: hashed words and n-grams, which say much the same as the two above.
    pub sparse: f32,
    /// Of nearness of dense vectors: those of a model.
    pub dense: f32,
    /// Of what the note before says to the question; a note is often the answer to it.
    pub before: f32,
    /// Of what the note after says.
    pub after: f32,
    /// Of whom it is by or about.
    pub who: f32,
    /// Of its date.
    pub when: f32,
    /// Of age, confidence, trust and use, each; beside relevance, which weighs 1.
    pub standing: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            words: 0.7,
            pieces: 0.3,
            sparse: 0.3,
            dense: 1.2,
            before: 0.3,
            after: 0.12,
            who: 0.12,
            when: 0.15,
            standing: 0.05,
        }
    }
}

/// A note as it is held.
#[derive(Debug)]
struct Held {
    note: Note,
    /// Words of `who`.
    names: BTreeSet<String>,
    /// Replaced or taken away: its place stays, and is never found.
    gone: bool,
}

/// Notes, and the indexes over them.
#[derive(Debug)]
pub struct Shelf {
    held: Vec<Held>,
    places: BTreeMap<String, usize>,
    words: Postings,
    pieces: Postings,
    dates: Postings,
    sense: Sense,
    /// Words that name somebody, with how many notes are theirs.
    names: BTreeMap<String, usize>,
    weights: Weights,
    gone: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self::new(Weights::default())
    }
}

impl Shelf {
    /// An empty one.
    pub fn new(weights: Weights) -> Self {
        Self {
            held: Vec::new(),
            places: BTreeMap::new(),
            // 0.4: notes are short, and a longer one mostly says more, not the same at greater length.
            words: Postings::new(0.4),
            pieces: Postings::new(0.4),
            dates: Postings::new(0.0),
            sense: Sense::None,
            names: BTreeMap::new(),
            weights,
            gone: 0,
        }
    }

    /// How many places there are; those of notes that are gone count too.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing was ever added.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many places are of notes that are gone. When they are many, make a new shelf.
    pub fn gone(&self) -> usize {
        self.gone
    }

    /// The note at a place, unless it is gone.
    pub fn note(&self, place: usize) -> Option<&Note> {
        self.held.get(place).filter(|held| !held.gone).map(|held| &held.note)
    }

    /// Where the note of this id stands.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Adds a note, with its vector where there is one; the same id again replaces.
    pub fn add(&mut self, note: Note, vector: Option<&Vector>) {
        self.remove(&note.id);
        let place = self.held.len();
        self.words.add(text::words(&note.text));
        self.pieces.add(text::pieces(&note.text));
        self.dates.add(text::plain(&note.when));
        self.sense.add(place, vector);
        let names: BTreeSet<String> = text::plain(&note.who).filter(|word| word.chars().count() > 1).collect();
        for name in &names {
            *self.names.entry(name.clone()).or_default() += 1;
        }
        self.places.insert(note.id.clone(), place);
        self.held.push(Held { note, names, gone: false });
    }

    /// Takes a note away; says whether it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(held) = self.places.remove(id).and_then(|place| self.held.get_mut(place)) else { return false };
        held.gone = true;
        // Its words stay in the lists until the shelf is made anew, but its text need not.
        held.note = Note { id: String::new(), thread: held.note.thread, ..Note::default() };
        self.gone += 1;
        true
    }

    /// Bytes held in memory, roughly.
    pub fn bytes(&self) -> usize {
        let notes: usize = self.held.iter().map(|h| h.note.text.len() + h.note.id.len() * 2 + 200).sum();
        notes + self.words.bytes() + self.pieces.bytes() + self.dates.bytes() + self.sense.bytes()
    }
}
