//! The proof that stands between connections and standby.
//!
//! [`StandbyPermit`] has private fields and no other constructor than this module's: a provider can be asked for
//! standby only by somebody who passed the run's gate.

use crate::model::{NodeName, topology::Listener};

/// How the wait for one service's connections ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// No residual traffic for as long as configured.
    Drained,
    /// The deadline's policy `close` ended it, with this many connections left.
    DeadlineReached {
        /// Connections left when the deadline came.
        remaining: u64,
    },
}

/// The right to put one node into standby, once. Not cloneable, not deserializable.
#[derive(Debug)]
pub struct StandbyPermit {
    node: NodeName,
    releases: Vec<(Listener, Release)>,
}

impl StandbyPermit {
    /// Only `run::gate` calls this, after looking at a fresh observation.
    pub(in crate::run) fn new(node: NodeName, releases: Vec<(Listener, Release)>) -> Self {
        Self { node, releases }
    }

    /// The node that it is for.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// How each wait was released.
    pub fn releases(&self) -> &[(Listener, Release)] {
        &self.releases
    }

    /// A permit for the contract suite and the providers' own tests, which have no run.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_tests(node: NodeName) -> Self {
        Self { node, releases: Vec::new() }
    }
}
