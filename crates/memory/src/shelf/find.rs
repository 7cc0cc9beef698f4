//! Answering a question: candidates, then parts, then one score. Pure: the same shelf and question give the same hits.

use std::collections::BTreeSet;

use super::sense::Question;
use super::{Ask, Hit, Parts, Shelf, dates};
use crate::text;

/// Up to so many notes are all scored; of more only the candidates.
const ALL_MAX: usize = 4_096;
/// Candidates by words, and by vectors.
const CANDIDATES: usize = 300;
/// What a name in the question still weighs among the words: the note's own `who` says it better than a form of address.
const NAME_WEIGHT: f32 = 0.15;
/// On a large shelf a piece of a word that more than one note in so many has is passed over.
const COMMON: usize = 20;
/// Two notes with this share of words in common say the same.
const ALIKE: f32 = 0.9;

/// What the indexes say of every note, and what is most of each.
struct Signals<'a> {
    words: Vec<f32>,
    pieces: Vec<f32>,
    dates: Vec<f32>,
    most: [f32; 3],
    sense: Option<Question<'a>>,
    /// Nearness of the nearest candidate: sparse cosines are small numbers, and are seen against it.
    nearest: f32,
    dense: bool,
    names: BTreeSet<String>,
}

/// Before weights: each 0 to 1.
#[derive(Clone, Copy, Default)]
struct Raw {
    lexical: f32,
    semantic: f32,
    /// Both, by their weights.
    says: f32,
}

impl Shelf {
    /// The notes that bear on the question, the best first; of two that are alike, the later added.
    pub fn find(&self, ask: &Ask<'_>) -> Vec<Hit> {
        let mut signals = self.signals(ask);
        let candidates = self.candidates(ask, &signals);
        signals.nearest = candidates.iter().map(|place| signals.cosine(*place)).fold(0.0, f32::max);
        let newest = candidates.iter().filter_map(|place| self.note(*place)?.at_us).max();
        let now_us = ask.now_us.or(newest);
        let used_most = candidates.iter().filter_map(|place| Some(self.note(*place)?.used)).max().unwrap_or(0);
        let mut hits: Vec<(f32, Hit)> = candidates
            .into_iter()
            .filter_map(|place| self.hit(place, ask, &signals, now_us, used_most))
            .filter(|(_, hit)| hit.score >= ask.score_min)
            .collect();
        hits.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.place.cmp(&a.1.place)));
        let hits = hits.into_iter().map(|(_, hit)| hit);
        if ask.diverse { self.diverse(hits, ask.limit) } else { hits.take(ask.limit).collect() }
    }

    fn signals<'a>(&'a self, ask: &Ask<'a>) -> Signals<'a> {
        let names: BTreeSet<String> = text::plain(ask.text).filter(|word| self.names.contains_key(word)).collect();
        let stems_of_names: BTreeSet<String> = names.iter().flat_map(|name| text::words(name)).collect();
        let pieces_of_names: BTreeSet<String> = names.iter().flat_map(|name| text::pieces(name)).collect();
        let weigh = |terms: Vec<String>, names: &BTreeSet<String>| -> Vec<(String, f32)> {
            let weight = |term: &String| if names.contains(term) { NAME_WEIGHT } else { 1.0 };
            terms.into_iter().map(|term| (weight(&term), term)).map(|(weight, term)| (term, weight)).collect()
        };
        let scored = |index: &text::Postings, terms: &[(String, f32)], holders_max: usize| {
            let mut scores = vec![0.0; self.held.len()];
            index.score(terms, holders_max, &mut scores);
            scores
        };
        let all = self.held.len();
        let common = if all > ALL_MAX { all / COMMON } else { all };
        let words = scored(&self.words, &weigh(text::words(ask.text), &stems_of_names), all);
        let pieces = scored(&self.pieces, &weigh(text::pieces(ask.text), &pieces_of_names), common);
        let dates = scored(&self.dates, &dates::asked(text::plain(ask.text)), all);
        let most = [&words, &pieces, &dates].map(|scores| self.most(scores, ask));
        let dense = self.sense.is_dense();
        Signals { words, pieces, dates, most, sense: self.sense.ask(ask.vector), nearest: 0.0, dense, names }
    }

    /// The greatest score of those that may be found.
    fn most(&self, scores: &[f32], ask: &Ask<'_>) -> f32 {
        // Only what is more than the most so far is asked whether it may be found.
        scores.iter().enumerate().fold(
            0.0,
            |most, (place, score)| {
                if *score > most && self.may(place, ask) { *score } else { most }
            },
        )
    }

    fn may(&self, place: usize, ask: &Ask<'_>) -> bool {
        self.held.get(place).is_some_and(|held| !held.gone) && ask.allowed.is_none_or(|bits| bits.has(place))
    }

    /// All that may be found, where they are few; else the best by words and by vectors.
    fn candidates(&self, ask: &Ask<'_>, signals: &Signals<'_>) -> Vec<usize> {
        let count = ask.allowed.map_or(self.held.len(), crate::vectors::Bits::count);
        if count <= ALL_MAX {
            let all = |place: &usize| self.may(*place, ask);
            return match ask.allowed {
                Some(bits) => bits.ones().map(|place| place as usize).filter(all).collect(),
                None => (0..self.held.len()).filter(all).collect(),
            };
        }
        let wanted = CANDIDATES.max(ask.limit * 2);
        let lexical = self.best_by_words(ask, signals, wanted);
        let near = signals.sense.as_ref().map(|sense| sense.nearest(wanted, ask.allowed)).unwrap_or_default();
        let found: BTreeSet<usize> = lexical.into_iter().chain(near).collect();
        let mut found: Vec<usize> = found.into_iter().filter(|place| self.may(*place, ask)).collect();
        if found.is_empty() {
            // No word in common and no vectors: the newest places stand for all.
            found = (0..self.held.len()).rev().filter(|place| self.may(*place, ask)).take(wanted).collect();
        }
        found
    }

    /// A buffer that is cut in half when it is full, and the least that still gets in.
    fn best_by_words(&self, ask: &Ask<'_>, signals: &Signals<'_>, wanted: usize) -> Vec<usize> {
        let (words, pieces) = signals.lexical_factors(self);
        let mut best: Vec<(f32, usize)> = Vec::with_capacity(wanted * 2);
        let mut least = 0.0;
        for (place, (word, piece)) in signals.words.iter().zip(&signals.pieces).enumerate() {
            let score = word * words + piece * pieces;
            if score > least && self.may(place, ask) {
                best.push((score, place));
                if best.len() == wanted * 2 {
                    best.select_nth_unstable_by(wanted, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    best.truncate(wanted);
                    least = best.iter().fold(f32::MAX, |least, (score, _)| least.min(*score));
                }
            }
        }
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.into_iter().take(wanted).map(|(_, place)| place).collect()
    }

    fn hit(
        &self,
        place: usize,
        ask: &Ask<'_>,
        signals: &Signals<'_>,
        now_us: Option<i64>,
        used_most: u32,
    ) -> Option<(f32, Hit)> {
        let held = self.held.get(place)?;
        let (note, weights) = (&held.note, &self.weights);
        let own = signals.raw(place, self);
        let nearby = self.nearby(place, signals);
        let who = if signals.names.is_empty() { 0.0 } else { share(&signals.names, &held.names) };
        let when = signals.normal(&signals.dates, 2, place);
        let full = 1.0 + weights.before + weights.after + weights.who + weights.when;
        let relevance =
            (own.says + nearby * (weights.before + weights.after) + who * weights.who + when * weights.when) / full;
        let recency = recency(note.at_us, now_us, note.half_life_us);
        let (confidence, trust) =
            (f32::from(note.confidence_permille) / 1000.0, f32::from(note.trust_permille) / 1000.0);
        #[expect(clippy::cast_precision_loss, reason = "counts of use")]
        let usage = if used_most == 0 { 0.0 } else { (1.0 + note.used as f32).ln() / (1.0 + used_most as f32).ln() };
        let relevance = if ask.text.is_empty() { 1.0 } else { relevance };
        let standing = (recency + confidence + trust + usage) * weights.standing;
        let score = (relevance + standing) / (1.0 + 4.0 * weights.standing);
        let parts = Parts {
            lexical: permille(own.lexical),
            semantic: permille(own.semantic),
            nearby: permille(nearby),
            who: permille(who),
            when: permille(when),
            recency: permille(recency),
            confidence: permille(confidence),
            trust: permille(trust),
            r#use: permille(usage),
        };
        Some((score, Hit { place, id: note.id.clone(), score: permille(score), parts }))
    }

    /// What the notes before and after in the same thread say to the question.
    fn nearby(&self, place: usize, signals: &Signals<'_>) -> f32 {
        let weights = &self.weights;
        let sum = weights.before + weights.after;
        let Some(thread) = self.held.get(place).and_then(|held| held.note.thread) else { return 0.0 };
        if sum <= 0.0 {
            return 0.0;
        }
        let says = |place: Option<usize>| {
            let beside = place.and_then(|place| Some((place, self.held.get(place)?)));
            beside
                .filter(|(_, held)| held.note.thread == Some(thread))
                .map_or(0.0, |(place, _)| signals.raw(place, self).says)
        };
        (weights.before * says(place.checked_sub(1)) + weights.after * says(place.checked_add(1))) / sum
    }

    /// Leaves out what has almost the same words as something better.
    fn diverse(&self, hits: impl Iterator<Item = Hit>, limit: usize) -> Vec<Hit> {
        let mut chosen: Vec<(BTreeSet<String>, Hit)> = Vec::new();
        for hit in hits {
            if chosen.len() >= limit {
                break;
            }
            let words: BTreeSet<String> =
                self.note(hit.place).map(|n| text::words(&n.text).into_iter().collect()).unwrap_or_default();
            if !chosen.iter().any(|(others, _)| alike(&words, others)) {
                chosen.push((words, hit));
            }
        }
        chosen.into_iter().map(|(_, hit)| hit).collect()
    }
}

impl Signals<'_> {
    fn cosine(&self, place: usize) -> f32 {
        self.sense.as_ref().map_or(0.0, |sense| sense.cosine(place).max(0.0))
    }

    fn normal(&self, scores: &[f32], which: usize, place: usize) -> f32 {
        let most = self.most.get(which).copied().unwrap_or_default();
        if most > 0.0 { (scores.get(place).copied().unwrap_or_default() / most).min(1.0) } else { 0.0 }
    }

    /// What a score by words and by pieces is multiplied with, so that the best of each comes to its weight.
    fn lexical_factors(&self, shelf: &Shelf) -> (f32, f32) {
        let [words, pieces, _] = self.most;
        let sum = shelf.weights.words + shelf.weights.pieces;
        let factor = |weight: f32, most: f32| if most > 0.0 { weight / most / sum } else { 0.0 };
        (factor(shelf.weights.words, words), factor(shelf.weights.pieces, pieces))
    }

    fn lexical(&self, place: usize, shelf: &Shelf) -> f32 {
        let (words, pieces) = self.lexical_factors(shelf);
        let at = |scores: &[f32]| scores.get(place).copied().unwrap_or_default();
        (at(&self.words) * words + at(&self.pieces) * pieces).min(1.0)
    }

    fn raw(&self, place: usize, shelf: &Shelf) -> Raw {
        let weights = &shelf.weights;
        let lexical = self.lexical(place, shelf);
        if self.sense.is_none() {
            return Raw { lexical, semantic: 0.0, says: lexical };
        }
        let cosine = self.cosine(place);
        let semantic = if self.nearest > 0.0 { (cosine / self.nearest).min(1.0) } else { 0.0 };
        let weight = if self.dense { weights.dense } else { weights.sparse };
        let says = (lexical * (weights.words + weights.pieces) + semantic * weight)
            / (weights.words + weights.pieces + weight);
        Raw { lexical, semantic, says }
    }
}

fn recency(at_us: Option<i64>, now_us: Option<i64>, half_life_us: Option<i64>) -> f32 {
    let (Some(at), Some(now), Some(half)) = (at_us, now_us, half_life_us.filter(|half| *half > 0)) else { return 1.0 };
    #[expect(clippy::cast_precision_loss, reason = "a score needs no microsecond of a long age")]
    let halves = now.saturating_sub(at).max(0) as f64 / half as f64;
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
    {
        0.5_f64.powf(halves) as f32
    }
}

/// The share of the names asked for that a note has.
#[expect(clippy::cast_precision_loss, reason = "a few names")]
fn share(asked: &BTreeSet<String>, has: &BTreeSet<String>) -> f32 {
    asked.intersection(has).count().min(1) as f32
}

#[expect(clippy::cast_precision_loss, reason = "words of one note")]
fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let union = a.union(b).count();
    union > 0 && a.intersection(b).count() as f32 / union as f32 >= ALIKE
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
fn permille(share: f32) -> u32 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use sinew_contract::Vector;

    use super::*;
    use crate::shelf::Note;

    fn note(id: &str, who: &str, text: &str) -> Note {
        Note { id: id.to_owned(), who: who.to_owned(), text: text.to_owned(), thread: Some(1), ..Note::default() }
    }

    fn ids(shelf: &Shelf, ask: &Ask<'_>) -> Vec<String> {
        shelf.find(ask).into_iter().map(|hit| hit.id).collect()
    }

    fn about(text: &str) -> Ask<'_> {
        Ask { text, limit: 3, ..Ask::default() }
    }

    #[test]
    fn the_answer_after_the_question_is_found_through_its_neighbour() {
        let mut shelf = Shelf::default();
        shelf.add(note("1", "Ben", "Lovely weather today"), None);
        shelf.add(note("2", "Ben", "How long have you been playing the violin?"), None);
        shelf.add(note("3", "Ada", "Eleven years now!"), None);
        shelf.add(note("4", "Ben", "I had soup for lunch"), None);
        assert_eq!(ids(&shelf, &about("How long has Ada played the violin?"))[..2], ["2", "3"]);
    }

    #[test]
    fn whom_the_question_names_weighs_more_than_who_is_called_by_name() {
        let mut shelf = Shelf::default();
        shelf.add(note("1", "Ben", "Ada, I bought a kayak"), None);
        shelf.add(note("2", "Cem", "soup"), None);
        shelf.add(note("3", "Ada", "I bought a kayak"), None);
        shelf.add(note("4", "Cem", "rain"), None);
        assert_eq!(ids(&shelf, &about("Which kayak did Ada buy?")).first().map(String::as_str), Some("3"));
    }

    #[test]
    fn a_replaced_or_removed_note_is_not_found_any_more() {
        let mut shelf = Shelf::default();
        shelf.add(note("1", "", "red shoe"), None);
        shelf.add(note("1", "", "blue hat"), None);
        shelf.add(note("2", "", "red shoe"), None);
        assert_eq!(ids(&shelf, &about("red shoe")).first().map(String::as_str), Some("2"));
        assert!(shelf.remove("2") && !shelf.remove("2"));
        let found = shelf.find(&about("red shoe"));
        assert_eq!(found.iter().map(|hit| (hit.id.as_str(), hit.parts.lexical)).collect::<Vec<_>>(), [("1", 0)]);
        assert_eq!(shelf.gone(), 2);
    }

    #[test]
    fn a_vector_finds_what_no_word_does_and_only_what_is_allowed() {
        let mut shelf = Shelf::default();
        let near = Vector::Dense(vec![1.0, 0.0]);
        shelf.add(note("1", "", "cat"), Some(&near));
        shelf.add(note("2", "", "dog"), Some(&Vector::Dense(vec![0.0, 1.0])));
        let ask = Ask { vector: Some(&near), ..about("feline") };
        let found = shelf.find(&ask);
        assert_eq!(found.first().map(|hit| (hit.id.as_str(), hit.parts.semantic)), Some(("1", 1000)));
        let second = crate::vectors::Bits::of(2, |n| n == 1);
        assert_eq!(ids(&shelf, &Ask { allowed: Some(&second), ..ask }), ["2"]);
    }

    #[test]
    fn age_counts_by_half_lives_and_almost_the_same_is_said_once() {
        let mut shelf = Shelf::default();
        for (id, at) in [("old", 0), ("new", 1_000)] {
            let text = "the pump was serviced".to_owned();
            let note = Note { id: id.to_owned(), text, at_us: Some(at), half_life_us: Some(1_000), ..Note::default() };
            shelf.add(note, None);
        }
        let found = shelf.find(&about("pump"));
        let seen: Vec<_> = found.iter().map(|hit| (hit.id.as_str(), hit.parts.recency)).collect();
        assert_eq!(seen, [("new", 1000), ("old", 500)]);
        assert_eq!(ids(&shelf, &Ask { diverse: true, ..about("pump") }), ["new"]);
    }
}
