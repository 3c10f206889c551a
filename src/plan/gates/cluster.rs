//! Gates over what the cluster says of itself: quorum, its mode, and the state of the node and of our instances.

use super::{Answer, Facts, Gate};
use crate::{
    model::{ClusterView, Member, NodeName},
    plan::Purpose,
};

pub(super) fn quorum(cluster: &ClusterView) -> Gate {
    if cluster.quorate {
        return Gate::new("quorum", Answer::Pass, "the cluster has quorum");
    }
    let online = cluster.nodes.values().filter(|m| m.online).count();
    let all = cluster.nodes.len();
    let detail = format!("no quorum: {online} of {all} nodes are online, {} needed", all / 2 + 1);
    Gate::new("quorum", Answer::Refuse, detail).remedy("bring members back until the cluster has quorum")
}

pub(super) fn maintenance_mode(cluster: &ClusterView) -> Gate {
    if cluster.maintenance_mode {
        return Gate::new(
            "maintenance-mode",
            Answer::Refuse,
            "the cluster is in maintenance mode: it would not move anything",
        )
        .remedy("`pcs property set maintenance-mode=false`");
    }
    Gate::new("maintenance-mode", Answer::Pass, "the cluster manages its resources")
}

pub(super) fn transition(cluster: &ClusterView) -> Gate {
    if cluster.transition {
        return Gate::new("transition", Answer::Hold, "the cluster is in the middle of a transition")
            .remedy("wait until the cluster is idle (`crm_mon` shows nothing pending)");
    }
    Gate::new("transition", Answer::Pass, "the cluster is idle")
}

/// What keeps a member from being drained, apart from standby.
pub(super) fn unfit(member: &Member) -> Option<&'static str> {
    if member.unclean {
        Some("unclean (it waits to be fenced)")
    } else if !member.online {
        Some("offline")
    } else if member.pending {
        Some("pending (it has not finished joining)")
    } else if member.maintenance && member.owner.is_none() {
        // With our mark it is a drain of ours, and said to be one.
        Some("in node maintenance")
    } else {
        None
    }
}

/// What brings such a member back.
/// One that joins will have joined by itself; anything else needs somebody.
fn not_yet(member: &Member) -> Answer {
    if member.online && member.pending && !member.unclean { Answer::Hold } else { Answer::Refuse }
}

fn back(node: &NodeName, member: &Member) -> String {
    match member.maintenance && member.online && !member.unclean && !member.pending {
        true => format!("`pcs node unmaintenance {node}`"),
        false => "bring it back into the cluster first; `crm_mon -1` shows what it waits for".to_owned(),
    }
}

pub(super) fn node_state(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
    let node = facts.node();
    let Some(member) = cluster.nodes.get(node) else {
        return Gate::new("node-state", Answer::Refuse, format!("the cluster does not know {node}"))
            .remedy("`crm_node -l` lists the members that it knows");
    };
    if let Some(state) = unfit(member) {
        return Gate::new("node-state", not_yet(member), format!("{node} is {state}")).remedy(back(node, member));
    }
    match (&member.owner, member.standby) {
        (Some(owner), _) => {
            let detail = format!("{node} is already out: {} ({}), by {}", owner.run, owner.reason, owner.operator);
            Gate::new("node-state", Answer::Refuse, detail).remedy(format!("`tidegate restore {node}` brings it back"))
        }
        (None, true) => Gate::new("node-state", Answer::Refuse, format!("{node} is in standby, and not by Tidegate"))
            .remedy(format!("whoever put it there takes it back: `pcs node unstandby {node}`")),
        (None, false) => {
            banned(facts, cluster).unwrap_or_else(|| Gate::new("node-state", Answer::Pass, format!("{node} is online")))
        }
    }
}

/// A drain of one service that is out already.
fn banned(facts: &Facts<'_>, cluster: &ClusterView) -> Option<Gate> {
    let node = facts.node();
    let (service, run) =
        facts.topology.services.iter().find_map(|s| Some((&s.name, cluster.ban(&s.resource, node)?)))?;
    // Whoever stands in leaves by a ban, which an earlier try may have left there.
    if facts.request.purpose == Purpose::Retire && facts.outstanding == Some(run) {
        return None;
    }
    let detail = format!("{node} is already banned for {service}: {run}");
    Some(
        Gate::new("node-state", Answer::Refuse, detail)
            .remedy(format!("`tidegate restore {node}` brings it back, then the whole node can be drained")),
    )
}

pub(super) fn restorable(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
    let node = facts.node();
    let refuse = |detail: String| Gate::new("ours", Answer::Refuse, detail);
    let Some(member) = cluster.nodes.get(node) else {
        return refuse(format!("the cluster does not know {node}"))
            .remedy("`crm_node -l` lists the members that it knows");
    };
    if let Some(state) = unfit(member) {
        return Gate::new("node-state", not_yet(member), format!("{node} is {state}")).remedy(back(node, member));
    }
    match (facts.outstanding, &member.owner, member.standby) {
        (None, Some(owner), _) => refuse(format!("{node} is held by {}, which is not in this journal", owner.run))
            .remedy("restore it from the coordinator whose journal has that run"),
        (None, None, true) => refuse(format!("{node} is in standby, and not by Tidegate: it is not ours to restore"))
            .remedy(format!("whoever put it there takes it back: `pcs node unstandby {node}`")),
        (None, None, false) => refuse(format!("{node} is not drained: there is nothing to restore"))
            .remedy("`tidegate status` shows who is out"),
        (Some(run), Some(owner), _) if &owner.run != run => {
            refuse(format!("{node} is held by {}, and our drain is {run}", owner.run))
                .remedy("restore it from the coordinator whose journal has that run")
        }
        (Some(run), None, true) => refuse(format!("{node} is in standby without the mark of our drain {run}")).remedy(
            format!("find out who did it; after `pcs node unstandby {node}` the restore brings its traffic back"),
        ),
        (Some(run), ..) => Gate::new("ours", Answer::Pass, format!("{node} was drained by {run}")),
    }
}

pub(super) fn failed_instances(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
    let ours = |resource: &str| facts.topology.services.iter().any(|s| s.resource == resource);
    let bad: Vec<String> = cluster
        .instances
        .iter()
        .filter(|i| ours(&i.resource) && (i.failed || i.blocked || !i.managed))
        .map(|i| {
            let how = if i.blocked {
                "blocked"
            } else if i.failed {
                "failed"
            } else {
                "unmanaged"
            };
            format!("{} on {} is {how}", i.resource, i.node.as_ref().map_or("no node", |n| n.as_str()))
        })
        .collect();
    if bad.is_empty() {
        return Gate::new("instances", Answer::Pass, "no instance is failed, blocked or unmanaged");
    }
    Gate::new("instances", Answer::Refuse, bad.join("; ")).remedy("mend them, then `pcs resource cleanup`")
}
