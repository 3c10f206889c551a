//! The load client's report as traffic. The only place that knows both.

use std::time::Duration;

use jiff::Timestamp;

use super::{FailedRequest, MAX_FAILURES, Percentiles, Sample, Tick, Traffic};
use crate::{
    drill::load::{
        Failure, Latency, LoadReport, Second,
        observed::{Gap, ObservedTraffic},
    },
    model::NodeName,
};

impl From<&LoadReport> for Traffic {
    fn from(load: &LoadReport) -> Self {
        let nodes = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(node, count)| (NodeName::new(node), *count)).collect()
        };
        Self {
            source: source(load),
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

fn source(load: &LoadReport) -> String {
    let hosts = if load.hosts.is_empty() { String::new() } else { format!(", from {}", load.hosts.join(", ")) };
    format!("requests of our own, {} a second{hosts}", load.rate_per_s)
}

fn tick(second: &Second) -> Tick {
    // A second without an answer has no latency; its zeros would read as very fast.
    let known = |ms: f64| (ms > 0.0).then_some(ms);
    Tick {
        second: second.second,
        ok: second.ok,
        failed: second.failed,
        by_node: second.by_node.iter().map(|(node, count)| (NodeName::new(node), *count)).collect(),
        p50_ms: known(second.p50_ms),
        p99_ms: known(second.p99_ms),
        max_ms: known(second.max_ms),
    }
}

fn failed(failure: &Failure) -> FailedRequest {
    let to = failure.route.clone().or_else(|| failure.address.map(|address| address.to_string()));
    FailedRequest {
        at: failure.at,
        node: failure.node.as_deref().map(NodeName::new),
        // Where several hosts send, which of them it was is half of the way.
        route: match &failure.host {
            Some(host) => Some(format!("{host} to {}", to.as_deref().unwrap_or("no address"))),
            None => to,
        },
        cause: failure.kind.to_string(),
        detail: failure.detail.clone(),
    }
}

/// The connections that were open at the end of each second, by node.
pub fn connections(started: Timestamp, seconds: &[Second]) -> Vec<Sample> {
    let of = |second: &Second| {
        let at = started.checked_add(Duration::from_secs(second.second + 1)).unwrap_or(started);
        let sample =
            move |(node, open): (&String, &u64)| Sample { at, node: NodeName::new(node), value: Some(*open as f64) };
        second.open_by_node.iter().map(sample).collect::<Vec<_>>()
    };
    seconds.iter().flat_map(of).collect()
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

/// Whose counters they were, and where they are not known.
fn source_of_counters(seen: &ObservedTraffic) -> String {
    let gap = |gap: &Gap| {
        let took = gap.until.duration_since(gap.from).as_secs_f64();
        format!("{} at {} is not known for {took:.0} s: {}", gap.route, gap.instance, gap.why)
    };
    let mut text = "the load balancers' own counters".to_owned();
    for said in seen.gaps.iter().take(GAPS_SAID).map(gap) {
        text += &format!("; {said}");
    }
    let more = seen.gaps.len().saturating_sub(GAPS_SAID) as u64 + seen.more_gaps;
    if more > 0 {
        text += &format!("; and {more} more gaps");
    }
    text
}

/// Gaps that are said one by one.
const GAPS_SAID: usize = 5;

impl From<&ObservedTraffic> for Traffic {
    fn from(seen: &ObservedTraffic) -> Self {
        Self {
            source: source_of_counters(seen),
            targets: Vec::new(),
            from: seen.started_at,
            until: seen.ended_at,
            interrupted: false,
            requests: seen.requests,
            failed: seen.failed,
            by_node: seen.by_node.iter().map(|(node, count)| (NodeName::new(node), *count)).collect(),
            by_cause: std::collections::BTreeMap::new(),
            latency: None,
            seconds: seen.timeline.iter().map(tick).collect(),
            failures: Vec::new(),
        }
    }
}
