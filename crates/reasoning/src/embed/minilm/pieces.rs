//! A text as pieces of words, as BERT was taught to read: lower case, without accents, the longest known piece first.
//!
//! Source: the `BasicTokenizer` and `WordpieceTokenizer` of BERT (uncased). Does not know what a piece means.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::WeightsError;

/// Words longer than this are unknown as a whole.
const WORD_LEN_MAX: usize = 100;

/// The vocabulary.
pub(super) struct Pieces {
    ids: HashMap<String, u32>,
    unknown: u32,
    start: u32,
    end: u32,
}

impl Pieces {
    /// Takes one piece per line, and no more of them than there are embeddings.
    pub(super) fn load(vocabulary: &str, most: u32) -> Result<Self, WeightsError> {
        let ids: HashMap<String, u32> = vocabulary.lines().map(str::to_owned).zip(0..most).collect();
        let special = |name: &'static str| ids.get(name).copied().ok_or(WeightsError::Vocabulary(name));
        let (unknown, start, end) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Ok(Self { ids, unknown, start, end })
    }

    /// The pieces of a text between the marks of start and end, at most `most` of them together.
    pub(super) fn of(&self, text: &str, most: usize) -> Vec<u32> {
        let mut pieces = vec![self.start];
        for word in words(text) {
            if pieces.len() >= most {
                break;
            }
            self.add_word(&word, &mut pieces);
        }
        pieces.truncate(most - 1);
        pieces.push(self.end);
        pieces
    }

    /// The longest piece that the word begins with, then of the rest, and so on; if any part is unknown, the word is.
    fn add_word(&self, word: &str, pieces: &mut Vec<u32>) {
        let before = pieces.len();
        let mut rest = word;
        while !rest.is_empty() && word.chars().count() <= WORD_LEN_MAX {
            let Some((id, length)) = self.longest(rest, rest.len() < word.len()) else { break };
            pieces.push(id);
            rest = rest.get(length..).unwrap_or_default();
        }
        if !rest.is_empty() {
            pieces.truncate(before);
            pieces.push(self.unknown);
        }
    }

    fn longest(&self, rest: &str, inside: bool) -> Option<(u32, usize)> {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).collect::<Vec<_>>();
        ends.into_iter().rev().find_map(|end| {
            let part = rest.get(..end)?;
            let id = if inside { self.ids.get(&format!("##{part}")) } else { self.ids.get(part) };
            Some((*id?, end))
        })
    }
}

/// Words, and every mark of punctuation and every ideograph as a word of its own.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let plain = text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    // Lower case may bring a mark of its own, as in the dotted capital I.
    for c in plain.filter(|c| !is_combining_mark(*c)) {
        let alone = is_punctuation(c) || is_ideograph(c);
        if (alone || c.is_whitespace()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if !c.is_whitespace() && !is_control(c) {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Left out, also from the middle of a word: controls, formats and what stands for broken text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{fffd}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Every visible ASCII character that is no letter or digit, and the punctuation of Unicode where tickets have it.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c,
            '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}'
            | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{30fb}'
            | '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}' | '\u{ff0c}'..='\u{ff0f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b81f}'
        | '\u{2b820}'..='\u{2ceaf}' | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_bert_parts_them() {
        let rows = [
            ("Where's my REFUND?", "where ' s my refund ?"),
            ("  Überweisung\tan  café\u{301} ", "uberweisung an cafe"),
            ("a\u{0}b\u{ad}c\u{fffd}", "abc"),
            ("返金 now", "返 金 now"),
            ("$5.00—ok…", "$ 5 . 00 — ok …"),
            ("İstanbul", "istanbul"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(words(text).join(" "), expected, "`{text}`");
        }
    }

    #[test]
    fn the_longest_known_piece_comes_first() {
        let pieces = Pieces::load("[PAD]\n[UNK]\n[CLS]\n[SEP]\nre\n##fund\n##f\n##und\nrefu\ncard\n?", 99)
            .expect("a vocabulary");
        let rows = [
            ("card?", vec![2, 9, 10, 3]),
            ("refund", vec![2, 1, 3]),
            ("ref", vec![2, 4, 6, 3]),
            ("card zebra card", vec![2, 9, 1, 9, 3]),
            ("", vec![2, 3]),
        ];
        for (text, expected) in rows {
            assert_eq!(pieces.of(text, 16), expected, "`{text}`");
        }
        assert_eq!(pieces.of("card card card card", 4), [2, 9, 9, 3], "cut, yet ended");
        assert_eq!(pieces.of(&"c".repeat(101), 8), [2, 1, 3], "too long for a word");
        assert!(Pieces::load("[PAD]\n[CLS]\n[SEP]", 99).is_err());
    }
}
