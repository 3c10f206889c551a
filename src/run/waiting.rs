//! What a run waits for: one variant a missing fact, each with what it takes to be over.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::Serialize;

use super::connected::Connected;
use crate::{
    model::{InstanceName, NodeName, RouteId, ServiceName, UnitName, topology::Listener},
    plan::gates::Gate,
};

/// One missing fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "waiting", rename_all = "kebab-case")]
pub enum Waiting {
    /// A system does not answer; nothing goes on without it.
    NoAnswer {
        /// Which.
        what: String,
        /// Why there is no answer.
        reason: String,
    },
    /// An instance answers, and does not know the member.
    MemberMissing {
        /// The instance.
        instance: InstanceName,
        /// The route.
        route: RouteId,
        /// The member.
        server: String,
    },
    /// A change was accepted and is not yet seen.
    Acknowledgement {
        /// The change.
        effect: String,
    },
    /// A change failed and is tried again.
    Retry {
        /// The change.
        effect: String,
        /// What went wrong.
        error: String,
        /// Tries so far.
        tries: u32,
    },
    /// A gate does not pass.
    Gate {
        /// The gate.
        gate: Gate,
    },
    /// Residual traffic.
    Connections(Box<Connected>),
    /// Connections are cut and not gone yet.
    Cutting {
        /// The node.
        node: NodeName,
        /// What they are connected to.
        #[serde(flatten)]
        listener: Listener,
        /// How many are still there.
        total: u64,
        /// Time until the run goes on all the same.
        left: Duration,
    },
    /// No residual traffic, not for long enough.
    Settling {
        /// What clients were connected to.
        #[serde(flatten)]
        listener: Listener,
        /// How long it must last still.
        left: Duration,
        /// How long ago the last client came, where one did.
        came: Option<Duration>,
        /// Who came and was gone before it was seen, where the node remembers it.
        passers: Vec<SocketAddr>,
    },
    /// Nothing is seen any more, and the node does not tell who comes and is gone again before anybody looks.
    Unheard {
        /// The node.
        node: NodeName,
        /// The port.
        port: u16,
        /// Why not, and what to do about it.
        reason: String,
    },
    /// An instance that is never written does not show the change yet.
    Follower {
        /// The instance.
        instance: InstanceName,
        /// The route.
        route: RouteId,
        /// The member.
        server: String,
        /// Whether it should show the member, or no longer.
        serving: bool,
        /// What it still answers with, where it has the member, or has it no longer, and answers otherwise all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        shows: Option<String>,
        /// What it is at.
        version: Option<String>,
        /// What the instance is at that was changed.
        driven: Option<String>,
    },
    /// Clients may still remember an answer that leads to the node.
    Remembered {
        /// Where the answer came from.
        instance: InstanceName,
        /// The member in it.
        server: String,
        /// For how much longer.
        left: Duration,
    },
    /// The cluster has not recorded the stop of an instance.
    NotStopped {
        /// The node.
        node: NodeName,
        /// The primitive.
        resource: String,
        /// What the cluster says.
        says: String,
    },
    /// A unit is not in the state that is waited for.
    Unit {
        /// The node.
        node: NodeName,
        /// The unit.
        unit: UnitName,
        /// Its state.
        state: String,
        /// The state that it should have.
        wanted: &'static str,
    },
    /// The cluster has not finished the start of an instance.
    NotStarted {
        /// The node.
        node: NodeName,
        /// The primitive.
        resource: String,
        /// What the cluster says.
        says: String,
    },
    /// The service does not answer as ready, or not often enough yet.
    NotReady {
        /// The node.
        node: NodeName,
        /// The service.
        service: ServiceName,
        /// The last reason, where the last probe failed.
        reason: Option<String>,
        /// Successes in a row so far.
        passed: u32,
        /// Successes in a row that it takes.
        needed: u32,
    },
    /// A load balancer's own check has not passed.
    CheckNotPassed {
        /// The instance.
        instance: InstanceName,
        /// The member.
        server: String,
        /// What the check says.
        reason: String,
    },
    /// A stage of the ramp is watched.
    Ramp {
        /// The stage's share in percent.
        percent: u8,
        /// How much longer.
        left: Duration,
    },
    /// The ramp was taken back and is tried again later.
    BackedOff {
        /// Why.
        why: String,
        /// When it is tried again.
        left: Duration,
    },
}

/// Addresses listed in one message.
pub const MAX_LISTED: usize = 8;

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { what, reason } => write!(f, "{what} does not answer: {reason}"),
            Self::MemberMissing { instance, route, server } => {
                write!(f, "{instance} ({route}) does not know the server {server}")
            }
            Self::Acknowledgement { effect } => write!(f, "not yet seen: {effect}"),
            Self::Retry { effect, error, tries } => write!(f, "{effect}: {error} ({tries} tries so far)"),
            Self::Gate { gate } => write!(f, "{}", gate.detail),
            Self::Connections(connected) => connected.fmt(f),
            Self::Cutting { node, listener, total, left } => {
                write!(f, "{total} connections of {listener} on {node} are cut and not gone; {} more", Short(*left))
            }
            Self::Settling { listener, left, came: None, .. } => {
                write!(f, "{listener} has no connections left; {} more to be sure", Short(*left))
            }
            Self::Settling { listener, left, came: Some(ago), .. } => write!(
                f,
                "{listener} has no connections left, and a client came {} ago; {} more to be sure",
                Short(*ago),
                Short(*left)
            ),
            Self::Unheard { node, port, reason } => {
                write!(f, "{node} does not tell who comes to port {port} and is gone again: {reason}")
            }
            Self::Follower { instance, route, server, serving, shows, version, driven } => {
                match (shows, serving) {
                    (Some(shows), _) => write!(f, "{instance} ({route}) still answers with {shows}")?,
                    (None, true) => write!(f, "{instance} ({route}) does not show {server}")?,
                    (None, false) => write!(f, "{instance} ({route}) still shows {server}")?,
                }
                match (version, driven) {
                    (Some(version), Some(driven)) => write!(f, ": it is at {version}, the change at {driven}"),
                    (Some(version), None) => write!(f, ": it is at {version}"),
                    (None, _) => Ok(()),
                }
            }
            Self::Remembered { instance, server, left } => {
                write!(f, "answers of {instance} with {server} may be remembered for {} more", Short(*left))
            }
            Self::NotStopped { node, resource, says } => {
                write!(f, "the cluster has not recorded the stop of {resource} on {node}: {says}")
            }
            Self::Unit { node, unit, state, wanted } => write!(f, "{unit} on {node} is {state}, not {wanted}"),
            Self::NotStarted { node, resource, says } => {
                write!(f, "the cluster has not started {resource} on {node}: {says}")
            }
            Self::NotReady { node, service, reason: Some(reason), needed, .. } => {
                write!(f, "{service} on {node} is not ready: {reason} (0 of {needed} probes passed)")
            }
            Self::NotReady { node, service, reason: None, passed, needed } => {
                write!(f, "{service} on {node} passed {passed} of {needed} probes")
            }
            Self::CheckNotPassed { instance, server, reason } => {
                write!(f, "{instance} has not seen {server} pass a check: {reason}")
            }
            Self::Ramp { percent, left } => {
                write!(f, "watching errors at {percent} % of its weight for {}", Short(*left))
            }
            Self::BackedOff { why, left } => write!(f, "taken out again ({why}); next try in {}", Short(*left)),
        }
    }
}

impl Waiting {
    /// More about it, a line each, where one line is not enough.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Connections(connected) => connected.details(),
            Self::Settling { passers, .. } if !passers.is_empty() => {
                let few: Vec<String> = passers.iter().take(MAX_LISTED).map(ToString::to_string).collect();
                vec![format!("directly, and gone again: {}", few.join(", "))]
            }
            _ => Vec::new(),
        }
    }
}

/// A duration as people read it: `0.3 s`, `42 s`, `9 min 5 s`.
#[derive(Clone, Copy, Debug)]
pub struct Short(pub Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..=9 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            10..=119 => write!(f, "{seconds} s"),
            _ if seconds.is_multiple_of(60) => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{} min {} s", seconds / 60, seconds % 60),
        }
    }
}
