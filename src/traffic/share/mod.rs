//! Shares of traffic: what each node of an entrypoint gets, and should get, over the windows. Pure: it folds
//! observations, whoever made them.
//!
//! Expectations are added up as counts, not as shares: of the requests that one instance had between two looks, each node
//! should have had its part by that instance's own weights. So several load balancers, and several routes, of which one
//! is busy and another is not, come together rightly, and so does a window in which weights changed.
//!
//! Nodes of the cluster and hosts outside it are judged apart: a name in front of two load balancers shares out clients
//! among those, and the load balancers among the nodes.

mod sockets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    delta::{self, Grown, Look},
    meant::parts,
    skew::{self, Cell, Share, Verdict},
    window::{Interval, Ring, Window},
};
use crate::model::{
    EntrypointName, InstanceName, NodeName, Observation, Observed, RouteId, Topology, topology::RouteShape,
};

use sockets::BySockets;
pub use sockets::{Blind, blind};

/// Everything that is measured of traffic.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    rings: BTreeMap<Group, Ring>,
    last: BTreeMap<(RouteId, InstanceName), Look>,
    sockets: BTreeMap<EntrypointName, BySockets>,
}

/// Nodes that the same clients are shared out among.
type Group = (EntrypointName, Where);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    Cluster,
    Outside,
}

/// What one instance counted for one node since the look before.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The entrypoint.
    pub entrypoint: EntrypointName,
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
    /// The node.
    pub node: NodeName,
    /// What was counted, and what should have been its part.
    pub grown: Grown,
}

/// One entrypoint over one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The entrypoint.
    pub entrypoint: EntrypointName,
    /// Whether it is shared out among hosts outside the cluster, and not among its nodes.
    pub outside: bool,
    /// The window.
    pub window: Window,
    /// Each node's share.
    pub shares: BTreeMap<NodeName, Share>,
    /// All of it.
    pub verdict: Verdict,
}

impl Traffic {
    /// Takes in what was seen of the routes. Looks that were taken in already count nothing again; instances that did not
    /// answer are left out. Gives back what is new.
    pub fn fold(&mut self, topology: &Topology, seen: &Observation) -> Vec<Counted> {
        let mut all = Vec::new();
        for route in &topology.routes {
            for (instance, looked) in seen.routes.get(&route.id).into_iter().flatten() {
                let (Some(view), Some(at)) = (looked.value(), looked.at()) else { continue };
                let key = (route.id.clone(), instance.clone());
                let others = seen.routes.get(&route.id).into_iter().flat_map(|all| all.values());
                let parts = parts(view, others.filter_map(Observed::value));
                let now = Look { view: view.clone(), at, parts };
                let grown = self.last.get(&key).filter(|last| last.at != at).map(|last| delta::between(last, &now));
                self.last.insert(key, now);
                let Some(grown) = grown.flatten() else { continue };
                let counted = by_node(route, instance, grown);
                self.put(topology, route, &counted, at);
                all.extend(counted);
            }
        }
        self.last.retain(|(id, _), _| topology.routes.iter().any(|r| &r.id == id));
        self.fold_sockets(topology, seen);
        all
    }

    fn put(&mut self, topology: &Topology, route: &RouteShape, counted: &[Counted], at: Timestamp) {
        for place in [Where::Cluster, Where::Outside] {
            let here = |c: &&Counted| topology.nodes.contains(&c.node) == (place == Where::Cluster);
            let here: Vec<&Counted> = counted.iter().filter(here).collect();
            let Some(interval) = interval(&here) else { continue };
            self.rings.entry((route.entrypoint.clone(), place)).or_default().put(at, &interval);
        }
    }

    fn fold_sockets(&mut self, topology: &Topology, seen: &Observation) {
        for blind in blind(topology, seen) {
            let sockets = self.sockets.entry(blind.entrypoint.clone()).or_default();
            let Some((interval, at)) = sockets.fold(&blind, topology, seen) else { continue };
            self.rings.entry((blind.entrypoint, Where::Cluster)).or_default().put(at, &interval);
        }
    }

    /// Judges every entrypoint over every window.
    pub fn judge(&mut self, now: Timestamp) -> Vec<Judged> {
        let mut judged = Vec::new();
        for ((entrypoint, place), ring) in &mut self.rings {
            ring.advance(now);
            let half_hour: Vec<&Interval> = ring.over(Window::Long).collect();
            let nodes: BTreeSet<&NodeName> = half_hour.iter().flat_map(|i| i.nodes.keys()).collect();
            let cells = |interval: &&Interval| -> Vec<Cell> {
                nodes.iter().map(|node| interval.nodes.get(*node).copied().unwrap_or_default()).collect()
            };
            let dispersion = skew::dispersion(&half_hour.iter().map(cells).collect::<Vec<_>>());
            for window in Window::ALL {
                let mut sum = Interval::default();
                ring.over(window).for_each(|interval| sum.add(interval));
                let per_choice = (sum.chosen.1 > 0.0).then(|| sum.chosen.0 / sum.chosen.1);
                let verdict = skew::judge(&cells(&&sum), dispersion, per_choice);
                let shares = nodes.iter().map(|n| (*n).clone()).zip(verdict.shares.iter().copied()).collect();
                let (entrypoint, outside) = (entrypoint.clone(), *place == Where::Outside);
                judged.push(Judged { entrypoint, outside, window, shares, verdict });
            }
        }
        judged
    }
}

fn by_node(route: &RouteShape, instance: &InstanceName, grown: BTreeMap<String, Grown>) -> Vec<Counted> {
    let node = |server: &String| route.servers.iter().find(|(_, name)| *name == server).map(|(node, _)| node.clone());
    let one = |(server, grown)| {
        let (entrypoint, route) = (route.entrypoint.clone(), route.id.clone());
        Some(Counted { entrypoint, route, instance: instance.clone(), node: node(&server)?, grown })
    };
    grown.into_iter().filter_map(one).collect()
}

/// What these got together, and each should have got of it. `None` where a route does not count, or was to send nobody
/// anywhere: then no share is known.
fn interval(counted: &[&Counted]) -> Option<Interval> {
    let traffic = |c: &&Counted| c.grown.counted.traffic();
    let got: Vec<f64> = counted.iter().map(|c| traffic(c).map(number)).collect::<Option<_>>()?;
    let parts: Vec<f64> = counted.iter().map(|c| c.grown.expected).collect::<Option<_>>()?;
    let whole: f64 = parts.iter().sum();
    if whole <= 0.0 {
        return None;
    }
    // What reaches a node that should get nothing is no part of what is shared out.
    let all: f64 = got.iter().zip(&parts).filter(|(_, part)| **part > 0.0).map(|(got, _)| got).sum();
    let cell = |((c, got), part): ((&&Counted, &f64), &f64)| {
        (c.node.clone(), Cell { measured: *got, expected: all * part / whole })
    };
    let nodes = counted.iter().zip(&got).zip(&parts).map(cell).collect();
    let choices: Option<Vec<f64>> = counted.iter().map(|c| c.grown.counted.choices.map(number)).collect();
    let chosen = choices.map_or((0.0, 0.0), |choices| (got.iter().sum(), choices.iter().sum()));
    Some(Interval { nodes, chosen })
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52 in a minute")]
fn number(count: u64) -> f64 {
    count as f64
}
