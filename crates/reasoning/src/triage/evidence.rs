//! What speaks for and against a judgement, as a few numbers: scores and their margins, how near the nearest examples are, and
//! whether the views agree.
//!
//! Does not know how the numbers are weighed.

use super::view::Sight;

/// A judgement before anybody says how sure it is.
#[derive(Clone, Debug)]
pub(crate) struct Opinion {
    /// The class that most speaks for.
    pub(crate) class: usize,
    /// The numbers, always as many for as many views.
    pub(crate) evidence: Vec<f32>,
}

/// Weighs the views. Class 0 is out of scope: it is never the opinion, only evidence against it.
///
/// `known` is the share of the ticket, by weight, that occurs in any row; `length` its number of features.
pub(crate) fn form(sights: &[Sight], known: f32, length: usize) -> Opinion {
    let classes = sights.first().map_or(0, |sight| sight.scores.len());
    let total = |class: usize| sights.iter().map(|sight| sight.scores[class] + sight.near[class].0).sum::<f32>();
    let totals: Vec<f32> = (0..classes).map(total).collect();
    let (class, first, second) = best_two(totals.iter().copied());
    let mut evidence = vec![first, first - second, first - totals.first().copied().unwrap_or(0.0), known];
    evidence.push((length as f32).ln_1p());
    for sight in sights {
        evidence.extend(of_view(sight, class));
    }
    Opinion { class, evidence }
}

fn of_view(sight: &Sight, class: usize) -> [f32; 6] {
    let near = || sight.near.iter().map(|(cosine, _)| *cosine);
    [
        sight.scores[class],
        sight.scores[class] - best_other(sight.scores.iter().copied(), class),
        sight.scores[0],
        sight.near[class].0,
        sight.near[class].0 - best_other(near(), class),
        sight.near[0].0,
    ]
}

/// The class of the highest value but for class 0, that value, and the second highest.
fn best_two(values: impl Iterator<Item = f32>) -> (usize, f32, f32) {
    let (mut class, mut first, mut second) = (1, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (at, value) in values.enumerate().skip(1) {
        if value > first {
            (class, first, second) = (at, value, first);
        } else {
            second = second.max(value);
        }
    }
    // With one class only there is no second: as far as can be.
    (class, first, second.max(-9.0))
}

/// The highest value but for class 0 and the given one.
fn best_other(values: impl Iterator<Item = f32>, class: usize) -> f32 {
    let others = values.enumerate().skip(1).filter(|(at, _)| *at != class);
    others.map(|(_, value)| value).fold(-9.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_scope_is_evidence_and_never_the_opinion() {
        let sight = |scores: &[f32]| Sight { scores: scores.to_vec(), near: vec![(0.1, 0); scores.len()] };
        let opinion = form(&[sight(&[5.0, -1.0, 0.5])], 1.0, 0);
        assert_eq!(opinion.class, 2);
        let rounded: Vec<_> = opinion.evidence.iter().map(|x| (x * 10.0).round() / 10.0).collect();
        assert_eq!(rounded, [0.6, 1.5, -4.5, 1.0, 0.0, 0.5, 1.5, 5.0, 0.1, 0.0, 0.1]);
    }
}
