//! How unevenly nodes were sent requests, from what they answered second by second: the largest share against an even one.
//! Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::report::{SkewSeen, Tick};
use crate::model::NodeName;

/// Seconds at the end by which a drill is judged.
const AT_THE_END: u64 = 20;
/// Seconds by which one moment on the way is judged.
const MOMENT: u64 = 5;
/// Answers below which shares say nothing.
const ENOUGH: u64 = 100;

/// The skew of the last seconds; `None` where too few were answered. 1 is even.
pub fn at_the_end(seconds: &[Tick], nodes: usize) -> Option<f64> {
    let end = seconds.last()?.second + 1;
    within(seconds, end, AT_THE_END, nodes)
}

/// The skew second by second, each over the five seconds up to then.
pub fn over_time(seconds: &[Tick], from: Timestamp, nodes: usize) -> Vec<SkewSeen> {
    let Some(last) = seconds.last().map(|tick| tick.second) else { return Vec::new() };
    let mut first = 0;
    let moment = |second: u64| {
        let end = second + 1;
        while seconds.get(first).is_some_and(|tick| tick.second + MOMENT < end) {
            first += 1;
        }
        let at = from.checked_add(Duration::from_secs(end)).ok()?;
        Some(SkewSeen { at, skew: within(&seconds[first..], end, MOMENT, nodes) })
    };
    (MOMENT - 1..=last).map_while(moment).collect()
}

/// Over so many seconds before `end`.
fn within(seconds: &[Tick], end: u64, over: u64, nodes: usize) -> Option<f64> {
    let mut sums: BTreeMap<&NodeName, u64> = BTreeMap::new();
    let meant = seconds.iter().skip_while(|tick| tick.second + over < end).take_while(|tick| tick.second < end);
    meant.flat_map(|tick| &tick.by_node).for_each(|(node, count)| *sums.entry(node).or_default() += count);
    let (all, most) = (sums.values().sum::<u64>(), sums.values().max().copied().unwrap_or_default());
    (all >= ENOUGH && nodes > 0).then(|| most as f64 * nodes as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds in which each of these nodes answered so many times.
    fn seconds(counts: &[&[u64]]) -> Vec<Tick> {
        let tick = |(second, counts): (usize, &&[u64])| Tick {
            second: second as u64,
            by_node: counts.iter().enumerate().map(|(n, c)| (NodeName::new(format!("node-{n}")), *c)).collect(),
            ..Tick::default()
        };
        counts.iter().enumerate().map(tick).collect()
    }

    #[test]
    fn an_even_share_is_one_and_a_node_that_is_out_makes_the_others_larger() {
        let even: &[u64] = &[30, 30, 30];
        let out: &[u64] = &[45, 45, 0];
        let seen = over_time(&seconds(&[[even; 10], [out; 10]].concat()), Timestamp::UNIX_EPOCH, 3);
        assert_eq!(seen.len(), 16, "the first five seconds make the first one");
        assert_eq!((seen[0].at.as_second(), seen[0].skew), (5, Some(1.0)));
        assert_eq!(seen[15].skew, Some(1.5));
        assert!(seen.is_sorted_by(|a, b| a.skew <= b.skew), "{seen:?}");
        assert_eq!(at_the_end(&seconds(&[even; 10]), 3), Some(1.0));
    }

    #[test]
    fn too_few_answers_say_nothing() {
        let few: &[u64] = &[6, 1];
        assert!(over_time(&seconds(&[few; 8]), Timestamp::UNIX_EPOCH, 2).iter().all(|seen| seen.skew.is_none()));
        assert_eq!((at_the_end(&seconds(&[few; 8]), 2), at_the_end(&[], 2)), (None, None));
        assert_eq!(at_the_end(&seconds(&[few; 20]), 2), Some(120.0 * 2.0 / 140.0));
    }
}
