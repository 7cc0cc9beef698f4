//! The threshold above which answers may go out unattended: chosen so that the upper bound of their error rate stays under a
//! target.
//!
//! ```text
//! judged rows (confidence, right, stranger) -> weighed by the mix that is expected -> error rate above each threshold
//!   -> its upper bound at 95 % -> the lowest threshold whose bound is at most the target
//! ```
//!
//! Every row must have been judged by what was not trained on it. Does not know how.

use super::bound::upper_bound;

/// How sure the bound is.
const LEVEL: f64 = 0.95;
/// Where there are two kinds of rows each has a bound of its own, and both hold together at `LEVEL` (Bonferroni). Known rows
/// are many, so theirs can be the surer one at little cost.
const LEVELS: (f64, f64) = (0.99, 0.96);

/// A row whose true answer is known, judged without having been learned from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// How sure the judgement was.
    pub confidence: f64,
    /// Whether it was right. Answering a stranger is always wrong.
    pub right: bool,
    /// Whether the row is out of scope.
    pub stranger: bool,
}

/// Where to answer, and what is known about the answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Answers of at least this confidence may go out.
    pub confidence: f64,
    /// The share of all tickets that it answers, in the expected mix.
    pub coverage: f64,
    /// The share of wrong answers among them, as counted.
    pub error: f64,
    /// What that share stays under, at 95 %.
    pub error_upper: f64,
}

/// Chooses the lowest threshold whose bound is at most `target`; none where there is no such.
///
/// `stranger_share` is how many of all tickets are expected to be out of scope; rows are weighed to that mix, because a
/// labelled file seldom has as many as a real queue. Where there are no strangers among the rows, or none of the others, the
/// rows stand for themselves.
pub fn choose_threshold(rows: &[Judged], target: f64, stranger_share: f64) -> Option<Threshold> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut tally = Tally::new(rows, stranger_share);
    let mut best = None;
    let mut rest = sorted.iter().peekable();
    while let Some(row) = rest.next() {
        tally.add(row);
        // Rows of one confidence are answered together or not at all.
        if rest.peek().is_some_and(|next| next.confidence >= row.confidence) {
            continue;
        }
        let found = tally.threshold(row.confidence);
        if found.error <= target && found.error_upper <= target {
            best = Some(found);
        }
    }
    best
}

/// What is known about the answers at and above one confidence.
pub fn measure(rows: &[Judged], confidence: f64, stranger_share: f64) -> Threshold {
    let mut tally = Tally::new(rows, stranger_share);
    rows.iter().filter(|row| row.confidence >= confidence).for_each(|row| tally.add(row));
    tally.threshold(confidence)
}

/// Counts of one kind of row.
#[derive(Clone, Copy, Default)]
struct Kind {
    /// Of all tickets, so many are expected to be of this kind.
    share: f64,
    all: f64,
    answered: f64,
    wrong: f64,
}

struct Tally {
    known: Kind,
    strangers: Kind,
}

impl Tally {
    fn new(rows: &[Judged], stranger_share: f64) -> Self {
        let strangers = rows.iter().filter(|row| row.stranger).count() as f64;
        let known = rows.len() as f64 - strangers;
        let share = if strangers == 0.0 { 0.0 } else { stranger_share };
        let kind = |share, all| Kind { share, all, ..Kind::default() };
        Self { known: kind(1.0 - share, known), strangers: kind(share, strangers) }
    }

    fn add(&mut self, row: &Judged) {
        let kind = if row.stranger { &mut self.strangers } else { &mut self.known };
        kind.answered += 1.0;
        kind.wrong += f64::from(u8::from(!row.right || row.stranger));
    }

    fn threshold(&self, confidence: f64) -> Threshold {
        let Self { known, strangers } = self;
        let answered = known.share * known.answered / known.all.max(1.0);
        let counted = strangers.answered / strangers.all.max(1.0);
        let error = self.error(answered, known.wrong / known.answered.max(1.0), counted);
        let (known_level, strangers_level) = if strangers.all > 0.0 { LEVELS } else { (LEVEL, LEVEL) };
        let known_upper = upper_bound(known.wrong, known.answered, known_level);
        let strangers_upper = upper_bound(strangers.answered, strangers.all, strangers_level);
        let error_upper = self.error(answered, known_upper, strangers_upper);
        Threshold { confidence, coverage: answered + strangers.share * counted, error, error_upper }
    }

    /// The share of wrong answers, where so many of all tickets are known ones that are answered, so many of those are
    /// wrong, and so many of the strangers are answered. It rises with either error.
    fn error(&self, answered: f64, wrong: f64, strangers_answered: f64) -> f64 {
        let strangers = self.strangers.share * strangers_answered;
        let all = answered + strangers;
        if all > 0.0 { (answered * wrong + strangers) / all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(answers: &[(usize, f64, bool, bool)]) -> Vec<Judged> {
        let row = |&(n, confidence, right, stranger): &(usize, f64, bool, bool)| {
            std::iter::repeat_n(Judged { confidence, right, stranger }, n)
        };
        answers.iter().flat_map(row).collect()
    }

    #[test]
    fn the_lowest_threshold_whose_bound_holds_is_chosen() {
        let sample =
            rows(&[(600, 0.9, true, false), (3, 0.9, false, false), (100, 0.5, true, false), (20, 0.5, false, false)]);
        let chosen = choose_threshold(&sample, 0.02, 0.0).expect("there is one");
        assert!((chosen.confidence - 0.9).abs() < 1e-9 && (chosen.error - 3.0 / 603.0).abs() < 1e-9, "{chosen:?}");
        assert!((chosen.error_upper - upper_bound(3.0, 603.0, LEVEL)).abs() < 1e-6, "unweighted it is the plain bound");
        assert_eq!(choose_threshold(&sample, 0.001, 0.0), None, "nothing is that sure");
        assert_eq!(choose_threshold(&[], 0.5, 0.2), None, "nothing is known of nothing");
    }

    #[test]
    fn few_rows_are_not_enough_to_act_alone() {
        assert_eq!(choose_threshold(&rows(&[(148, 0.9, true, false)]), 0.02, 0.0), None);
        assert!(choose_threshold(&rows(&[(149, 0.9, true, false)]), 0.02, 0.0).is_some());
    }

    #[test]
    fn strangers_count_as_often_as_they_are_expected() {
        let sample = rows(&[(5_000, 0.9, true, false), (5, 0.9, true, true), (95, 0.1, true, true)]);
        let (few, many) = (measure(&sample, 0.5, 0.01), measure(&sample, 0.5, 0.2));
        assert!(few.error < 0.001 && (many.error - 0.01 / 0.81).abs() < 1e-6, "{few:?} {many:?}");
        // 5 of 100 is all that is known of strangers, however many others there are: up to 10.7 of them may be answered.
        let expected = (0.8 * upper_bound(0.0, 5_000.0, 0.99) + 0.2 * upper_bound(5.0, 100.0, 0.96))
            / (0.8 + 0.2 * upper_bound(5.0, 100.0, 0.96));
        assert!((many.error_upper - expected).abs() < 1e-9, "{many:?}, expected {expected}");
        assert_eq!(choose_threshold(&sample, 0.02, 0.2), None);
        assert!(choose_threshold(&sample, 0.02, 0.01).is_some());
    }
}
