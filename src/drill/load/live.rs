//! What a load run looks like while it goes on: totals, who answered during the last second, and how the last seconds
//! went. Who watches it may stop a drill by it.
//!
//! Requests that are still under way count with the time that they have waited already: a service that has stopped
//! answering is seen by that at once, not when the first time limit is over.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    LoadReport, Second,
    histogram::{add, coarse, ms, record_growing},
};

/// How far back the shares of a snapshot look.
const WINDOW: Duration = Duration::from_secs(1);
/// The windows move in steps of this.
const STEP: Duration = Duration::from_millis(100);
/// How far back anything can be told.
const KEPT: Duration = Duration::from_secs(60);

/// A handle to the counters of a run; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Mutex<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    sent: u64,
    ok: u64,
    failed: u64,
    slow_in_flight: u64,
    /// Requests under way, the oldest first; slow ones are left out.
    under_way: BTreeSet<(Instant, u64)>,
    /// When the next request is due, or was.
    due: Option<Instant>,
    recent: VecDeque<Slice>,
    /// What has not been taken yet.
    untold: Option<Slice>,
    /// Since when each other host's oldest request has waited.
    elsewhere: BTreeMap<String, Instant>,
}

/// What ended during one step.
#[derive(Debug)]
struct Slice {
    since: Instant,
    ok: u64,
    failed: u64,
    by_node: BTreeMap<String, u64>,
    latency: Histogram<u64>,
}

/// What came since it was told last: how one host's view becomes part of another's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The counts, and the histogram of the latencies.
    pub since: Second,
    /// For how long the oldest request without an answer has waited, in milliseconds.
    pub oldest_ms: f64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSnapshot {
    /// Requests sent, or due and given up.
    pub sent: u64,
    /// Successes.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Slow requests under way.
    pub slow_in_flight: u64,
    /// Successes of the last second, by node.
    pub by_node: BTreeMap<String, u64>,
}

/// How the last seconds went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Share of them that failed, from 0 to 1; none where no request ended.
    pub error_ratio: Option<f64>,
    /// Median latency, in milliseconds, of ordinary requests: of successes, and of those under way until now.
    pub p50_ms: f64,
    /// 99 of 100 took at most this.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// For how long the oldest request that has no answer yet has waited; 0 where there is none.
    pub oldest_ms: f64,
}

impl LiveSnapshot {
    /// Each node's share of the last second's answers, between 0 and 1; none where nothing was answered.
    pub fn shares(&self) -> BTreeMap<String, f64> {
        let all: u64 = self.by_node.values().sum();
        self.by_node.iter().map(|(node, count)| (node.clone(), *count as f64 / all.max(1) as f64)).collect()
    }
}

impl Live {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counters now.
    pub fn snapshot(&self) -> LiveSnapshot {
        self.with(|c| {
            let mut by_node = BTreeMap::new();
            for (node, count) in c.within(WINDOW).flat_map(|slice| &slice.by_node) {
                *by_node.entry(node.clone()).or_default() += count;
            }
            LiveSnapshot {
                sent: c.sent,
                ok: c.ok,
                failed: c.failed,
                in_flight: c.under_way.len() as u64 + c.slow_in_flight,
                slow_in_flight: c.slow_in_flight,
                by_node,
            }
        })
    }

    /// How the time from `window` ago until now went; at most the last minute is known.
    pub fn recent(&self, window: Duration) -> Recent {
        let now = Instant::now();
        self.with(|c| {
            let (mut latency, mut ok, mut failed) = (coarse(), 0, 0);
            for slice in c.within(window) {
                (ok, failed) = (ok + slice.ok, failed + slice.failed);
                latency.add(&slice.latency).expect("it grows up to the limit");
            }
            for from in c.under_way.iter().map(|(from, _)| from).chain(c.elsewhere.values()) {
                record_growing(&mut latency, now.saturating_duration_since(*from));
            }
            let waiting = c.elsewhere.values().copied().chain(c.due.filter(|due| *due < now));
            let oldest = c.under_way.first().map(|(from, _)| *from).into_iter().chain(waiting).min();
            Recent {
                requests: ok + failed,
                failed,
                error_ratio: (ok + failed > 0).then(|| LoadReport::ratio(ok + failed, failed)),
                p50_ms: ms(latency.value_at_quantile(0.5)),
                p99_ms: ms(latency.value_at_quantile(0.99)),
                max_ms: ms(latency.max()),
                oldest_ms: oldest.map_or(0.0, |from| now.saturating_duration_since(from).as_secs_f64() * 1000.0),
            }
        })
    }

    /// What came since this was called last.
    pub fn take(&self) -> Told {
        let oldest_ms = self.recent(Duration::ZERO).oldest_ms;
        let since = self.with(|c| c.untold.take()).map_or_else(Second::default, |slice| {
            let counts =
                Second { requests: slice.ok + slice.failed, ok: slice.ok, failed: slice.failed, ..Second::default() };
            let counts = Second { by_node: slice.by_node, ..counts };
            if slice.latency.is_empty() { counts } else { counts.with_latencies(&slice.latency) }
        });
        Told { since, oldest_ms }
    }

    /// Takes over what another host told, as far as it can be read: this is a view for watching; the reports of the hosts
    /// say it exactly, and refuse what cannot be read.
    pub(super) fn absorb(&self, host: &str, told: &Told) {
        let oldest = Duration::try_from_secs_f64(told.oldest_ms / 1000.0).ok().filter(|wait| !wait.is_zero());
        self.with(|c| {
            let since = &told.since;
            c.sent += since.requests;
            c.ok += since.ok;
            c.failed += since.failed;
            c.each(|slice| {
                slice.ok += since.ok;
                slice.failed += since.failed;
                for (node, count) in &since.by_node {
                    *slice.by_node.entry(node.clone()).or_default() += count;
                }
                let _ = add(&mut slice.latency, &since.histogram);
            });
            match oldest.and_then(|wait| Instant::now().checked_sub(wait)) {
                Some(from) => drop(c.elsewhere.insert(host.to_owned(), from)),
                None => drop(c.elsewhere.remove(host)),
            }
        });
    }

    pub(super) fn due(&self, at: Instant) {
        self.with(|c| c.due = Some(at));
    }

    pub(super) fn begin(&self, from: Instant, slow: bool) -> u64 {
        self.with(|c| {
            c.sent += 1;
            c.due = None;
            if slow {
                c.slow_in_flight += 1;
            } else {
                c.under_way.insert((from, c.sent));
            }
            c.sent
        })
    }

    /// A success; its latency where it was an ordinary request.
    pub(super) fn ok(&self, from: Instant, ticket: u64, latency: Option<Duration>, node: Option<String>) {
        self.with(|c| {
            c.end(from, ticket, latency.is_none());
            c.ok += 1;
            c.each(|slice| {
                slice.ok += 1;
                if let Some(latency) = latency {
                    record_growing(&mut slice.latency, latency);
                }
                if let Some(node) = &node {
                    *slice.by_node.entry(node.clone()).or_default() += 1;
                }
            });
        });
    }

    pub(super) fn failed(&self, from: Instant, ticket: u64, slow: bool) {
        self.with(|c| {
            c.end(from, ticket, slow);
            c.failed += 1;
            c.each(|slice| slice.failed += 1);
        });
    }

    /// Failures of what was never under way.
    pub(super) fn lost(&self, number: u64) {
        self.with(|c| {
            c.sent += number;
            c.failed += number;
            c.due = None;
            c.each(|slice| slice.failed += number);
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut Counters) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slice {
    fn now() -> Self {
        Self { since: Instant::now(), ok: 0, failed: 0, by_node: BTreeMap::new(), latency: coarse() }
    }
}

impl Counters {
    fn end(&mut self, from: Instant, ticket: u64, slow: bool) {
        if slow {
            self.slow_in_flight = self.slow_in_flight.saturating_sub(1);
        } else {
            self.under_way.remove(&(from, ticket));
        }
    }

    /// Counts in the step of now, and in what has not been taken yet.
    fn each(&mut self, mut count: impl FnMut(&mut Slice)) {
        let current = self.recent.back().is_some_and(|slice| slice.since.elapsed() < STEP);
        if !current {
            while self.recent.front().is_some_and(|slice| slice.since.elapsed() >= KEPT) {
                self.recent.pop_front();
            }
            self.recent.push_back(Slice::now());
        }
        let last = self.recent.len() - 1;
        count(&mut self.recent[last]);
        count(self.untold.get_or_insert_with(Slice::now));
    }

    fn within(&self, window: Duration) -> impl Iterator<Item = &Slice> {
        self.recent.iter().rev().take_while(move |slice| slice.since.elapsed() < window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_seconds_are_told_and_the_ones_before_are_not() {
        let (live, ms) = (Live::new(), Duration::from_millis);
        assert_eq!(live.recent(ms(5000)), Recent::default(), "nothing is known before anything was sent");
        for number in 0..100 {
            let from = Instant::now();
            let ticket = live.begin(from, false);
            tokio::time::advance(ms(10)).await;
            match number {
                0..50 => live.failed(from, ticket, false),
                _ => live.ok(from, ticket, Some(ms(10)), Some("a".into())),
            }
        }
        let whole = live.recent(ms(10_000));
        assert_eq!((whole.requests, whole.error_ratio), (100, Some(0.5)));
        assert!(whole.p99_ms < 10.2 && whole.oldest_ms == 0.0, "{whole:?}");
        let last = live.recent(ms(400));
        assert!((30..=40).contains(&last.requests) && last.error_ratio == Some(0.0), "{last:?}");
        assert_eq!(live.snapshot().by_node, BTreeMap::from([("a".to_owned(), 50)]));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(live.recent(KEPT).error_ratio, None, "silence is no success");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_answer_yet_counts_with_its_wait() {
        let (live, ms) = (Live::new(), Duration::from_millis);
        for _ in 0..10 {
            live.begin(Instant::now(), false);
            tokio::time::advance(ms(100)).await;
        }
        live.due(Instant::now());
        tokio::time::advance(ms(1000)).await;
        let stalled = live.recent(ms(500));
        assert_eq!((stalled.requests, stalled.error_ratio), (0, None));
        assert!((1980.0..2020.0).contains(&stalled.p99_ms) && stalled.p50_ms > 1400.0, "{stalled:?}");
        assert!((1999.0..2001.0).contains(&stalled.oldest_ms), "{stalled:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_hosts_seconds_are_seen_too() {
        let mut took = coarse();
        record_growing(&mut took, Duration::from_millis(70));
        let since = Second { requests: 4, ok: 1, failed: 3, ..Second::default() }.with_latencies(&took);
        tokio::time::advance(Duration::from_secs(10)).await;
        let live = Live::new();
        live.absorb("client-2", &Told { since: since.clone(), oldest_ms: 3000.0 });
        assert_eq!(live.recent(Duration::from_secs(1)).oldest_ms.round(), 3000.0);
        let passed_on = live.take();
        assert_eq!((passed_on.since, passed_on.oldest_ms.round()), (since.clone(), 3000.0));
        assert_eq!(live.take().since, Second::default(), "everything is told once");
        live.absorb("client-2", &Told { since: Second::default(), oldest_ms: 0.0 });
        let recent = live.recent(Duration::from_secs(1));
        assert_eq!((recent.requests, recent.error_ratio), (4, Some(0.75)));
        assert!((69.0..71.0).contains(&recent.max_ms), "{recent:?}");
    }
}
