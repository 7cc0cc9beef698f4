//! A linear head: one score per class for a sparse point, trained in process in seconds.
//!
//! One-vs-rest support vector machines with squared hinge loss, by dual coordinate descent; all classes are trained side by
//! side in one walk over the rows, so that each weight row is read once for all of them. There is no learning rate to choose.
//! Source: Hsieh et al., A Dual Coordinate Descent Method for Large-scale Linear SVM, ICML 2008, algorithm 1 (L2-SVM).
//! Does not know what a column or a class means.

/// A point: the columns that are not zero.
pub(crate) type Point = Vec<(u32, f32)>;

/// What is chosen before training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How much a wrong row weighs against a simple head.
    pub(crate) cost: f32,
    /// How often all rows are walked.
    pub(crate) rounds: usize,
}

/// Weights by column, then class; the last column is the constant one.
pub(crate) struct Head {
    classes: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    /// Trains on the chosen rows. `labels` are below `classes`; the same call gives the same head.
    pub(crate) fn train(points: &[Point], labels: &[usize], chosen: &[usize], shape: Shape, effort: Effort) -> Self {
        let Shape { columns, classes } = shape;
        let mut head = Self { classes, weights: vec![0.0; columns * classes], bias: vec![0.0; classes] };
        let mut duals = vec![0.0_f32; chosen.len() * classes];
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
        let (mut scores, mut steps) = (vec![0.0; classes], vec![0.0; classes]);
        for _ in 0..effort.rounds {
            chance.shuffle(&mut order);
            for &at in &order {
                let row = chosen[at];
                let duals = &mut duals[at * classes..(at + 1) * classes];
                head.score(&points[row], &mut scores);
                let length = 1.0 + points[row].iter().map(|(_, value)| value * value).sum::<f32>();
                dual_steps(&scores, labels[row], duals, length, effort.cost, &mut steps);
                head.add(&points[row], &steps);
            }
        }
        head
    }

    /// Writes the score of each class; above zero speaks for it. Columns that the head has not seen count nothing.
    pub(crate) fn score(&self, point: &[(u32, f32)], scores: &mut [f32]) {
        scores.copy_from_slice(&self.bias);
        for (column, value) in point {
            let at = *column as usize * self.classes;
            let Some(weights) = self.weights.get(at..at + self.classes) else { continue };
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score += value * weight;
            }
        }
    }

    fn add(&mut self, point: &[(u32, f32)], steps: &[f32]) {
        for (bias, step) in self.bias.iter_mut().zip(steps) {
            *bias += step;
        }
        for (column, value) in point {
            let at = *column as usize * self.classes;
            for (weight, step) in self.weights[at..at + self.classes].iter_mut().zip(steps) {
                *weight += value * step;
            }
        }
    }
}

/// How large a head is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) columns: usize,
    pub(crate) classes: usize,
}

/// One step of each class's dual variable for this row, as what is to be added to the weights per unit of the row.
fn dual_steps(scores: &[f32], label: usize, duals: &mut [f32], length: f32, cost: f32, steps: &mut [f32]) {
    let diagonal = 0.5 / cost;
    let scale = 1.0 / (length + diagonal);
    for (class, ((score, dual), step)) in scores.iter().zip(duals).zip(steps).enumerate() {
        let side = if class == label { 1.0 } else { -1.0 };
        let slope = side * score - 1.0 + diagonal * *dual;
        let moved = (*dual - slope * scale).max(0.0);
        *step = (moved - *dual) * side;
        *dual = moved;
    }
}

/// SplitMix64, seeded by a constant: shuffles the same way every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            order.swap(last, usize::try_from(other).expect("no more than `last`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_classes_that_a_line_can_part_are_parted() {
        let points: Vec<Point> = (0..30_u8).map(|i| vec![(u32::from(i % 3), 1.0), (3, f32::from(i) / 30.0)]).collect();
        let labels: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let chosen: Vec<usize> = (0..30).collect();
        let shape = Shape { columns: 4, classes: 3 };
        let head = Head::train(&points, &labels, &chosen, shape, Effort { cost: 1.0, rounds: 30 });
        let mut scores = vec![0.0; 3];
        for (point, label) in points.iter().zip(&labels) {
            head.score(point, &mut scores);
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(best, Some(*label), "{scores:?}");
            assert!(scores[*label] > 0.5, "{scores:?}");
        }
        head.score(&[(99, 1.0)], &mut scores);
        assert_eq!(scores, head.bias, "a column that nobody knows counts nothing");
    }
}
