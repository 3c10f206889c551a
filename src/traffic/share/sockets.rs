//! Entrypoints for which no load balancer counts: their shares are measured at the nodes' own sockets.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::{meant, skew::Cell, turnover::Turnover, window::Interval};
use crate::model::{EntrypointName, InstanceView, NodeName, Observation, RouteId, Topology};

/// An entrypoint that only the nodes' sockets can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// The entrypoint.
    pub entrypoint: EntrypointName,
    /// The port on the nodes.
    pub port: u16,
    /// The nodes that it leads to.
    pub nodes: Vec<NodeName>,
    /// Its routes to them.
    routes: Vec<RouteId>,
}

/// The entrypoints that have a service's port to themselves, and no route to the nodes that sees connections. Behind a
/// port that several use, a socket does not say by which name its client came. A route that nobody has seen yet may count.
pub fn blind(topology: &Topology, seen: &Observation) -> Vec<Blind> {
    let of_service = |service: &crate::model::topology::ServiceShape| {
        let leads = |n: &NodeName| topology.nodes.contains(n);
        let routes = || topology.routes.iter().filter(|r| r.service == service.name && r.servers.keys().any(leads));
        let first = routes().next()?;
        let alone = routes().all(|r| r.entrypoint == first.entrypoint && is_blind(&r.id, seen));
        let mut nodes: Vec<NodeName> = routes().flat_map(|r| r.servers.keys()).filter(|n| leads(n)).cloned().collect();
        nodes.sort();
        nodes.dedup();
        let (entrypoint, routes) = (first.entrypoint.clone(), routes().map(|r| r.id.clone()).collect());
        alone.then_some(Blind { entrypoint, port: service.port, nodes, routes })
    };
    topology.services.iter().filter_map(of_service).collect()
}

/// Whether all of a route's instances were seen, and none of them counts.
fn is_blind(route: &RouteId, seen: &Observation) -> bool {
    let counts = |view: &InstanceView| view.members.values().any(|m| m.counters.traffic().is_some());
    seen.routes.get(route).is_some_and(|all| all.values().all(|view| view.value().is_some_and(|view| !counts(view))))
}

/// What is counted at the nodes of one entrypoint.
#[derive(Clone, Debug, Default)]
pub(super) struct BySockets {
    nodes: BTreeMap<NodeName, (Turnover, Option<u64>)>,
    last: Option<Timestamp>,
}

impl BySockets {
    /// New connections since the look before, and what each node should have had of them by the routes' weights now.
    /// `None` where there is no new look, or not of all nodes: a part of them would make a wrong share.
    pub(super) fn fold(
        &mut self,
        blind: &Blind,
        topology: &Topology,
        seen: &Observation,
    ) -> Option<(Interval, Timestamp)> {
        let looks = blind.nodes.iter().map(|node| {
            let view = seen.nodes.get(node)?;
            let (open, ended) = (view.sockets.get(&blind.port)?, view.ended.get(&blind.port)?);
            Some((node, open.value()?, ended.value()?, open.at()?.max(ended.at()?)))
        });
        let Some(looks) = looks.collect::<Option<Vec<_>>>() else {
            self.nodes.values_mut().for_each(|(turnover, _)| turnover.lost_sight());
            return None;
        };
        let at = looks.iter().map(|look| look.3).max()?;
        if self.last.replace(at) == Some(at) {
            return None;
        }
        let mut new = BTreeMap::new();
        for (node, open, ended, _) in looks {
            let (turnover, before) = self.nodes.entry(node.clone()).or_default();
            let total = turnover.count(open, ended);
            let grown = total.map(|total| total - before.unwrap_or(0));
            *before = total.or(*before);
            new.insert(node.clone(), grown);
        }
        let new: BTreeMap<NodeName, f64> =
            new.into_iter().map(|(node, grown)| Some((node, super::number(grown?)))).collect::<Option<_>>()?;
        let parts = parts(blind, topology, seen)?;
        let all: f64 = new.iter().filter(|(node, _)| parts.contains_key(*node)).map(|(_, n)| n).sum();
        let cell = |(node, measured): (NodeName, f64)| {
            let expected = all * parts.get(&node).copied().unwrap_or(0.0);
            (node, Cell { measured, expected })
        };
        Some((Interval { nodes: new.into_iter().map(cell).collect(), chosen: (0.0, 0.0) }, at))
    }
}

/// Each node's part by the weights of all the routes' instances that answered, taken together. Without any there is none.
fn parts(blind: &Blind, topology: &Topology, seen: &Observation) -> Option<BTreeMap<NodeName, f64>> {
    let mut sums: BTreeMap<NodeName, f64> = BTreeMap::new();
    for route in topology.routes.iter().filter(|r| blind.routes.contains(&r.id)) {
        for view in seen.routes.get(&route.id)?.values() {
            let view = view.value()?;
            for (server, part) in meant::parts(view, std::iter::once(view)) {
                let node = route.servers.iter().find(|(_, name)| **name == server).map(|(node, _)| node);
                *sums.entry(node?.clone()).or_default() += part;
            }
        }
    }
    sums.retain(|_, part| *part > 0.0);
    let all: f64 = sums.values().sum();
    (all > 0.0).then(|| sums.into_iter().map(|(node, part)| (node, part / all)).collect())
}
