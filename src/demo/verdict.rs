//! What the demo ends with.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::drill::load::{FailureKind, LoadReport};

/// How the node was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By a plan, gates and proofs.
    Drain,
    /// By standby alone.
    Naive,
}

/// Each node's share of the answers, between 0 and 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Before anything was done.
    pub before: BTreeMap<String, f64>,
    /// While the node was out.
    pub out: BTreeMap<String, f64>,
    /// At the end.
    pub after: BTreeMap<String, f64>,
}

/// What the demo found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemoVerdict {
    /// How the node was taken out.
    pub mode: Mode,
    /// The node.
    pub node: String,
    /// Requests sent.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Failures by kind.
    pub by_failure: BTreeMap<FailureKind, u64>,
    /// From the decision to take the node out until it was out of traffic and cluster, in seconds.
    pub drain_s: f64,
    /// From the decision to bring it back until everything was as before (naive: until the cluster called it
    /// started), in seconds.
    pub restore_s: f64,
    /// The whole demo, in seconds.
    pub took_s: f64,
    /// Who answered.
    pub shares: Shares,
    /// Slow requests under way, on all nodes, when the node was to leave.
    pub slow_in_flight: u64,
    /// Requests under way on the node when it was to leave, as the load balancers counted them.
    pub sessions_at_start: u64,
    /// Connections to the node that the load balancers still kept open, idle, when its traffic was gone (only in
    /// mode drain: otherwise nobody looked).
    pub idle_after_drain: Option<u64>,
    /// Whether the load balancers hold exactly what they held before.
    pub restored: bool,
    /// Latencies of ordinary requests: median and 99 of 100, in milliseconds.
    pub p50_ms: f64,
    /// See `p50_ms`.
    pub p99_ms: f64,
}

impl DemoVerdict {
    /// Whether it went as this mode promises: a drain loses nothing; naive promises nothing.
    pub fn as_promised(&self) -> bool {
        self.restored && (self.mode == Mode::Naive || self.failed == 0)
    }

    /// To milliseconds and permille: nobody can use more.
    pub(super) fn round(&mut self) {
        let Self { drain_s, restore_s, took_s, shares, .. } = self;
        let shares =
            [&mut shares.before, &mut shares.out, &mut shares.after].into_iter().flat_map(BTreeMap::values_mut);
        for number in [drain_s, restore_s, took_s].into_iter().chain(shares) {
            *number = (*number * 1000.0).round() / 1000.0;
        }
    }

    pub(super) fn take_report(&mut self, report: &LoadReport) {
        self.requests = report.requests;
        self.failed = report.failed;
        self.by_failure = report.by_failure.clone();
        self.p50_ms = report.latency.p50_ms;
        self.p99_ms = report.latency.p99_ms;
    }
}

impl fmt::Display for DemoVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, requests, failed, drain_s, restore_s, took_s, .. } = self;
        writeln!(f, "{failed} of {requests} requests failed in {took_s:.1} s.")?;
        for (kind, count) in &self.by_failure {
            writeln!(f, "  {kind}: {count}")?;
        }
        match self.mode {
            Mode::Drain => {
                writeln!(
                    f,
                    "{node} was drained in {drain_s:.1} s, with {} requests under way on it, and restored in {restore_s:.1} s.",
                    self.sessions_at_start
                )?;
                if let Some(idle) = self.idle_after_drain {
                    writeln!(f, "{idle} idle connections to it were still open then: pools, and no traffic.")?;
                }
                writeln!(f, "See what standby alone does: tidegate demo --naive")
            }
            Mode::Naive => {
                writeln!(
                    f,
                    "{node} went into standby while the load balancers still sent it clients ({} requests were under way).",
                    self.sessions_at_start
                )?;
                writeln!(f, "See what a drain does: tidegate demo")
            }
        }
    }
}
