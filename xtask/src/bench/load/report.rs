//! What both clients saw of the stall, and whether that is as it should be.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::bench::Target;

/// Share of the stall that the open loop's p99 has to show: a third of its requests were due in it, so 99 of 100 took
/// no longer than all but a thirty-third of it.
const SHOWN: f64 = 0.9;
/// Share of the stall that a closed loop's own measurements show at most at p99.
const HIDDEN: f64 = 0.1;

/// Latencies of one client.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Requests measured.
    pub requests: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90 of 100 took at most this.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What wrk saw.
#[derive(Clone, Debug, Serialize)]
pub struct Wrk {
    /// What it measured.
    pub measured: Latency,
    /// What it prints as its p99, with measurements that it has made up.
    pub printed_p99_ms: f64,
}

/// Both clients' view of the stall.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// For how long the server held its answers back.
    pub stall_ms: f64,
    /// Tidegate's client.
    pub tidegate: Latency,
    /// wrk; none where it is not installed.
    pub wrk: Option<Wrk>,
    /// Tidegate's p99 as a multiple of the one that wrk measured.
    pub times_wrk: Option<f64>,
    /// The targets.
    pub targets: Vec<Target>,
}

impl LoadReport {
    pub(super) fn of(stall: Duration, tidegate: Latency, wrk: Option<Wrk>) -> Self {
        let stall_ms = stall.as_secs_f64() * 1000.0;
        let target = |target: String, met: bool| Target { target, met };
        let (p90, p99, least) = (tidegate.p90_ms, tidegate.p99_ms, stall_ms * SHOWN);
        let mut targets = vec![
            target(
                format!("Tidegate's p99 is {p99:.0} ms, at least {least:.0} of the stall's {stall_ms:.0}"),
                p99 >= least,
            ),
            target(format!("its p90 is {p90:.0} ms, at least half of the stall"), p90 >= stall_ms / 2.0),
        ];
        if let Some(wrk) = &wrk {
            let (measured, most) = (wrk.measured.p99_ms, stall_ms * HIDDEN);
            let text = format!("the p99 that wrk measured is {measured:.1} ms, at most {most:.0}: it hides the stall");
            targets.push(target(text, measured <= most));
        }
        let times_wrk = wrk.as_ref().map(|wrk| tidegate.p99_ms / wrk.measured.p99_ms);
        Self { stall_ms, tidegate, wrk, times_wrk, targets }
    }

    /// Whether every target is met, and both clients ran.
    pub fn passed(&self) -> bool {
        self.wrk.is_some() && self.targets.iter().all(|target| target.met)
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a server that stalls for {:.0} ms, by two clients at the same time", self.stall_ms)?;
        writeln!(f, "{:<22} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "requests", "p50 ms", "p90 ms", "p99 ms", "max ms")?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, l: &Latency| {
            let Latency { requests, p50_ms, p90_ms, p99_ms, max_ms } = l;
            writeln!(f, "{name:<22} {requests:>9} {p50_ms:>9.1} {p90_ms:>9.1} {p99_ms:>9.1} {max_ms:>9.1}")
        };
        line(f, "tidegate, open loop", &self.tidegate)?;
        match &self.wrk {
            Some(wrk) => {
                line(f, "wrk, as measured", &wrk.measured)?;
                let printed = wrk.printed_p99_ms;
                writeln!(f, "{:<22} {:>39.1}", "wrk, as it prints", printed)?;
            }
            None => writeln!(f, "wrk is not installed (Debian: wrk): its half did not run")?,
        }
        for target in &self.targets {
            writeln!(f, "{} {}", if target.met { "met:   " } else { "MISSED:" }, target.target)?;
        }
        Ok(())
    }
}
