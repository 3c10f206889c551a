//! What a drill has to show: the service's objective, or tighter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits; one that is not given is not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// From the fault to the last request that failed because of it.
    pub failover: Option<Duration>,
    /// From the fault to the moment at which the first route was told, or knew.
    pub detection: Option<Duration>,
    /// From the end of the fault until all was as before; from the fault itself where nothing keeps it going.
    pub recovery: Option<Duration>,
    /// Share of all requests that fail.
    pub max_error_ratio: Option<f64>,
    /// 99th percentile of the latency.
    pub max_latency_p99: Option<Duration>,
    /// Largest measured share against an even one, at the end.
    pub max_skew: Option<f64>,
    /// Nodes that are ready at any time.
    pub min_ready: Option<u32>,
}
