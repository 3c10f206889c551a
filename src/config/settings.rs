//! Validated settings: what the rest of the program works with. Every value here is in range and in its unit;
//! whoever holds a `Settings` has nothing left to check.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use super::guard::Guard;
pub use super::ready::{Http, Probe, Ready};
pub use super::review::{Acceptance, Review};
use crate::model::{EntrypointName, NodeName, RouteId, ServiceName, Topology, UnitName, topology};
pub use crate::provider::route::Via;

/// Everything that the configuration says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The cluster and how to reach it.
    pub cluster: Cluster,
    /// Where runs are recorded.
    pub journal: Journal,
    /// How a run behaves.
    pub run: Run,
    /// What the coordinator may do by itself.
    #[serde(default)]
    pub guard: Guard,
    /// What the review is told.
    #[serde(default)]
    pub review: Review,
    /// Nodes that need more than their name.
    pub nodes: BTreeMap<NodeName, Node>,
    /// The services, in order.
    pub services: Vec<Service>,
    /// The entrypoints, in order.
    pub entrypoints: Vec<Entrypoint>,
}

/// `[cluster]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name, for people and metrics.
    pub name: String,
    /// How commands reach the nodes.
    pub access: Access,
    /// The cluster's members where they are listed; else they are those of `[[node]]`, else the cluster's own list.
    pub members: Vec<NodeName>,
}

/// `cluster.access`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "kebab-case")]
pub enum Access {
    /// The coordinator is itself a member (or everything is on this machine).
    Local,
    /// Over SSH, with the user's own configuration, agent and known hosts.
    Ssh {
        /// The remote user; `None` leaves it to the SSH configuration.
        user: Option<String>,
        /// Another SSH configuration file than the user's own.
        config: Option<PathBuf>,
    },
}

/// `[journal]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The SQLite file.
    pub path: PathBuf,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Longest wait for anything but connections (which have their own deadline); then the run is held.
    pub patience: Duration,
    /// Time between two looks while waiting.
    pub poll: Duration,
    /// Time limit of one question to, or one change of, a real system.
    pub call_timeout: Duration,
    /// Age from which an observation counts as unknown.
    pub max_age: Duration,
    /// Time that the cluster's lease lives without a sign of its holder.
    pub lease: Duration,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(600),
            poll: Duration::from_millis(100),
            call_timeout: Duration::from_secs(5),
            max_age: Duration::from_secs(10),
            lease: Duration::from_secs(15),
        }
    }
}

/// `[[node]]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Where probes go; the name is looked up where there is none.
    pub address: Option<IpAddr>,
    /// The host (or alias) that SSH connects to; the node's name where there is none.
    pub ssh: Option<String>,
    /// Whether it is no member of the cluster: a load balancer's host, which is drained from its routes only.
    pub outside: bool,
}

/// `[[service]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// The unit that the cluster runs.
    pub unit: UnitName,
    /// Units outside the cluster that stop after it, in this order, and start before it in reverse.
    pub extra_units: Vec<UnitName>,
    /// The clone.
    pub clone: CloneSettings,
    /// Ready nodes that must be left.
    pub min_ready: u32,
    /// How readiness is probed.
    pub ready: Ready,
    /// Session affinity and state, for the review.
    pub sessions: Sessions,
    /// When connections count as drained.
    pub connections: Connections,
    /// What the service promises.
    pub objective: Objective,
    /// Files that must be the same on every member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<PathBuf>,
}

/// `service.clone`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneSettings {
    /// The cloned primitive (`app_service`).
    pub resource: String,
    /// Time between two monitor operations.
    pub monitor_interval: Duration,
    /// Instances in all; `None` is one a node.
    pub clone_max: Option<u32>,
    /// Instances a node.
    pub clone_node_max: u32,
    /// Instances that others, ordered after the clone, wait for; `None` is left to the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_min: Option<u32>,
    /// Whether those wait only for the instance on their own node.
    #[serde(default = "yes")]
    pub interleave: bool,
    /// The stop operation's time-out; `None` is made of the unit's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Duration>,
    /// The start operation's time-out; `None` is made of the unit's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<Duration>,
}

impl CloneSettings {
    /// The clone of this resource with nothing else said.
    pub fn of(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            monitor_interval: Duration::from_secs(30),
            clone_max: None,
            clone_node_max: 1,
            clone_min: None,
            interleave: yes(),
            stop_timeout: None,
            start_timeout: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// `service.sessions`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// How clients stick to a node.
    pub affinity: Affinity,
    /// Where session state lives.
    pub state: SessionState,
}

/// How clients stick to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Affinity {
    /// They do not.
    #[default]
    None,
    /// By a cookie.
    Cookie,
    /// By their address.
    SourceIp,
    /// By a consistent hash.
    ConsistentHash,
}

/// Where session state lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// On the node: a drain loses it.
    Local,
    /// In a store of its own.
    #[default]
    External,
    /// Copied between the nodes.
    Replicated,
}

/// `service.connections`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Time without residual traffic that counts as drained.
    pub settle: Duration,
    /// Longest wait for connections to end.
    pub deadline: Duration,
    /// What happens then.
    pub on_deadline: OnDeadline,
    /// Age from which a connection is cut on a node that drains, whoever holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// What ends the wait for connections at its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// Stay drained, go no further, tell a person.
    #[default]
    Hold,
    /// Cut what is left and go on.
    Close,
    /// Put everything back as it was.
    Abort,
}

/// `service.objective`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Time in which the loss of a node must be over.
    pub failover: Option<Duration>,
    /// Share of requests that may fail.
    pub max_error_ratio: f64,
    /// Largest measured share against the expected one.
    pub max_skew: Option<f64>,
}

/// `[[entrypoint]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrypoint {
    /// Its name.
    pub name: EntrypointName,
    /// The service behind it.
    pub service: ServiceName,
    /// What clients connect to.
    pub address: String,
    /// The port there, as far as it is known.
    pub port: Option<u16>,
    /// What they speak.
    pub protocol: Protocol,
    /// Where TLS ends.
    pub tls: Option<Tls>,
    /// How the service learns who the client is.
    pub client_identity: Option<ClientIdentity>,
    /// Its routes, in order.
    pub routes: Vec<Route>,
}

/// The protocol of an entrypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP in clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC.
    Grpc,
    /// Plain TCP.
    Tcp,
}

/// Where TLS ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// At the load balancer.
    Terminate,
    /// At the service; the load balancer does not look inside.
    Passthrough,
    /// At the load balancer, and again at the service.
    EndToEnd,
}

/// How the service learns who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIdentity {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// The PROXY protocol.
    ProxyProtocol,
    /// It does not.
    None,
}

/// `[[entrypoint.route]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its id, made of the entrypoint, the kind and the name.
    pub id: RouteId,
    /// Order from the client inwards: 10 for names and prefixes, 20 for load balancers, unless said otherwise.
    pub tier: u16,
    /// Shares of the former weight on the way back in, in percent, rising, the last one 100.
    pub ramp: Vec<u8>,
    /// Time at each stage of the ramp.
    pub dwell: Duration,
    /// The nodes that it leads to, where that is not the whole cluster.
    pub nodes: Option<Vec<NodeName>>,
    /// Time between two looks at it while a node is out and no run is active.
    pub watch: Duration,
    /// What is driven.
    pub via: Via,
}

impl Route {
    /// Whether it leads to that node: to one that is named, or to every member of the cluster.
    pub fn reaches(&self, place: &Place) -> bool {
        match &self.nodes {
            Some(nodes) => nodes.contains(&place.node),
            None => !place.outside,
        }
    }
}

/// A node as the routes' templates know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub node: NodeName,
    /// Its address, where one is configured.
    pub address: Option<IpAddr>,
    /// The host that SSH connects to.
    pub ssh: String,
    /// Whether it is no member of the cluster.
    pub outside: bool,
}

impl Place {
    /// Fills `{node}`, `{address}` and `{ssh}`. Without an address the name stands in its place: no such member will
    /// be found then, and the gates say so.
    pub fn fill(&self, template: &str) -> String {
        let address = self.address.map_or_else(|| self.node.to_string(), |a| a.to_string());
        template.replace("{node}", self.node.as_str()).replace("{address}", &address).replace("{ssh}", &self.ssh)
    }
}

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Endpoint {
    /// `unix:/path` (or `unix:///path`).
    Unix {
        /// The path.
        path: PathBuf,
    },
    /// `tcp:host:port`.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// `ssh://host/path`, a UNIX socket on another machine.
    Ssh {
        /// The host or SSH alias.
        host: String,
        /// The path there.
        path: PathBuf,
    },
}

impl Endpoint {
    /// The host that is reached over SSH, where it is one.
    pub fn ssh_host(&self) -> Option<&str> {
        match self {
            Self::Ssh { host, .. } => Some(host),
            Self::Unix { .. } | Self::Tcp { .. } => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "{}", path.display()),
            Self::Tcp { address } => f.write_str(address),
            Self::Ssh { host, path } => write!(f, "{host}:{}", path.display()),
        }
    }
}

impl Settings {
    /// The service of that name.
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|s| &s.name == name)
    }

    /// The route of that id.
    pub fn route(&self, id: &RouteId) -> Option<&Route> {
        self.entrypoints.iter().flat_map(|e| &e.routes).find(|r| &r.id == id)
    }

    /// Age from which an observation counts as unknown; never less than two probes apart, since readiness is seen
    /// only as often as it is probed.
    pub fn max_age(&self) -> Duration {
        let probes = self.services.iter().map(|s| s.ready.interval * 2 + s.ready.timeout).max().unwrap_or_default();
        self.run.max_age.max(probes)
    }

    /// These members and the hosts outside the cluster, as templates know them.
    pub fn places(&self, members: &[NodeName]) -> Vec<Place> {
        let outside = self.nodes.iter().filter(|(name, node)| node.outside && !members.contains(name)).map(|(n, _)| n);
        members
            .iter()
            .map(|name| (name, false))
            .chain(outside.map(|name| (name, true)))
            .map(|(name, outside)| {
                let node = self.nodes.get(name);
                Place {
                    node: name.clone(),
                    address: node.and_then(|n| n.address),
                    ssh: node.and_then(|n| n.ssh.clone()).unwrap_or_else(|| name.to_string()),
                    outside,
                }
            })
            .collect()
    }

    /// The fixed shape of the world, for these members.
    pub fn topology(&self, members: &[NodeName]) -> Topology {
        let places = self.places(members);
        Topology {
            nodes: members.to_vec(),
            outside: places.iter().filter(|p| p.outside).map(|p| p.node.clone()).collect(),
            services: self
                .services
                .iter()
                .map(|s| topology::ServiceShape {
                    name: s.name.clone(),
                    port: s.ready.port,
                    resource: s.clone.resource.clone(),
                    unit: s.unit.clone(),
                    extra_units: s.extra_units.clone(),
                })
                .collect(),
            routes: self.entrypoints.iter().flat_map(|e| e.routes.iter().map(|r| route_shape(e, r, &places))).collect(),
        }
    }
}

fn route_shape(entrypoint: &Entrypoint, route: &Route, places: &[Place]) -> topology::RouteShape {
    let reached = |place: &&Place| route.reaches(place);
    let reached: Vec<Place> = places.iter().filter(reached).cloned().collect();
    topology::RouteShape {
        id: route.id.clone(),
        entrypoint: entrypoint.name.clone(),
        service: entrypoint.service.clone(),
        tier: route.tier,
        port: entrypoint.port,
        servers: reached.iter().map(|p| (p.node.clone(), route.via.server(p))).collect(),
        instances: route.via.instances(&reached),
    }
}
