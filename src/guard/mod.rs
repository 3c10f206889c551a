//! The guard: what a route should hold when something is lost that nobody drained. Pure: what was seen comes in, what is
//! to be done comes out, at every change of what is seen.
//!
//! A route should hold a member when its node is part of a quorate cluster and not in standby, its unit runs and its
//! probes pass; and when no run has the node in hand, for then the run decides. Load balancers with checks of their own
//! are only told sooner what these would find out (`health down`): they bring the member back by themselves. Names and
//! prefixes check nothing, so there a member is withdrawn, with its state before written down, and put back exactly.
//!
//! Being wrong costs more than being late, so much has to agree before anything is touched: see [`evidence`] for what
//! counts as a loss, [`rails`] for what must be left, [`mod@decide`] for the pace.

pub mod act;
pub mod decide;
pub mod evidence;
pub mod memory;
pub mod rails;
mod sessions;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    config::Settings,
    journal::Withdrawal,
    model::{NodeName, Observation, RouteTarget, ServiceName, Topology},
    run::look::Look,
};

pub use act::{Act, Decision, Delay};
pub use decide::decide;
pub use memory::Memory;

/// A service on a node.
pub type Place = (NodeName, ServiceName);

/// What the probes of one service on one node say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// By the thresholds, and damped.
    pub standing: Standing,
    /// When a probe passed, where the last one did.
    pub passed: Option<Timestamp>,
    /// When the first of the failures in a row was told, where the last probe failed.
    pub failing_since: Option<Timestamp>,
    /// When the last of them was told.
    pub failed: Option<Timestamp>,
    /// Why the last probe failed.
    pub why: String,
}

/// What many probes make of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Too few answers yet.
    #[default]
    Unknown,
    /// Enough passed.
    Healthy,
    /// Enough failed.
    Unhealthy,
    /// It changes too often to be believed.
    Suppressed,
}

/// Everything that the guard decides on.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// What hangs together.
    pub topology: &'a Topology,
    /// What was seen.
    pub seen: &'a Observation,
    /// What was probed.
    pub probes: &'a BTreeMap<Place, Probed>,
    /// Nodes that a run has in hand, or keeps out. `None` where the journal does not say.
    pub in_hand: Option<&'a BTreeSet<NodeName>>,
    /// What the guard has withdrawn.
    pub withdrawn: &'a BTreeMap<RouteTarget, Withdrawal>,
    /// Members at which a change is under way.
    pub busy: &'a BTreeSet<RouteTarget>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Known<'a> {
    /// What is fresh of it.
    pub fn look(&self) -> Look<'a> {
        Look { seen: self.seen, now: self.now, max_age: self.settings.max_age() }
    }

    /// What the probes say of a place.
    pub fn probed(&self, place: &Place) -> Option<&'a Probed> {
        self.probes.get(place)
    }
}
