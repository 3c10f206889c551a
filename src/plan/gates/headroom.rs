//! The gate over connections: what each other node would carry once it has its part of the node's, against what a node
//! bears.
//!
//! Load balancers say how many clients each node has through them, and by which weights others would get them. Where clients
//! come by a name or a prefix as well nobody counts but the nodes, so their sockets are what counts there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Facts, Gate};
use crate::{
    config::{Settings, settings::Service},
    model::{InstanceView, NodeName, Topology, topology::RouteShape},
    plan::render::count,
};

/// Share of the limit from which a person should know.
const FULL_PERCENT: u64 = 80;
/// Nodes that are named; the others carry less.
const NAMED: usize = 4;

/// What one node carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Load {
    now: u64,
    more: f64,
}

impl Load {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count, rounded up")]
    fn then(&self) -> u64 {
        // What rounding left over a whole number is no connection.
        self.now.saturating_add((self.more - 1e-6).ceil().max(0.0) as u64)
    }
}

/// Who has how many, and what the node leaves to whom.
#[derive(Debug, Default)]
struct Spread {
    leaving: u64,
    /// Connections that nobody would get.
    unplaced: u64,
    others: BTreeMap<NodeName, Load>,
}

/// Nodes whose sockets the gate stands on: those of services with a limit that clients reach past every load balancer.
pub fn by_sockets(settings: &Settings, topology: &Topology) -> BTreeSet<NodeName> {
    let limited = settings.services.iter().filter(|s| s.max_connections.is_some());
    let blind = limited.filter(|s| topology.routes.iter().any(|r| r.service == s.name && is_blind(r)));
    blind.flat_map(|_| topology.nodes.iter().cloned()).collect()
}

fn is_blind(route: &RouteShape) -> bool {
    route.instances.values().any(|instance| instance.blind)
}

/// One for each service that has a limit, and that a route leads to.
pub(super) fn headroom(facts: &Facts<'_>) -> Vec<Gate> {
    let leaves = |s: &&Service| facts.topology.services.iter().any(|shape| shape.name == s.name);
    let limited = facts.settings.services.iter().filter(leaves).filter_map(|s| Some((s, s.max_connections?)));
    limited.filter_map(|(service, limit)| one(facts, service, limit)).collect()
}

fn one(facts: &Facts<'_>, service: &Service, limit: u64) -> Option<Gate> {
    let leads = |r: &&RouteShape| r.service == service.name && r.servers.contains_key(facts.node());
    let routes: Vec<&RouteShape> =
        facts.topology.routes.iter().filter(leads).filter(|r| !facts.topology.is_front(r, facts.node())).collect();
    if routes.is_empty() {
        return None;
    }
    let spread = match routes.iter().any(|r| is_blind(r)) {
        true => at_nodes(facts, service, &routes),
        false => at_balancers(facts, &routes),
    };
    Some(match spread {
        Ok(spread) => judge(facts, service, &spread, limit),
        Err(why) => {
            let detail = format!("{}: what the others would carry is unknown: {why}", service.name);
            let gate = Gate::new("headroom", Answer::Refuse, detail);
            Gate { unknown: true, ..gate.remedy("make every load balancer and node of the service answer") }
        }
    })
}

fn judge(facts: &Facts<'_>, service: &Service, spread: &Spread, limit: u64) -> Gate {
    let mut loads: Vec<(&NodeName, Load)> = spread.others.iter().map(|(node, load)| (node, *load)).collect();
    loads.sort_by(|a, b| b.1.then().cmp(&a.1.then()).then_with(|| a.0.cmp(b.0)));
    let most = loads.first().map_or(0, |(_, load)| load.then());
    let said = |(node, load): &(&NodeName, Load)| format!("{node} would carry {} (now {})", load.then(), load.now);
    let mut each: Vec<String> = loads.iter().take(NAMED).map(said).collect();
    if loads.len() > NAMED {
        each.push(format!("{} no more than that", count(loads.len() - NAMED, "other", "others")));
    }
    let leaving = count(usize::try_from(spread.leaving).unwrap_or(usize::MAX), "connection", "connections");
    let detail =
        format!("{}: {} has {leaving}; without it {}, of {limit}", service.name, facts.node(), each.join(", "));
    let remedy = "drain when there are fewer clients, add a node, or raise `max-connections` where a node bears more";
    if spread.unplaced > 0 {
        let nobody =
            format!("{}: nobody would take {} of {leaving} on {}", service.name, spread.unplaced, facts.node());
        return Gate::new("headroom", Answer::Refuse, nobody).remedy("bring another server into service first");
    }
    if most > limit {
        return Gate::new("headroom", Answer::Refuse, detail).remedy(remedy);
    }
    let full = most.saturating_mul(100) > limit.saturating_mul(FULL_PERCENT);
    Gate::new("headroom", if full { Answer::Warn } else { Answer::Pass }, detail)
}

/// By the load balancers' own counts: each one gives its clients of the node to the others it knows, by its weights.
fn at_balancers(facts: &Facts<'_>, routes: &[&RouteShape]) -> Result<Spread, String> {
    let mut spread = Spread::default();
    for route in routes {
        for (instance, view) in views(facts, route)? {
            let Some(own) = route.servers.get(facts.node()).and_then(|server| view.members.get(server)) else {
                return Err(format!("{instance} does not know {}", facts.node()));
            };
            let parts = parts(facts, route, view);
            spread.leaving += own.sessions;
            spread.unplaced += if parts.is_empty() { own.sessions } else { 0 };
            for (node, server) in route.servers.iter().filter(|(node, _)| *node != facts.node()) {
                let Some(member) = view.members.get(server) else { continue };
                let load = spread.others.entry(node.clone()).or_default();
                load.now += member.sessions;
                load.more += number(own.sessions) * parts.get(node).copied().unwrap_or(0.0);
            }
        }
    }
    Ok(spread)
}

/// By the nodes' own sockets; each gets the part that the routes, taken together, would give it.
fn at_nodes(facts: &Facts<'_>, service: &Service, routes: &[&RouteShape]) -> Result<Spread, String> {
    let sockets = |node: &NodeName| {
        let seen = facts.look().sockets(node, service.ready.port);
        seen.map(|s| s.peers.len() as u64).map_err(|waiting| waiting.to_string())
    };
    let mut sums: BTreeMap<NodeName, f64> = BTreeMap::new();
    for route in routes {
        let mut of_route: BTreeMap<NodeName, f64> = BTreeMap::new();
        for (_, view) in views(facts, route)? {
            for (node, weight) in weights(facts, route, view) {
                *of_route.entry(node).or_default() += weight;
            }
        }
        let whole: f64 = of_route.values().sum();
        of_route.into_iter().for_each(|(node, weight)| *sums.entry(node).or_default() += weight / whole);
    }
    let whole: f64 = sums.values().sum();
    let leaving = sockets(facts.node())?;
    let mut spread = Spread { leaving, unplaced: if whole > 0.0 { 0 } else { leaving }, ..Spread::default() };
    for node in facts.topology.nodes.iter().filter(|n| *n != facts.node()) {
        let more = sums.get(node).map_or(0.0, |part| number(leaving) * part / whole);
        spread.others.insert(node.clone(), Load { now: sockets(node)?, more });
    }
    Ok(spread)
}

/// What every instance of a route that has the node shows.
fn views<'a>(facts: &Facts<'a>, route: &RouteShape) -> Result<Vec<(String, &'a InstanceView)>, String> {
    let look = |instance| {
        let view = facts.look().instance(&route.id, instance).map_err(|waiting| waiting.to_string())?;
        Ok((format!("{instance} ({})", route.id), view))
    };
    route.instances.iter().filter(|(_, shape)| shape.role.is_driven()).map(|(instance, _)| look(instance)).collect()
}

/// The weights by which an instance chooses the other nodes, of those that take clients.
fn weights(facts: &Facts<'_>, route: &RouteShape, view: &InstanceView) -> BTreeMap<NodeName, f64> {
    let others = route.servers.iter().filter(|(node, _)| *node != facts.node());
    let service = facts.topology.services.iter().find(|s| s.name == route.service);
    let stand_in = service.and_then(|service| facts.stand_in(service));
    let chosen = others.filter_map(|(node, server)| {
        let member = view.members.get(server)?;
        // Whoever stands in is let in by its weight before anybody leaves.
        let weight = if stand_in.as_ref() == Some(node) { member.weight.max(1) } else { member.chosen_by() };
        Some((node.clone(), f64::from(weight)))
    });
    chosen.filter(|(_, weight)| *weight > 0.0).collect()
}

/// The same as parts of one.
fn parts(facts: &Facts<'_>, route: &RouteShape, view: &InstanceView) -> BTreeMap<NodeName, f64> {
    let weights = weights(facts, route, view);
    let whole: f64 = weights.values().sum();
    weights.into_iter().map(|(node, weight)| (node, weight / whole)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 connections")]
fn number(count: u64) -> f64 {
    count as f64
}
