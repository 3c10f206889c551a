//! Requests, second by second, and the ones that failed: from a load of our own, or from counters of others.

mod from_load;

pub use from_load::connections;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::NodeName;

/// Failed requests that are kept one by one; all of them are counted.
pub const MAX_FAILURES: usize = 200;

/// What was sent, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Who counted: `4 clients here, 200 requests a second in all`, `lb-01, lb-02: their own counters`.
    pub source: String,
    /// Where it went; empty where it is other people's traffic.
    pub targets: Vec<String>,
    /// When the first request was due.
    pub from: Timestamp,
    /// When the last answer (or failure) was in.
    pub until: Timestamp,
    /// Whether it was ended before its time.
    pub interrupted: bool,
    /// Requests in all.
    pub requests: u64,
    /// Failures in all.
    pub failed: u64,
    /// Successes by node, where the answers say who gave them.
    pub by_node: BTreeMap<NodeName, u64>,
    /// Failures by cause.
    pub by_cause: BTreeMap<String, u64>,
    /// Latencies; `None` where nobody measured any.
    pub latency: Option<Percentiles>,
    /// Second by second. A second that is not listed had neither success nor failure.
    pub seconds: Vec<Tick>,
    /// The first failures, one by one, at most [`MAX_FAILURES`].
    pub failures: Vec<FailedRequest>,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Requests that were measured.
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

/// One second, by the time at which answers came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Seconds since [`Traffic::from`].
    pub second: u64,
    /// Successes.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
    /// Successes by node.
    pub by_node: BTreeMap<NodeName, u64>,
    /// Median latency in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// The slowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
}

/// One request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// When that was known.
    pub at: Timestamp,
    /// The node that it had reached, where that is known.
    pub node: Option<NodeName>,
    /// The way that it had taken, where that is known: the route's instance, or the address.
    pub route: Option<String>,
    /// Of which kind.
    pub cause: String,
    /// In the system's own words.
    pub detail: String,
}

/// What else was measured over time; what nobody measured is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Open connections by node.
    #[serde(default)]
    pub connections: Vec<Sample>,
    /// Ready nodes.
    #[serde(default)]
    pub ready: Vec<ReadyNodes>,
    /// The largest share against the expected one.
    #[serde(default)]
    pub skew: Vec<SkewSeen>,
}

/// One number of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub node: NodeName,
    /// The number; `None` where it could not be asked.
    pub value: Option<f64>,
}

/// The nodes that were ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyNodes {
    /// When.
    pub at: Timestamp,
    /// How many; `None` where it could not be asked.
    pub ready: Option<u32>,
}

/// The skew at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkewSeen {
    /// When.
    pub at: Timestamp,
    /// The largest share against the expected one: 1 is even; `None` where it was not known.
    pub skew: Option<f64>,
}

impl Traffic {
    /// Share of requests that failed; `None` where there were none.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }

    /// Failures that are counted and not listed.
    pub fn more_failures(&self) -> u64 {
        self.failed.saturating_sub(u64::try_from(self.failures.len()).unwrap_or(u64::MAX))
    }
}
