//! What hangs together: which services run where, and by which routes clients reach them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use super::{EntrypointName, InstanceName, NodeName, RouteId, ServiceName, UnitName};

/// The fixed part of the world: from the settings, and the cluster's list of members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Members of the cluster.
    pub nodes: Vec<NodeName>,
    /// Hosts outside the cluster that routes lead to: load balancers behind a name, for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<NodeName>,
    /// Services, in the order of the configuration.
    pub services: Vec<ServiceShape>,
    /// Routes, from the client inwards.
    pub routes: Vec<RouteShape>,
}

/// One service, as far as ordering needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceShape {
    /// Its name.
    pub name: ServiceName,
    /// The cloned primitive.
    pub resource: String,
    /// Its port on a node.
    pub port: u16,
    /// The unit that the cluster runs.
    pub unit: UnitName,
    /// Units outside the cluster, in the order in which they stop.
    pub extra_units: Vec<UnitName>,
}

/// One route of one entrypoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteShape {
    /// Its id.
    pub id: RouteId,
    /// The entrypoint that it belongs to.
    pub entrypoint: EntrypointName,
    /// The service behind it.
    pub service: ServiceName,
    /// Order from the client inwards: smaller is further out and leaves first.
    pub tier: u16,
    /// The port on which clients reach the entrypoint, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Every instance that must acknowledge.
    pub instances: BTreeMap<InstanceName, InstanceShape>,
    /// The route's own name of each node.
    pub servers: BTreeMap<NodeName, String>,
}

/// One instance of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceShape {
    /// Whether changes are sent there.
    #[serde(default, skip_serializing_if = "Role::is_driven")]
    pub role: Role,
    /// The addresses from which it connects to the nodes; empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<IpAddr>,
    /// Whether it sees no connections: a name server, a router.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blind: bool,
    /// Whether it serves the very data of the instance that changes are sent to, so that the exact states of both can be
    /// compared: a server of the same zone. A router tells the same thing in words of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mirrors: bool,
    /// The only node that is a member of it: an announcer on the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<NodeName>,
    /// The node on which it runs, where that is one that can be drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<NodeName>,
    /// Nodes whose session with it the guard may close when the cluster has lost them: a router's BGP session.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sessions: BTreeSet<NodeName>,
}

/// What an instance has to do with a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Changes are sent there, and it acknowledges them.
    #[default]
    Driven,
    /// Nothing is ever sent there; a change counts only when it shows there as well: a zone's secondary, a router.
    Follower,
}

impl Role {
    /// Whether changes are sent there.
    pub fn is_driven(&self) -> bool {
        *self == Self::Driven
    }
}

/// Something on a node that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    /// The service that is reached.
    pub service: ServiceName,
    /// The port of a load balancer that runs on the node; `None` is the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontend: Option<u16>,
}

impl Listener {
    /// The service itself.
    pub fn of(service: &ServiceName) -> Self {
        Self { service: service.clone(), frontend: None }
    }
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.frontend {
            None => write!(f, "{}", self.service),
            Some(port) => write!(f, "{} (load balancer, port {port})", self.service),
        }
    }
}

/// One member on one instance of one route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteTarget {
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
    /// The member, by the route's own name.
    pub server: String,
    /// The service behind it.
    pub service: ServiceName,
    /// Whether changes are sent there.
    #[serde(default, skip_serializing_if = "Role::is_driven")]
    pub role: Role,
}

impl RouteShape {
    /// The member that a node is, on every instance that has it.
    pub fn targets(&self, node: &NodeName) -> Vec<RouteTarget> {
        let Some(server) = self.servers.get(node) else { return Vec::new() };
        self.instances
            .iter()
            .filter(|(_, shape)| shape.only.as_ref().is_none_or(|only| only == node))
            .map(|(instance, shape)| RouteTarget {
                route: self.id.clone(),
                instance: instance.clone(),
                server: server.clone(),
                service: self.service.clone(),
                role: shape.role,
            })
            .collect()
    }

    /// Whether this instance's session with the node may be closed when the node is lost.
    pub fn has_session(&self, instance: &InstanceName, node: &NodeName) -> bool {
        self.instances.get(instance).is_some_and(|shape| shape.sessions.contains(node))
    }

    /// Whether any instance's may.
    pub fn has_sessions(&self, node: &NodeName) -> bool {
        self.instances.values().any(|shape| shape.sessions.contains(node))
    }

    /// Whether one of its load balancers runs on the node.
    pub fn is_hosted_on(&self, node: &NodeName) -> bool {
        self.instances.values().any(|shape| shape.host.as_ref() == Some(node))
    }
}

impl Topology {
    /// Whether the node is a member of the cluster, or a host outside it that is named.
    pub fn knows(&self, node: &NodeName) -> bool {
        self.nodes.contains(node) || self.outside.contains(node)
    }

    /// The load balancers on the node: what they serve, and the outermost tier at which they do.
    pub fn frontends(&self, node: &NodeName) -> BTreeMap<Listener, u16> {
        let mut frontends = BTreeMap::new();
        for route in self.routes.iter().filter(|r| r.is_hosted_on(node)) {
            let Some(port) = route.port else { continue };
            let listener = Listener { service: route.service.clone(), frontend: Some(port) };
            let tier = frontends.entry(listener).or_insert(route.tier);
            *tier = route.tier.min(*tier);
        }
        frontends
    }

    /// Whether what this route reaches on the node is a load balancer there, and not the service itself.
    pub fn is_front(&self, route: &RouteShape, node: &NodeName) -> bool {
        let behind = |r: &&RouteShape| r.entrypoint == route.entrypoint && r.tier > route.tier;
        self.routes.iter().filter(behind).any(|r| r.is_hosted_on(node))
    }

    /// Every port of a node on which clients may be.
    pub fn ports(&self, node: &NodeName) -> Vec<u16> {
        let own = self.services.iter().filter(|_| self.nodes.contains(node)).map(|s| s.port);
        let mut ports: Vec<u16> = own.chain(self.frontends(node).keys().filter_map(|l| l.frontend)).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Everything that sends clients to `node`, outermost tier first.
    pub fn targets(&self, node: &NodeName) -> Vec<(u16, Vec<RouteTarget>)> {
        let mut tiers: BTreeMap<u16, Vec<RouteTarget>> = BTreeMap::new();
        for route in &self.routes {
            let targets = route.targets(node);
            if !targets.is_empty() {
                tiers.entry(route.tier).or_default().extend(targets);
            }
        }
        tiers.into_iter().collect()
    }
}
