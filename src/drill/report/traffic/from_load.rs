//! The load client's report as traffic. The only place that knows both.

use super::{FailedRequest, MAX_FAILURES, Percentiles, Tick, Traffic};
use crate::{
    drill::load::{Failure, Latency, LoadReport, Second},
    model::NodeName,
};

impl From<&LoadReport> for Traffic {
    fn from(load: &LoadReport) -> Self {
        let nodes = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(node, count)| (NodeName::new(node), *count)).collect()
        };
        Self {
            source: format!("requests of our own, {} a second", load.rate_per_s),
            targets: load.targets.clone(),
            from: load.started_at,
            until: load.ended_at,
            interrupted: load.interrupted,
            requests: load.requests,
            failed: load.failed,
            by_node: nodes(&load.by_node),
            by_cause: load.by_failure.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
            latency: percentiles(&load.latency),
            seconds: load.timeline.iter().map(tick).collect(),
            failures: load.failures.iter().take(MAX_FAILURES).map(failed).collect(),
        }
    }
}

fn tick(second: &Second) -> Tick {
    Tick {
        second: second.second,
        ok: second.ok,
        failed: second.failed,
        by_node: second.by_node.iter().map(|(node, count)| (NodeName::new(node), *count)).collect(),
        // The load client does not keep them second by second yet.
        p50_ms: None,
        p99_ms: None,
        max_ms: None,
    }
}

fn failed(failure: &Failure) -> FailedRequest {
    FailedRequest {
        at: failure.at,
        node: None,
        route: failure.address.map(|address| address.to_string()),
        cause: failure.kind.to_string(),
        detail: failure.detail.clone(),
    }
}

/// Nothing was measured where nothing was answered: zeros would read as very fast.
fn percentiles(latency: &Latency) -> Option<Percentiles> {
    (latency.count > 0).then_some(Percentiles {
        count: latency.count,
        p50_ms: latency.p50_ms,
        p90_ms: latency.p90_ms,
        p99_ms: latency.p99_ms,
        p999_ms: latency.p999_ms,
        max_ms: latency.max_ms,
    })
}
