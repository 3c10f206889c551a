//! Everything that was seen at one time. A run decides on this and on nothing else.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::{
    Alert, ClusterView, InstanceName, InstanceView, NodeName, Observed, Rehearsal, RouteId, ServiceName, Stragglers,
    UnitName,
};

/// One look at all the systems. What was not asked for, or did not answer, is Unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The cluster manager.
    pub cluster: Observed<ClusterView>,
    /// What the cluster would do if these nodes went into standby, where that was asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rehearsals: BTreeMap<NodeName, Observed<Rehearsal>>,
    /// Every instance of every route.
    pub routes: BTreeMap<RouteId, BTreeMap<InstanceName, Observed<InstanceView>>>,
    /// Every node by itself.
    pub nodes: BTreeMap<NodeName, NodeView>,
    /// Connections one by one, where they were asked for: at load balancers, and on nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stragglers: Vec<Listing>,
    /// Alerts that fire, where a monitoring system was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Observed<Vec<Alert>>>,
}

/// The connections at one place, one by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Where they are.
    pub held: Holder,
    /// Them. `None` where that kind of place cannot list them.
    pub seen: Observed<Option<Stragglers>>,
}

/// Who holds connections to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "kebab-case")]
pub enum Holder {
    /// One instance of a route, for one member.
    Instance {
        /// The route.
        route: RouteId,
        /// The instance.
        instance: InstanceName,
        /// The member, by the route's own name.
        server: String,
    },
    /// The node itself, at one port.
    Node {
        /// The node.
        node: NodeName,
        /// The port.
        port: u16,
    },
}

/// What was seen on one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Established sockets, by the port on the node.
    pub sockets: BTreeMap<u16, Observed<SocketsView>>,
    /// Sockets that ended lately, by the port on the node, where they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<u16, Observed<SocketsView>>,
    /// Units, by name.
    pub units: BTreeMap<UnitName, Observed<UnitView>>,
    /// The last probe of each service.
    pub ready: BTreeMap<ServiceName, Observed<Readiness>>,
}

/// Established TCP connections to one port of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SocketsView {
    /// The far end of each.
    pub peers: Vec<SocketAddr>,
}

/// A systemd unit, read from the manager itself and never from a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitView {
    /// `ActiveState`: active, reloading, inactive, failed, activating, deactivating.
    pub active: String,
    /// `SubState`.
    pub sub: String,
    /// `UnitFileState`: enabled, disabled, static, …
    pub file_state: String,
}

impl UnitView {
    /// Running and not on its way anywhere else.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Started by systemd at boot.
    pub fn is_enabled(&self) -> bool {
        self.file_state.starts_with("enabled")
    }

    /// Not running, and not failed either.
    pub fn is_inactive(&self) -> bool {
        self.active == "inactive"
    }
}

/// The answer of one probe of the service's readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ready", rename_all = "kebab-case")]
pub enum Readiness {
    /// It answered as configured.
    Ready,
    /// It answered otherwise, or not at all.
    NotReady {
        /// Connect refused, time-out, status 503, …
        reason: String,
    },
}
