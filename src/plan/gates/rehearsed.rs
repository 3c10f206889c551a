//! Gates over the cluster's own rehearsal of the standby: what else it would touch, whether quorum and fencing bear the
//! loss of the node, and what is broken already.

use super::{Answer, Facts, Gate};
use crate::{
    model::{
        ClusterView, Leave, NodeName, Rehearsal,
        rehearsal::{Kind, Move, Resource, Verb},
    },
    plan::{Purpose, render::count, standin},
};

/// When they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before anything is done.
    Planned,
    /// Of a cluster that is only remembered: a CIB does not hold the votes.
    Saved,
    /// Right before standby: nobody can stand in first any more.
    Standby,
}

impl Moment {
    /// The answer where the cluster did not rehearse.
    fn silence(self) -> Answer {
        if self == Self::Standby { Answer::Hold } else { Answer::Refuse }
    }

    /// The answer where nobody tells the votes.
    fn uncounted(self) -> Answer {
        match self {
            Self::Planned => Answer::Refuse,
            Self::Saved => Answer::Warn,
            Self::Standby => Answer::Hold,
        }
    }
}

/// All of them.
pub(super) fn gates(facts: &Facts<'_>, cluster: &ClusterView, moment: Moment) -> Vec<Gate> {
    let node = facts.node();
    let seen = facts.seen.rehearsals.get(node);
    let fresh = seen.map_or(Err("it was not asked".to_owned()), |seen| seen.fresh(facts.now, facts.max_age));
    let rehearsal = match fresh {
        Ok(rehearsal) => rehearsal,
        Err(why) => {
            let detail = format!("the cluster's rehearsal of {} is unknown: {why}", facts.request.leave.noun());
            let remedy = "make `crm_simulate` and `crm_attribute` work on the members (package pacemaker-cli-utils)";
            return vec![Gate::new("rehearsal", moment.silence(), detail).remedy(remedy)];
        }
    };
    let mut gates = vec![rehearsed(rehearsal), collateral(facts, rehearsal), arrivals(facts, rehearsal, moment)];
    // Where only one service leaves, the node stays a member, and votes.
    if facts.request.leave.service().is_none() {
        gates.push(votes(node, rehearsal, moment.uncounted()));
    }
    gates.extend([fencing(cluster, rehearsal), resources(facts, rehearsal)]);
    gates
}

fn rehearsed(rehearsal: &Rehearsal) -> Gate {
    if rehearsal.moves.is_empty() {
        return Gate::new("rehearsal", Answer::Pass, "the cluster would do nothing");
    }
    let said: Vec<String> = rehearsal.moves.iter().map(|m| format!("{} {}", m.verb, m.resource)).collect();
    Gate::new("rehearsal", Answer::Pass, format!("the cluster would {}", said.join(", ")))
}

/// What is expected of a standby: the instances on the node stop, and a fencing device goes elsewhere. A ban stops only
/// the one service, and maintenance nothing.
fn is_expected(facts: &Facts<'_>, one: &Move) -> bool {
    let leaves = one.kind == Kind::Instance && one.verb == Verb::Stop && one.from.as_ref() == Some(facts.node());
    match facts.request.leave {
        Leave::Standby | Leave::StandbyUntilRestart => one.kind == Kind::Fencing || leaves || is_arrival(facts, one),
        Leave::Adopt { .. } => false,
        Leave::Ban { .. } | Leave::Release { .. } => leaves && is_ours(facts, &one.resource) || is_arrival(facts, one),
        Leave::Maintenance => false,
    }
}

fn is_ours(facts: &Facts<'_>, resource: &str) -> bool {
    facts.topology.services.iter().any(|s| s.resource == resource)
}

/// An instance of a service of ours that would start elsewhere.
fn is_arrival(facts: &Facts<'_>, one: &Move) -> bool {
    is_ours(facts, &one.resource) && matches!(one.verb, Verb::Start | Verb::Move)
}

fn collateral(facts: &Facts<'_>, rehearsal: &Rehearsal) -> Gate {
    let more: Vec<&Move> = rehearsal.moves.iter().filter(|m| !is_expected(facts, m)).collect();
    if !more.is_empty() {
        let said: Vec<String> = more.iter().map(ToString::to_string).collect();
        let what = facts.request.leave.noun();
        return Gate::new("collateral", Answer::Refuse, format!("{what} would also {}", said.join(", "))).remedy(
            "move them away first, at a time of your choosing; or say why it may be: `--override collateral=REASON`",
        );
    }
    let other = |m: &&Move| m.kind == Kind::Instance && !is_ours(facts, &m.resource);
    let others: Vec<&str> = rehearsal.moves.iter().filter(other).map(|m| m.resource.as_str()).collect();
    if others.is_empty() {
        return Gate::new("collateral", Answer::Pass, "nothing but our services stops or moves");
    }
    let detail = format!("instances of other clones stop on {} too: {}", facts.node(), others.join(", "));
    Gate::new("collateral", Answer::Warn, detail)
}

/// An instance that would start elsewhere only after the node has left is started first; where that cannot be, clients
/// would be one node short until then.
fn arrivals(facts: &Facts<'_>, rehearsal: &Rehearsal, moment: Moment) -> Gate {
    let services = &facts.topology.services;
    let starts: Vec<&Move> = services.iter().flat_map(|service| standin::arrivals(service, rehearsal)).collect();
    if starts.is_empty() {
        return Gate::new("arrivals", Answer::Pass, "no instance starts on another node");
    }
    let list = |moves: &[&Move]| {
        let said = moves
            .iter()
            .map(|m| format!("{} on {}", m.resource, m.to.as_ref().map_or("another node", NodeName::as_str)));
        said.collect::<Vec<_>>().join(", ")
    };
    let found = services.iter().filter_map(|service| standin::of(facts, service, rehearsal));
    let why: Vec<String> = match (facts.request.purpose, moment) {
        (Purpose::Drain, Moment::Planned | Moment::Saved) => found.filter_map(Result::err).collect(),
        _ => vec!["it has to be there before".to_owned()],
    };
    if why.is_empty() {
        return Gate::new("arrivals", Answer::Pass, format!("started, ready and in routing first: {}", list(&starts)));
    }
    let what = facts.request.leave.noun();
    let detail = format!(
        "{what} would start {}, and only then is it ready and in routing; it cannot be started first: {}",
        list(&starts),
        why.join("; ")
    );
    Gate::new("arrivals", Answer::Refuse, detail)
        .remedy("raise clone-max by one until it runs there and takes clients, then drain; lower it again after that")
}

/// Whether an instance can be started on the node before another one leaves.
pub(super) fn standing_in(facts: &Facts<'_>) -> Gate {
    let found = facts.topology.services.iter().map(|service| standin::on(facts, service, facts.node()));
    let why: Vec<String> = found.filter_map(Result::err).collect();
    match why.is_empty() {
        true => Gate::new("arrivals", Answer::Pass, format!("one instance more starts on {}", facts.node())),
        false => Gate::new("arrivals", Answer::Refuse, why.join("; "))
            .remedy("`tidegate can-drain` of the node that is to leave says what is missing"),
    }
}

/// A standby keeps its vote; the reboot or the power cut that follows does not.
fn votes(node: &NodeName, rehearsal: &Rehearsal, uncounted: Answer) -> Gate {
    let Some(votes) = rehearsal.votes else {
        let detail = "the votes are not known: `corosync-quorumtool` did not tell them";
        return Gate::new("votes", uncounted, detail)
            .remedy("make `corosync-quorumtool -s` work on the members, as the user that Tidegate connects as");
    };
    let device = if votes.device { ", the quorum device's with them" } else { "" };
    let (left, total, needed) = (votes.left(), votes.total, votes.needed);
    let are = if left == 1 { "is" } else { "are" };
    let detail = format!("{left} of {total} votes {are} left while {node} is down{device}; {needed} needed");
    match votes.suffice() {
        true if votes.two_node => {
            let all = ", and wait_for_all keeps it from starting alone if it goes down as well";
            let all = if votes.wait_for_all { all } else { "" };
            let alone = "two_node lets the other node go on alone";
            Gate::new("votes", Answer::Warn, format!("{detail}: {alone}{all}"))
        }
        true => Gate::new("votes", Answer::Pass, detail),
        false => Gate::new("votes", Answer::Refuse, detail)
            .remedy("bring another member back first, or the quorum device where one is configured"),
    }
}

fn fencing(cluster: &ClusterView, rehearsal: &Rehearsal) -> Gate {
    let refuse = |detail: &str, remedy: &str| Gate::new("fencing", Answer::Refuse, detail).remedy(remedy);
    if !cluster.fencing {
        return refuse(
            "fencing is disabled: a stop that fails would block its resource, and nobody could be sure of the node",
            "configure a fencing device and `pcs property set stonith-enabled=true`",
        );
    }
    let devices: Vec<&Resource> = rehearsal.resources.iter().filter(|r| r.kind == Kind::Fencing).collect();
    let working = devices.iter().filter(|r| r.active && !r.failed && !r.blocked).count();
    match (devices.len(), working) {
        (0, _) => refuse("fencing is enabled, and there is no fencing device", "`pcs stonith create`"),
        (n, 0) => refuse(
            &format!("none of {} works", count(n, "fencing device", "fencing devices")),
            "`pcs stonith status`, mend it, then `pcs stonith cleanup`",
        ),
        (_, working) => {
            let detail = format!("fencing is on, {} started", count(working, "device is", "devices are"));
            Gate::new("fencing", Answer::Pass, detail)
        }
    }
}

/// What is broken and no service of ours: those have a gate of their own.
fn resources(facts: &Facts<'_>, rehearsal: &Rehearsal) -> Gate {
    let broken = |r: &&Resource| (r.failed || r.blocked) && !is_ours(facts, &r.id) && r.kind != Kind::Fencing;
    let bad: Vec<String> = rehearsal
        .resources
        .iter()
        .filter(broken)
        .map(|r| {
            let place = r.node.as_ref().map_or("no node", NodeName::as_str);
            format!("{} on {place} is {}", r.id, if r.blocked { "blocked" } else { "failed" })
        })
        .collect();
    if bad.is_empty() {
        return Gate::new("resources", Answer::Pass, "no other resource is failed or blocked");
    }
    Gate::new("resources", Answer::Refuse, bad.join("; "))
        .remedy("mend them, then `pcs resource cleanup`; or say why it may be: `--override resources=REASON`")
}
