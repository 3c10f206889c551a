//! What was counted lately, in a ring of intervals: bounded memory, whatever comes. Pure.
//!
//! Everything that a look tells is put into the interval in which the look was. A clock that jumps ahead empties the
//! ring; what is older than the ring is dropped.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::skew::Cell;
use crate::model::NodeName;

/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Intervals that are kept: half an hour.
const KEPT: usize = 180;

/// The windows over which shares are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// One minute.
    Short,
    /// Five minutes.
    Middle,
    /// Half an hour.
    Long,
}

impl Window {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Short, Self::Middle, Self::Long];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Short => "1m",
            Self::Middle => "5m",
            Self::Long => "30m",
        }
    }

    fn intervals(self) -> usize {
        match self {
            Self::Short => 6,
            Self::Middle => 30,
            Self::Long => KEPT,
        }
    }
}

/// One interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// What each node got, and should have got.
    pub nodes: BTreeMap<NodeName, Cell>,
    /// Traffic of load balancers that count their choices, and those.
    pub chosen: (f64, f64),
}

impl Interval {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        for (node, cell) in &other.nodes {
            self.nodes.entry(node.clone()).or_default().add(cell);
        }
        self.chosen = (self.chosen.0 + other.chosen.0, self.chosen.1 + other.chosen.1);
    }
}

/// The latest intervals.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// The number of the newest interval, counted from the epoch.
    newest: Option<i64>,
    /// From the oldest to the newest.
    intervals: VecDeque<Interval>,
}

impl Ring {
    /// Goes on to `now`: intervals in which nothing was counted are empty, old ones go.
    pub fn advance(&mut self, now: Timestamp) {
        let number = number(now);
        let steps = self.newest.map_or(i64::MAX, |newest| number - newest);
        if steps <= 0 {
            return;
        }
        if usize::try_from(steps).map_or(true, |steps| steps >= KEPT) {
            self.intervals.clear();
            self.intervals.push_back(Interval::default());
        } else {
            (0..steps).for_each(|_| self.intervals.push_back(Interval::default()));
        }
        self.newest = Some(number);
        while self.intervals.len() > KEPT {
            self.intervals.pop_front();
        }
    }

    /// Puts something into the interval of `at`.
    pub fn put(&mut self, at: Timestamp, what: &Interval) {
        self.advance(at);
        let back = self.newest.map_or(0, |newest| newest - number(at));
        let Ok(back) = usize::try_from(back) else { return };
        let Some(place) = self.intervals.len().checked_sub(back + 1) else { return };
        self.intervals[place].add(what);
    }

    /// The intervals of a window, the oldest first.
    pub fn over(&self, window: Window) -> impl Iterator<Item = &Interval> {
        self.intervals.iter().skip(self.intervals.len().saturating_sub(window.intervals()))
    }
}

fn number(at: Timestamp) -> i64 {
    at.as_second().div_euclid(i64::try_from(INTERVAL.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn one(count: f64) -> Interval {
        let cell = Cell { measured: count, expected: count };
        Interval { nodes: BTreeMap::from([("node-01".into(), cell)]), chosen: (count, count) }
    }

    fn total(ring: &Ring, window: Window) -> f64 {
        ring.over(window).flat_map(|i| i.nodes.values()).map(|c| c.measured).sum()
    }

    #[test]
    fn a_window_holds_what_is_in_it_and_no_more() {
        let mut ring = Ring::default();
        for second in (0..3600).step_by(10) {
            ring.put(at(second), &one(1.0));
        }
        assert_eq!(Window::ALL.map(|w| total(&ring, w)), [6.0, 30.0, 180.0]);
        ring.advance(at(3655));
        assert_eq!(Window::ALL.map(|w| total(&ring, w)), [0.0, 24.0, 174.0], "silence is no traffic, and not the old");
        ring.put(at(3601), &one(5.0));
        assert_eq!(total(&ring, Window::Short), 5.0, "a late answer is put where it belongs");
        ring.put(at(10), &one(5.0));
        assert_eq!(total(&ring, Window::Long), 179.0, "too late");
        ring.advance(at(90_000));
        assert_eq!(total(&ring, Window::Long), 0.0);
    }

    proptest! {
        #[test]
        fn it_never_grows_beyond_half_an_hour(times in prop::collection::vec(-4_000_000_000_i64..4_000_000_000, 1..60)) {
            let mut ring = Ring::default();
            for time in times {
                ring.put(at(time), &one(1.0));
                prop_assert!(ring.intervals.len() <= KEPT);
            }
        }
    }
}
