//! What may be done, and what a decision is made of.

use std::{collections::BTreeMap, fmt};

use super::Place;
use crate::model::{Exact, NodeName, RouteTarget};

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Tell a load balancer with checks of its own that a member is down.
    Advise {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// Why.
        why: String,
    },
    /// Take a member out of a route that checks nothing; at an instance that only follows, by closing its session.
    Withdraw {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// Its state before.
        before: Exact,
        /// Why.
        why: String,
    },
    /// Put a withdrawn member back as it was.
    Return {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// The state to put back.
        before: Exact,
        /// Whether it was read back as out: else it may be on its way out, and take clients still.
        acknowledged: bool,
    },
    /// Probe this place now.
    Hasten {
        /// The place.
        place: Place,
    },
    /// Say that a member is kept although it should leave.
    FailOpen {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// What is missing.
        why: String,
    },
    /// Say that a node was put into standby without a drain.
    OutOfOrder {
        /// The node.
        node: NodeName,
    },
    /// Say that nothing can be decided.
    Blind {
        /// Why.
        why: String,
    },
    /// Say that decisions are possible again.
    Sighted,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advise { target, why, .. } => {
                write!(f, "{} ({}): {} down: {why}", target.instance, target.route, target.server)
            }
            Self::Withdraw { target, why, .. } if !target.role.is_driven() => {
                write!(f, "{} ({}): session with {} closed: {why}", target.instance, target.route, target.server)
            }
            Self::Return { target, .. } if !target.role.is_driven() => {
                write!(f, "{} ({}): session with {} put back as it was", target.instance, target.route, target.server)
            }
            Self::Withdraw { target, why, .. } => {
                write!(f, "{} ({}): {} withdrawn: {why}", target.instance, target.route, target.server)
            }
            Self::Return { target, .. } => {
                write!(f, "{} ({}): {} put back as it was", target.instance, target.route, target.server)
            }
            Self::Hasten { place } => write!(f, "{} on {} probed at once", place.1, place.0),
            Self::FailOpen { target, why, .. } => {
                write!(f, "{} ({}): {} kept all the same: {why}", target.instance, target.route, target.server)
            }
            Self::OutOfOrder { node } => write!(f, "{node} went into standby before it was drained"),
            Self::Blind { why } => write!(f, "nothing is changed: {why}"),
            Self::Sighted => f.write_str("the cluster is seen again"),
        }
    }
}

/// What is to be done, and what stands at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// In this order.
    pub acts: Vec<Act>,
    /// Members that are kept although they should leave.
    pub kept: Vec<RouteTarget>,
    /// Why nothing can be decided, where that is so.
    pub blind: Option<String>,
    /// Changes that are due, and put off.
    pub delayed: BTreeMap<RouteTarget, (NodeName, Delay)>,
}

/// What puts a change off that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// As many changes as `guard.max-changes` allows were made within a minute.
    Limited,
    /// The member was taken out lately: it is taken out, or put back, the later the more often that was.
    Damped,
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limited => "`guard.max-changes` are made in this minute",
            Self::Damped => "it was taken out lately, and is damped",
        })
    }
}
