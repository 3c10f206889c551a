//! What the benchmark found: medians of seconds, sums of failures, and whether the targets are met.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::round::Round;

/// How much more than the floor a drain may take, in seconds.
const ABOVE_FLOOR_S: f64 = 0.6;

/// Everything that the benchmark found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Median seconds from standby to Pacemaker's record of the stop, with nothing else done.
    pub floor_s: f64,
    /// Median seconds of `pcs node standby --wait` alone.
    pub naive_s: f64,
    /// Requests that failed in its rounds.
    pub naive_failed: u64,
    /// Median seconds of the playbook that drains.
    pub ansible_drain_s: f64,
    /// Median seconds of the playbook that restores.
    pub ansible_restore_s: f64,
    /// Requests that failed in Ansible's rounds.
    pub ansible_failed: u64,
    /// Median seconds of `tidegate drain`.
    pub tidegate_drain_s: f64,
    /// Median seconds of `tidegate restore`.
    pub tidegate_restore_s: f64,
    /// Requests that failed in Tidegate's rounds.
    pub tidegate_failed: u64,
    /// Requests, by way.
    pub requests: BTreeMap<&'static str, u64>,
    /// Rounds of each way.
    pub rounds: usize,
    /// Every single measurement.
    pub measured: Measured,
    /// The targets.
    pub targets: Vec<Target>,
    /// What was measured: programs with their versions.
    pub versions: BTreeMap<&'static str, String>,
    /// This machine's load average over a minute, at the start and at the end: above its number of processors, times
    /// say more about this machine than about what was measured.
    pub load_average: [f64; 2],
}

/// Every single measurement, in order.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    pub(super) floor_s: Vec<f64>,
    pub(super) naive: Vec<Round>,
    pub(super) ansible: Vec<Round>,
    pub(super) tidegate: Vec<Round>,
}

/// What must hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// In words, with the numbers.
    pub target: String,
    /// Whether it does.
    pub met: bool,
}

impl Report {
    pub(super) fn of(measured: Measured, versions: BTreeMap<&'static str, String>, load_average: [f64; 2]) -> Self {
        let Measured { floor_s, naive, ansible, tidegate } = &measured;
        let median_of =
            |rounds: &[Round], what: fn(&Round) -> f64| median(&rounds.iter().map(what).collect::<Vec<_>>());
        let failed = |rounds: &[Round]| rounds.iter().map(|round| round.failed).sum();
        let requests = |rounds: &[Round]| rounds.iter().map(|round| round.requests).sum();
        let mut report = Self {
            floor_s: median(floor_s),
            naive_s: median_of(naive, |round| round.drain_s),
            naive_failed: failed(naive),
            ansible_drain_s: median_of(ansible, |round| round.drain_s),
            ansible_restore_s: median_of(ansible, |round| round.restore_s),
            ansible_failed: failed(ansible),
            tidegate_drain_s: median_of(tidegate, |round| round.drain_s),
            tidegate_restore_s: median_of(tidegate, |round| round.restore_s),
            tidegate_failed: failed(tidegate),
            requests: [("naive", naive), ("ansible", ansible), ("tidegate", tidegate)]
                .map(|(way, rounds)| (way, requests(rounds)))
                .into(),
            rounds: tidegate.len(),
            targets: Vec::new(),
            measured,
            versions,
            load_average,
        };
        report.targets = report.judged();
        report
    }

    /// Whether every target is met.
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.met)
    }

    fn judged(&self) -> Vec<Target> {
        let limit = self.floor_s + ABOVE_FLOOR_S;
        let half = self.ansible_drain_s / 2.0;
        let (drain, failed) = (self.tidegate_drain_s, self.tidegate_failed);
        let target = |target: String, met: bool| Target { target, met };
        vec![
            target(format!("Tidegate loses no request ({failed} failed)"), failed == 0),
            target(
                format!("the load would show a loss: the naive way has some ({} failed)", self.naive_failed),
                self.naive_failed > 0,
            ),
            target(
                format!("Tidegate drains within the floor and {ABOVE_FLOOR_S} s ({drain:.2} s, at most {limit:.2} s)"),
                drain <= limit,
            ),
            target(format!("and in half of Ansible's time ({drain:.2} s, at most {half:.2} s)"), drain <= half),
        ]
    }
}

/// The middle one, or the mean of the two in the middle. Not a number where there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(middle(half.wrapping_sub(1)), middle(half))
    } else {
        middle(half)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "way        drain s  restore s  serving s  requests  failed   (medians and sums, {} rounds)",
            self.rounds
        )?;
        let ways = [
            ("naive", &self.measured.naive),
            ("ansible", &self.measured.ansible),
            ("tidegate", &self.measured.tidegate),
        ];
        for (way, rounds) in ways {
            let of = |what: fn(&Round) -> f64| median(&rounds.iter().map(what).collect::<Vec<_>>());
            let failed: u64 = rounds.iter().map(|round| round.failed).sum();
            let (drain, restore) = (of(|round| round.drain_s), of(|round| round.restore_s));
            let (serving, requests) =
                (of(|round| round.serving_s), self.requests.get(way).copied().unwrap_or_default());
            writeln!(out, "{way:<9} {drain:>8.2} {restore:>10.2} {serving:>10.1} {requests:>9} {failed:>7}")?;
        }
        writeln!(out, "floor     {:>8.2}   Pacemaker's own record of the stop", self.floor_s)?;
        writeln!(
            out,
            "serving: from the start of the restore until both load balancers send to the node as before\n\
             load average {:.1} before, {:.1} after",
            self.load_average[0], self.load_average[1]
        )?;
        for Target { target, met } in &self.targets {
            writeln!(out, "{} {target}", if *met { "met:   " } else { "MISSED:" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(drain_s: &[f64], failed: u64) -> Vec<Round> {
        let round = |drain_s: &f64| Round {
            drain_s: *drain_s,
            restore_s: 1.0,
            serving_s: 1.0,
            requests: 100,
            failed,
            slowest_ms: 10.0,
        };
        drain_s.iter().map(round).collect()
    }

    fn report(naive_failed: u64, tidegate: &[f64], tidegate_failed: u64) -> Report {
        let measured = Measured {
            floor_s: vec![2.2, 9.0, 2.0],
            naive: rounds(&[4.7, 4.8, 4.6], naive_failed),
            ansible: rounds(&[6.0, 6.4, 5.8], 0),
            tidegate: rounds(tidegate, tidegate_failed),
        };
        Report::of(measured, BTreeMap::new(), [0.0, 0.0])
    }

    #[test]
    fn seconds_are_medians_and_failures_are_sums() {
        let report = report(5, &[2.5, 2.7, 99.0], 0);
        assert!(report.passed(), "{report}");
        assert_eq!((report.floor_s, report.ansible_drain_s, report.tidegate_drain_s), (2.2, 6.0, 2.7));
        assert_eq!((report.naive_failed, report.requests.get("naive"), report.rounds), (15, Some(&300), 3));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn every_target_can_be_missed() {
        let missed = |report: Report| -> Vec<usize> {
            let targets = report.targets.iter().enumerate();
            targets.filter(|(_, target)| !target.met).map(|(at, _)| at).collect()
        };
        assert_eq!(missed(report(5, &[2.5; 3], 1)), [0]);
        assert_eq!(missed(report(0, &[2.5; 3], 0)), [1]);
        assert_eq!(missed(report(5, &[2.9; 3], 0)), [2]);
        assert_eq!(missed(report(5, &[3.1; 3], 0)), [2, 3]);
    }
}
