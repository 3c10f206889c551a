//! How long runs of one kind on one node take, over time. Only runs that were done count: one that was given up says
//! nothing about how long it takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    drill::report::sparkline,
    journal::{Ending, RunSummary},
    model::{NodeName, observed::age},
    plan::Purpose,
};

/// Runs that a trend looks at: the newest ones.
const MOST: usize = 12;

/// Durations this much apart are as good as the same.
const SAME: f64 = 0.1;

/// The last durations of one kind of run on one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// What was done.
    pub purpose: Purpose,
    /// On which node.
    pub node: NodeName,
    /// Runs that are counted here.
    pub runs: usize,
    /// Their seconds, the newest last.
    pub last_s: Vec<f64>,
    /// The median of those before the newest; `None` where there is none.
    pub median_s: Option<f64>,
    /// The newest against that.
    pub direction: Direction,
}

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The newest took less by a tenth or more.
    Shorter,
    /// The newest took more by a tenth or more.
    Longer,
    /// Neither.
    AsBefore,
    /// There is nothing to compare it with.
    Unknown,
}

impl Direction {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Shorter => "shorter",
            Self::Longer => "longer",
            Self::AsBefore => "as before",
            Self::Unknown => "nothing to compare with",
        }
    }
}

impl Trend {
    /// The durations in the height of a line of text.
    pub fn sparkline(&self) -> String {
        sparkline(&self.last_s.iter().map(|seconds| Some(*seconds)).collect::<Vec<_>>())
    }
}

/// A trend for each kind of run and node, of runs in any order.
pub fn trends(runs: &[RunSummary]) -> Vec<Trend> {
    let mut by_kind: BTreeMap<(Purpose, &NodeName), Vec<(Timestamp, f64)>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.ending == Some(Ending::Done)) {
        let Some(ended) = run.ended_at else { continue };
        let seconds = (age(ended, run.opened_at).as_secs_f64() * 1000.0).round() / 1000.0;
        by_kind.entry((run.plan.request.purpose, run.plan.node())).or_default().push((run.opened_at, seconds));
    }
    by_kind
        .into_iter()
        .map(|((purpose, node), mut runs)| {
            runs.sort_by_key(|(opened, _)| *opened);
            let newest = runs.split_off(runs.len().saturating_sub(MOST));
            trend(purpose, node.clone(), newest.into_iter().map(|(_, seconds)| seconds).collect())
        })
        .collect()
}

fn trend(purpose: Purpose, node: NodeName, last_s: Vec<f64>) -> Trend {
    let (newest, former) = last_s.split_last().map_or((None, &[][..]), |(newest, former)| (Some(*newest), former));
    let median_s = median(former);
    let direction = match (newest, median_s) {
        (Some(newest), Some(median)) if newest > median * (1.0 + SAME) => Direction::Longer,
        (Some(newest), Some(median)) if newest < median * (1.0 - SAME) => Direction::Shorter,
        (Some(_), Some(_)) => Direction::AsBefore,
        _ => Direction::Unknown,
    };
    Trend { purpose, node, runs: last_s.len(), last_s, median_s, direction }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[f64]) -> Trend {
        trend(Purpose::Drain, "node-1".into(), seconds.to_vec())
    }

    #[test]
    fn the_newest_is_compared_with_the_median_of_the_former_ones() {
        assert_eq!(of(&[10.0, 12.0, 300.0, 20.0]).median_s, Some(12.0), "one that hung does not move it");
        assert_eq!(of(&[10.0, 12.0, 300.0, 20.0]).direction, Direction::Longer);
        assert_eq!(of(&[10.0, 12.0, 8.0]).direction, Direction::Shorter);
        assert_eq!(of(&[10.0, 10.9]).direction, Direction::AsBefore);
        assert_eq!(of(&[10.0]).direction, Direction::Unknown);
        assert_eq!(of(&[10.0]).median_s, None);
        assert_eq!(of(&[]).direction, Direction::Unknown);
    }

    #[test]
    fn it_fits_in_a_line() {
        assert_eq!(of(&[1.0, 8.0]).sparkline(), "▂█");
    }
}
