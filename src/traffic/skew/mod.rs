//! Whether traffic is spread as it should be: measured shares against expected ones, with the size of the sample taken
//! into account. Pure; [docs/skew.md](../../../docs/skew.md) says which statistic it is, why, and what it misses.
//!
//! A skew counts only as far as it is *certain*: the end of a simultaneous confidence interval (Goodman 1965, with
//! Wilson's interval for each share) that is nearer to the expected share. Few requests make wide intervals, and so never
//! alarm. Requests that are not independent make the sample smaller by their dispersion, or by the number of requests
//! to one choice of the load balancer, whichever is more (Kish's design effect; Rao and Scott 1984).

mod dispersion;
pub mod normal;
pub mod simulation;
#[cfg(test)]
mod tests;

pub use dispersion::{dispersion, sum};

/// How likely it may be that any of the intervals of one look does not hold its true share.
pub const ERROR: f64 = 0.001;
/// Independent choices below which nothing is certain.
pub const SAMPLE: f64 = 100.0;
/// Independent choices that a node must expect for its share to be judged (Cochran 1954).
pub const EXPECTED: f64 = 5.0;

/// What one node got, and should have got, in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Requests (or connections) that it got.
    pub measured: f64,
    /// Those that it should have got, of all that were counted where it could be chosen.
    pub expected: f64,
}

impl Cell {
    /// Adds another time.
    pub fn add(&mut self, other: &Self) {
        self.measured += other.measured;
        self.expected += other.expected;
    }
}

/// What is known of the shares in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Requests (or connections) in all.
    pub samples: f64,
    /// How many of them count for one; at least 1.
    pub dispersion: f64,
    /// Each node's share, in the order of the cells.
    pub shares: Vec<Share>,
    /// How likely it is that shares differ at least as much without any skew; 1 where there are too few to say.
    pub likelihood: f64,
}

/// One node's share of the traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Its part of all; `None` where there was nothing.
    pub measured: Option<f64>,
    /// The part that it should have had.
    pub expected: Option<f64>,
    /// Measured over expected; `None` where nothing was expected of it.
    pub skew: Option<f64>,
    /// How far its share certainly is from the expected one, as a ratio of at least 1, whichever way.
    pub certain: f64,
}

impl Verdict {
    /// Whether a skew of more than `limit` is certain.
    pub fn exceeds(&self, limit: f64) -> bool {
        self.shares.iter().any(|share| share.certain > limit)
    }
}

/// Judges a window: its cells, the dispersion (`None` where too little was seen to know it), and the number of requests
/// to one choice of a load balancer, where that is counted.
pub fn judge(cells: &[Cell], dispersion: Option<f64>, per_choice: Option<f64>) -> Verdict {
    let factor = dispersion.unwrap_or(1.0).max(per_choice.unwrap_or(1.0)).max(1.0);
    let samples: f64 = cells.iter().map(|c| c.measured).sum();
    let expected: f64 = cells.iter().map(|c| c.expected).sum();
    let mut shares: Vec<Share> = cells.iter().map(|cell| plain(cell, samples, expected)).collect();
    let mut likelihood = 1.0;
    // Traffic where none is expected is another matter than a skew, and has an alert of its own.
    let chosen: Vec<usize> = (0..cells.len()).filter(|n| cells[*n].expected > 0.0).collect();
    let judged: f64 = chosen.iter().map(|n| cells[*n].measured).sum();
    let independent = judged / factor;
    if dispersion.is_some() && independent >= SAMPLE && chosen.len() > 1 && expected > 0.0 {
        #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
        let family = chosen.len() as f64;
        let z = normal::quantile(ERROR / family / 2.0);
        for n in chosen {
            let p = cells[n].expected / expected;
            if independent * p < EXPECTED {
                continue;
            }
            let x = cells[n].measured / factor;
            shares[n].certain = certain(wilson(x, independent, z), p);
            let deviation = (x - independent * p).abs() / (independent * p * (1.0 - p)).sqrt();
            likelihood = f64::min(likelihood, 2.0 * family * normal::tail(deviation));
        }
    }
    Verdict { samples, dispersion: factor, shares, likelihood }
}

fn plain(cell: &Cell, samples: f64, expected: f64) -> Share {
    let part = |of: f64, all: f64| (all > 0.0).then(|| of / all);
    let (measured, expected) = (part(cell.measured, samples), part(cell.expected, expected));
    let skew = measured.zip(expected).filter(|(_, e)| *e > 0.0).map(|(m, e)| m / e);
    Share { measured, expected, skew, certain: 1.0 }
}

/// Wilson's interval of a share.
fn wilson(x: f64, n: f64, z: f64) -> (f64, f64) {
    let a = z * z;
    let spread = (a * (a + 4.0 * x * (n - x).max(0.0) / n)).sqrt();
    let end = |sign: f64| ((a + 2.0 * x + sign * spread) / (2.0 * (n + a))).clamp(0.0, 1.0);
    (end(-1.0), end(1.0))
}

/// The ratio of the interval's nearer end to `p`, the larger over the smaller; 1 where `p` is inside.
fn certain((low, high): (f64, f64), p: f64) -> f64 {
    if low > p {
        low / p
    } else if high < p {
        p / high
    } else {
        1.0
    }
}
