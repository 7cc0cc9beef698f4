//! A full-text index in memory: for each term the documents that have it, scored by BM25.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), equation 3.15, with the
//! never negative idf of Lucene. Knows numbered documents and terms; not what they are. Derived: made anew from the
//! rows of the store whenever it is in doubt.

use std::collections::HashMap;

/// Saturation of repeated terms. Short notes repeat little, so the usual 1.2 is kept.
const K1: f32 = 1.2;

/// Where a term stands: the document, and how often.
type Posting = (u32, u32);

/// The index. Documents are numbered 0, 1, 2, … in the order in which they are added.
#[derive(Debug)]
pub(crate) struct Postings {
    numbers: HashMap<Box<str>, u32>,
    lists: Vec<Vec<Posting>>,
    lengths: Vec<f32>,
    total: f64,
    /// How much a long document is marked down, 0 to 1.
    b: f32,
}

impl Postings {
    pub(crate) fn new(b: f32) -> Self {
        Self { numbers: HashMap::new(), lists: Vec::new(), lengths: Vec::new(), total: 0.0, b }
    }

    /// Adds the next document.
    pub(crate) fn add(&mut self, terms: impl IntoIterator<Item = String>) {
        let doc = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        let mut length = 0.0_f32;
        for term in terms {
            length += 1.0;
            let list = self.list_of(term);
            match list.last_mut() {
                Some((last, count)) if *last == doc => *count += 1,
                _ => list.push((doc, 1)),
            }
        }
        self.lengths.push(length);
        self.total += f64::from(length);
    }

    fn list_of(&mut self, term: String) -> &mut Vec<Posting> {
        let next = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(term.into_boxed_str()).or_insert(next);
        if number == next {
            self.lists.push(Vec::new());
        }
        let place = usize::try_from(number).expect("invariant: a term's number is a place in the lists");
        self.lists.get_mut(place).expect("invariant: a term's number is a place in the lists")
    }

    /// Adds to each document what the terms are worth to it, times their weight. `scores` has a place per document.
    ///
    /// Terms that more than `holders_max` documents have are passed over, unless all are such: they say little and cost
    /// most.
    pub(crate) fn score(&self, terms: &[(String, f32)], holders_max: usize, scores: &mut [f32]) {
        let lists = |(term, weight): &(String, f32)| {
            let number = *self.numbers.get(term.as_str())?;
            self.lists.get(number as usize).map(|list| (list.as_slice(), *weight))
        };
        let mut lists: Vec<_> = terms.iter().filter_map(lists).collect();
        if lists.iter().any(|(list, _)| list.len() <= holders_max) {
            lists.retain(|(list, _)| list.len() <= holders_max);
        }
        lists.into_iter().for_each(|(list, weight)| self.score_one(list, weight, scores));
    }

    fn score_one(&self, list: &[Posting], weight: f32, scores: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "averages need no more")]
        let (documents, average) = {
            let documents = self.lengths.len().max(1) as f64;
            (documents as f32, (self.total / documents).max(1.0) as f32)
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of documents as a weight")]
        let holders = list.len() as f32;
        let idf = (1.0 + (documents - holders + 0.5) / (holders + 0.5)).ln() * weight * (K1 + 1.0);
        for (doc, count) in list {
            let (Some(score), Some(length)) = (scores.get_mut(*doc as usize), self.lengths.get(*doc as usize)) else {
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "how often a term stands in one document")]
            let count = *count as f32;
            *score += idf * count / (count + K1 * (1.0 - self.b + self.b * length / average));
        }
    }

    /// Bytes held, roughly: for the counters.
    pub(crate) fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(|list| list.capacity() * size_of::<Posting>()).sum();
        let words: usize = self.numbers.keys().map(|word| word.len() + 32).sum();
        lists + words + self.lengths.capacity() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(documents: &[&str]) -> Postings {
        let mut index = Postings::new(0.75);
        documents.iter().for_each(|text| index.add(text.split(' ').map(str::to_owned)));
        index
    }

    fn scores(index: &Postings, terms: &str, documents: usize) -> Vec<f32> {
        let mut scores = vec![0.0; documents];
        let terms: Vec<_> = terms.split(' ').map(|term| (term.to_owned(), 1.0)).collect();
        index.score(&terms, usize::MAX, &mut scores);
        scores
    }

    #[test]
    fn rare_words_and_short_documents_weigh_more() {
        let index = index(&["red shoe", "blue shoe", "shoe shoe shoe shoe", "blue hat with a red and a green feather"]);
        let red = scores(&index, "red", 4);
        assert!(red[0] > red[3] && red[3] > 0.0 && red[1] == 0.0, "{red:?}");
        let both = scores(&index, "red shoe", 4);
        assert!(both[0] > both[1] && both[0] > both[2], "{both:?}");
        assert_eq!(scores(&index, "nothing", 4), [0.0; 4]);
    }

    #[test]
    fn the_score_is_the_formula() {
        let index = index(&["a b", "b c"]);
        let idf = (1.0_f32 + (2.0 - 1.0 + 0.5) / (1.0 + 0.5)).ln();
        assert!((scores(&index, "a", 2)[0] - idf).abs() < 1e-6, "length is average, one hit: tf part is 1");
    }
}
