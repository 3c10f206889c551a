//! Several hosts' reports as one.
//!
//! Counts add up, histograms too, so percentiles are those of all requests together. Seconds are those of the clock, so
//! the hosts' clocks have to agree: `shifted` puts right what is known to be off.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};

use super::{
    Failure, Latency, LoadReport, Second,
    histogram::{add, coarse, encode, fine},
};

/// Why reports cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// There is none.
    #[error("there is no report to merge")]
    None,
    /// One tells percentiles and not the histogram behind them, or one that cannot be read.
    #[error("the report of {0} cannot be merged: {1}")]
    Histogram(String, String),
}

impl LoadReport {
    /// A report of nothing, at this time.
    pub(super) fn nothing(at: Timestamp) -> Self {
        Self {
            started_at: at,
            ended_at: at,
            hosts: Vec::new(),
            targets: Vec::new(),
            rate_per_s: 0,
            interrupted: false,
            requests: 0,
            ok: 0,
            failed: 0,
            error_ratio: 0.0,
            by_status: BTreeMap::new(),
            by_node: BTreeMap::new(),
            by_route: BTreeMap::new(),
            by_failure: BTreeMap::new(),
            failures: Vec::new(),
            first_failure_at: None,
            last_failure_at: None,
            failing_from: None,
            failing_until: None,
            connections_opened: 0,
            connections_reused: 0,
            latency: Latency::default(),
            slow_latency: Latency::default(),
            histogram: String::new(),
            slow_histogram: String::new(),
            timeline: Vec::new(),
        }
    }

    /// One report of all of them. Exact, but for the medians and percentiles of single seconds after a run's first hour,
    /// where the worst host's are told. An error where that cannot be.
    pub fn merge(reports: &[Self]) -> Result<Self, Unmergeable> {
        let start = reports.iter().map(|r| r.started_at).min().ok_or(Unmergeable::None)?;
        let mut whole = Self::nothing(start);
        let (mut plain, mut slow, mut timeline) = (fine(), fine(), BTreeMap::new());
        for report in reports {
            report.add_to(&mut plain, &report.histogram, report.latency.count)?;
            report.add_to(&mut slow, &report.slow_histogram, report.slow_latency.count)?;
            whole.count(report);
            let later = report.started_at.duration_since(start);
            // To the nearest whole second.
            let later = u64::try_from((later.as_millis() + 500) / 1000).unwrap_or(0);
            for second in &report.timeline {
                let into: &mut Seconds = timeline.entry(second.second + later).or_default();
                into.add(second).map_err(|why| Unmergeable::Histogram(report.who(), why))?;
            }
        }
        whole.failures.sort_by_key(|failure| failure.at);
        whole.failures.truncate(Failure::MAX_KEPT);
        whole.error_ratio = Self::ratio(whole.requests, whole.failed);
        (whole.latency, whole.slow_latency) = (Latency::of(&plain), Latency::of(&slow));
        (whole.histogram, whole.slow_histogram) = (encode(&plain), encode(&slow));
        whole.timeline = timeline.into_iter().map(|(second, all)| all.finish(second)).collect();
        Ok(whole)
    }

    /// The same report as if the clock had been behind by so much.
    #[must_use]
    pub fn shifted(mut self, by: SignedDuration) -> Self {
        let shift = |at: Timestamp| at.checked_sub(by).unwrap_or(at);
        let maybe = |at: &mut Option<Timestamp>| *at = at.map(shift);
        (self.started_at, self.ended_at) = (shift(self.started_at), shift(self.ended_at));
        maybe(&mut self.first_failure_at);
        maybe(&mut self.last_failure_at);
        maybe(&mut self.failing_from);
        maybe(&mut self.failing_until);
        self.failures.iter_mut().for_each(|failure| failure.at = shift(failure.at));
        self
    }

    /// Adds what can be added number by number.
    fn count(&mut self, other: &Self) {
        self.ended_at = self.ended_at.max(other.ended_at);
        self.hosts.extend(other.hosts.iter().cloned());
        let new = other.targets.iter().filter(|t| !self.targets.contains(t)).cloned().collect::<Vec<_>>();
        self.targets.extend(new);
        self.rate_per_s += other.rate_per_s;
        self.interrupted |= other.interrupted;
        self.requests += other.requests;
        self.ok += other.ok;
        self.failed += other.failed;
        sum(&mut self.by_status, &other.by_status);
        sum(&mut self.by_node, &other.by_node);
        sum(&mut self.by_failure, &other.by_failure);
        for (route, count) in &other.by_route {
            let all = self.by_route.entry(route.clone()).or_default();
            (all.requests, all.failed) = (all.requests + count.requests, all.failed + count.failed);
        }
        self.failures.extend(other.failures.iter().cloned());
        self.first_failure_at = earliest(self.first_failure_at, other.first_failure_at);
        self.failing_from = earliest(self.failing_from, other.failing_from);
        self.last_failure_at = self.last_failure_at.max(other.last_failure_at);
        self.failing_until = self.failing_until.max(other.failing_until);
        self.connections_opened += other.connections_opened;
        self.connections_reused += other.connections_reused;
    }

    fn add_to(&self, into: &mut Histogram<u64>, text: &str, count: u64) -> Result<(), Unmergeable> {
        let before = into.len();
        let added = add(into, text).and_then(|()| {
            let found = into.len() - before;
            if found == count { Ok(()) } else { Err(format!("its histogram has {found} of {count} latencies")) }
        });
        added.map_err(|why| Unmergeable::Histogram(self.who(), why))
    }

    fn who(&self) -> String {
        if self.hosts.is_empty() { "this host".to_owned() } else { self.hosts.join(", ") }
    }
}

/// The same second of several hosts.
#[derive(Default)]
struct Seconds {
    sum: Second,
    latencies: Option<Histogram<u64>>,
    without_histogram: bool,
}

impl Seconds {
    fn add(&mut self, other: &Second) -> Result<(), String> {
        self.sum.requests += other.requests;
        self.sum.ok += other.ok;
        self.sum.failed += other.failed;
        sum(&mut self.sum.by_node, &other.by_node);
        sum(&mut self.sum.failed_by_node, &other.failed_by_node);
        sum(&mut self.sum.open_by_node, &other.open_by_node);
        self.sum.p50_ms = self.sum.p50_ms.max(other.p50_ms);
        self.sum.p99_ms = self.sum.p99_ms.max(other.p99_ms);
        self.sum.max_ms = self.sum.max_ms.max(other.max_ms);
        self.without_histogram |= other.max_ms > 0.0 && other.histogram.is_empty();
        add(self.latencies.get_or_insert_with(coarse), &other.histogram)
    }

    fn finish(self, second: u64) -> Second {
        let whole = Second { second, ..self.sum };
        match self.latencies.filter(|all| !all.is_empty() && !self.without_histogram) {
            Some(all) => whole.with_latencies(&all),
            None => whole,
        }
    }
}

fn sum<K: Clone + Ord>(into: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        *into.entry(key.clone()).or_default() += count;
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::load::{FailureKind, histogram::record, timeline::Timeline};

    /// A host's report: `requests` that took this long, one a second, from this second on.
    fn report(host: &str, start: i64, requests: u64, took_ms: u64) -> LoadReport {
        let at = Timestamp::from_second(start).expect("a time");
        let (mut all, mut timeline) = (fine(), Timeline::default());
        for second in 0..requests {
            let took = Duration::from_millis(took_ms);
            record(&mut all, took);
            timeline.at(Duration::from_secs(second)).ok += 1;
            timeline.latency(Duration::from_secs(second), took);
        }
        let hosts = vec![host.to_owned()];
        let (latency, histogram, timeline) = (Latency::of(&all), encode(&all), timeline.seconds());
        LoadReport { hosts, requests, ok: requests, latency, histogram, timeline, ..LoadReport::nothing(at) }
    }

    #[test]
    fn percentiles_are_those_of_all_requests_together() {
        let (quick, slow) = (report("a", 100, 970, 10), report("b", 102, 30, 2000));
        let whole = LoadReport::merge(&[quick.clone(), slow]).expect("a report");
        assert_eq!(
            (whole.requests, whole.ok, whole.hosts.as_slice()),
            (1000, 1000, ["a".to_owned(), "b".into()].as_slice())
        );
        assert!(whole.latency.p90_ms < 10.1 && whole.latency.p99_ms > 1998.0, "{:?}", whole.latency);
        let second =
            |n: usize| (whole.timeline[n].ok, whole.timeline[n].p50_ms.round(), whole.timeline[n].max_ms.round());
        assert_eq!(second(0), (1, 10.0, 10.0));
        assert_eq!((second(2).0, second(2).1), (2, 10.0), "the other host's seconds are where its clock has them");
        assert!(second(2).2 > 1980.0);
        let again = LoadReport::merge(&[LoadReport::merge(std::slice::from_ref(&quick)).expect("one"), quick.clone()])
            .expect("two");
        assert_eq!((again.requests, again.latency.count), (1940, 1940));
        assert_eq!(LoadReport::merge(std::slice::from_ref(&quick)).expect("one"), quick, "one report is itself");
    }

    #[test]
    fn clocks_that_are_off_are_put_right() {
        let mut late = report("b", 130, 3, 10);
        let failure =
            r#"{"at":"1970-01-01T00:02:11Z","target":"t","path":"/","kind":"ended","detail":"","reused":false}"#;
        late.failures = vec![serde_json::from_str(failure).expect("a failure as older versions wrote it")];
        let right = late.shifted(SignedDuration::from_secs(30));
        assert_eq!((right.started_at.as_second(), right.failures[0].at.as_second()), (100, 101));
        let whole = LoadReport::merge(&[report("a", 100, 3, 10), right]).expect("a report");
        assert_eq!(whole.timeline.iter().map(|s| s.ok).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(whole.failures[0].kind, FailureKind::Ended);
    }

    #[test]
    fn what_cannot_be_told_exactly_is_refused() {
        assert_eq!(LoadReport::merge(&[]), Err(Unmergeable::None));
        let bare = LoadReport { histogram: String::new(), ..report("b", 100, 3, 10) };
        let refused = LoadReport::merge(&[report("a", 100, 3, 10), bare]).expect_err("no histogram");
        assert_eq!(refused.to_string(), "the report of b cannot be merged: its histogram has 0 of 3 latencies");
    }
}
