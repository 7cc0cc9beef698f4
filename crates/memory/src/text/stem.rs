//! The stem of an English word (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980).
//!
//! Knows lower-case ASCII words alone; every other word is its own stem.

/// The stem; the word itself where it is short or not plain ASCII.
pub(crate) fn stem(word: &str) -> String {
    if word.len() <= 2 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut w = Word(word.as_bytes().to_vec());
    w.plural();
    w.past();
    w.final_y();
    w.longest(STEP_2, 0);
    w.longest(STEP_3, 0);
    w.step_4();
    w.final_e();
    String::from_utf8(w.0).unwrap_or_else(|_| word.to_owned())
}

const STEP_2: &[(&str, &str)] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
];
const STEP_3: &[(&str, &str)] =
    &[("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];
const STEP_4: &[(&str, &str)] = &[
    ("al", ""),
    ("ance", ""),
    ("ence", ""),
    ("er", ""),
    ("ic", ""),
    ("able", ""),
    ("ible", ""),
    ("ant", ""),
    ("ement", ""),
    ("ment", ""),
    ("ent", ""),
    ("ou", ""),
    ("ism", ""),
    ("ate", ""),
    ("iti", ""),
    ("ous", ""),
    ("ive", ""),
    ("ize", ""),
];

struct Word(Vec<u8>);

impl Word {
    fn consonant(&self, at: usize) -> bool {
        match self.0.get(at) {
            Some(b'a' | b'e' | b'i' | b'o' | b'u') => false,
            Some(b'y') => at == 0 || !self.consonant(at - 1),
            _ => true,
        }
    }

    /// Porter's measure m of the first `len` letters: how often a vowel is followed by a consonant.
    fn measure(&self, len: usize) -> usize {
        (1..len).filter(|at| self.consonant(*at) && !self.consonant(at - 1)).count()
    }

    fn has_vowel(&self, len: usize) -> bool {
        (0..len).any(|at| !self.consonant(at))
    }

    fn ends(&self, suffix: &str) -> Option<usize> {
        self.0.ends_with(suffix.as_bytes()).then(|| self.0.len() - suffix.len())
    }

    fn double_consonant(&self) -> bool {
        let len = self.0.len();
        len >= 2 && self.0.get(len - 1) == self.0.get(len - 2) && self.consonant(len - 1)
    }

    /// consonant, vowel, consonant at the end, the last not w, x or y.
    fn short_end(&self, len: usize) -> bool {
        len >= 3
            && self.consonant(len - 1)
            && !self.consonant(len - 2)
            && self.consonant(len - 3)
            && !matches!(self.0.get(len - 1), Some(b'w' | b'x' | b'y'))
    }

    fn set(&mut self, len: usize, ending: &str) {
        self.0.truncate(len);
        self.0.extend_from_slice(ending.as_bytes());
    }

    fn plural(&mut self) {
        if let Some(len) = self.ends("sses") {
            self.set(len, "ss");
        } else if let Some(len) = self.ends("ies") {
            self.set(len, "i");
        } else if self.ends("ss").is_none()
            && let Some(len) = self.ends("s")
        {
            self.set(len, "");
        }
    }

    fn past(&mut self) {
        if let Some(len) = self.ends("eed") {
            if self.measure(len) > 0 {
                self.set(len, "ee");
            }
            return;
        }
        let Some(len) = self.ends("ed").or_else(|| self.ends("ing")).filter(|len| self.has_vowel(*len)) else { return };
        self.set(len, "");
        if self.ends("at").is_some() || self.ends("bl").is_some() || self.ends("iz").is_some() {
            self.0.push(b'e');
        } else if self.double_consonant() && !matches!(self.0.last(), Some(b'l' | b's' | b'z')) {
            self.0.pop();
        } else if self.measure(self.0.len()) == 1 && self.short_end(self.0.len()) {
            self.0.push(b'e');
        }
    }

    fn final_y(&mut self) {
        if let Some(len) = self.ends("y").filter(|len| self.has_vowel(*len)) {
            self.set(len, "i");
        }
    }

    /// Replaces the longest suffix that fits, where what stands before it measures more than `over`.
    fn longest(&mut self, table: &[(&str, &str)], over: usize) {
        let fits = table.iter().filter_map(|(from, to)| self.ends(from).map(|len| (len, *to)));
        if let Some((len, to)) = fits.min_by_key(|(len, _)| *len)
            && self.measure(len) > over
        {
            self.set(len, to);
        }
    }

    fn step_4(&mut self) {
        let ion = self.ends("ion").filter(|len| *len > 0 && matches!(self.0.get(len - 1), Some(b's' | b't')));
        match ion {
            Some(len) if self.measure(len) > 1 => self.set(len, ""),
            Some(_) => {}
            None => self.longest(STEP_4, 1),
        }
    }

    fn final_e(&mut self) {
        if let Some(len) = self.ends("e") {
            let m = self.measure(len);
            if m > 1 || (m == 1 && !self.short_end(len)) {
                self.set(len, "");
            }
        }
        if self.measure(self.0.len()) > 1 && self.double_consonant() && self.0.last() == Some(&b'l') {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    /// Examples of the paper, and words of the trade.
    #[test]
    fn words_are_reduced_as_the_paper_says() {
        let rows = [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("cats", "cat"),
            ("feed", "feed"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("motoring", "motor"),
            ("conflated", "conflat"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("relational", "relat"),
            ("vietnamization", "vietnam"),
            ("triplicate", "triplic"),
            ("hopefulness", "hope"),
            ("allowance", "allow"),
            ("adoption", "adopt"),
            ("probate", "probat"),
            ("controll", "control"),
            ("refunded", "refund"),
            ("refunds", "refund"),
            ("is", "is"),
            ("größen", "größen"),
            ("sky", "sky"),
            ("s", "s"),
        ];
        for (word, expected) in rows {
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}
