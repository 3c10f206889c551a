//! The normal distribution, as far as a test of shares needs it. Pure.

use std::f64::consts::{PI, SQRT_2};

/// How likely a standard normal value is above `z`, to eight digits and more.
pub fn tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - tail(-z);
    }
    let x = z / SQRT_2;
    // Below, the series of the error function converges at once; above, the continued fraction of its complement.
    let complement = if x < 2.0 { 1.0 - erf_series(x) } else { (-x * x).exp() / PI.sqrt() / fraction(x) };
    complement / 2.0
}

fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
        if n > 200.0 {
            break;
        }
    }
    2.0 / PI.sqrt() * sum
}

fn fraction(x: f64) -> f64 {
    (1..=80).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below)
}

/// The `z` above which a standard normal value is with this likelihood, which is more than 0 and less than a half.
pub fn quantile(above: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if tail(middle) > above { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the usual tables.
    #[test]
    fn as_in_the_tables() {
        for (z, above) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931),
            (1.959_963_984_54, 0.025),
            (2.5, 0.006_209_665_326),
            (3.0, 0.001_349_898_032),
            (5.0, 2.866_515_719e-7),
            (8.0, 6.220_960_574e-16),
        ] {
            assert!((tail(z) / above - 1.0).abs() < 1e-8, "{z}: {} and not {above}", tail(z));
            assert!((tail(-z) - (1.0 - above)).abs() < 1e-10);
            if above < 0.5 {
                assert!((quantile(above) - z).abs() < 1e-6, "{above}");
            }
        }
    }
}
