//! Keeps count while requests end.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Failure, FailureKind, Latency, Live, LoadPlan, LoadReport, Nodes, Target,
    client::{Answer, Outcome},
    histogram::{encode, fine, record},
    timeline::Timeline,
};
use crate::provider::{Clock, SystemClock};

/// A request that is under way.
pub(super) struct Sent {
    /// From when its latency counts.
    pub(super) from: Instant,
    /// Whether it is one of the slow ones.
    pub(super) slow: bool,
    /// Its number in the live view.
    ticket: u64,
}

/// Counts of one run, and the live view of them.
pub(super) struct Recorder {
    start: Instant,
    started_at: Timestamp,
    nodes: Nodes,
    live: Live,
    counts: Mutex<Counts>,
}

struct Counts {
    /// What needs no more than counting; the rest is filled in at the end.
    report: LoadReport,
    plain: Histogram<u64>,
    slow: Histogram<u64>,
    timeline: Timeline,
}

impl Recorder {
    pub(super) fn new(plan: &LoadPlan, start: Instant, live: Live) -> Self {
        let started_at = SystemClock.now();
        let report = LoadReport {
            targets: plan.targets.iter().map(ToString::to_string).collect(),
            rate_per_s: plan.rate_per_s,
            ..LoadReport::nothing(started_at)
        };
        let counts = Counts { report, plain: fine(), slow: fine(), timeline: Timeline::default() };
        Self { start, started_at, nodes: plan.nodes.clone(), live, counts: Mutex::new(counts) }
    }

    /// The next request is due at this time, and waits for its place from then on.
    pub(super) fn due(&self, at: Instant) {
        self.live.due(at);
    }

    pub(super) fn begin(&self, from: Instant, slow: bool) -> Sent {
        Sent { from, slow, ticket: self.live.begin(from, slow) }
    }

    pub(super) fn end(&self, sent: &Sent, target: &Target, path: &str, outcome: Outcome) {
        let Outcome { answer, ended, connection } = outcome;
        let since_start = ended.saturating_duration_since(self.start);
        let latency = ended.saturating_duration_since(sent.from);
        let mut counts = self.counts();
        if connection.opened {
            counts.report.connections_opened += 1;
        } else {
            counts.report.connections_reused += 1;
        }
        if let Ok(answer) = &answer {
            counts.answered(sent, since_start, latency, answer.status);
        }
        let (named, failed) = verdict(answer);
        let node = named.or(connection.node).or_else(|| self.node_at(connection.address));
        match failed {
            None => counts.success(since_start, target, node.as_deref()),
            Some((kind, detail)) => {
                let due = sent.from.saturating_duration_since(self.start);
                let (address, reused, node) = (connection.address, !connection.opened, node.clone());
                let failure =
                    Failure { address, node, reused, ..self.failure(since_start, target, path, kind, detail) };
                counts.failure(since_start, self.timestamp(due), failure);
                drop(counts);
                return self.live.failed(sent.from, sent.ticket, sent.slow);
            }
        }
        drop(counts);
        let latency = (!sent.slow).then_some(latency);
        self.live.ok(sent.from, sent.ticket, latency, node);
    }

    /// The far end ended a connection that was held.
    pub(super) fn ended(&self, target: &Target, address: Option<SocketAddr>, node: Option<&str>, detail: String) {
        let since_start = self.start.elapsed();
        let node = node.map(str::to_owned).or_else(|| self.node_at(address));
        let failure = self.failure(since_start, target, target.path(), FailureKind::Ended, detail);
        let failure = Failure { address, node, reused: true, ..failure };
        self.counts().failure(since_start, self.timestamp(since_start), failure);
        self.live.lost(1);
    }

    /// Requests that were due, the last one at `last`, but could not be sent before the run had to end.
    pub(super) fn not_sent<'a>(&self, targets: impl Iterator<Item = &'a Target>, number: u64, last: Instant) {
        let since_start = self.start.elapsed();
        let mut counts = self.counts();
        let last = self.timestamp(last.saturating_duration_since(self.start));
        let mut told = 0;
        for target in targets.take(Failure::MAX_KEPT) {
            let detail = "too many others were still under way".to_owned();
            let failure = self.failure(since_start, target, target.path(), FailureKind::NotSent, detail);
            counts.failure(since_start, last, failure);
            told += 1;
        }
        counts.more_not_sent(since_start, number - told);
        drop(counts);
        self.live.lost(number);
    }

    pub(super) fn finish(&self, interrupted: bool) -> LoadReport {
        let counts = self.counts();
        let report = &counts.report;
        LoadReport {
            ended_at: self.timestamp(self.start.elapsed()),
            interrupted,
            error_ratio: LoadReport::ratio(report.requests, report.failed),
            latency: Latency::of(&counts.plain),
            slow_latency: Latency::of(&counts.slow),
            histogram: encode(&counts.plain),
            slow_histogram: encode(&counts.slow),
            timeline: counts.timeline.seconds(),
            ..report.clone()
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, since: Duration, target: &Target, path: &str, kind: FailureKind, detail: String) -> Failure {
        Failure {
            at: self.timestamp(since),
            host: None,
            route: target.route().map(str::to_owned),
            node: None,
            target: target.to_string(),
            address: None,
            path: path.to_owned(),
            kind,
            detail,
            reused: false,
        }
    }

    fn node_at(&self, address: Option<SocketAddr>) -> Option<String> {
        self.nodes.of(address?).map(str::to_owned)
    }

    /// The time of day after `since_start` on the clock that cannot jump.
    fn timestamp(&self, since_start: Duration) -> Timestamp {
        self.started_at.checked_add(since_start).unwrap_or(self.started_at)
    }
}

/// The node that an answer names, and why it is no success.
fn verdict(answer: Result<Answer, (FailureKind, String)>) -> (Option<String>, Option<(FailureKind, String)>) {
    match answer {
        Ok(Answer { status: Some(status), node }) if status >= 400 => {
            (node, Some((FailureKind::Status, format!("status {status}"))))
        }
        Ok(Answer { node, .. }) => (node, None),
        Err(failure) => (None, Some(failure)),
    }
}

impl Counts {
    fn answered(&mut self, sent: &Sent, since_start: Duration, latency: Duration, status: Option<u16>) {
        record(if sent.slow { &mut self.slow } else { &mut self.plain }, latency);
        if !sent.slow {
            self.timeline.latency(since_start, latency);
        }
        if let Some(status) = status {
            *self.report.by_status.entry(status).or_default() += 1;
        }
    }

    fn success(&mut self, since_start: Duration, target: &Target, node: Option<&str>) {
        self.report.requests += 1;
        self.report.ok += 1;
        let second = self.timeline.at(since_start);
        second.requests += 1;
        second.ok += 1;
        if let Some(route) = target.route() {
            self.report.by_route.entry(route.to_owned()).or_default().requests += 1;
        }
        if let Some(node) = node {
            add(&mut self.report.by_node, node);
            add(&mut second.by_node, node);
        }
    }

    /// One request that failed, and when it was due.
    fn failure(&mut self, since_start: Duration, due: Timestamp, failure: Failure) {
        let report = &mut self.report;
        report.requests += 1;
        report.failed += 1;
        *report.by_failure.entry(failure.kind).or_default() += 1;
        report.first_failure_at = report.first_failure_at.or(Some(failure.at));
        report.last_failure_at = report.last_failure_at.max(Some(failure.at));
        report.failing_from = Some(report.failing_from.map_or(due, |from| from.min(due)));
        report.failing_until = report.failing_until.max(Some(due));
        if let Some(route) = &failure.route {
            let count = report.by_route.entry(route.clone()).or_default();
            (count.requests, count.failed) = (count.requests + 1, count.failed + 1);
        }
        let second = self.timeline.at(since_start);
        second.requests += 1;
        second.failed += 1;
        if let Some(node) = &failure.node {
            add(&mut second.failed_by_node, node);
        }
        if report.failures.len() < Failure::MAX_KEPT {
            report.failures.push(failure);
        }
    }

    fn more_not_sent(&mut self, since_start: Duration, number: u64) {
        self.report.requests += number;
        self.report.failed += number;
        *self.report.by_failure.entry(FailureKind::NotSent).or_default() += number;
        let second = self.timeline.at(since_start);
        second.requests += number;
        second.failed += number;
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
