//! Drills over time: what came of each, and whether what they measure gets better or worse. Only what was measured counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::drill::report::{Evidence, Outcome, sparkline};

/// Drills that a trend looks at: the newest ones.
const MOST: usize = 12;

/// One drill that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrillLine {
    /// The play.
    pub play: String,
    /// The drill's name.
    pub drill: String,
    /// What it was about: a node, or a host.
    pub place: String,
    /// What came out.
    pub result: Outcome,
    /// Why, where the word alone does not say it.
    pub why: Option<String>,
    /// Who asked for it.
    pub operator: String,
    /// When it began.
    pub started: Timestamp,
    /// Seconds that it took.
    pub seconds: Option<f64>,
    /// Requests; `None` where nobody counted.
    pub requests: Option<u64>,
    /// Those of them that failed.
    pub failed: Option<u64>,
    /// Seconds from the fault to the first route that knew.
    pub detection_s: Option<f64>,
    /// Seconds from the fault to the last request that failed by it.
    pub failover_s: Option<f64>,
    /// Seconds from the fault's end to the share as before.
    pub recovery_s: Option<f64>,
}

/// The same drill on the same place, again and again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrillTrend {
    /// The drill's name.
    pub drill: String,
    /// What it was about.
    pub place: String,
    /// Drills that are counted here.
    pub drills: usize,
    /// Those that kept everything that they promise.
    pub kept: usize,
    /// Shares of requests that failed, the newest last.
    pub failed_ratio: Vec<Option<f64>>,
    /// Detection times in seconds, the newest last.
    pub detection_s: Vec<Option<f64>>,
    /// Failover times.
    pub failover_s: Vec<Option<f64>>,
    /// Recovery times.
    pub recovery_s: Vec<Option<f64>>,
}

impl DrillLine {
    /// Of its evidence.
    pub fn of(evidence: &Evidence) -> Self {
        let fault = evidence.fault.as_ref();
        let nodes = || evidence.nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let failover = evidence.objectives.iter().find(|objective| objective.name == "failover");
        Self {
            play: evidence.id.clone(),
            drill: evidence.name.clone(),
            place: fault.map_or_else(nodes, |fault| fault.place.clone()),
            result: evidence.verdict.outcome,
            why: evidence.verdict.why.clone(),
            operator: evidence.operator.clone(),
            started: evidence.started,
            seconds: evidence.took_s(),
            requests: evidence.traffic.as_ref().map(|traffic| traffic.requests),
            failed: evidence.traffic.as_ref().map(|traffic| traffic.failed),
            detection_s: fault.and_then(|fault| fault.detection.seconds),
            failover_s: failover.and_then(|failover| failover.measured),
            recovery_s: fault.and_then(|fault| fault.recovery.seconds),
        }
    }

    /// Share of its requests that failed; `None` where there were none, or nobody counted.
    pub fn failed_ratio(&self) -> Option<f64> {
        let requests = self.requests.filter(|requests| *requests > 0)?;
        Some(self.failed? as f64 / requests as f64)
    }
}

impl DrillTrend {
    /// Numbers in the height of a line, with the newest beside them: `▃▃█ 2.5`; empty where nothing was measured.
    pub fn line(values: &[Option<f64>], spell: fn(f64) -> String) -> String {
        if values.iter().all(Option::is_none) {
            return String::new();
        }
        let newest = values.last().copied().flatten().map_or_else(|| "not known".to_owned(), spell);
        format!("{} {newest}", sparkline(values))
    }
}

/// A trend for each drill and place, of drills in any order.
pub fn drill_trends(lines: &[DrillLine]) -> Vec<DrillTrend> {
    let mut groups: BTreeMap<(&str, &str), Vec<&DrillLine>> = BTreeMap::new();
    for line in lines {
        groups.entry((&line.drill, &line.place)).or_default().push(line);
    }
    let trend = |((drill, place), mut lines): ((&str, &str), Vec<&DrillLine>)| {
        lines.sort_by_key(|line| line.started);
        let lines = lines.split_off(lines.len().saturating_sub(MOST));
        let all = |of: fn(&DrillLine) -> Option<f64>| lines.iter().map(|line| of(line)).collect::<Vec<_>>();
        DrillTrend {
            drill: drill.into(),
            place: place.into(),
            drills: lines.len(),
            kept: lines.iter().filter(|line| line.result == Outcome::Kept).count(),
            failed_ratio: all(DrillLine::failed_ratio),
            detection_s: all(|line| line.detection_s),
            failover_s: all(|line| line.failover_s),
            recovery_s: all(|line| line.recovery_s),
        }
    };
    groups.into_iter().map(trend).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, place: &str, result: Outcome, detection_s: Option<f64>) -> DrillLine {
        DrillLine {
            play: format!("p-{second}"),
            drill: "unit-killed".into(),
            place: place.into(),
            result,
            why: None,
            operator: "carol".into(),
            started: Timestamp::from_second(second).expect("a time"),
            seconds: Some(60.0),
            requests: Some(200),
            failed: Some(second.unsigned_abs()),
            detection_s,
            failover_s: None,
            recovery_s: None,
        }
    }

    #[test]
    fn the_newest_is_last_and_what_was_not_measured_is_a_gap() {
        let lines = [
            line(3, "node-2", Outcome::NotKnown, None),
            line(1, "node-2", Outcome::Kept, Some(2.0)),
            line(2, "node-1", Outcome::Kept, Some(9.0)),
            line(4, "node-2", Outcome::Missed, Some(4.0)),
        ];
        let trends = drill_trends(&lines);
        assert_eq!(trends.iter().map(|t| t.place.as_str()).collect::<Vec<_>>(), ["node-1", "node-2"]);
        let second = &trends[1];
        assert_eq!((second.drills, second.kept), (3, 1));
        assert_eq!(second.detection_s, [Some(2.0), None, Some(4.0)]);
        assert_eq!(second.failed_ratio, [Some(0.005), Some(0.015), Some(0.02)]);
        assert_eq!(DrillTrend::line(&second.detection_s, |s| format!("{s:.1} s")), "▅·█ 4.0 s");
        assert_eq!(DrillTrend::line(&second.failover_s, |s| s.to_string()), "");
        assert_eq!(drill_trends(&[]), []);
    }
}
