//! Stand-ins: an instance that runs on another node while one is out, where a clone has fewer instances than there are nodes.
//!
//! Pacemaker would start it once the leaving one has stopped, and its clients would find it later still. So it is started
//! first: the clone may have one instance more, the new one starts, is ready, and takes clients, before anything of the
//! leaving node is touched. On the way back the same happens in the other order: the node's own instance is back in routing
//! before the stand-in leaves as any instance does, without its clients, and by a ban, so that no other can be chosen.

use crate::{
    model::{Before, ClusterView, NodeName, Receipt, Rehearsal, rehearsal::Verb, topology::ServiceShape},
    plan::gates::Facts,
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandIn {
    /// The cloned primitive.
    pub(super) resource: String,
    /// Where it runs meanwhile.
    pub(super) node: NodeName,
    /// `clone-max` as it is set.
    pub(super) instances: String,
    /// One more.
    pub(super) more: String,
}

/// The stand-in of a service, where the rehearsal starts an instance of it elsewhere; or why there can be none.
pub(super) fn of(facts: &Facts<'_>, service: &ServiceShape, rehearsal: &Rehearsal) -> Option<Result<StandIn, String>> {
    let starts = |verb: &Verb| matches!(verb, Verb::Start | Verb::Move);
    let mut moves = rehearsal.moves.iter().filter(|m| m.resource == service.resource && starts(&m.verb));
    let first = moves.next()?;
    if moves.next().is_some() {
        return Some(Err(format!("more than one instance of {} would start elsewhere", service.resource)));
    }
    let Some(node) = first.to.clone() else {
        return Some(Err(format!("the rehearsal does not say where {} would start", service.resource)));
    };
    Some(admissible(facts, service, node))
}

/// Whether it can be started first, on exactly that node.
fn admissible(facts: &Facts<'_>, service: &ServiceShape, node: NodeName) -> Result<StandIn, String> {
    let resource = &service.resource;
    let cluster = facts.seen.cluster.fresh(facts.now, facts.max_age)?;
    let set = cluster.clone_max.get(resource).ok_or_else(|| format!("clone-max of {resource} is not set by its clone"))?;
    let instances: u32 = set.parse().map_err(|_| format!("clone-max of {resource} is '{set}', and no number"))?;
    let able = able(cluster, resource);
    if !able.contains(&&node) {
        return Err(format!("{node} is not usable"));
    }
    // With more than one to choose from, the cluster might start it somewhere else than it said.
    if able.len() as u64 != u64::from(instances) + 1 {
        return Err(format!("{} nodes could run {resource}, which has {instances} instances: which would?", able.len()));
    }
    for route in facts.topology.routes.iter().filter(|r| r.service == service.name) {
        if route.servers.contains_key(&facts.request.node) && !route.servers.contains_key(&node) {
            return Err(format!("{} does not lead to {node}", route.id));
        }
    }
    Ok(StandIn { resource: resource.clone(), node, instances: set.clone(), more: (instances + 1).to_string() })
}

fn able<'a>(cluster: &'a ClusterView, resource: &str) -> Vec<&'a NodeName> {
    let free = |node: &NodeName| cluster.ban(resource, node).is_none() && !cluster.withholds(resource, node);
    cluster.nodes.iter().filter(|(name, member)| member.usable() && free(name)).map(|(name, _)| name).collect()
}

/// The stand-ins that a drain has left, from its receipts.
pub(super) fn left(receipts: &[Receipt]) -> Vec<StandIn> {
    let stand_in = |receipt: &Receipt| match &receipt.before {
        Before::Clone { resource, instances: Some(instances), node } => {
            let more = instances.parse::<u32>().ok()? + 1;
            let (resource, node, instances) = (resource.clone(), node.clone(), instances.clone());
            Some(StandIn { resource, node, instances, more: more.to_string() })
        }
        _ => None,
    };
    receipts.iter().filter_map(stand_in).collect()
}
