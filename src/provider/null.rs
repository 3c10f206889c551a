//! Providers that drive nothing: the state is what was last asked for, in memory. They keep the traits honest (the
//! contract suite runs against them first), and stand in wherever a test or a simulation needs a world.
//!
//! What the real systems would do by themselves is done by the test: sessions come and go, checks fail, nodes
//! leave, through `edit`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::json;

use super::{ClusterControl, NodeTraffic, Prober, ProviderError, Result, RouteProvider, UnitControl};
use crate::{
    model::{
        Admission, ClusterView, Desired, Exact, Health, InstanceName, InstanceView, Leave, MemberView, NodeName,
        Ownership, Readiness, Rehearsal, Role, RouteId, RunId, ServiceName, SocketsView, UnitName, UnitView,
        cluster::{Ban, Withheld},
    },
    run::proof::StandbyPermit,
};

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused<T>(why: String) -> Result<T> {
    Err(ProviderError::Refused(why))
}

/// A route whose members are always as last asked. It checks nothing.
pub struct NullRoute {
    id: RouteId,
    instances: Mutex<BTreeMap<InstanceName, InstanceView>>,
    refusals: Mutex<u32>,
}

impl NullRoute {
    /// These members, with these weights, serving, on every one of these instances.
    pub fn new(id: RouteId, instances: &[InstanceName], members: &[(&str, u32)]) -> Self {
        let members: BTreeMap<String, MemberView> =
            members.iter().map(|(name, weight)| ((*name).to_owned(), serving(*weight))).collect();
        let view = InstanceView { generation: "null".into(), members, ..InstanceView::default() };
        Self {
            id,
            instances: Mutex::new(instances.iter().map(|name| (name.clone(), view.clone())).collect()),
            refusals: Mutex::default(),
        }
    }

    /// Refuses so many changes from now on.
    pub fn refuse(&self, changes: u32) {
        *lock(&self.refusals) = changes;
    }

    /// Does by hand what the world would do: sessions, health, a new generation.
    pub fn edit(&self, instance: &InstanceName, change: impl FnOnce(&mut InstanceView)) {
        if let Some(view) = lock(&self.instances).get_mut(instance) {
            change(view);
        }
    }

    fn member<T>(
        &self,
        instance: &InstanceName,
        server: &str,
        change: impl FnOnce(&mut MemberView) -> Result<T>,
    ) -> Result<T> {
        let mut instances = lock(&self.instances);
        match instances.get_mut(instance).map(|view| view.members.get_mut(server)) {
            Some(Some(member)) => change(member),
            Some(None) => refused(format!("{instance} has no server {server}")),
            None => refused(format!("{} has no instance {instance}", self.id)),
        }
    }
}

fn serving(weight: u32) -> MemberView {
    MemberView {
        admission: Admission::Serving,
        health: Health::Unchecked,
        weight,
        exact: exact(Admission::Serving, weight),
        ..MemberView::default()
    }
}

fn exact(admission: Admission, weight: u32) -> Exact {
    Exact(json!({ "admission": admission, "weight": weight }))
}

fn from_exact(exact: &Exact) -> Option<(Admission, u32)> {
    let admission = serde_json::from_value(exact.0.get("admission")?.clone()).ok()?;
    Some((admission, exact.0.get("weight")?.as_u64()?.try_into().ok()?))
}

#[async_trait]
impl RouteProvider for NullRoute {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let found = lock(&self.instances).get(instance).cloned();
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no instance {instance}", self.id)))
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let left = lock(&self.refusals).checked_sub(1);
        if let Some(left) = left {
            *lock(&self.refusals) = left;
            return refused("somebody else changes it in this moment".into());
        }
        self.member(instance, server, |member| {
            let (admission, weight) = match desired {
                Desired::Drained if member.admission == Admission::Out => (Admission::Out, member.weight),
                Desired::Drained => (Admission::Draining, member.weight),
                Desired::Closed => (Admission::Out, member.weight),
                Desired::FreshCheck => (member.admission, member.weight),
                Desired::Serving { weight } => (Admission::Serving, *weight),
                Desired::Exactly { exact } => match from_exact(exact) {
                    Some(state) => state,
                    None => return refused(format!("{} is no state of a member", exact.0)),
                },
            };
            (member.admission, member.weight) = (admission, weight);
            member.exact = exact(admission, weight);
            Ok(())
        })
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.member(instance, server, |member| {
            member.sessions = 0;
            Ok(())
        })
    }
}

/// A cluster that obeys at once: a node in standby runs nothing, and one that comes back runs what it ran before.
pub struct NullCluster {
    view: Mutex<ClusterView>,
}

impl NullCluster {
    /// Begins with this state.
    pub fn new(view: ClusterView) -> Self {
        Self { view: Mutex::new(view) }
    }

    /// Does by hand what the world would do.
    pub fn edit(&self, change: impl FnOnce(&mut ClusterView)) {
        change(&mut lock(&self.view));
    }
}

/// All instances on the node, or those of one resource.
fn run_instances(view: &mut ClusterView, node: &NodeName, only: Option<&String>, started: bool) {
    let there = view.instances.iter_mut().filter(|i| i.node.as_ref() == Some(node));
    for instance in there.filter(|i| only.is_none_or(|resource| i.resource == *resource)) {
        instance.role = if started { Role::Started } else { Role::Stopped };
        instance.active = started;
    }
}

#[async_trait]
impl ClusterControl for NullCluster {
    async fn observe(&self) -> Result<ClusterView> {
        Ok(lock(&self.view).clone())
    }

    async fn rehearse(&self, node: &NodeName, leave: &Leave) -> Result<Rehearsal> {
        let rehearsal = Rehearsal::of_stops(&lock(&self.view), node);
        Ok(match leave {
            Leave::Standby | Leave::StandbyUntilRestart => rehearsal,
            Leave::Maintenance | Leave::Adopt { .. } => Rehearsal { moves: Vec::new(), ..rehearsal },
            Leave::Ban { resource, .. } | Leave::Release { resource, .. } => {
                let moves = rehearsal.moves.into_iter().filter(|m| m.resource == *resource).collect();
                Rehearsal { moves, ..rehearsal }
            }
        })
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<()> {
        let mut view = lock(&self.view);
        let Some(member) = view.nodes.get_mut(permit.node()) else {
            return refused(format!("the cluster has no node {}", permit.node()));
        };
        if let Leave::Release { resource, .. } = leave {
            let node = permit.node().clone();
            view.withheld.push(Withheld { resource: resource.clone(), node });
            run_instances(&mut view, permit.node(), Some(resource), false);
            return Ok(());
        }
        if let Leave::Ban { resource, .. } = leave {
            let ban = Ban { resource: resource.clone(), node: permit.node().clone(), run: owner.run.clone() };
            if !view.bans.contains(&ban) {
                view.bans.push(ban);
            }
            run_instances(&mut view, permit.node(), Some(resource), false);
            return Ok(());
        }
        if let Some(other) = member.owner.as_ref().filter(|other| other.run != owner.run) {
            return refused(format!("{} is held by run {}", permit.node(), other.run));
        }
        member.owner = Some(owner.clone());
        if *leave == Leave::Maintenance {
            member.maintenance = true;
            member.maintenance_attribute = Some("true".into());
            return Ok(());
        }
        member.standby = true;
        member.standby_attribute = (*leave == Leave::Standby).then(|| "on".into());
        run_instances(&mut view, permit.node(), None, false);
        Ok(())
    }

    async fn unstandby(&self, node: &NodeName, owner: &RunId, leave: &Leave, attribute: Option<&str>) -> Result<()> {
        let mut view = lock(&self.view);
        let Some(member) = view.nodes.get_mut(node) else {
            return refused(format!("the cluster has no node {node}"));
        };
        if let Leave::Adopt { resource, .. } | Leave::Release { resource, .. } = leave {
            view.withheld.retain(|w| (&w.resource, &w.node) != (resource, node));
            run_instances(&mut view, node, Some(resource), true);
            return Ok(());
        }
        if let Leave::Ban { resource, .. } = leave {
            view.bans.retain(|ban| ban.run != *owner);
            run_instances(&mut view, node, Some(resource), true);
            return Ok(());
        }
        if let Some(mark) = member.owner.as_ref().filter(|mark| mark.run != *owner) {
            return refused(format!("{node} is held by run {}", mark.run));
        }
        if *leave == Leave::Maintenance {
            (member.maintenance, member.owner) = (attribute == Some("true"), None);
            member.maintenance_attribute = attribute.map(str::to_owned);
            return Ok(());
        }
        let as_asked = member.standby_attribute.as_deref() == attribute;
        match &member.owner {
            None if as_asked => return Ok(()),
            Some(mark) if &mark.run == owner => {}
            Some(mark) => return refused(format!("{node} is held by run {}", mark.run)),
            None => return refused(format!("{node} carries no mark of {owner}")),
        }
        member.standby = attribute == Some("on");
        member.standby_attribute = attribute.map(str::to_owned);
        member.owner = None;
        let standby = member.standby;
        run_instances(&mut view, node, None, !standby);
        Ok(())
    }
}

/// Units that start and stop at once.
#[derive(Default)]
pub struct NullUnits {
    units: Mutex<BTreeMap<(NodeName, UnitName), bool>>,
    at_boot: Mutex<BTreeSet<(NodeName, UnitName)>>,
}

impl NullUnits {
    /// These units on these nodes, running or not.
    pub fn new(units: impl IntoIterator<Item = (NodeName, UnitName, bool)>) -> Self {
        let units = units.into_iter().map(|(node, unit, active)| ((node, unit), active)).collect();
        Self { units: Mutex::new(units), at_boot: Mutex::default() }
    }

    /// Sets a unit's state by hand, as the cluster would; one that is not there yet comes to be.
    pub fn set(&self, node: &NodeName, unit: &UnitName, active: bool) {
        lock(&self.units).insert((node.clone(), unit.clone()), active);
    }

    fn change(&self, node: &NodeName, unit: &UnitName, active: bool) -> Result<()> {
        match lock(&self.units).get_mut(&(node.clone(), unit.clone())) {
            Some(state) => *state = active,
            None => return refused(format!("{node} has no unit {unit}")),
        }
        Ok(())
    }
}

#[async_trait]
impl UnitControl for NullUnits {
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView> {
        let (active, sub) = match lock(&self.units).get(&(node.clone(), unit.clone())) {
            Some(true) => ("active", "running"),
            Some(false) => ("inactive", "dead"),
            None => return refused(format!("{node} has no unit {unit}")),
        };
        let at_boot = lock(&self.at_boot).contains(&(node.clone(), unit.clone()));
        let file_state = if at_boot { "enabled" } else { "disabled" };
        Ok(UnitView { active: active.into(), sub: sub.into(), file_state: file_state.into() })
    }

    async fn enable(&self, node: &NodeName, unit: &UnitName, enabled: bool) -> Result<()> {
        let (mut at_boot, key) = (lock(&self.at_boot), (node.clone(), unit.clone()));
        if enabled {
            at_boot.insert(key)
        } else {
            at_boot.remove(&key)
        };
        Ok(())
    }

    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.change(node, unit, false)
    }

    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.change(node, unit, true)
    }
}

/// Nodes whose sockets are what the test says; none to begin with.
#[derive(Default)]
pub struct NullTraffic {
    sockets: Mutex<BTreeMap<(NodeName, u16), SocketsView>>,
    mute: Mutex<Option<String>>,
}

impl NullTraffic {
    /// Sets what is connected to a node's port.
    pub fn set(&self, node: &NodeName, port: u16, sockets: SocketsView) {
        lock(&self.sockets).insert((node.clone(), port), sockets);
    }

    /// From now on no node tells of connections that end, for this reason; with `None` they do again.
    pub fn mute(&self, why: Option<&str>) {
        *lock(&self.mute) = why.map(str::to_owned);
    }
}

#[async_trait]
impl NodeTraffic for NullTraffic {
    async fn sockets(&self, node: &NodeName, port: u16) -> Result<SocketsView> {
        Ok(lock(&self.sockets).get(&(node.clone(), port)).cloned().unwrap_or_default())
    }

    async fn ended(&self, _node: &NodeName, _port: u16) -> Result<SocketsView> {
        match lock(&self.mute).clone() {
            Some(why) => Err(ProviderError::Unreachable(why)),
            None => Ok(SocketsView::default()),
        }
    }

    async fn close(&self, node: &NodeName, port: u16, peers: &[SocketAddr]) -> Result<()> {
        if let Some(view) = lock(&self.sockets).get_mut(&(node.clone(), port)) {
            view.peers.retain(|peer| !peers.contains(peer));
        }
        Ok(())
    }
}

/// Everything is ready, except what the test names.
#[derive(Default)]
pub struct NullProber {
    not_ready: Mutex<BTreeSet<(NodeName, ServiceName)>>,
}

impl NullProber {
    /// Makes a service ready or not on a node.
    pub fn set(&self, node: &NodeName, service: &ServiceName, ready: bool) {
        let key = (node.clone(), service.clone());
        let mut not_ready = lock(&self.not_ready);
        if ready {
            not_ready.remove(&key)
        } else {
            not_ready.insert(key)
        };
    }
}

#[async_trait]
impl Prober for NullProber {
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness> {
        let not_ready = lock(&self.not_ready).contains(&(node.clone(), service.clone()));
        Ok(if not_ready { Readiness::NotReady { reason: "made so by hand".into() } } else { Readiness::Ready })
    }
}
