//! Words of a text, as the index sees them: lower case, without filler, reduced to their stem.
//!
//! Knows no documents and no scores (`postings`). The same text gives the same words; indexes made of them live in memory
//! alone, so that a new version of this file finds no old words.

mod postings;
mod stem;

pub(crate) use postings::Postings;

use stem::stem;

/// Letters of one piece of a word.
const GRAM: usize = 4;
/// Words beyond this are cut: no language of ours has longer ones, binary rubbish has.
const WORD_CHARS_MAX: usize = 40;

/// Filler that says nothing about a text, sorted. Questions are full of it ("when did she", "what is the"). Ours only
/// for English; in other languages the weight of frequent words is small by itself.
const FILLER: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "both", "but", "by", "can", "could", "d", "did", "do", "does", "doing", "during",
    "each", "for", "from", "had", "has", "have", "having", "he", "her", "hers", "him", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "just", "ll", "m", "may", "me", "might", "mine", "more", "most", "much", "my", "no",
    "nor", "not", "of", "on", "or", "our", "ours", "out", "over", "re", "s", "shall", "she", "should", "so", "some",
    "such", "t", "than", "that", "the", "their", "theirs", "them", "then", "there", "these", "they", "this", "those",
    "through", "to", "too", "under", "until", "up", "ve", "very", "was", "we", "were", "what", "when", "where",
    "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your", "yours",
];

/// The words of a text as they stand, in lower case.
pub(crate) fn plain(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARS_MAX).flat_map(char::to_lowercase).collect())
}

/// The words that say something, reduced to their stem, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    plain(text).filter(|word| !is_filler(word)).map(|word| stem(&word)).collect()
}

fn is_filler(word: &str) -> bool {
    FILLER.binary_search(&word).is_ok()
}

/// Pieces of four letters of the words that say something, with the word's ends marked: near forms ("adopt",
/// "adoption"), compounds and typing errors have most of their pieces in common.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in plain(text).filter(|word| !is_filler(word)) {
        let marked: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
        if marked.len() <= GRAM {
            found.push(marked.iter().collect());
        } else {
            found.extend(marked.windows(GRAM).map(|window| window.iter().collect::<String>()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filler_is_sorted_so_that_it_can_be_searched() {
        assert!(FILLER.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_question_is_what_it_asks_for() {
        assert_eq!(words("When did Caroline's kids go camping?"), ["carolin", "kid", "go", "camp"]);
        assert_eq!(words("Größe 42, SKU P-01"), ["größe", "42", "sku", "p", "01"]);
        assert!(words("what did they do there").is_empty());
    }

    #[test]
    fn pieces_of_near_words_overlap() {
        assert_eq!(pieces("cat"), ["^cat", "cat$"]);
        assert_eq!(pieces("42 é"), ["^42$", "^é$"]);
        let (one, other) = (pieces("adopt"), pieces("adoption"));
        assert!(one.iter().filter(|piece| other.contains(piece)).count() >= 3);
    }
}
