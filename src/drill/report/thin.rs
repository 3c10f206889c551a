//! Thousands of seconds on a few hundred dots. What is drawn was measured: of each stretch the worst is kept and nothing
//! is averaged, so a single second with a failure, a stall or a hole stays visible.

use super::{Tick, Traffic};
use crate::model::NodeName;

/// Stretches that a chart draws at most.
pub(super) const MOST: usize = 400;

/// Every second from the first to the last, those without any answer as zeros; at most a day of them.
pub(super) fn whole(traffic: &Traffic) -> Vec<Tick> {
    const DAY: u64 = 86_400;
    let length = traffic.seconds.iter().map(|tick| tick.second + 1).max().unwrap_or(0).min(DAY);
    let mut all: Vec<Tick> = (0..length).map(|second| Tick { second, ..Tick::default() }).collect();
    for tick in &traffic.seconds {
        if let Some(slot) = usize::try_from(tick.second).ok().and_then(|second| all.get_mut(second)) {
            slot.clone_from(tick);
        }
    }
    all
}

/// Of each stretch the second with the fewest answers and the one with the most, in order of time.
pub(super) fn extremes(ticks: &[Tick]) -> Vec<&Tick> {
    let mut kept = Vec::new();
    for stretch in stretches(ticks) {
        let fewest = stretch.iter().min_by_key(|tick| tick.ok);
        // The last of equals, so that even a calm stretch shows where it ends.
        let most = stretch.iter().max_by_key(|tick| tick.ok);
        let mut two: Vec<&Tick> = fewest.into_iter().chain(most).collect();
        two.sort_by_key(|tick| tick.second);
        two.dedup_by_key(|tick| tick.second);
        kept.extend(two);
    }
    kept
}

/// Of each stretch the largest of these numbers, at its own second; where none is known, none.
pub(super) fn largest(ticks: &[Tick], of: impl Fn(&Tick) -> Option<f64>) -> Vec<(u64, Option<f64>)> {
    stretches(ticks)
        .filter_map(|stretch| {
            let first = stretch.first()?;
            let known = stretch.iter().filter_map(|tick| Some((tick.second, of(tick)?)));
            let largest = known.reduce(|a, b| if b.1 > a.1 { b } else { a });
            Some(largest.map_or((first.second, None), |(second, value)| (second, Some(value))))
        })
        .collect()
}

/// Of a series that is ordered by time, from each stretch the smallest and the largest value, and every gap.
pub(super) fn series(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let mut kept = Vec::new();
    for stretch in points.chunks(points.len().div_ceil(MOST).max(1)) {
        let known = |p: &&(f64, Option<f64>)| p.1.is_some();
        let by = |a: &&(f64, Option<f64>), b: &&(f64, Option<f64>)| {
            a.1.partial_cmp(&b.1).unwrap_or(std::cmp::Ordering::Equal)
        };
        let gap = stretch.iter().find(|p| p.1.is_none());
        let chosen = [stretch.iter().filter(known).min_by(by), stretch.iter().filter(known).max_by(by), gap];
        let mut chosen: Vec<(f64, Option<f64>)> = chosen.into_iter().flatten().copied().collect();
        chosen.sort_by(|a, b| a.0.total_cmp(&b.0));
        chosen.dedup();
        kept.extend(chosen);
    }
    kept
}

/// Every node that answered or that the evidence names, in order: the same colour everywhere.
pub(super) fn nodes(evidence: &super::Evidence) -> Vec<NodeName> {
    let mut nodes: std::collections::BTreeSet<NodeName> = evidence.nodes.iter().cloned().collect();
    nodes.extend(evidence.traffic.iter().flat_map(|traffic| traffic.by_node.keys().cloned()));
    nodes.extend(evidence.series.connections.iter().map(|sample| sample.node.clone()));
    nodes.into_iter().collect()
}

fn stretches(ticks: &[Tick]) -> std::slice::Chunks<'_, Tick> {
    ticks.chunks(ticks.len().div_ceil(MOST).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(second: u64, ok: u64, failed: u64) -> Tick {
        Tick { second, ok, failed, ..Tick::default() }
    }

    #[test]
    fn one_bad_second_of_ten_thousand_is_kept() {
        let mut ticks: Vec<Tick> = (0..10_000).map(|s| tick(s, 200, 0)).collect();
        ticks[6_543] = tick(6_543, 3, 1);
        let failures = largest(&ticks, |t| Some(t.failed as f64));
        assert!(failures.len() <= MOST && failures.contains(&(6_543, Some(1.0))));
        let drawn = extremes(&ticks);
        assert!(drawn.len() <= 2 * MOST && drawn.iter().any(|t| t.second == 6_543 && t.ok == 3));
        assert!(drawn.is_sorted_by_key(|t| t.second));
    }

    #[test]
    fn few_seconds_are_all_drawn() {
        let ticks: Vec<Tick> = (0..120).map(|s| tick(s, s, 0)).collect();
        assert_eq!(extremes(&ticks).len(), 120);
        assert_eq!(largest(&ticks, |t| t.p99_ms).iter().filter(|p| p.1.is_none()).count(), 120);
    }

    #[test]
    fn a_gap_in_a_series_stays_a_gap() {
        let mut points: Vec<(f64, Option<f64>)> = (0..5_000).map(|n| (f64::from(n), Some(1.0))).collect();
        points[1_234].1 = None;
        points[4_321].1 = Some(9.0);
        let drawn = series(&points);
        assert!(drawn.len() <= 3 * MOST && drawn.contains(&(1234.0, None)) && drawn.contains(&(4321.0, Some(9.0))));
    }
}
