//! Requests, and the ones that failed.

use super::super::{
    Evidence, FailedRequest, Phase, Traffic,
    phases::between_s,
    section::{Cell, Section, Table, Tone},
    words::{clock, count, counted, measure, number, percent},
};

/// How many there were, who answered, how fast.
pub(super) fn requests(evidence: &Evidence) -> Section {
    let section = Section::new("Requests");
    let Some(traffic) = &evidence.traffic else {
        return section.say("Nobody counted requests: whether any failed is not known.");
    };
    let ratio = traffic.error_ratio().map(|ratio| format!(" ({})", percent(ratio))).unwrap_or_default();
    let mut section = section.say(format!(
        "{}; {} failed{ratio}. Counted: {}{}.",
        counted(traffic.requests, "request", "requests"),
        count(traffic.failed),
        traffic.source,
        if traffic.interrupted { ", ended before its time" } else { "" },
    ));
    if !traffic.targets.is_empty() {
        section = section.say(format!("Sent to {}.", traffic.targets.join(", ")));
    }
    section.table(by_node(traffic)).table(causes(traffic)).table(latency(traffic))
}

fn by_node(traffic: &Traffic) -> Table {
    let all: u64 = traffic.by_node.values().sum();
    let mut table = Table::new(["node", "#answers", "#share"]);
    for (node, answers) in &traffic.by_node {
        let share = percent(*answers as f64 / all.max(1) as f64);
        table.row([node.as_str().into(), count(*answers).into(), share.into()]);
    }
    table
}

fn causes(traffic: &Traffic) -> Table {
    let mut table = Table::new(["cause of failure", "#requests"]);
    for (cause, failed) in &traffic.by_cause {
        table.row([cause.as_str().into(), Cell::new(count(*failed), Tone::Bad)]);
    }
    table
}

fn latency(traffic: &Traffic) -> Table {
    let mut table = Table::new(["latency", "#milliseconds"]);
    if let Some(seen) = &traffic.latency {
        for (name, value) in [
            ("median", seen.p50_ms),
            ("90th percentile", seen.p90_ms),
            ("99th percentile", seen.p99_ms),
            ("99.9th percentile", seen.p999_ms),
            ("slowest", seen.max_ms),
        ] {
            table.row([name.into(), number(value).into()]);
        }
    }
    table
}

/// Every failure that there is room for, and how many more.
pub(super) fn failures(evidence: &Evidence) -> Section {
    let section = Section::new("Failed requests");
    let Some(traffic) = &evidence.traffic else { return section.say("Not known: nobody counted requests.") };
    if traffic.failed == 0 {
        return section.say(format!("None of {}.", counted(traffic.requests, "request", "requests")));
    }
    let mut table = Table::new(["at", "#since the start", "during", "node", "way", "cause", "in its own words"]);
    for failure in &traffic.failures {
        table.row(row(evidence, failure));
    }
    let more = traffic.more_failures();
    let section = section.table(alike(evidence, traffic)).table(table);
    if more == 0 {
        section
    } else {
        section.say(format!("{} are listed; {} more are counted.", traffic.failures.len(), count(more)))
    }
}

/// Those that failed alike, together, in the order in which the first of them failed.
fn alike(evidence: &Evidence, traffic: &Traffic) -> Table {
    let mut groups: Vec<(&FailedRequest, String, usize)> = Vec::new();
    let mut last: Vec<&FailedRequest> = Vec::new();
    for failure in &traffic.failures {
        let phase = during(&evidence.phases, failure);
        let of = |f: &FailedRequest| (f.node.clone(), f.route.clone(), f.cause.clone());
        match groups.iter().position(|(first, in_phase, _)| *in_phase == phase && of(first) == of(failure)) {
            Some(number) => (groups[number].2, last[number]) = (groups[number].2 + 1, failure),
            None => {
                groups.push((failure, phase, 1));
                last.push(failure);
            }
        }
    }
    let mut table = Table::new(["during", "node", "way", "cause", "#listed", "first", "last"]);
    // A table of single failures would only say everything twice.
    for ((first, phase, number), last) in groups.iter().zip(last).filter(|_| groups.len() < traffic.failures.len()) {
        table.row([
            phase.as_str().into(),
            Cell::or_unknown(first.node.as_ref().map(ToString::to_string)),
            Cell::or_unknown(first.route.clone()),
            first.cause.as_str().into(),
            count(*number as u64).into(),
            clock(first.at).into(),
            clock(last.at).into(),
        ]);
    }
    table
}

fn row(evidence: &Evidence, failure: &FailedRequest) -> [Cell; 7] {
    [
        clock(failure.at).into(),
        measure(between_s(evidence.started, failure.at), "s").into(),
        during(&evidence.phases, failure).into(),
        Cell::or_unknown(failure.node.as_ref().map(ToString::to_string)),
        Cell::or_unknown(failure.route.clone()),
        failure.cause.as_str().into(),
        failure.detail.as_str().into(),
    ]
}

/// The phase that had begun last and was not over.
fn during(phases: &[Phase], failure: &FailedRequest) -> String {
    let on = |phase: &&Phase| phase.from <= failure.at && phase.until.is_none_or(|until| failure.at <= until);
    phases
        .iter()
        .filter(on)
        .max_by_key(|phase| phase.from)
        .map_or_else(|| "no phase".into(), |phase| phase.name.clone())
}
