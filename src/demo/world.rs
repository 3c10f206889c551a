//! The whole embedded world: three nodes, a cluster manager, two edges, and the settings that describe them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    backend::Unit,
    cluster::{Cluster, Pace},
    edge::{Checks, Edge},
    http_get,
    providers::{EdgeRoute, Nodes},
    settings::settings,
};
use crate::{
    config::settings::{Connections, OnDeadline, Settings},
    drill::load::Target,
    model::{NodeName, Topology},
    provider::{self, SystemClock},
};

pub(super) const RESOURCE: &str = "app_service";
pub(super) const UNIT: &str = "app.service";
pub(super) const SERVICE: &str = "app";
pub(super) const ROUTE: &str = "web/edge:app";
const EDGES: u8 = 2;
/// Ports that are tried until one is free on every node.
const PORT_ATTEMPTS: u32 = 20;

/// How quick the world is, and how patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Nodes, 2 to 9.
    pub nodes: u8,
    /// From a unit's start until it is ready.
    pub warm_up: Duration,
    /// The cluster manager.
    pub pace: Pace,
    /// The edges' health checks.
    pub checks: Checks,
    /// When connections count as drained.
    pub connections: Connections,
    /// The way back, in percent of the weight.
    pub ramp: Vec<u8>,
    /// Time at each stage.
    pub dwell: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            warm_up: Duration::from_millis(400),
            pace: Pace { act: Duration::from_millis(150), record: Duration::from_millis(300) },
            checks: Checks { interval: Duration::from_millis(500), timeout: Duration::from_secs(1), rise: 2, fall: 2 },
            connections: Connections {
                settle: Duration::from_millis(500),
                deadline: Duration::from_secs(10),
                on_deadline: OnDeadline::Hold,
                max_age: None,
            },
            ramp: vec![10, 50, 100],
            dwell: Duration::from_millis(800),
        }
    }
}

/// A running world. Ends with [`DemoWorld::shutdown`], or when it is dropped.
pub struct DemoWorld {
    /// What a configuration file would say of it.
    pub settings: Settings,
    /// The members of the cluster.
    pub members: Vec<NodeName>,
    /// Its shape.
    pub topology: Topology,
    /// The providers.
    pub world: provider::World,
    /// Where clients connect to: one URL an edge.
    pub entries: Vec<Target>,
    pub(super) cluster: Cluster,
    pub(super) edges: Vec<Edge>,
    pub(super) units: BTreeMap<NodeName, Unit>,
    stop: CancellationToken,
}

impl DemoWorld {
    /// Starts everything on loopback addresses and free ports, and waits until every node is ready.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let units = start_units(&options).await?;
        let stop = CancellationToken::new();
        let cluster = Cluster::start(RESOURCE, &units, options.pace, &stop);
        let edges = start_edges(&options, &units).await?;
        let settings = settings(&options, &units, &edges);
        let members: Vec<NodeName> = units.keys().cloned().collect();
        let nodes = Arc::new(Nodes {
            service: SERVICE.into(),
            unit: UNIT.into(),
            units: units.clone(),
            probe_limit: Duration::from_secs(1),
        });
        let world = provider::World {
            routes: vec![Arc::new(EdgeRoute { id: ROUTE.into(), edges: edges.clone() })],
            cluster: Arc::new(cluster.clone()),
            units: nodes.clone(),
            traffic: nodes.clone(),
            prober: nodes,
            alerts: None,
            clock: Arc::new(SystemClock),
        };
        let entries = edges.iter().map(|e| Target::http(e.entry(), "/")).collect();
        let topology = settings.topology(&members);
        Ok(Self { settings, members, topology, world, entries, cluster, edges, units, stop })
    }

    /// Ends every server, edge and executor, with their connections.
    pub fn shutdown(&self) {
        self.stop.cancel();
        self.edges.iter().for_each(Edge::stop);
        self.units.values().for_each(Unit::kill);
    }
}

impl Drop for DemoWorld {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Every node has an address of its own and the same port, as real nodes have.
async fn start_units(options: &Options) -> std::io::Result<BTreeMap<NodeName, Unit>> {
    let numbers = 1..=options.nodes.clamp(2, 9);
    let address = |number: u8| IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10 + number));
    let port = free_port(&numbers.clone().map(address).collect::<Vec<_>>()).await?;
    let mut units = BTreeMap::new();
    for number in numbers {
        let node = NodeName::new(format!("node-{number}"));
        let unit = Unit::new(node.clone(), SocketAddr::new(address(number), port), options.warm_up);
        unit.start().await?;
        units.insert(node, unit);
    }
    for unit in units.values() {
        await_ready(unit.address(), options.warm_up + Duration::from_secs(5)).await?;
    }
    Ok(units)
}

async fn free_port(addresses: &[IpAddr]) -> std::io::Result<u16> {
    let mut last = std::io::Error::other("there are no nodes");
    for _ in 0..PORT_ATTEMPTS {
        let mut held = Vec::new();
        let mut port = 0;
        for address in addresses {
            match TcpListener::bind((*address, port)).await {
                Ok(listener) => {
                    port = listener.local_addr()?.port();
                    held.push(listener);
                }
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        if held.len() == addresses.len() {
            return Ok(port);
        }
    }
    Err(last)
}

async fn await_ready(address: SocketAddr, limit: Duration) -> std::io::Result<()> {
    let ready = async {
        while http_get(None, address, "/ready", Duration::from_secs(1)).await != Ok(200) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, ready).await.map_err(std::io::Error::from)
}

async fn start_edges(options: &Options, units: &BTreeMap<NodeName, Unit>) -> std::io::Result<Vec<Edge>> {
    let servers: Vec<_> = units.iter().map(|(node, unit)| (node.to_string(), unit.address())).collect();
    let mut edges = Vec::new();
    for number in 1..=EDGES {
        let name = format!("edge-{number}");
        // A source address of its own tells on a node whose idle connections are whose.
        let source = Ipv4Addr::new(127, 0, 0, 1 + number).into();
        let entry = Ipv4Addr::LOCALHOST.into();
        edges.push(Edge::start(name.as_str().into(), entry, source, &servers, options.checks).await?);
    }
    Ok(edges)
}
