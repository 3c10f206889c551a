//! Gates over the node itself: that it is known, that no other run is open, and that it shows its sockets and units.

use super::{Answer, Facts, Gate};
use crate::model::{NodeName, Observed};

pub(super) fn node_known(facts: &Facts<'_>) -> Gate {
    let node = facts.node();
    if facts.topology.nodes.contains(node) {
        return Gate::new("node-known", Answer::Pass, format!("{node} is a member of the cluster"));
    }
    if facts.topology.outside.contains(node) {
        return Gate::new("node-known", Answer::Pass, format!("{node} is a host that routes lead to"));
    }
    let nearest = facts.topology.nodes.iter().max_by(|a, b| {
        let score = |n: &NodeName| strsim::jaro_winkler(n.as_str(), node.as_str());
        score(a).total_cmp(&score(b))
    });
    let gate = Gate::new("node-known", Answer::Refuse, format!("there is no node {node} in the cluster"));
    match nearest {
        Some(near) => gate.remedy(format!("did you mean {near}?")),
        None => gate.remedy("list the members in `[cluster] members`, or make `crm_mon` answer"),
    }
}

pub(super) fn other_run(facts: &Facts<'_>) -> Gate {
    match facts.open_run {
        None => Gate::new("other-run", Answer::Pass, "no other run is open"),
        Some(run) => Gate::new("other-run", Answer::Refuse, format!("run {run} is open; one run at a time"))
            .remedy(format!("`tidegate show {run}`, then `tidegate resume {run}` or `tidegate abort {run}`")),
    }
}

/// The node's own facts must be readable, or no wait on them could ever end.
pub(super) fn node_observed(facts: &Facts<'_>) -> Vec<Gate> {
    let Some(view) = facts.seen.nodes.get(facts.node()) else {
        return vec![Gate::new("node-answers", Answer::Refuse, format!("{} was not observed", facts.node()))];
    };
    let sockets = view.sockets.iter().filter_map(|(p, o)| unknown(facts, o).map(|why| (socket_words(facts, *p), why)));
    let units = view.units.iter().filter_map(|(u, o)| unknown(facts, o).map(|why| (format!("state of {u}"), why)));
    let bad: Vec<(String, String)> = sockets.chain(units).collect();
    if bad.is_empty() {
        return vec![Gate::new("node-answers", Answer::Pass, format!("{} shows its sockets and units", facts.node()))];
    }
    bad.into_iter()
        .map(|(what, why)| {
            Gate::new("node-answers", Answer::Refuse, format!("the {what} on {} is unknown: {why}", facts.node()))
                .remedy("check the access to the node (`tidegate check`)")
        })
        .collect()
}

/// `sockets of app`; a port that is no service's is a load balancer's.
fn socket_words(facts: &Facts<'_>, port: u16) -> String {
    match facts.topology.services.iter().find(|s| s.port == port) {
        Some(service) => format!("sockets of {}", service.name),
        None => format!("connections to port {port}"),
    }
}

fn unknown<T>(facts: &Facts<'_>, seen: &Observed<T>) -> Option<String> {
    seen.fresh(facts.now, facts.max_age).err()
}
