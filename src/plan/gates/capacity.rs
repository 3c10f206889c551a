//! The gate that counts who is left: nodes that run the service, answer as ready, and take clients everywhere.

use super::{Answer, Facts, Gate, cluster::unfit};
use crate::model::{ClusterView, NodeName, Readiness, topology::ServiceShape};

/// Ready nodes that are left: running the service, answering as ready, and taking clients at every instance. One that stands
/// in will be that before anybody leaves.
pub(super) fn capacity(facts: &Facts<'_>, service: &ServiceShape, min_ready: u32, stand_in: Option<&NodeName>) -> Gate {
    let look = facts.look();
    let Ok(cluster) = look.cluster() else {
        return Gate::new("capacity", Answer::Hold, format!("{}: the cluster does not answer", service.name))
            .remedy("make `crm_mon` work on at least one member");
    };
    let (mut ready, mut missing, mut unknown) = (0_u32, Vec::new(), false);
    for node in facts.topology.nodes.iter().filter(|n| *n != facts.node()) {
        match serves(facts, cluster, service, node) {
            Ok(()) => ready += 1,
            Err(_) if stand_in == Some(node) => ready += 1,
            Err(Absence { why, unknown: unseen }) => {
                missing.push(format!("{node} {why}"));
                unknown |= unseen;
            }
        }
    }
    let left = format!("{}: {ready} ready nodes are left without {}, {min_ready} needed", service.name, facts.node());
    let left = stand_in.map_or(left.clone(), |node| format!("{left}; {node} is one of them once it stands in"));
    if ready >= min_ready {
        return Gate::new("capacity", Answer::Pass, left);
    }
    let detail = if missing.is_empty() { left } else { format!("{left} ({})", missing.join("; ")) };
    let gate = Gate::new("capacity", Answer::Refuse, detail).remedy("make more nodes ready, or lower `min-ready`");
    Gate { unknown, ..gate }
}

/// Why a node does not count as serving.
struct Absence {
    why: String,
    /// Only because it was not seen.
    unknown: bool,
}

impl<T: Into<String>> From<T> for Absence {
    fn from(why: T) -> Self {
        Self { why: why.into(), unknown: false }
    }
}

fn unseen(waiting: impl ToString) -> Absence {
    Absence { why: waiting.to_string(), unknown: true }
}

fn serves(facts: &Facts<'_>, cluster: &ClusterView, service: &ServiceShape, node: &NodeName) -> Result<(), Absence> {
    let member = cluster.nodes.get(node).ok_or("is not in the cluster")?;
    if !member.usable() {
        return Err(if member.standby { "is in standby" } else { unfit(member).unwrap_or("is not usable") }.into());
    }
    // Where the keeper changes, some nodes still run it under the other: that it is ready is what counts.
    let kept = facts.request.leave.changes_keeper() && cluster.withholds(&service.resource, node);
    if !kept && !cluster.instances_on(&service.resource, node).any(|i| i.started()) {
        return Err(format!("does not run {}", service.resource).into());
    }
    match facts.look().readiness(node, &service.name).map_err(unseen)?.0 {
        Readiness::Ready => {}
        Readiness::NotReady { reason } => return Err(format!("is not ready: {reason}").into()),
    }
    for (_, tier) in facts.topology.targets(node) {
        for target in tier.iter().filter(|t| t.service == service.name) {
            let member = facts.look().member(target).map_err(unseen)?;
            if !member.takes_clients() {
                return Err(format!("takes no clients at {}", target.instance).into());
            }
        }
    }
    Ok(())
}
