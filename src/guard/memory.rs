//! What the guard remembers from one decision to the next. All of it may be lost with the process: what is withdrawn is in
//! the journal, and the rest is learned again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::Place;
use crate::model::{NodeName, RouteTarget, observed::age};

/// Time in which changes are counted for the rate limit.
const WINDOW: Duration = Duration::from_secs(60);
/// Time for which it is remembered that a member was taken out.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Time until the same member is taken out again, doubled with each time that is remembered.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Time that a member stays out at least, by how often it was taken out lately: what comes and goes is damped.
const STAY: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(300)];

/// What was seen and done before.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Since when the cluster is seen without a break; `None` while it is not.
    pub(super) sighted: Option<Timestamp>,
    /// When it was first asked to decide.
    pub(super) began: Option<Timestamp>,
    /// Whether blindness was told.
    pub(super) told_blind: bool,
    /// Since when there is enough evidence against a member.
    pub(super) onsets: BTreeMap<RouteTarget, Timestamp>,
    /// When each member was taken out lately.
    taken: BTreeMap<RouteTarget, VecDeque<Timestamp>>,
    /// When it was last tried to put a member back.
    pub(super) tried: BTreeMap<RouteTarget, Timestamp>,
    /// When a route was changed lately.
    pub(super) changes: VecDeque<Timestamp>,
    /// Members that are kept although they should leave, with the reason that was told.
    pub(super) kept: BTreeMap<RouteTarget, String>,
    /// Nodes whose standby was told to be out of order.
    pub(super) out_of_order: BTreeSet<NodeName>,
    /// Probes that were asked for, and when.
    pub(super) hastened: BTreeMap<Place, Timestamp>,
}

impl Memory {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a member may be taken out (again) now.
    pub(super) fn may_take(&self, target: &RouteTarget, now: Timestamp) -> bool {
        let Some((times, last)) = self.lately(target, now) else { return true };
        age(now, last) >= FIRST_PAUSE * 2_u32.pow(times.saturating_sub(1).min(5))
    }

    /// Whether a member that is well again may come back now.
    pub(super) fn may_return(&self, target: &RouteTarget, now: Timestamp) -> bool {
        if self.tried.get(target).is_some_and(|at| age(now, *at) < FIRST_PAUSE) {
            return false;
        }
        let Some((times, last)) = self.lately(target, now) else { return true };
        let stay = STAY.get(usize::try_from(times).unwrap_or(usize::MAX).saturating_sub(1));
        age(now, last) >= *stay.or(STAY.last()).unwrap_or(&REMEMBERED)
    }

    /// How often it was taken out lately, and when last.
    fn lately(&self, target: &RouteTarget, now: Timestamp) -> Option<(u32, Timestamp)> {
        let times = self.taken.get(target)?;
        let lately = times.iter().filter(|at| age(now, **at) < REMEMBERED).count();
        Some((u32::try_from(lately).unwrap_or(u32::MAX), *times.back()?)).filter(|_| lately > 0)
    }

    /// Remembers that a member is taken out.
    pub(super) fn take(&mut self, target: &RouteTarget, now: Timestamp) {
        let times = self.taken.entry(target.clone()).or_default();
        times.retain(|at| age(now, *at) < REMEMBERED);
        times.push_back(now);
    }

    /// Counts a change, unless there were as many as are allowed: then nothing more may be changed for now.
    pub(super) fn count_change(&mut self, max: u32, now: Timestamp) -> bool {
        while self.changes.front().is_some_and(|at| age(now, *at) >= WINDOW) {
            self.changes.pop_front();
        }
        let is_free = self.changes.len() < usize::try_from(max).unwrap_or(usize::MAX);
        if is_free {
            self.changes.push_back(now);
        }
        is_free
    }

    /// Whether a probe of this place is to be asked for: not again before the last one can have been answered.
    pub(super) fn hasten(&mut self, place: &Place, patience: Duration, now: Timestamp) -> bool {
        let due = self.hastened.get(place).is_none_or(|at| age(now, *at) >= patience);
        if due {
            self.hastened.insert(place.clone(), now);
        }
        due
    }
}
