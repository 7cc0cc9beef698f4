//! From evidence to a probability: logistic regression over a few numbers, their squares and their products.
//!
//! Does not know what the numbers are, nor what is being judged.

/// Pulls coefficients to zero, in units of rows: evidence is few numbers, rows are thousands.
const RIDGE: f64 = 3.0;
const ROUNDS: usize = 12;

/// A trained probability.
pub(crate) struct Accept {
    means: Vec<f64>,
    scales: Vec<f64>,
    coefficients: Vec<f64>,
}

/// One row to learn from.
pub(crate) struct Lesson<'a> {
    pub(crate) evidence: &'a [f32],
    pub(crate) holds: bool,
    pub(crate) weight: f64,
}

impl Accept {
    /// Trains by Newton's method, that is, reweighted least squares.
    pub(crate) fn train(lessons: &[Lesson<'_>]) -> Self {
        let (means, scales) = spread(lessons);
        let mut accept = Self { means, scales, coefficients: Vec::new() };
        let terms: Vec<Vec<f64>> = lessons.iter().map(|lesson| accept.terms(lesson.evidence)).collect();
        accept.coefficients = vec![0.0; terms.first().map_or(0, Vec::len)];
        for _ in 0..ROUNDS {
            let step = accept.newton_step(lessons, &terms);
            accept.coefficients.iter_mut().zip(&step).for_each(|(coefficient, step)| *coefficient += step);
            if step.iter().all(|step| step.abs() < 1e-6) {
                break;
            }
        }
        accept
    }

    /// The probability that it holds.
    pub(crate) fn probability(&self, evidence: &[f32]) -> f64 {
        self.of_terms(&self.terms(evidence))
    }

    fn of_terms(&self, terms: &[f64]) -> f64 {
        let sum: f64 = terms.iter().zip(&self.coefficients).map(|(term, coefficient)| term * coefficient).sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// One, each number, each square and product, all standardised and cut off at four deviations.
    fn terms(&self, evidence: &[f32]) -> Vec<f64> {
        let spread = self.means.iter().zip(&self.scales);
        let plain: Vec<f64> = evidence
            .iter()
            .zip(spread)
            .map(|(x, (mean, scale))| ((f64::from(*x) - mean) / scale).clamp(-4.0, 4.0))
            .collect();
        let mut terms = Vec::with_capacity(1 + plain.len() * (plain.len() + 3) / 2);
        terms.push(1.0);
        terms.extend(&plain);
        for (i, a) in plain.iter().enumerate() {
            terms.extend(plain.iter().skip(i).map(|b| a * b / 2.0));
        }
        terms
    }

    fn newton_step(&self, lessons: &[Lesson<'_>], terms: &[Vec<f64>]) -> Vec<f64> {
        let size = self.coefficients.len();
        let mut curvature = vec![0.0; size * size];
        let mut slope: Vec<f64> = self.coefficients.iter().map(|coefficient| -RIDGE * coefficient).collect();
        for (lesson, terms) in lessons.iter().zip(terms) {
            let p = self.of_terms(terms);
            let wanted = if lesson.holds { 1.0 } else { 0.0 };
            let (pull, bend) = (lesson.weight * (wanted - p), lesson.weight * p * (1.0 - p));
            for (i, a) in terms.iter().enumerate() {
                slope[i] += pull * a;
                for (cell, b) in curvature[i * size..=i * size + i].iter_mut().zip(terms) {
                    *cell += bend * a * b;
                }
            }
        }
        (0..size).for_each(|i| curvature[i * size + i] += RIDGE);
        solve(curvature, slope)
    }
}

/// Weighted mean and deviation of each number.
fn spread(lessons: &[Lesson<'_>]) -> (Vec<f64>, Vec<f64>) {
    let width = lessons.first().map_or(0, |lesson| lesson.evidence.len());
    let total: f64 = lessons.iter().map(|lesson| lesson.weight).sum();
    let mean = |of: &dyn Fn(f64) -> f64, column: usize| {
        lessons.iter().map(|lesson| lesson.weight * of(f64::from(lesson.evidence[column]))).sum::<f64>() / total
    };
    let means: Vec<f64> = (0..width).map(|column| mean(&|x| x, column)).collect();
    let scales = (0..width).map(|column| mean(&|x| (x - means[column]).powi(2), column).sqrt().max(1e-6)).collect();
    (means, scales)
}

/// Solves a symmetric positive system by Cholesky; only the lower half of `matrix` is read.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            matrix[i * n + j] = if i == j { rest.max(1e-12).sqrt() } else { rest / matrix[j * n + j] };
        }
    }
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * n + i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let answer = solve(matrix, vec![11.0, 21.0, 25.0]);
        for (x, expected) in answer.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - expected).abs() < 1e-9, "{answer:?}");
        }
    }

    #[test]
    fn probabilities_are_those_of_the_lessons() {
        // Holds in a quarter of the rows at 0, in three quarters at 1; product and square must not disturb that.
        let rows: Vec<([f32; 2], bool)> = (0..4_000)
            .map(|i| ([f32::from(u8::from(i % 2 == 0)), 0.5], (i / 2) % 4 < if i % 2 == 0 { 3 } else { 1 }))
            .collect();
        let lessons: Vec<_> =
            rows.iter().map(|(evidence, holds)| Lesson { evidence, holds: *holds, weight: 1.0 }).collect();
        let accept = Accept::train(&lessons);
        for (x, expected) in [(0.0, 0.25), (1.0, 0.75)] {
            let p = accept.probability(&[x, 0.5]);
            assert!((p - expected).abs() < 0.01, "at {x}: {p}");
        }
    }
}
