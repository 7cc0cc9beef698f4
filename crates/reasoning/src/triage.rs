//! Triage: what a ticket is about, learned from labelled rows in seconds, and whether that is sure enough to act on alone.
//!
//! ```text
//! rows -> views (hashed text; meaning, where a model is there) -> honest opinions of every row, by folds
//!      -> how sure (evidence -> probability)                   -> threshold by the bound of the error rate
//! ticket -> views -> opinion -> confidence -> answer, or a person
//! ```
//!
//! Everything that chooses the threshold was judged by what had not seen it, nor its near twins: heads by folds, and the
//! probability by folds over their opinions. Does not know files, models or playbooks; blocks for seconds while it learns.

mod accept;
mod bound;
mod calibrate;
mod evidence;
mod head;
mod neighbours;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use sinew_contract::ErrorKind;

use crate::embed::{HashEmbedding, hash};

use accept::{Accept, Lesson};
use evidence::Opinion;
use head::{Effort, Point};
use neighbours::Neighbours;
use view::{FOLDS, Lessons, Queries, Query, Sight, View};

pub use bound::upper_bound;
pub use calibrate::{Judged, Threshold, choose_threshold, measure};

/// A ticket whose answer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it says.
    pub text: String,
    /// What it is about; none where it is out of scope.
    pub label: Option<String>,
}

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriageOptions {
    /// The upper bound of the share of wrong answers must stay at or under this, 0 to 1.
    pub target: f64,
    /// How many of all tickets are expected to be out of scope, 0 to 1.
    pub stranger_share: f64,
}

impl Default for TriageOptions {
    /// Two wrong answers in a hundred; one ticket in five out of scope.
    fn default() -> Self {
        Self { target: 0.02, stranger_share: 0.2 }
    }
}

/// Why nothing can be learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriageError {
    /// Too few rows or labels.
    #[error("cannot learn from {rows} rows with {labels} labels; at least {ROWS_MIN} rows and 2 labels are needed")]
    TooLittle {
        /// How many rows there are.
        rows: usize,
        /// How many labels they have.
        labels: usize,
    },
    /// Vectors do not go with the rows.
    #[error("there are {vectors} vectors for {rows} rows; there must be one each, all of one length")]
    Uneven {
        /// How many rows there are.
        rows: usize,
        /// How many vectors.
        vectors: usize,
    },
}

impl TriageError {
    /// Answers how the caller may react: with other rows.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Fewer rows than this leave folds empty.
const ROWS_MIN: usize = 20;
/// The cosine of spelling from which on two rows are nearly the same text.
const TWIN: f32 = 0.75;
/// The same where meaning is seen too: a twin tells less there that any other way of saying it would not tell.
const TWIN_WITH_MEANING: f32 = 0.85;
/// Hashed text: many columns, so the head needs little pull to fit and much to generalise.
const HASH_EFFORT: Effort = Effort { cost: 1.0, rounds: 12 };
/// Meaning: few columns.
const MEANING_EFFORT: Effort = Effort { cost: 2.0, rounds: 12 };

/// What one ticket is about, and how sure that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The best label.
    pub label: String,
    /// The probability that it is right, 0 to 1.
    pub confidence: f64,
    /// The probability that the ticket is out of scope, 0 to 1.
    pub stranger: f64,
    /// Whether the confidence is high enough to act without a person.
    pub answers: bool,
    /// The text of the nearest example with that label, where there is one.
    pub nearest: Option<String>,
    /// The label of the nearest example of all, where one shares anything.
    pub nearest_label: Option<String>,
}

impl Verdict {
    /// Whether it is more likely out of scope than not.
    pub fn is_stranger(&self) -> bool {
        self.stranger > 0.5
    }
}

/// A trained triage.
pub struct Triage {
    /// By class; class 0 is out of scope.
    labels: Vec<String>,
    texts: Vec<String>,
    columns: Columns,
    hashed: View,
    meaning: Option<View>,
    right: Accept,
    stranger: Accept,
    threshold: Option<Threshold>,
}

impl Triage {
    /// Learns from rows, and from a vector of unit length for each of them where a model gave some.
    ///
    /// # Errors
    /// Where there are too few rows or labels, or vectors do not go with the rows.
    pub fn train(rows: &[Example], meanings: Option<&[Vec<f32>]>, options: TriageOptions) -> Result<Self, TriageError> {
        let labels = labels(rows)?;
        check_meanings(rows, meanings)?;
        let classes: Vec<usize> = rows.iter().map(|row| class(&labels, row)).collect();
        let folds = folds(rows, if meanings.is_some() { TWIN_WITH_MEANING } else { TWIN });
        let lessons = Lessons { labels: &classes, folds: &folds, classes: labels.len() };
        let columns = Columns::new(rows, &folds);
        let (hashed, hashed_sights) = learn_hashed(rows, &columns, &lessons);
        let meaning = meanings.map(|vectors| learn_meaning(vectors, &lessons));
        let (meaning, meaning_sights) = meaning.map_or((None, Vec::new()), |(view, sights)| (Some(view), sights));
        let mut meaning_sights = meaning_sights.into_iter();
        let opinions: Vec<Opinion> = hashed_sights
            .into_iter()
            .zip(rows)
            .zip(&folds)
            .map(|((sight, row), fold)| {
                let sights: Vec<Sight> = std::iter::once(sight).chain(meaning_sights.next()).collect();
                let (known, length) = columns.known(&row.text, Some(*fold));
                evidence::form(&sights, known, length)
            })
            .collect();
        let judging = Judging { opinions: &opinions, lessons: &lessons, options };
        let (right, stranger) = (judging.learn(None, Judging::is_right), judging.learn(None, Judging::is_stranger));
        let threshold = choose_threshold(&judging.judged(), options.target, options.stranger_share);
        let texts = rows.iter().map(|row| row.text.clone()).collect();
        Ok(Self { labels, texts, columns, hashed, meaning, right, stranger, threshold })
    }

    /// Judges a ticket; `meaning` is its vector from the model that gave the rows theirs.
    pub fn judge(&self, text: &str, meaning: Option<&[f32]>) -> Verdict {
        let plain = self.columns.point(&hash::weighing(text, 1.0));
        let near = self.columns.point(&HashEmbedding.coordinates(text));
        let mut sights = vec![self.hashed.look(&plain, Query::Sparse(&near))];
        if let (Some(view), Some(vector)) = (&self.meaning, meaning) {
            sights.push(view.look(&as_point(vector), Query::Dense(vector)));
        }
        let (known, length) = self.columns.known(text, None);
        let Opinion { class, evidence } = evidence::form(&sights, known, length);
        let confidence = self.right.probability(&evidence);
        // The last view sees most.
        let nearest = sights.last().map(|sight| sight.near.clone()).unwrap_or_default();
        let text_of = |row: u32| self.texts.get(row as usize).cloned();
        Verdict {
            label: self.labels.get(class).cloned().unwrap_or_default(),
            confidence,
            stranger: self.stranger.probability(&evidence),
            answers: self.threshold.is_some_and(|threshold| confidence >= threshold.confidence),
            nearest: nearest.get(class).and_then(|(_, row)| text_of(*row)),
            nearest_label: nearest_class(&nearest).and_then(|class| self.labels.get(class).cloned()),
        }
    }

    /// The threshold and what is known about it; none where nothing may be answered without a person.
    pub const fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }
}

/// The class whose example is nearest of all; none where nothing shares anything, or where that is out of scope.
fn nearest_class(near: &[(f32, u32)]) -> Option<usize> {
    let (class, (cosine, _)) = near.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    (*cosine > 0.0 && class > 0).then_some(class)
}

/// The labels in order, after that of strangers.
fn labels(rows: &[Example]) -> Result<Vec<String>, TriageError> {
    let distinct: BTreeSet<&String> = rows.iter().filter_map(|row| row.label.as_ref()).collect();
    if rows.len() < ROWS_MIN || distinct.len() < 2 {
        return Err(TriageError::TooLittle { rows: rows.len(), labels: distinct.len() });
    }
    Ok(std::iter::once(String::new()).chain(distinct.into_iter().cloned()).collect())
}

fn check_meanings(rows: &[Example], meanings: Option<&[Vec<f32>]>) -> Result<(), TriageError> {
    let Some(vectors) = meanings else { return Ok(()) };
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.len() == rows.len() && vectors.iter().all(|vector| vector.len() == length) {
        return Ok(());
    }
    Err(TriageError::Uneven { rows: rows.len(), vectors: vectors.len() })
}

fn class(labels: &[String], row: &Example) -> usize {
    let label = row.label.as_ref();
    label.map_or(0, |label| labels[1..].binary_search(label).expect("labels were taken from the rows") + 1)
}

/// Rows that are nearly the same text are in one fold, so that none is judged by its twin. A file of examples has many, because
/// people were asked to say one thing in several ways; tomorrow's tickets have none.
fn folds(rows: &[Example], twin: f32) -> Vec<u8> {
    let coordinates: Vec<Point> = rows.iter().map(|row| HashEmbedding.coordinates(&row.text)).collect();
    let groups = neighbours::groups(&coordinates, HashEmbedding::DIMENSIONS as usize, twin);
    let fold = |first: &usize| {
        let text = rows.get(*first).map_or("", |row| row.text.as_str());
        u8::try_from(hash::hash(&[text.as_bytes()]) % u64::from(FOLDS)).expect("below the number of folds")
    };
    groups.iter().map(fold).collect()
}

fn learn_hashed(rows: &[Example], columns: &Columns, lessons: &Lessons<'_>) -> (View, Vec<Sight>) {
    let points = |common: Option<f32>| -> Vec<Point> {
        let coordinates =
            |text: &str| common.map_or_else(|| HashEmbedding.coordinates(text), |c| hash::weighing(text, c));
        rows.iter().map(|row| columns.point(&coordinates(&row.text))).collect()
    };
    // How a question is put says much about what is wanted, and little about which example is alike.
    let (plain, near) = (points(Some(1.0)), points(None));
    let neighbours = Neighbours::sparse(&near, columns.len(), lessons);
    View::train(&plain, columns.len(), HASH_EFFORT, neighbours, &Queries::Sparse(&near), lessons)
}

fn learn_meaning(vectors: &[Vec<f32>], lessons: &Lessons<'_>) -> (View, Vec<Sight>) {
    let points: Vec<Point> = vectors.iter().map(|vector| as_point(vector)).collect();
    let columns = vectors.first().map_or(0, Vec::len);
    let neighbours = Neighbours::dense(vectors, lessons);
    View::train(&points, columns, MEANING_EFFORT, neighbours, &Queries::Dense(vectors), lessons)
}

/// Unit vectors of a few hundred coordinates have small ones: stretched, so that the constant column is not dear beside them.
fn as_point(vector: &[f32]) -> Point {
    (0_u32..).zip(vector).map(|(column, value)| (column, value * 4.0)).collect()
}

/// The features that occur in the rows, as columns without gaps.
struct Columns {
    of_index: BTreeMap<u32, Column>,
}

struct Column {
    at: u32,
    /// In which folds it occurs, as bits.
    folds: u8,
}

impl Columns {
    fn new(rows: &[Example], folds: &[u8]) -> Self {
        let mut of_index: BTreeMap<u32, Column> = BTreeMap::new();
        for (row, fold) in rows.iter().zip(folds) {
            for (index, _) in HashEmbedding.coordinates(&row.text) {
                let at = u32::try_from(of_index.len()).expect("fewer features than dimensions");
                of_index.entry(index).or_insert(Column { at, folds: 0 }).folds |= 1 << fold;
            }
        }
        Self { of_index }
    }

    fn len(&self) -> usize {
        self.of_index.len()
    }

    /// The coordinates that any row has.
    fn point(&self, coordinates: &[(u32, f32)]) -> Point {
        let known = |(index, value): &(u32, f32)| Some((self.of_index.get(index)?.at, *value));
        coordinates.iter().filter_map(known).collect()
    }

    /// The share of a text, by weight, that occurs in rows outside of the hidden fold; and how many features it has.
    fn known(&self, text: &str, hidden: Option<u8>) -> (f32, usize) {
        let coordinates = HashEmbedding.coordinates(text);
        let others = hidden.map_or(u8::MAX, |fold| !(1 << fold));
        let is_known = |index: &u32| self.of_index.get(index).is_some_and(|column| column.folds & others != 0);
        let known = coordinates.iter().filter(|(index, _)| is_known(index)).map(|(_, value)| value * value).sum();
        (known, coordinates.len())
    }
}

/// The honest opinions of all rows, and what may be learned from them.
struct Judging<'a> {
    opinions: &'a [Opinion],
    lessons: &'a Lessons<'a>,
    options: TriageOptions,
}

impl Judging<'_> {
    fn is_right(&self, row: usize) -> bool {
        self.opinions[row].class == self.lessons.labels[row]
    }

    fn is_stranger(&self, row: usize) -> bool {
        self.lessons.labels[row] == 0
    }

    /// Learns when something holds, from all rows but those of the hidden fold, weighed to the expected mix.
    fn learn(&self, hidden: Option<u8>, holds: impl Fn(&Self, usize) -> bool) -> Accept {
        let rows = 0..self.opinions.len();
        let strangers = rows.clone().filter(|row| self.is_stranger(*row)).count() as f64;
        let all = rows.len() as f64;
        let share = self.options.stranger_share;
        let weight = |stranger| match (strangers > 0.0 && strangers < all, stranger) {
            (false, _) => 1.0,
            (true, true) => all * share / strangers,
            (true, false) => all * (1.0 - share) / (all - strangers),
        };
        let seen = rows.filter(|row| Some(self.lessons.folds[*row]) != hidden);
        let lesson = |row: usize| Lesson {
            evidence: &self.opinions[row].evidence,
            holds: holds(self, row),
            weight: weight(self.is_stranger(row)),
        };
        Accept::train(&seen.map(lesson).collect::<Vec<_>>())
    }

    /// Every row, judged by a probability that has not seen it.
    fn judged(&self) -> Vec<Judged> {
        let accepts: Vec<Accept> = (0..FOLDS).map(|fold| self.learn(Some(fold), Self::is_right)).collect();
        let judge = |row: usize| Judged {
            confidence: accepts[usize::from(self.lessons.folds[row])].probability(&self.opinions[row].evidence),
            right: self.is_right(row),
            stranger: self.is_stranger(row),
        };
        (0..self.opinions.len()).map(judge).collect()
    }
}
