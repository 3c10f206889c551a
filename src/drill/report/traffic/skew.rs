//! How evenly the answers were shared out while it went on: the largest share of any node against an even one among those
//! that were ready.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{ReadyNodes, SkewSeen, Tick, Traffic};
use crate::model::NodeName;

/// Seconds that are looked at together.
const WINDOW: u64 = 5;
/// Answers below which shares say nothing.
const ENOUGH: u64 = 50;

/// The skew at the end of each second; not known where too few answers said whose they were. `nodes` counts where nobody
/// knew how many were ready.
pub fn skews(traffic: &Traffic, ready: &[ReadyNodes], nodes: usize) -> Vec<SkewSeen> {
    let named = traffic.seconds.iter().any(|tick| !tick.by_node.is_empty());
    let ends = traffic.seconds.iter().map(|tick| tick.second).filter(|_| named);
    ends.map(|second| {
        let at = traffic.from.saturating_add(SignedDuration::from_secs((second + 1).try_into().unwrap_or(i64::MAX)));
        let at = at.unwrap_or(traffic.until);
        let window = traffic.seconds.iter().filter(|tick| tick.second <= second && tick.second + WINDOW > second);
        SkewSeen { at, skew: largest(window, share_of(ready, at, nodes)) }
    })
    .collect()
}

/// Among how many the answers are to be shared at that moment.
fn share_of(ready: &[ReadyNodes], at: Timestamp, nodes: usize) -> f64 {
    let last = ready.iter().rev().find(|seen| seen.at <= at).and_then(|seen| seen.ready);
    last.filter(|ready| *ready > 0).map_or(nodes as f64, f64::from)
}

fn largest<'t>(window: impl Iterator<Item = &'t Tick>, among: f64) -> Option<f64> {
    let mut sums: BTreeMap<&NodeName, u64> = BTreeMap::new();
    for tick in window {
        tick.by_node.iter().for_each(|(node, count)| *sums.entry(node).or_default() += count);
    }
    let (all, most) = (sums.values().sum::<u64>(), sums.values().max().copied()?);
    (all >= ENOUGH).then(|| most as f64 * among / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_out_takes_no_share_and_few_answers_say_nothing() {
        let from = Timestamp::UNIX_EPOCH;
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let tick = |second, a, b| Tick {
            second,
            by_node: [("a", a), ("b", b)].map(|(node, count)| (NodeName::new(node), count)).into(),
            ..Tick::default()
        };
        let seconds = vec![tick(0, 10, 10), tick(1, 50, 50), tick(10, 100, 0), tick(20, 90, 10)];
        let traffic = Traffic {
            source: String::new(),
            targets: vec![],
            from,
            until: at(21),
            interrupted: false,
            requests: 0,
            failed: 0,
            by_node: BTreeMap::new(),
            by_cause: BTreeMap::new(),
            latency: None,
            seconds,
            failures: vec![],
        };
        let ready = [(0, 2), (9, 1), (19, 2)].map(|(second, ready)| ReadyNodes { at: at(second), ready: Some(ready) });
        let seen: Vec<Option<f64>> = skews(&traffic, &ready, 2).into_iter().map(|seen| seen.skew).collect();
        assert_eq!(seen, [None, Some(1.0), Some(1.0), Some(1.8)]);
    }
}
