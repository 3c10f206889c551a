//! The steps by which a stand-in comes and goes, each run about its one node.
//!
//! **Coming.** The node is taken out of its routes first, although nothing runs there: so every receipt is there before the
//! cluster is touched, and no load balancer sends a client before the instance is proven ready. Then the clone may have
//! one instance more, which starts, is ready and takes clients by the ramp.
//!
//! **Going.** Its clients leave, and a ban stops it: so the cluster has no choice of which instance it is that stops when
//! the clone may have one less. Only then is the number as before, the ban gone, and the routes exactly as they were. The
//! same steps undo the coming.

use super::super::{
    planner::{
        self, Basis, await_connections, bound_targets, cluster_units, concerned, drain_routes, min_ready, readmissions,
        ready_wait,
    },
    steps::{Action, ConnectionWait, Readmission, Request, Through},
};
use crate::{
    config::Settings,
    model::{Before, Leave, NodeName, Receipt, RouteTarget, Topology, topology::Listener},
    plan::gates::Facts,
    run::look::Look,
};

/// How it comes. Nothing where it cannot: the gates have said so.
pub(in crate::plan) fn come(basis: &Basis<'_>, request: &Request) -> Vec<Action> {
    let (settings, topology, node) = (basis.settings, basis.topology, &request.node);
    let floors = min_ready(settings, topology);
    let facts = planner::facts(request, basis, topology, &floors);
    let found = topology.services.iter().filter_map(|service| super::on(&facts, service, node).ok()).next();
    let Some(stand_in) = found else { return Vec::new() };
    let mut tiers = admissions(basis, &facts, node);
    let targets: Vec<RouteTarget> = tiers.iter().flat_map(|(_, r)| r).map(|r| r.target.clone()).collect();
    let mut steps = drain_routes(topology, node);
    if !targets.is_empty() {
        steps.push(Action::RequireFreshChecks { targets });
    }
    steps.push(Action::Resize { resource: stand_in.resource, from: stand_in.from, to: stand_in.to });
    steps.push(Action::VerifyStarted { units: cluster_units(topology) });
    steps.push(Action::AwaitReady { services: concerned(settings, topology).map(ready_wait).collect() });
    tiers.reverse();
    steps.extend(tiers.into_iter().map(|(tier, readmissions)| {
        let followers = topology.targets(node).into_iter().filter(|(t, _)| *t == tier).flat_map(|(_, targets)| targets);
        let followers = followers.filter(|t| !t.role.is_driven());
        let followers = followers.map(|target| super::super::steps::Following { target, serving: true }).collect();
        Action::ReadmitRoutes { tier, readmissions, followers }
    }));
    steps
}

/// Every driven member of the node, to be let in. What took clients before (as far as its checks let any) has a state to go
/// back to; what did not gets the weight of its neighbours.
fn admissions(basis: &Basis<'_>, facts: &Facts<'_>, node: &NodeName) -> Vec<(u16, Vec<Readmission>)> {
    let look = Look { seen: basis.seen, now: basis.now, max_age: basis.settings.max_age() };
    let one = |target: RouteTarget| {
        let member = look.member(&target).ok()?;
        let serving = member.admission == crate::model::Admission::Serving && member.weight > 0;
        let neighbours = || {
            let view = look.instance(&target.route, &target.instance).ok()?;
            view.members.iter().filter(|(name, _)| **name != target.server).map(|(_, m)| m.weight).max()
        };
        let own = Some(member.weight).filter(|weight| *weight > 0);
        let route = basis.settings.route(&target.route);
        Some(Readmission {
            ramp: route.map_or_else(|| vec![100], |r| r.ramp.clone()),
            dwell: route.map(|r| r.dwell).unwrap_or_default(),
            max_error_ratio: basis.settings.service(&target.service).map_or(0.0, |s| s.objective.max_error_ratio),
            serving: true,
            first: !serving,
            weight: own.or_else(neighbours).unwrap_or(1).max(1),
            exact: if serving { member.exact.clone() } else { Default::default() },
            target,
        })
    };
    let tiers = facts.topology.targets(node).into_iter();
    let tiers = tiers.map(|(tier, targets)| {
        let driven = targets.into_iter().filter(|t| t.role.is_driven());
        (tier, driven.filter_map(one).collect::<Vec<_>>())
    });
    tiers.filter(|(_, readmissions)| !readmissions.is_empty()).collect()
}

/// How it goes, from what its coming has touched.
pub(in crate::plan) fn go(
    settings: &Settings,
    topology: &Topology,
    request: &Request,
    receipts: &[Receipt],
) -> Vec<Action> {
    let node = &request.node;
    let resized = receipts.iter().find_map(|r| match &r.before {
        Before::Clone { resource, instances } => Some((resource.clone(), instances.clone())),
        _ => None,
    });
    let mut steps = Vec::new();
    if let Some((resource, instances)) = resized {
        steps.extend(leave(settings, topology, node, &request.leave, receipts));
        let one_more = instances.parse::<u32>().map_or_else(|_| instances.clone(), |n| (n + 1).to_string());
        steps.push(Action::Resize { resource, from: one_more, to: instances });
        steps.push(Action::Unstandby { attribute: None, leave: request.leave.clone() });
    }
    let mut back = readmissions(settings, topology, node, receipts, false);
    back.reverse();
    // As it was before, whatever that was: nothing runs there that could be waited for.
    steps.extend(back.into_iter().map(|(tier, readmissions, followers)| {
        let readmissions = readmissions.into_iter().map(|r| Readmission { serving: false, ..r }).collect();
        Action::ReadmitRoutes { tier, readmissions, followers }
    }));
    steps
}

/// Out of traffic, then stopped by the ban. Where checks say who takes clients, an old one must not: what goes back into
/// service there does it without an instance behind it.
fn leave(
    settings: &Settings,
    topology: &Topology,
    node: &NodeName,
    leave: &Leave,
    receipts: &[Receipt],
) -> Vec<Action> {
    let mut steps = drain_routes(topology, node);
    let waits = concerned(settings, topology).map(|service| {
        let routes = topology.routes.iter().filter(|r| r.service == service.name);
        let through = routes.flat_map(|route| {
            route.targets(node).into_iter().map(|target| Through {
                blind: route.instances.get(&target.instance).is_some_and(|i| i.blind),
                source: route.instances.get(&target.instance).map(|i| i.source.clone()).unwrap_or_default(),
                linger: remembered(&target, receipts),
                target,
            })
        });
        let wait = ConnectionWait {
            node: node.clone(),
            listener: Listener::of(&service.name),
            port: service.ready.port,
            through: through.collect(),
            policy: service.connections,
        };
        (u16::MAX, wait)
    });
    steps.extend(await_connections(waits.collect()));
    let bound = bound_targets(settings, topology, node);
    if !bound.is_empty() {
        steps.push(Action::CloseRoutes { targets: bound });
    }
    steps.push(Action::Standby { leave: leave.clone() });
    steps.push(Action::VerifyStopped { units: cluster_units(topology) });
    let serving = |target: &RouteTarget| {
        receipts.iter().any(|r| match &r.before {
            Before::Route { route, instance, server, serving, .. } => {
                *serving && (route, instance, server) == (&target.route, &target.instance, &target.server)
            }
            _ => false,
        })
    };
    let targets: Vec<RouteTarget> =
        topology.targets(node).into_iter().flat_map(|(_, t)| t).filter(|t| t.role.is_driven() && serving(t)).collect();
    if !targets.is_empty() {
        steps.push(Action::RequireFreshChecks { targets });
    }
    steps
}

/// For how long clients may remember the way, by what was said of the route when it was touched.
fn remembered(target: &RouteTarget, receipts: &[Receipt]) -> std::time::Duration {
    let lingers = receipts.iter().filter_map(|r| match &r.before {
        Before::Route { route, linger, .. } if *route == target.route => Some(*linger),
        _ => None,
    });
    lingers.max().unwrap_or_default()
}
