//! What the benchmark found, and whether the targets are met.

use std::fmt;

use serde::Serialize;

use super::{Fault, Seen};

/// Time that the guard may take after everything that it needs to know is known, in seconds.
const REACTION_S: f64 = 0.5;
/// Longest time in which the probes notice a service that hangs, in seconds: two in a row, one a second (a tenth more with
/// jitter), each given up after 2 s; the second begins while the first is waited for, or as soon as it has ended.
const HANG_NOTICED_S: f64 = 1.1 + 2.0 + 2.0;

/// Everything that the benchmark found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// New connections a second.
    pub rate: u32,
    /// One line a case.
    pub cases: Vec<Case>,
}

/// One fault behind one entrypoint.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What was lost.
    pub fault: &'static str,
    /// How clients came.
    pub entrypoint: &'static str,
    /// Seconds of errors by the route's own means.
    pub alone_window_s: f64,
    /// Seconds of errors with the guard.
    pub guard_window_s: f64,
    /// Seconds until the cluster (a lost node) or the thresholds (a hung service) say so themselves, with the guard.
    pub detection_s: f64,
    /// Requests that failed by the route's own means.
    pub alone_failed: u64,
    /// Requests that failed with the guard.
    pub guard_failed: u64,
    /// Requests in all, without and with the guard.
    pub requests: [u64; 2],
    /// The longest window that is accepted with the guard.
    pub target_s: f64,
    /// Whether it was kept.
    pub met: bool,
}

impl Case {
    pub(super) fn new(entrypoint: &'static str, fault: Fault, alone: &Seen, guard: &Seen) -> Self {
        let detection_s = match fault {
            Fault::UnitKilled => 0.0,
            Fault::Hung => HANG_NOTICED_S,
            Fault::Power | Fault::Link => guard.detection_s.unwrap_or(0.0),
        };
        let target_s = detection_s + REACTION_S;
        Self {
            fault: fault.word(),
            entrypoint,
            alone_window_s: alone.window_s,
            guard_window_s: guard.window_s,
            detection_s,
            alone_failed: alone.failed,
            guard_failed: guard.failed,
            requests: [alone.requests, guard.requests],
            target_s,
            met: guard.window_s <= target_s,
        }
    }
}

impl Report {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, cases: Vec::new() }
    }

    /// Whether every target is met.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.met)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, entrypoint, alone_window_s, guard_window_s, alone_failed, guard_failed, target_s, .. } = self;
        let met = if self.met { "met" } else { "MISSED" };
        write!(
            f,
            "{fault:<12} {entrypoint:<8} {alone_window_s:>7.2} s {alone_failed:>6} {guard_window_s:>7.2} s \
             {guard_failed:>6}   at most {target_s:>5.2} s  {met}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} new connections a second; windows of errors and failed requests\n", self.rate)?;
        writeln!(f, "fault        route        alone failed    guard failed   target")?;
        self.cases.iter().try_for_each(|case| writeln!(f, "{case}"))
    }
}
