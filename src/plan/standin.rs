//! Stand-ins: an instance that runs on another node while one is out, where a clone has fewer instances than there are
//! nodes.
//!
//! Pacemaker would start it once the leaving one has stopped, and its clients would find it later still. So it comes first,
//! by a run of its own: the clone may have one instance more, that starts, is ready and takes clients, before anything of
//! the leaving node is touched. The drain is an ordinary one then, and so is the restore. After that the stand-in goes, by
//! a run of its own again, as any instance leaves: without its clients.
//!
//! Nothing is remembered beside the journal. Who must come first follows from the rehearsal of the drain, and who may go
//! again from the runs, so whatever was ended anywhere goes on by being asked for again.

pub(super) mod steps;

use super::{
    gates::Facts,
    ledger,
    steps::{Purpose, Request},
};
use crate::{
    journal::RunSummary,
    model::{
        ClusterView, Leave, NodeName, Rehearsal, ServiceName,
        rehearsal::{Move, Verb},
        topology::ServiceShape,
    },
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The service.
    pub service: ServiceName,
    /// Its cloned primitive.
    pub resource: String,
    /// Where it will run.
    pub node: NodeName,
    /// `clone-max` as it is.
    pub from: String,
    /// One more.
    pub to: String,
}

impl StandIn {
    /// The request of the run by which it comes, before the drain that is asked for.
    pub(super) fn request(&self, drain: &Request) -> Request {
        Request {
            purpose: Purpose::StandIn,
            node: self.node.clone(),
            operator: drain.operator.clone(),
            reason: format!("for {}: {}", drain.node, drain.reason),
            overrides: drain.overrides.clone(),
            leave: Leave::Ban { service: self.service.clone(), resource: self.resource.clone() },
        }
    }
}

/// The request of the run by which one goes again; `came` is that by which it came.
pub fn retire(came: &Request, operator: String, reason: String) -> Request {
    Request { purpose: Purpose::Retire, operator, reason, ..came.clone() }
}

/// The instances of a service that would start elsewhere.
pub(super) fn arrivals<'a>(service: &'a ServiceShape, rehearsal: &'a Rehearsal) -> impl Iterator<Item = &'a Move> {
    let starts = |verb: &Verb| matches!(verb, Verb::Start | Verb::Move);
    rehearsal.moves.iter().filter(move |m| m.resource == service.resource && starts(&m.verb))
}

/// The stand-in of a service, where the rehearsal of a drain starts an instance elsewhere; or why there can be none.
pub(super) fn of(facts: &Facts<'_>, service: &ServiceShape, rehearsal: &Rehearsal) -> Option<Result<StandIn, String>> {
    let mut moves = arrivals(service, rehearsal);
    let first = moves.next()?;
    if facts.request.leave.changes_keeper() {
        return Some(Err(format!("{}: {} is no drain", service.name, facts.request.leave.noun())));
    }
    if moves.next().is_some() {
        return Some(Err(format!("more than one instance of {} would start elsewhere", service.resource)));
    }
    let Some(node) = &first.to else {
        return Some(Err(format!("the rehearsal does not say where {} would start", service.resource)));
    };
    Some(on(facts, service, node))
}

/// The stand-in of a service on exactly this node, or why it cannot be.
pub(super) fn on(facts: &Facts<'_>, service: &ServiceShape, node: &NodeName) -> Result<StandIn, String> {
    let resource = &service.resource;
    let cluster = facts.seen.cluster.fresh(facts.now, facts.max_age)?;
    let set =
        cluster.clone_max.get(resource).ok_or_else(|| format!("no clone-max of its own is set for {resource}"))?;
    let instances: u32 = set.parse().map_err(|_| format!("clone-max of {resource} is '{set}', and no number"))?;
    let able = able(cluster, resource);
    if !able.contains(&node) {
        return Err(format!("{node} cannot run {resource} now"));
    }
    // With more than one to choose from, the cluster might start it somewhere else than it said.
    if able.len() as u64 != u64::from(instances) + 1 {
        return Err(format!(
            "{} nodes could run {resource}, of which clone-max={instances} do: only where one more is left is it \
             certain where one more would start",
            able.len()
        ));
    }
    let running = |n: &&&NodeName| cluster.instances_on(resource, n).any(|i| i.active);
    if able.iter().filter(running).count() as u64 != u64::from(instances) || running(&&node) {
        return Err(format!("{resource} does not run on all other nodes"));
    }
    for route in facts.topology.routes.iter().filter(|r| r.service == service.name) {
        if !route.servers.contains_key(node) && !route.servers.is_empty() {
            return Err(format!("{} does not lead to {node}", route.id));
        }
    }
    let fronts = facts.topology.frontends(node).into_keys().any(|listener| listener.service == service.name);
    if fronts {
        return Err(format!("a load balancer of {} runs on {node}", service.name));
    }
    let (service, resource, node) = (service.name.clone(), resource.clone(), node.clone());
    Ok(StandIn { service, resource, node, from: set.clone(), to: (instances + 1).to_string() })
}

/// Nodes that could run it, as far as nothing that is known keeps them from it.
fn able<'a>(cluster: &'a ClusterView, resource: &str) -> Vec<&'a NodeName> {
    let free = |node: &NodeName| cluster.ban(resource, node).is_none() && !cluster.withholds(resource, node);
    cluster.nodes.iter().filter(|(name, member)| member.usable() && free(name)).map(|(name, _)| name).collect()
}

/// The run by which somebody stands in, for nobody any more: no node that runs the service is out.
pub fn idle(runs: &[RunSummary]) -> Option<&RunSummary> {
    ledger::standing_in(runs).into_iter().find(|came| {
        let service = came.plan.request.leave.service();
        let concerned = |leave: &Leave| leave.service().is_none() || leave.service() == service;
        let out = |run: &RunSummary| {
            concerned(&run.plan.request.leave) && ledger::outstanding(runs, run.plan.node()).as_ref() == Some(&run.run)
        };
        !runs.iter().any(out)
    })
}
