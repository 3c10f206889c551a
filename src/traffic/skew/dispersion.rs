//! How much more shares vary than they would if all clients chose independently. Pure.
//!
//! Clients keep connections alive, come in bursts and come back: a hundred requests may be ten decisions. The variance
//! of a count is then larger than the multinomial one by a factor, the *dispersion* (Wedderburn 1974; McCullagh and
//! Nelder 1989, 4.5: Pearson's X² over its degrees of freedom). What is compared are neighbours in time and not
//! everything with its mean: a skew that lasts, or begins once, is in both neighbours and makes the shares no less
//! steady, so it cannot hide itself (von Neumann's successive differences, 1941).

use super::Cell;

/// Buckets that are put together for the second estimate: a minute, so that what lasts longer than a bucket counts too.
const LONG: usize = 6;
/// Comparisons of neighbours below which nothing is said.
const ENOUGH: usize = 5;
/// Comparisons from which on the largest are left out. The beginning of a skew is one of them; of minutes it is two, with
/// the minute in which it began between them, so minutes are compared only where there are as many as this.
const FORGIVING: usize = 10;
/// Less is nothing.
const NEAR_ZERO: f64 = 1e-9;

/// The dispersion of these buckets, in the order of time, each with a cell for each node; at least 1. `None` where there
/// are too few to tell.
pub fn dispersion(buckets: &[Vec<Cell>]) -> Option<f64> {
    let short = mean_ratio(buckets, ENOUGH, 1)?;
    let long: Vec<Vec<Cell>> = buckets.chunks(LONG).map(sum).collect();
    Some(mean_ratio(&long, FORGIVING, 2).unwrap_or(1.0).max(short).max(1.0))
}

/// Adds buckets up.
pub fn sum(buckets: &[Vec<Cell>]) -> Vec<Cell> {
    let mut all = vec![Cell::default(); buckets.iter().map(Vec::len).max().unwrap_or(0)];
    for (cell, one) in buckets.iter().flat_map(|bucket| bucket.iter().enumerate()) {
        all[cell].add(one);
    }
    all
}

/// X² over its degrees of freedom, added up over neighbours that have any traffic, without the `forgiven` largest where
/// there are many; `None` where they are fewer than `enough`.
fn mean_ratio(buckets: &[Vec<Cell>], enough: usize, forgiven: usize) -> Option<f64> {
    let busy: Vec<&Vec<Cell>> = buckets.iter().filter(|b| b.iter().map(|c| c.measured).sum::<f64>() >= 2.0).collect();
    let mut pairs: Vec<(f64, f64)> = busy.windows(2).filter_map(|pair| compare(pair[0], pair[1])).collect();
    let seen = pairs.len();
    if seen >= FORGIVING {
        pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        pairs.truncate(pairs.len() - forgiven);
    }
    let (x2, freedom) = pairs.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    (seen >= enough).then_some(x2 / freedom)
}

/// X² of two buckets against what both have in common, and its degrees of freedom. What is expected may differ between
/// them: then it is the ratio of measured to expected that they have in common.
fn compare(one: &[Cell], other: &[Cell]) -> Option<(f64, f64)> {
    let cells: Vec<(&Cell, &Cell)> = one
        .iter()
        .zip(other)
        .filter(|(a, b)| a.expected > NEAR_ZERO && b.expected > NEAR_ZERO && a.measured + b.measured > NEAR_ZERO)
        .collect();
    if cells.len() < 2 {
        return None;
    }
    let ratio = |(a, b): &(&Cell, &Cell)| (a.measured + b.measured) / (a.expected + b.expected);
    let side = |of: fn(&(&Cell, &Cell)) -> Cell| {
        let all: f64 = cells.iter().map(|pair| of(pair).measured).sum();
        let weights: f64 = cells.iter().map(|pair| of(pair).expected * ratio(pair)).sum();
        cells
            .iter()
            .map(|pair| {
                let should = of(pair).expected * ratio(pair) * all / weights;
                if should > NEAR_ZERO { (of(pair).measured - should).powi(2) / should } else { 0.0 }
            })
            .sum::<f64>()
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
    let freedom = (cells.len() - 1) as f64;
    Some((side(|pair| *pair.0) + side(|pair| *pair.1), freedom))
}
