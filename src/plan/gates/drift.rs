//! The gate over what should not be while nobody is at work: instances of one route that disagree about a node, a node that
//! a route has forgotten, a unit that the machine would start beside the cluster.
//!
//! What one instance alone says differently of another node refuses: somebody is at work there, or forgot to end it, and the
//! drain would leave clients with less than it seems. What the node itself has is told: a restore puts it back as it was.

use std::collections::BTreeMap;

use super::{Answer, Facts, Gate};
use crate::model::{
    Admission, MemberView, NodeName, RouteTarget,
    topology::{Role, RouteShape},
};

/// All that was found, in one row; the worst of it decides.
pub(super) fn drift(facts: &Facts<'_>) -> Gate {
    let mut found: Vec<(Answer, String)> = Vec::new();
    for route in &facts.topology.routes {
        for node in route.servers.keys() {
            found.extend(disagreement(facts, route, node));
        }
    }
    found.extend(enabled(facts).map(|what| (Answer::Warn, what)));
    let Some(worst) = found.iter().map(|(answer, _)| *answer).max() else {
        return Gate::new("drift", Answer::Pass, "all instances agree, and no unit is enabled beside the cluster");
    };
    found.sort_by_key(|(answer, _)| std::cmp::Reverse(*answer));
    let said: Vec<String> = found.into_iter().map(|(_, what)| what).collect();
    let gate = Gate::new("drift", worst, said.join("; "));
    match worst {
        Answer::Refuse => {
            gate.remedy("find out who is at work there, and end it; or say why it may be: `--override drift=REASON`")
        }
        Answer::Hold => gate.remedy("wait until what follows shows the same; if it does not, look why"),
        _ => gate,
    }
}

/// What the instances of one route say differently of one node. An instance that does not answer is no finding here.
fn disagreement(facts: &Facts<'_>, route: &RouteShape, node: &NodeName) -> Vec<(Answer, String)> {
    let mut seen: Vec<(RouteTarget, &MemberView)> = Vec::new();
    let mut missing = Vec::new();
    for target in route.targets(node) {
        let Ok(view) = facts.look().instance(&target.route, &target.instance) else { continue };
        match view.members.get(&target.server) {
            Some(member) => seen.push((target, member)),
            None => missing.push(target.instance.to_string()),
        }
    }
    let mut found = Vec::new();
    // The node's own missing member is refused where it is asked for.
    if !missing.is_empty() && node != facts.node() {
        found.push((Answer::Warn, format!("{node} has no member in {} at {}", route.id, missing.join(", "))));
    }
    let driven: Vec<&(RouteTarget, &MemberView)> = seen.iter().filter(|(t, _)| t.role == Role::Driven).collect();
    let admitted = driven.iter().filter(|(_, m)| m.is_admitted()).count();
    if admitted > 0 && admitted < driven.len() {
        let answer = if node == facts.node() { Answer::Warn } else { Answer::Refuse };
        found.push((answer, format!("{node} {} ({})", states(driven.iter().copied()), route.id)));
    } else if let Some((target, member)) = driven.first() {
        let differ =
            |(t, m): &&(RouteTarget, &MemberView)| t.role == Role::Follower && m.is_admitted() != member.is_admitted();
        let behind: Vec<String> =
            seen.iter().filter(differ).map(|(t, m)| format!("{} says it {}", t.instance, word(m))).collect();
        if !behind.is_empty() {
            let what =
                format!("{node} {} at {}, and {} ({})", word(member), target.instance, behind.join(", "), route.id);
            found.push((Answer::Hold, what));
        }
        found.extend(weights(&driven).map(|what| (Answer::Warn, format!("{node} has {what} ({})", route.id))));
    }
    found
}

/// `takes clients at lb-1, and is drained at lb-2`
fn states<'a>(seen: impl Iterator<Item = &'a (RouteTarget, &'a MemberView)>) -> String {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    seen.for_each(|(target, member)| places.entry(word(member)).or_default().push(target.instance.as_str()));
    let said: Vec<String> = places.iter().rev().map(|(word, at)| format!("{word} at {}", at.join(", "))).collect();
    said.join(", and ")
}

fn word(member: &MemberView) -> &'static str {
    match member.admission {
        Admission::Serving => "takes clients",
        Admission::Draining => "is drained",
        Admission::Out => "is out",
    }
}

/// Weights that differ between instances and are not what each was configured with.
fn weights(driven: &[&(RouteTarget, &MemberView)]) -> Option<String> {
    let serving: Vec<_> = driven.iter().filter(|(_, m)| m.is_admitted()).collect();
    let differ = serving.windows(2).any(|pair| pair[0].1.weight != pair[1].1.weight);
    let meant = serving.iter().all(|(_, m)| m.configured_weight == Some(m.weight));
    let said: Vec<String> = serving.iter().map(|(t, m)| format!("weight {} at {}", m.weight, t.instance)).collect();
    (differ && !meant).then(|| said.join(" and "))
}

/// Units of the cluster that the machine would start by itself, as far as they were looked at.
fn enabled<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = String> + 'a {
    let services = facts.topology.services.iter();
    services.flat_map(|service| {
        facts.seen.nodes.iter().filter_map(move |(node, view)| {
            let unit = view.units.get(&service.unit)?.value()?;
            let starts = unit.file_state.starts_with("enabled");
            starts.then(|| format!("{} is {} at boot on {node}, beside the cluster", service.unit, unit.file_state))
        })
    })
}
