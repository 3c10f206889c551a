//! Keeps count while requests end.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Failure, FailureKind, Latency, Live, LoadPlan, LoadReport, Second, Target,
    client::{Answer, Outcome},
};
use crate::provider::{Clock, SystemClock};

/// A request that is under way.
pub(super) struct Sent {
    /// From when its latency counts.
    pub(super) from: Instant,
    /// Whether it is one of the slow ones.
    pub(super) slow: bool,
}

/// Counts of one run, and the live view of them.
pub(super) struct Recorder {
    start: Instant,
    started_at: Timestamp,
    targets: Vec<String>,
    rate_per_s: u32,
    live: Live,
    counts: Mutex<Counts>,
}

struct Counts {
    requests: u64,
    ok: u64,
    failed: u64,
    opened: u64,
    reused: u64,
    by_status: BTreeMap<u16, u64>,
    by_node: BTreeMap<String, u64>,
    by_failure: BTreeMap<FailureKind, u64>,
    failures: Vec<Failure>,
    failed_at: Option<(Timestamp, Timestamp)>,
    /// When the first and the last request that failed were due.
    failing: Option<(Timestamp, Timestamp)>,
    plain: Histogram<u64>,
    slow: Histogram<u64>,
    timeline: BTreeMap<u64, Second>,
}

impl Recorder {
    pub(super) fn new(plan: &LoadPlan, start: Instant, live: Live) -> Self {
        // Whole microseconds, three digits; nothing can take longer than this, and what does is counted as this.
        let longest = (plan.duration + plan.timeout * 2).as_micros().clamp(1_000_000, u128::from(u32::MAX)) as u64;
        let histogram = || Histogram::new_with_bounds(1, longest, 3).expect("bounds are in order, digits at most 5");
        Self {
            start,
            started_at: SystemClock.now(),
            targets: plan.targets.iter().map(ToString::to_string).collect(),
            rate_per_s: plan.rate_per_s,
            live,
            counts: Mutex::new(Counts {
                requests: 0,
                ok: 0,
                failed: 0,
                opened: 0,
                reused: 0,
                by_status: BTreeMap::new(),
                by_node: BTreeMap::new(),
                by_failure: BTreeMap::new(),
                failures: Vec::new(),
                failed_at: None,
                failing: None,
                plain: histogram(),
                slow: histogram(),
                timeline: BTreeMap::new(),
            }),
        }
    }

    pub(super) fn begin(&self, sent: &Sent) {
        self.live.begin(sent.slow);
    }

    pub(super) fn end(&self, sent: &Sent, target: &Target, path: &str, outcome: Outcome) {
        let Outcome { answer, ended, connection } = outcome;
        let since_start = ended.saturating_duration_since(self.start);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += 1;
        if connection.opened {
            counts.opened += 1;
        } else {
            counts.reused += 1;
        }
        if let Ok(answer) = &answer {
            let micros = ended.saturating_duration_since(sent.from).as_micros().min(u128::from(u64::MAX)) as u64;
            let histogram = if sent.slow { &mut counts.slow } else { &mut counts.plain };
            histogram.saturating_record(micros);
            *counts.by_status.entry(answer.status).or_default() += 1;
        }
        match verdict(answer) {
            Ok(node) => {
                counts.success(since_start, node.as_deref());
                drop(counts);
                self.live.ok(sent.slow, node);
            }
            Err((kind, detail)) => {
                let at = self.timestamp(since_start);
                let (target, path) = (target.to_string(), path.to_owned());
                let (address, reused) = (connection.address, !connection.opened);
                let due = self.timestamp(sent.from.saturating_duration_since(self.start));
                let (from, until) = counts.failing.unwrap_or((due, due));
                counts.failing = Some((from.min(due), until.max(due)));
                counts.failure(since_start, Failure { at, target, address, path, kind, detail, reused });
                drop(counts);
                self.live.failed(sent.slow);
            }
        }
    }

    /// Requests that were due but could not be sent before the run had to end.
    pub(super) fn not_sent(&self, number: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests += number;
        counts.failed += number;
        *counts.by_failure.entry(FailureKind::NotSent).or_default() += number;
        drop(counts);
        self.live.not_sent(number);
    }

    pub(super) fn finish(&self, interrupted: bool) -> LoadReport {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        LoadReport {
            started_at: self.started_at,
            ended_at: self.timestamp(self.start.elapsed()),
            targets: self.targets.clone(),
            rate_per_s: self.rate_per_s,
            interrupted,
            requests: counts.requests,
            ok: counts.ok,
            failed: counts.failed,
            error_ratio: if counts.requests == 0 { 0.0 } else { counts.failed as f64 / counts.requests as f64 },
            by_status: counts.by_status.clone(),
            by_node: counts.by_node.clone(),
            by_failure: counts.by_failure.clone(),
            failures: counts.failures.clone(),
            first_failure_at: counts.failed_at.map(|f| f.0),
            last_failure_at: counts.failed_at.map(|f| f.1),
            failing_from: counts.failing.map(|f| f.0),
            failing_until: counts.failing.map(|f| f.1),
            connections_opened: counts.opened,
            connections_reused: counts.reused,
            latency: Latency::of(&counts.plain),
            slow_latency: Latency::of(&counts.slow),
            timeline: counts.timeline.values().cloned().collect(),
        }
    }

    /// The time of day after `since_start` on the clock that cannot jump.
    fn timestamp(&self, since_start: Duration) -> Timestamp {
        self.started_at.checked_add(since_start).unwrap_or(self.started_at)
    }
}

/// The node of a success, or why it is none.
fn verdict(answer: Result<Answer, (FailureKind, String)>) -> Result<Option<String>, (FailureKind, String)> {
    match answer {
        Ok(Answer { status, node }) if status < 400 => Ok(node),
        Ok(Answer { status, .. }) => Err((FailureKind::Status, format!("status {status}"))),
        Err(failure) => Err(failure),
    }
}

impl Counts {
    fn success(&mut self, since_start: Duration, node: Option<&str>) {
        self.ok += 1;
        if let Some(node) = node {
            add(&mut self.by_node, node);
        }
        let second = self.second(since_start);
        second.ok += 1;
        if let Some(node) = node {
            add(&mut second.by_node, node);
        }
    }

    fn failure(&mut self, since_start: Duration, failure: Failure) {
        self.failed += 1;
        self.second(since_start).failed += 1;
        *self.by_failure.entry(failure.kind).or_default() += 1;
        let first = self.failed_at.map_or(failure.at, |f| f.0);
        self.failed_at = Some((first, failure.at));
        if self.failures.len() < Failure::MAX_KEPT {
            self.failures.push(failure);
        }
    }

    fn second(&mut self, since_start: Duration) -> &mut Second {
        let second = since_start.as_secs();
        self.timeline.entry(second).or_insert_with(|| Second { second, ..Second::default() })
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
