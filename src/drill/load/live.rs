//! What a load run looks like while it goes on: totals, and who answered during the last second.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How far back the shares look.
const WINDOW: Duration = Duration::from_secs(1);
/// The window moves in steps of this.
const STEP: Duration = Duration::from_millis(100);

/// A handle to the counters of a run; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Mutex<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    sent: u64,
    ok: u64,
    failed: u64,
    in_flight: u64,
    slow_in_flight: u64,
    recent: VecDeque<(Instant, BTreeMap<String, u64>)>,
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
            c.forget_old();
            let mut by_node = BTreeMap::new();
            for (node, count) in c.recent.iter().flat_map(|(_, counts)| counts) {
                *by_node.entry(node.clone()).or_default() += count;
            }
            LiveSnapshot {
                sent: c.sent,
                ok: c.ok,
                failed: c.failed,
                in_flight: c.in_flight,
                slow_in_flight: c.slow_in_flight,
                by_node,
            }
        })
    }

    pub(super) fn begin(&self, slow: bool) {
        self.with(|c| {
            c.sent += 1;
            c.in_flight += 1;
            c.slow_in_flight += u64::from(slow);
        });
    }

    pub(super) fn ok(&self, slow: bool, node: Option<String>) {
        self.with(|c| {
            c.end(slow);
            c.ok += 1;
            if let Some(node) = node {
                *c.step().entry(node).or_default() += 1;
            }
        });
    }

    pub(super) fn failed(&self, slow: bool) {
        self.with(|c| {
            c.end(slow);
            c.failed += 1;
        });
    }

    pub(super) fn not_sent(&self, number: u64) {
        self.with(|c| {
            c.sent += number;
            c.failed += number;
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut Counters) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counters {
    fn end(&mut self, slow: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.slow_in_flight = self.slow_in_flight.saturating_sub(u64::from(slow));
    }

    fn step(&mut self) -> &mut BTreeMap<String, u64> {
        let current = self.recent.back().is_some_and(|(since, _)| since.elapsed() < STEP);
        if !current {
            self.forget_old();
            self.recent.push_back((Instant::now(), BTreeMap::new()));
        }
        let last = self.recent.len() - 1;
        &mut self.recent[last].1
    }

    fn forget_old(&mut self) {
        while self.recent.front().is_some_and(|(since, _)| since.elapsed() >= WINDOW) {
            self.recent.pop_front();
        }
    }
}
