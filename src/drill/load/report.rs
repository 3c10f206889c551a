//! What a load run found.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::histogram::ms;

/// What a load run found. Every request is either `ok` or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// When the first request was due.
    pub started_at: Timestamp,
    /// When the last answer (or failure) was in.
    pub ended_at: Timestamp,
    /// The hosts that sent it, where others than this one did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
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
    /// Successful answers, by the node that gave them (where it said so, or its address is known).
    pub by_node: BTreeMap<String, u64>,
    /// Requests by the route that their target stands for, where it was named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_route: BTreeMap<String, RouteCount>,
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
    /// The histogram behind `latency`: microseconds, in HdrHistogram's log format (V2, deflate, base64).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
    /// The one behind `slow_latency`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slow_histogram: String,
    /// Second by second, without a gap from the first answer to the last.
    pub timeline: Vec<Second>,
}

/// Requests to a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCount {
    /// All of them.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
}

/// One request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When that was known.
    pub at: Timestamp,
    /// The host that sent it, where it was another than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The route that its target stands for, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The node that it came to: by its answer, by what its connection was told before, or by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
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
    /// An answer that is not what the protocol, or the plan, expects.
    Protocol,
    /// No TLS: the certificate is not believed, or the handshake broke.
    Tls,
    /// The far end ended a connection that was held, with no request on it. It counts as a request that failed.
    Ended,
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
            Self::Protocol => "not what was expected",
            Self::Tls => "no TLS",
            Self::Ended => "connection ended by the far end",
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the start.
    pub second: u64,
    /// Requests that ended.
    #[serde(default)]
    pub requests: u64,
    /// Successes.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
    /// Successes by node.
    pub by_node: BTreeMap<String, u64>,
    /// Failures by node, where it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_by_node: BTreeMap<String, u64>,
    /// Open connections by node at its end, where they were observed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open_by_node: BTreeMap<String, u64>,
    /// Median latency of ordinary requests that were answered in it, from the moment at which each was due.
    #[serde(default)]
    pub p50_ms: f64,
    /// 99 of 100 were at most this.
    #[serde(default)]
    pub p99_ms: f64,
    /// The slowest.
    #[serde(default)]
    pub max_ms: f64,
    /// The histogram behind them (two digits), for the first hour of a run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
}

impl LoadReport {
    /// Time from the start to the last answer.
    pub fn took(&self) -> Duration {
        crate::model::observed::age(self.ended_at, self.started_at)
    }

    /// Share of requests that failed; 0 where there was none.
    pub(super) fn ratio(requests: u64, failed: u64) -> f64 {
        if requests == 0 { 0.0 } else { failed as f64 / requests as f64 }
    }
}
