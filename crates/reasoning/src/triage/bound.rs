//! How sure a counted error rate is: the upper confidence bound of Clopper and Pearson.
//!
//! Source: Clopper and Pearson, Biometrika 26 (1934). Does not know what is counted.

/// The rate that the true one stays under with probability `level`, where `wrong` of `n` were wrong (one-sided).
///
/// One where nothing was counted.
///
/// ```
/// // No error in 149 answers: below 2 % at 95 %.
/// let bound = sinew_reasoning::upper_bound(0.0, 149.0, 0.95);
/// assert!((bound - 0.0199).abs() < 1e-4);
/// ```
pub fn upper_bound(wrong: f64, n: f64, level: f64) -> f64 {
    if n <= 0.0 || wrong >= n {
        return 1.0;
    }
    // The quantile of Beta(wrong + 1, n - wrong), by halving: the distribution function only rises.
    let (mut low, mut high) = (wrong / n, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beta_distribution(middle, wrong + 1.0, n - wrong) < level { low = middle } else { high = middle }
    }
    high
}

/// The regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4; modified Lentz).
fn beta_distribution(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let safe = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        value *= d * c;
        if (d * c - 1.0).abs() < 1e-13 {
            break;
        }
    }
    value
}

/// Lanczos's approximation, g = 7, nine terms: 15 digits.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS.iter().zip(1..).fold(0.999_999_999_999_809_9, |sum, (term, i)| sum + term / (x + f64::from(i)));
    let t = x + 7.5;
    (2.0 * std::f64::consts::PI).ln() / 2.0 + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: `scipy.stats.beta.ppf(level, wrong + 1, n - wrong)`.
    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        let rows = [
            (0.0, 10.0, 0.95, 0.258_865_6),
            (0.0, 149.0, 0.95, 0.019_904_8),
            (3.0, 200.0, 0.95, 0.038_309_7),
            (18.0, 1200.0, 0.95, 0.022_162_5),
            (50.0, 100.0, 0.975, 0.601_678_9),
        ];
        for (wrong, n, level, expected) in rows {
            let bound = upper_bound(wrong, n, level);
            assert!((bound - expected).abs() < 1e-6, "{wrong} of {n}: {bound}, expected {expected}");
        }
        for (wrong, n) in [(0.0, 0.0), (5.0, 5.0), (1.0, 0.5)] {
            assert!((upper_bound(wrong, n, 0.95) - 1.0).abs() < f64::EPSILON, "{wrong} of {n}");
        }
    }
}
