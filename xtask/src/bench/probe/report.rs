//! What the benchmark found, and whether the targets are met.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::TARGETS;
use super::usage::Usage;
use crate::bench::Target;

/// Tidegate's processor time for a probe, at most so many times HAProxy's.
const TIMES_HAPROXY: f64 = 1.2;
/// blackbox_exporter's, at least so many times Tidegate's.
const TIMES_BLACKBOX: f64 = 10.0;
/// Tidegate's resident memory, at most so many times HAProxy's.
const TIMES_MEMORY: f64 = 3.0;
/// Share of the probes that are due which must be made, or the cost is that of something else.
const RATE: f64 = 0.95;

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Tidegate's rounds.
    pub tidegate: Vec<Usage>,
    /// HAProxy's.
    pub haproxy: Vec<Usage>,
    /// blackbox_exporter's.
    pub blackbox: Vec<Usage>,
    /// How ten thousand targets were found to fail.
    pub detection: Detection,
    /// This machine's load average over a minute, at the start and at the end.
    pub load_average: [f64; 2],
}

/// How targets were found to fail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Detection {
    /// Targets.
    pub targets: u64,
    /// Those that were told unhealthy.
    pub turned: u64,
    /// Those of them that were after exactly the configured failures in a row.
    pub exact: u64,
    /// Probes in all.
    pub probes: u64,
    /// Probes without an answer in time.
    pub timed_out: u64,
}

/// Everything that the benchmark found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Microseconds of processor time for each of Tidegate's probes, over all rounds.
    pub tidegate_us: f64,
    /// For each of HAProxy's checks.
    pub haproxy_us: f64,
    /// For each of blackbox_exporter's probes.
    pub blackbox_us: f64,
    /// Tidegate's resident memory in MiB, the most of all rounds.
    pub tidegate_rss_mb: f64,
    /// HAProxy's.
    pub haproxy_rss_mb: f64,
    /// blackbox_exporter's.
    pub blackbox_rss_mb: f64,
    /// Targets, each probed once a second.
    pub probed: u32,
    /// Every measurement.
    pub measured: Measured,
    /// The targets.
    pub targets: Vec<Target>,
    /// Programs with their versions.
    pub versions: BTreeMap<String, String>,
}

impl Report {
    pub(super) fn of(measured: Measured, versions: BTreeMap<String, String>) -> Self {
        let us = |rounds: &[Usage]| total(rounds).us();
        let rss = |rounds: &[Usage]| total(rounds).rss_mb;
        let mut report = Self {
            tidegate_us: us(&measured.tidegate),
            haproxy_us: us(&measured.haproxy),
            blackbox_us: us(&measured.blackbox),
            tidegate_rss_mb: rss(&measured.tidegate),
            haproxy_rss_mb: rss(&measured.haproxy),
            blackbox_rss_mb: rss(&measured.blackbox),
            probed: TARGETS,
            measured,
            targets: Vec::new(),
            versions,
        };
        report.targets = report.judged();
        report
    }

    /// Whether every target is met.
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.met)
    }

    fn judged(&self) -> Vec<Target> {
        let target = |target: String, met: bool| Target { target, met };
        let (ours, theirs, blackbox) = (self.tidegate_us, self.haproxy_us, self.blackbox_us);
        let (memory, limit) = (self.tidegate_rss_mb, self.haproxy_rss_mb * TIMES_MEMORY);
        let rates = [&self.measured.tidegate, &self.measured.haproxy].map(|rounds| total(rounds).rate());
        let Detection { targets, turned, exact, .. } = self.measured.detection;
        vec![
            target(
                format!("a probe costs {ours:.1} µs, at most {TIMES_HAPROXY} times HAProxy's {theirs:.1} µs"),
                ours <= theirs * TIMES_HAPROXY,
            ),
            target(
                format!("and at least {TIMES_BLACKBOX} times less than blackbox_exporter's {blackbox:.1} µs"),
                ours * TIMES_BLACKBOX <= blackbox,
            ),
            target(
                format!("{memory:.1} MiB resident, at most {limit:.1} (HAProxy's, times {TIMES_MEMORY})"),
                memory <= limit,
            ),
            target(
                format!("both kept up: {:.0} and {:.0} probes/s of {TARGETS}", rates[0], rates[1]),
                rates.iter().all(|rate| *rate >= f64::from(TARGETS) * RATE),
            ),
            target(
                format!("{turned} of {targets} targets found to fail, {exact} after exactly the configured failures"),
                targets > 0 && turned == targets && exact == targets,
            ),
        ]
    }
}

/// All rounds together; of memory, the most.
fn total(rounds: &[Usage]) -> Usage {
    let none = Usage { probes: 0, seconds: 0.0, cpu_s: 0.0, rss_mb: 0.0 };
    rounds.iter().fold(none, |sum, round| Usage {
        probes: sum.probes + round.probes,
        seconds: sum.seconds + round.seconds,
        cpu_s: sum.cpu_s + round.cpu_s,
        rss_mb: sum.rss_mb.max(round.rss_mb),
    })
}

impl fmt::Display for Detection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { targets, turned, exact, probes, timed_out } = self;
        write!(out, "{turned} of {targets} turned, {exact} exactly, in {probes} probes ({timed_out} timed out)")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} targets once a second, a connection each", self.probed)?;
        writeln!(out, "            µs of CPU a probe   probes/s   MiB resident")?;
        let rows = [
            ("tidegate", &self.measured.tidegate),
            ("haproxy", &self.measured.haproxy),
            ("blackbox", &self.measured.blackbox),
        ];
        for (name, rounds) in rows {
            let sum = total(rounds);
            writeln!(out, "{name:<12}{:>17.1}{:>11.0}{:>15.1}", sum.us(), sum.rate(), sum.rss_mb)?;
        }
        let [before, after] = self.measured.load_average;
        writeln!(out, "load average {before:.1} before, {after:.1} after")?;
        for Target { target, met } in &self.targets {
            writeln!(out, "{} {target}", if *met { "met:   " } else { "MISSED:" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(us: f64, rss_mb: f64, probes: u64) -> Usage {
        Usage { probes, seconds: 10.0, cpu_s: us * probes as f64 / 1e6, rss_mb }
    }

    fn missed(change: impl FnOnce(&mut Measured)) -> Vec<usize> {
        let mut measured = Measured {
            tidegate: vec![round(28.0, 20.0, 20_000), round(30.0, 21.0, 20_000)],
            haproxy: vec![round(25.0, 26.0, 20_000)],
            blackbox: vec![round(490.0, 40.0, 20_000)],
            detection: Detection { targets: 10, turned: 10, exact: 10, probes: 50, timed_out: 0 },
            load_average: [0.0; 2],
        };
        change(&mut measured);
        let report = Report::of(measured, BTreeMap::new());
        assert_eq!(report.passed(), report.targets.iter().all(|t| t.met));
        report.targets.iter().enumerate().filter(|(_, target)| !target.met).map(|(at, _)| at).collect()
    }

    #[test]
    fn every_target_can_be_missed() {
        assert_eq!(missed(|_| {}), Vec::<usize>::new());
        assert_eq!(missed(|m| m.tidegate[1] = round(34.0, 20.0, 20_000)), [0]);
        assert_eq!(missed(|m| m.blackbox[0] = round(280.0, 40.0, 20_000)), [1]);
        assert_eq!(missed(|m| m.tidegate[1].rss_mb = 79.0), [2]);
        assert_eq!(missed(|m| m.haproxy[0] = round(25.0, 26.0, 18_000)), [3]);
        assert_eq!(missed(|m| m.detection.exact = 9), [4]);
        assert_eq!(missed(|m| m.detection = Detection::default()), [4]);
    }
}
