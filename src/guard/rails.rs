//! What must be left before a member is taken out: others that are known to serve, now, by a probe that passed *after*
//! the loss was seen. A failure of all nodes at once, however it is staggered, so takes out none of them.

use jiff::Timestamp;

use super::{Known, Place, evidence};
use crate::model::{ClusterView, InstanceName, InstanceView, NodeName, RouteTarget};

/// The others of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Those known to serve since the loss was seen.
    pub serving: Vec<NodeName>,
    /// Those that served until now, and whose next probe is awaited.
    pub awaited: Vec<Place>,
}

/// Who else takes clients where this member does. `onset` is when the loss was seen.
pub fn others(known: &Known<'_>, cluster: &ClusterView, target: &RouteTarget, onset: Timestamp) -> Others {
    let mut others = Others::default();
    let Some(route) = known.topology.routes.iter().find(|r| r.id == target.route) else { return others };
    let Some(service) = known.topology.services.iter().find(|s| s.name == target.service) else { return others };
    for (node, server) in route.servers.iter().filter(|(_, server)| **server != target.server) {
        if !takes_clients(known, target, server) || !known.topology.nodes.contains(node) {
            continue;
        }
        let against = evidence::of_node(cluster, node);
        if !against.is_clear() {
            continue;
        }
        if known.topology.is_front(route, node) {
            // What takes clients there is a load balancer on the node: the cluster's word for the node is all there is.
            others.serving.push(node.clone());
            continue;
        }
        if !evidence::serves(known, cluster, node, service) {
            continue;
        }
        let place = (node.clone(), service.name.clone());
        match known.probed(&place).and_then(|p| p.passed) {
            Some(passed) if passed > onset => others.serving.push(node.clone()),
            _ => others.awaited.push(place),
        }
    }
    others
}

/// Whether a member takes clients on the same instance; where that knows only one member (an announcer on the node
/// itself), on any other.
fn takes_clients(known: &Known<'_>, target: &RouteTarget, server: &str) -> bool {
    let Some(instances) = known.seen.routes.get(&target.route) else { return false };
    let look = known.look();
    let takes = |instance: &InstanceName| {
        let view = look.instance(&target.route, instance).ok();
        view.is_some_and(|view: &InstanceView| view.members.get(server).is_some_and(|m| m.takes_clients()))
    };
    let here = look.instance(&target.route, &target.instance).ok();
    match here.is_some_and(|view| view.members.keys().any(|name| *name != target.server)) {
        true => takes(&target.instance),
        false => instances.keys().any(takes),
    }
}
