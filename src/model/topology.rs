//! What hangs together: which services run where, and by which routes clients reach them.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{EntrypointName, InstanceName, NodeName, RouteId, ServiceName, UnitName};

/// The fixed part of the world: from the settings, and the cluster's list of members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Members of the cluster.
    pub nodes: Vec<NodeName>,
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
    /// Every instance that must acknowledge, with the addresses from which it connects (empty: not known).
    pub instances: BTreeMap<InstanceName, Vec<IpAddr>>,
    /// The route's own name of each node.
    pub servers: BTreeMap<NodeName, String>,
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
}

impl Topology {
    /// Everything that sends clients to `node`, outermost tier first.
    pub fn targets(&self, node: &NodeName) -> Vec<(u16, Vec<RouteTarget>)> {
        let mut tiers: BTreeMap<u16, Vec<RouteTarget>> = BTreeMap::new();
        for route in &self.routes {
            let Some(server) = route.servers.get(node) else { continue };
            for instance in route.instances.keys() {
                tiers.entry(route.tier).or_default().push(RouteTarget {
                    route: route.id.clone(),
                    instance: instance.clone(),
                    server: server.clone(),
                    service: route.service.clone(),
                });
            }
        }
        tiers.into_iter().collect()
    }
}
