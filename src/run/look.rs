//! Reading an observation the way a run must: only what is fresh, with a `Waiting` for everything that is not.

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;

use super::waiting::Waiting;
use crate::{
    model::{
        Admission, ClusterView, Desired, Effect, Health, Holder, InstanceName, InstanceView, Leave, MemberView,
        NodeName, Observation, Observed, Readiness, RouteId, RouteTarget, RunId, ServiceName, SocketsView, Stragglers,
        UnitName, UnitView, observed::age, topology::Role,
    },
    plan::steps::{ConnectionWait, Through},
    traffic::residual::{LbShare, Residual, owned, residual},
};

/// An observation with the time at which it is read and the age from which it no longer counts.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What was seen.
    pub seen: &'a Observation,
    /// Now.
    pub now: Timestamp,
    /// Age from which a value is unknown.
    pub max_age: Duration,
}

type Seen<T> = Result<T, Waiting>;

impl<'a> Look<'a> {
    /// The cluster.
    pub fn cluster(&self) -> Seen<&'a ClusterView> {
        self.seen.cluster.fresh(self.now, self.max_age).map_err(|reason| no_answer("the cluster", reason))
    }

    /// One member on one instance.
    pub fn member(&self, target: &RouteTarget) -> Seen<&'a MemberView> {
        let view = self.instance(&target.route, &target.instance)?;
        view.members.get(&target.server).ok_or_else(|| Waiting::MemberMissing {
            instance: target.instance.clone(),
            route: target.route.clone(),
            server: target.server.clone(),
        })
    }

    /// Every other member that takes clients on the same instance.
    pub fn others_serving(&self, target: &RouteTarget) -> Seen<usize> {
        self.member(target)?;
        let Some(instances) = self.seen.routes.get(&target.route) else { return Ok(0) };
        let others = |view: &InstanceView| {
            view.members.iter().filter(|(name, m)| **name != target.server && m.takes_clients()).count()
        };
        let here = instances.get(&target.instance).and_then(Observed::value);
        if here.is_some_and(|view| view.members.keys().any(|name| *name != target.server)) {
            return Ok(here.map_or(0, others));
        }
        // An announcer on the node itself knows no other: the route's other announcers are the others.
        let elsewhere = instances.iter().filter(|(name, _)| **name != target.instance);
        let fresh = elsewhere.filter_map(|(_, view)| view.fresh(self.now, self.max_age).ok());
        Ok(fresh.map(others).max().unwrap_or(0))
    }

    /// One instance, whatever its members.
    pub fn instance(&self, route: &RouteId, instance: &InstanceName) -> Seen<&'a InstanceView> {
        let what = || format!("{instance} ({route})");
        let view = self.seen.routes.get(route).and_then(|instances| instances.get(instance));
        let view = view.ok_or_else(|| no_answer(what(), "not observed yet"))?;
        view.fresh(self.now, self.max_age).map_err(|reason| no_answer(what(), reason))
    }

    /// A unit on a node.
    pub fn unit(&self, node: &NodeName, unit: &UnitName) -> Seen<&'a UnitView> {
        let what = || format!("systemd on {node}");
        let view = self.seen.nodes.get(node).and_then(|n| n.units.get(unit));
        let view = view.ok_or_else(|| no_answer(what(), "not observed yet"))?;
        view.fresh(self.now, self.max_age).map_err(|reason| no_answer(what(), reason))
    }

    /// The sockets of a port on a node.
    pub fn sockets(&self, node: &NodeName, port: u16) -> Seen<&'a SocketsView> {
        let what = || format!("the socket list of {node}");
        let view = self.seen.nodes.get(node).and_then(|n| n.sockets.get(&port));
        let view = view.ok_or_else(|| no_answer(what(), "not observed yet"))?;
        view.fresh(self.now, self.max_age).map_err(|reason| no_answer(what(), reason))
    }

    /// The last probe of a service on a node, with its time.
    pub fn readiness(&self, node: &NodeName, service: &ServiceName) -> Seen<(&'a Readiness, Timestamp)> {
        let what = || format!("the probe of {service} on {node}");
        let seen = self.seen.nodes.get(node).and_then(|n| n.ready.get(service));
        let seen = seen.ok_or_else(|| no_answer(what(), "not probed yet"))?;
        let value = seen.fresh(self.now, self.max_age).map_err(|reason| no_answer(what(), reason))?;
        Ok((value, seen.at().unwrap_or(self.now)))
    }

    /// Connections to a port of a node that ended lately, with the time of that look. Nothing where nobody asked
    /// lately; the reason where the node does not tell.
    pub fn ended(&self, node: &NodeName, port: u16) -> Option<Seen<(&'a SocketsView, Timestamp)>> {
        match self.seen.nodes.get(node)?.ended.get(&port)? {
            Observed::Known { value, at } if age(self.now, *at) <= self.max_age => Some(Ok((value, *at))),
            Observed::Known { .. } => None,
            Observed::Unknown { reason } => {
                Some(Err(Waiting::Unheard { node: node.clone(), port, reason: reason.clone() }))
            }
        }
    }

    /// The residual traffic of a service on the node, from both sides.
    pub fn residual(&self, wait: &ConnectionWait) -> Seen<Residual> {
        let shares = self.shares(wait)?;
        Ok(residual(self.sockets(&wait.node, wait.port)?, &shares))
    }

    /// The sockets that only one way of the wait can hold, by its number.
    pub fn owned(&self, wait: &ConnectionWait) -> Vec<(usize, SocketAddr)> {
        match (self.shares(wait), self.sockets(&wait.node, wait.port)) {
            (Ok(shares), Ok(sockets)) => owned(sockets, &shares),
            _ => Vec::new(),
        }
    }

    fn shares(&self, wait: &ConnectionWait) -> Seen<Vec<LbShare>> {
        let share = |through: &Through| {
            let member = self.member(&through.target)?;
            Ok(LbShare {
                instance: through.target.instance.clone(),
                source: through.source.clone(),
                sessions: member.sessions,
                idle: member.idle,
            })
        };
        wait.through.iter().map(share).collect()
    }

    /// The connections at one place, one by one, with the time of the list. Nothing where nobody listed them, or could:
    /// then the reason.
    pub fn stragglers(&self, held: &Holder) -> Option<Result<(&'a Stragglers, Timestamp), &'a str>> {
        let seen = &self.seen.stragglers.iter().find(|listing| listing.held == *held)?.seen;
        match seen {
            Observed::Known { value: Some(list), at } if age(self.now, *at) <= self.max_age => Some(Ok((list, *at))),
            Observed::Known { .. } => None,
            Observed::Unknown { reason } => Some(Err(reason)),
        }
    }

    /// Whether that place was asked for a list and has none to give.
    pub fn lists_nothing(&self, held: &Holder) -> bool {
        let listing = self.seen.stragglers.iter().find(|listing| listing.held == *held);
        listing.is_some_and(|listing| matches!(listing.seen, Observed::Known { value: None, .. }))
    }

    /// Whether nothing sends new clients of this service to the node.
    pub fn all_drained(&self, wait: &ConnectionWait) -> bool {
        wait.through.iter().all(|t| self.member(&t.target).is_ok_and(|m| m.admission != Admission::Serving))
    }

    /// Whether the real systems show what an effect wants. `attempted` is the time of its accepted attempt.
    pub fn shows(&self, effect: &Effect, attempted: Option<Timestamp>) -> Seen<bool> {
        Ok(match effect {
            Effect::Route { route, instance, server, desired } => {
                let target = RouteTarget {
                    route: route.clone(),
                    instance: instance.clone(),
                    server: server.clone(),
                    service: ServiceName::new(""),
                    role: Role::Driven,
                };
                let member = self.member(&target)?;
                shows_desired(member, desired, attempted.map(|at| age(self.now, at)))
            }
            // Nothing to read back by itself: the wait for connections looks at what is left.
            Effect::CloseConnections { .. } | Effect::CloseOld { .. } | Effect::CloseSockets { .. } => {
                attempted.is_some()
            }
            Effect::Standby { node, owner, leave } => has_left(self.cluster()?, node, &owner.run, leave),
            Effect::Unstandby { node, attribute, leave, owner } => {
                is_back(self.cluster()?, node, owner, leave, attribute.as_deref())
            }
            Effect::Resize { resource, to, .. } => self.cluster()?.clone_max.get(resource) == Some(to),
            Effect::StopUnit { node, unit } => !is_running(self.unit(node, unit)?),
            Effect::EnableUnit { node, unit, enabled } => self.unit(node, unit)?.is_enabled() == *enabled,
            Effect::StartUnit { node, unit } => self.unit(node, unit)?.is_active(),
        })
    }
}

/// Whether the node is out of the cluster's work as asked, by this run's own doing.
fn has_left(cluster: &ClusterView, node: &NodeName, run: &RunId, leave: &Leave) -> bool {
    let Some(member) = cluster.nodes.get(node) else { return false };
    let ours = member.owner.as_ref().is_some_and(|owner| owner.run == *run);
    match leave {
        Leave::Standby | Leave::StandbyUntilRestart => ours && member.standby,
        Leave::Maintenance => ours && member.maintenance,
        Leave::Ban { resource, .. } => cluster.ban(resource, node) == Some(run),
        Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => cluster.withholds(resource, node),
    }
}

/// Whether nothing of ours keeps the node out any more, and what was set is as it was before.
fn is_back(cluster: &ClusterView, node: &NodeName, run: &RunId, leave: &Leave, before: Option<&str>) -> bool {
    let Some(member) = cluster.nodes.get(node) else { return false };
    match leave {
        Leave::Standby => member.owner.is_none() && member.standby_attribute.as_deref() == before,
        Leave::StandbyUntilRestart => member.owner.is_none() && !member.standby,
        Leave::Maintenance => member.owner.is_none() && member.maintenance_attribute.as_deref() == before,
        Leave::Ban { resource, .. } => cluster.ban(resource, node) != Some(run),
        Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => !cluster.withholds(resource, node),
    }
}

/// A unit counts as stopped when it is inactive, or failed: neither runs anything.
pub fn is_running(unit: &UnitView) -> bool {
    !(unit.is_inactive() || unit.active == "failed")
}

fn shows_desired(member: &MemberView, desired: &Desired, attempted: Option<Duration>) -> bool {
    match desired {
        Desired::Drained => member.admission != Admission::Serving,
        Desired::Closed => member.is_closed(),
        Desired::Serving { weight } => member.admission == Admission::Serving && member.weight == *weight,
        Desired::Exactly { exact } => &member.exact == exact,
        // A check that passed again within moments of the reset is fresh as well: the state changed after it.
        // Where nothing is checked, none can pass: HAProxy's maintenance counts as failing and ends by itself never.
        Desired::FreshCheck if member.admission == Admission::Out => member.health == Health::Unchecked,
        Desired::FreshCheck => match (&member.health, member.since_change, attempted) {
            (Health::Passing, Some(change), Some(ago)) => change <= ago,
            (Health::Passing, ..) => false,
            // A load balancer that has only begun to doubt still sends clients there.
            (Health::Failing { .. }, ..) => !member.still_chosen,
            (Health::Unchecked, ..) => true,
        },
    }
}

fn no_answer(what: impl Into<String>, reason: impl Into<String>) -> Waiting {
    Waiting::NoAnswer { what: what.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_failed_once_is_not_enough_to_keep_clients_away() {
        let failing = |still_chosen| MemberView {
            admission: Admission::Draining,
            health: Health::Failing { reason: "DRAIN 2/3".into() },
            still_chosen,
            ..MemberView::default()
        };
        assert!(shows_desired(&failing(false), &Desired::FreshCheck, None));
        assert!(!shows_desired(&failing(true), &Desired::FreshCheck, None));
        assert!(!shows_desired(&failing(true), &Desired::FreshCheck, Some(Duration::ZERO)));
    }
}
