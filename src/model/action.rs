//! What is wanted of the real systems: desired states, never "toggle". Applying one twice changes nothing.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Exact, InstanceName, Leave, NodeName, RouteId, RunId, Straggler, UnitName, receipt::Before};

/// The state that one member should have on one instance of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "kebab-case")]
pub enum Desired {
    /// No new clients.
    Drained,
    /// Nobody new at all, clients that are bound to it included; they are sent elsewhere.
    Closed,
    /// Still no new clients, and healthy only after a check that passes from now on.
    FreshCheck,
    /// New clients, with this weight: one stage of a ramp.
    Serving {
        /// The weight to set.
        weight: u32,
    },
    /// Exactly the state of a receipt.
    Exactly {
        /// That state.
        exact: Exact,
    },
}

/// Who holds a node out, as written into the cluster for everybody to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The run that put it there.
    pub run: RunId,
    /// The person (or program) that asked for it.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// One change to one real system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Set a member's state on one instance of a route.
    Route {
        /// The route.
        route: RouteId,
        /// The instance.
        instance: InstanceName,
        /// The member, by the route's own name.
        server: String,
        /// What it should be.
        desired: Desired,
    },
    /// Cut what is still connected through one instance.
    CloseConnections {
        /// The route.
        route: RouteId,
        /// The instance.
        instance: InstanceName,
        /// The member, by the route's own name.
        server: String,
    },
    /// Cut single connections through one instance: those that are too old.
    CloseOld {
        /// The route.
        route: RouteId,
        /// The instance.
        instance: InstanceName,
        /// The member, by the route's own name.
        server: String,
        /// Which.
        connections: Vec<Straggler>,
    },
    /// Cut connections on the node itself, which no load balancer can.
    CloseSockets {
        /// The node.
        node: NodeName,
        /// The port there.
        port: u16,
        /// Their far ends.
        peers: Vec<SocketAddr>,
    },
    /// Take a node out of the cluster's work, with our mark: by standby, or otherwise where the request says so.
    Standby {
        /// The node.
        node: NodeName,
        /// The mark.
        owner: Ownership,
        /// How.
        #[serde(default, skip_serializing_if = "Leave::is_usual")]
        leave: Leave,
    },
    /// Take our standby (or what was done instead) and our mark away again.
    Unstandby {
        /// The node.
        node: NodeName,
        /// The run whose standby it is; nobody else's is ever undone.
        owner: RunId,
        /// The attribute as it was before.
        attribute: Option<String>,
        /// How the node had left.
        #[serde(default, skip_serializing_if = "Leave::is_usual")]
        leave: Leave,
    },
    /// Allow a clone another number of instances.
    Resize {
        /// The cloned primitive.
        resource: String,
        /// `clone-max` as it is; anything else is another hand's doing.
        from: String,
        /// `clone-max` as it should be.
        to: String,
    },
    /// Stop a unit outside the cluster.
    StopUnit {
        /// The node.
        node: NodeName,
        /// The unit.
        unit: UnitName,
    },
    /// Have systemd start a unit at boot, or no longer.
    EnableUnit {
        /// The node.
        node: NodeName,
        /// The unit.
        unit: UnitName,
        /// Whether it is started at boot.
        enabled: bool,
    },
    /// Start a unit outside the cluster.
    StartUnit {
        /// The node.
        node: NodeName,
        /// The unit.
        unit: UnitName,
    },
}

impl Effect {
    /// Whether a receipt describes the thing that this effect changes.
    pub fn touches(&self, before: &Before) -> bool {
        match (self, before) {
            (Self::Route { route, instance, server, .. }, Before::Route { route: r, instance: i, server: s, .. }) => {
                (route, instance, server) == (r, i, s)
            }
            (Self::Standby { .. }, Before::Standby { .. }) => true,
            (Self::Resize { resource, .. }, Before::Clone { resource: r, .. }) => resource == r,
            (Self::StopUnit { unit, .. }, Before::Unit { unit: u, .. })
            | (Self::EnableUnit { unit, .. }, Before::UnitFile { unit: u, .. }) => unit == u,
            _ => false,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { route, instance, server, desired } => {
                write!(f, "{instance} ({route}): {server} ")?;
                match desired {
                    Desired::Drained => f.write_str("drained"),
                    Desired::Closed => f.write_str("closed to clients that are bound to it"),
                    Desired::FreshCheck => f.write_str("to be checked afresh"),
                    Desired::Serving { weight } => write!(f, "serving with weight {weight}"),
                    Desired::Exactly { .. } => f.write_str("as it was before"),
                }
            }
            Self::CloseConnections { route, instance, server } => {
                write!(f, "{instance} ({route}): cut the sessions of {server}")
            }
            Self::CloseOld { route, instance, server, connections } => {
                write!(f, "{instance} ({route}): cut {} of {server}, too old: ", counted(connections.len()))?;
                list(f, connections.iter().map(|s| &s.peer))
            }
            Self::CloseSockets { node, port, peers } => {
                write!(f, "{node}: cut {} to port {port}: ", counted(peers.len()))?;
                list(f, peers.iter())
            }
            Self::Standby { node, leave, .. } => match leave {
                Leave::Standby => write!(f, "{node} into standby"),
                Leave::StandbyUntilRestart => write!(f, "{node} into standby until it restarts"),
                Leave::Maintenance => write!(f, "{node} into maintenance"),
                Leave::Ban { resource, .. } => write!(f, "{node} banned for {resource}"),
                Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => {
                    write!(f, "{resource} on {node} out of the cluster's hands")
                }
            },
            Self::Unstandby { node, leave, .. } => match leave {
                Leave::Standby | Leave::StandbyUntilRestart => write!(f, "{node} out of standby"),
                Leave::Maintenance => write!(f, "{node} out of maintenance"),
                Leave::Ban { resource, .. } => write!(f, "{node} allowed for {resource} again"),
                Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => {
                    write!(f, "{resource} on {node} into the cluster's hands")
                }
            },
            Self::Resize { resource, to, .. } => write!(f, "clone-max of {resource} to {to}"),
            Self::StopUnit { node, unit } => write!(f, "stop {unit} on {node}"),
            Self::EnableUnit { node, unit, enabled: true } => write!(f, "enable {unit} on {node}"),
            Self::EnableUnit { node, unit, enabled: false } => write!(f, "disable {unit} on {node}"),
            Self::StartUnit { node, unit } => write!(f, "start {unit} on {node}"),
        }
    }
}

fn counted(n: usize) -> String {
    format!("{n} connection{}", if n == 1 { "" } else { "s" })
}

/// The first few, and how many more.
fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: impl ExactSizeIterator<Item = T>) -> fmt::Result {
    const FEW: usize = 4;
    let more = items.len().saturating_sub(FEW);
    for (n, item) in items.take(FEW).enumerate() {
        write!(f, "{}{item}", if n == 0 { "" } else { ", " })?;
    }
    if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
}
