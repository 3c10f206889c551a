//! Reports for a person.

use std::{collections::BTreeMap, fmt::Write};

use crate::drill::load::{LoadReport, observed::ObservedTraffic};

/// Failures that are shown one by one.
const SHOWN: usize = 5;

/// A load's report.
pub(super) fn of(report: &LoadReport) -> String {
    let mut text = format!(
        "{} requests in {:.1} s: {} ok, {} failed\n",
        report.requests,
        report.took().as_secs_f64(),
        report.ok,
        report.failed
    );
    nodes(&mut text, &report.by_node, report.ok);
    for (route, count) in &report.by_route {
        let _ = writeln!(text, "  route {route}: {} requests, {} failed", count.requests, count.failed);
    }
    for (name, latency) in [("latency", report.latency), ("slow ones", report.slow_latency)] {
        if latency.count > 0 {
            let _ = writeln!(
                text,
                "  {name}: median {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms",
                latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
            );
        }
    }
    for (kind, count) in &report.by_failure {
        let _ = writeln!(text, "  failed, {kind}: {count}");
    }
    for failure in report.failures.iter().take(SHOWN) {
        let of = |what: &str, name: &Option<String>| name.as_ref().map(|n| format!(" {what} {n}")).unwrap_or_default();
        let led = failure.address.map(|address| format!(" ({address})")).unwrap_or_default();
        let whose = [of("from", &failure.host), of("route", &failure.route), of("node", &failure.node)].concat();
        let _ = writeln!(text, "  {} {}{led}{whose}: {}", failure.at, failure.target, failure.detail);
    }
    text
}

/// What was observed.
pub(super) fn of_observed(seen: &ObservedTraffic) -> String {
    let took = crate::model::observed::age(seen.ended_at, seen.started_at).as_secs_f64();
    let mut text = format!("{} requests of others in {took:.1} s: {} failed\n", seen.requests, seen.failed);
    nodes(&mut text, &seen.by_node, seen.requests - seen.failed);
    for gap in &seen.gaps {
        let (from, until) = (gap.from, gap.until);
        let _ = writeln!(text, "  not known: {} at {} from {from} to {until}: {}", gap.route, gap.instance, gap.why);
    }
    if seen.more_gaps > 0 {
        let _ = writeln!(text, "  and {} gaps more", seen.more_gaps);
    }
    text
}

fn nodes(text: &mut String, by_node: &BTreeMap<String, u64>, all: u64) {
    for (node, count) in by_node {
        let _ = writeln!(text, "  {node}: {count} ({:.1} %)", *count as f64 * 100.0 / all.max(1) as f64);
    }
}
