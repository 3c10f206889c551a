//! What a load run found.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a load run found. Every request is either `ok` or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// When the first request was due.
    pub started_at: Timestamp,
    /// When the last answer (or failure) was in.
    pub ended_at: Timestamp,
    /// Where requests went.
    pub targets: Vec<String>,
    /// Requests a second that were asked for.
    pub rate_per_s: u32,
    /// Whether it was ended before its time.
    pub interrupted: bool,
    /// Requests, sent or due.
    pub requests: u64,
    /// Whole answers with a status below 400.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
    /// Share of requests that failed.
    pub error_ratio: f64,
    /// Whole answers, by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Successful answers, by the node that gave them (where it said so).
    pub by_node: BTreeMap<String, u64>,
    /// Failures, by kind.
    pub by_failure: BTreeMap<FailureKind, u64>,
    /// The first failures, one by one, at most [`Failure::MAX_KEPT`].
    pub failures: Vec<Failure>,
    /// When the first failure was known.
    pub first_failure_at: Option<Timestamp>,
    /// When the last failure was known.
    pub last_failure_at: Option<Timestamp>,
    /// When the first request that failed was due.
    #[serde(default)]
    pub failing_from: Option<Timestamp>,
    /// When the last request that failed was due: whoever came later was served.
    #[serde(default)]
    pub failing_until: Option<Timestamp>,
    /// Connections opened.
    pub connections_opened: u64,
    /// Requests on a connection that had served others before.
    pub connections_reused: u64,
    /// Latencies of ordinary requests that were answered, from the moment at which each was due.
    pub latency: Latency,
    /// The same of slow requests.
    pub slow_latency: Latency,
    /// Second by second.
    pub timeline: Vec<Second>,
}

/// One request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When that was known.
    pub at: Timestamp,
    /// Where it went.
    pub target: String,
    /// Where its connection led; none where no address was known yet.
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// What it asked for.
    pub path: String,
    /// What went wrong.
    pub kind: FailureKind,
    /// In the system's own words.
    pub detail: String,
    /// Whether it was sent on a connection that had served others before.
    pub reused: bool,
}

impl Failure {
    /// Failures that a report keeps one by one; the counts go on.
    pub const MAX_KEPT: usize = 200;
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The connection was refused.
    Refused,
    /// There is no way to the target.
    Unreachable,
    /// The target's name has no address.
    NoAddress,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the whole answer was there.
    Closed,
    /// No whole answer within the time limit.
    TimedOut,
    /// An answer with a status of 400 or above.
    Status,
    /// An answer that is no HTTP.
    Protocol,
    /// It was due and never sent: too many were still in flight when the run ended.
    NotSent,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::NoAddress => "no address",
            Self::Reset => "connection reset",
            Self::Closed => "closed before the answer",
            Self::TimedOut => "timed out",
            Self::Status => "error status",
            Self::Protocol => "no HTTP",
            Self::NotSent => "never sent",
        })
    }
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Requests counted.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90 of 100 were at most this.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1000.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Latency {
    /// The percentiles of a histogram of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        Self {
            count: histogram.len(),
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p90_ms: ms(histogram.value_at_quantile(0.9)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            p999_ms: ms(histogram.value_at_quantile(0.999)),
            max_ms: ms(histogram.max()),
        }
    }
}

/// One second of a run, by the time at which answers came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the start.
    pub second: u64,
    /// Successes.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
    /// Successes by node.
    pub by_node: BTreeMap<String, u64>,
}

impl LoadReport {
    /// Time from the start to the last answer.
    pub fn took(&self) -> Duration {
        crate::model::observed::age(self.ended_at, self.started_at)
    }
}
