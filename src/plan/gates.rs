//! Gates: conditions that must hold before a step. The same functions answer `can-drain`, planning, and the run's
//! last look before standby. What is unknown passes none of them.

mod overrides;
mod rehearsed;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::steps::{Purpose, Request};
use crate::{
    model::{
        ClusterView, Member, NodeName, Observation, Observed, Readiness, RouteTarget, RunId, Topology,
        topology::ServiceShape,
    },
    run::look::Look,
};

pub use overrides::{OVERRIDABLE, Override};

/// The answer of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It holds.
    Pass,
    /// It holds, and a person should know something.
    Warn,
    /// Something is missing that may come by itself.
    Hold,
    /// No, until somebody changes something.
    Refuse,
}

/// One gate, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Stable, for machines and overrides.
    pub code: String,
    /// The answer.
    pub answer: Answer,
    /// What was found, in numbers.
    pub detail: String,
    /// What would change the answer.
    pub remedy: Option<String>,
    /// Whether it says no only because something is not known: nobody can answer for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

impl Gate {
    pub(crate) fn new(code: &str, answer: Answer, detail: impl Into<String>) -> Self {
        Self { code: code.into(), answer, detail: detail.into(), remedy: None, unknown: false }
    }

    pub(crate) fn remedy(mut self, words: impl Into<String>) -> Self {
        self.remedy = Some(words.into());
        self
    }

    /// Whether a step behind it may start.
    pub fn passes(&self) -> bool {
        self.answer <= Answer::Warn
    }
}

/// What the gates look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub request: &'a Request,
    /// The fixed world.
    pub topology: &'a Topology,
    /// What was seen.
    pub seen: &'a Observation,
    /// Least number of ready nodes that must be left, by service, in the topology's order.
    pub min_ready: &'a [u32],
    /// A run that is open, where there is one.
    pub open_run: Option<&'a RunId>,
    /// The drain that can be restored, where there is one.
    pub outstanding: Option<&'a RunId>,
    /// Now.
    pub now: Timestamp,
    /// Age from which a value is unknown.
    pub max_age: Duration,
}

impl Facts<'_> {
    fn node(&self) -> &NodeName {
        &self.request.node
    }

    fn look(&self) -> Look<'_> {
        Look { seen: self.seen, now: self.now, max_age: self.max_age }
    }
}

/// Every gate of a request, all of them answered.
pub fn all(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = vec![node_known(facts), other_run(facts)];
    let drain = facts.request.purpose == Purpose::Drain;
    if facts.topology.outside.contains(facts.node()) {
        gates.extend(outside(facts, drain));
        return gates;
    }
    if !facts.topology.nodes.contains(facts.node()) {
        return gates;
    }
    match facts.seen.cluster.fresh(facts.now, facts.max_age) {
        Err(reason) => gates.push(
            Gate::new("cluster-answers", Answer::Refuse, format!("the cluster does not answer: {reason}"))
                .remedy("make `crm_mon` work on at least one member, as the user that Tidegate connects as"),
        ),
        Ok(cluster) => {
            gates.extend([quorum(cluster), maintenance_mode(cluster), transition(cluster)]);
            gates.push(if drain { node_state(facts, cluster) } else { restorable(facts, cluster) });
            if drain {
                gates.push(failed_instances(facts, cluster));
                gates.extend(rehearsed::gates(facts, cluster, Answer::Refuse, Answer::Refuse));
            }
        }
    }
    gates.extend(routes_answer(facts));
    if drain {
        gates.extend(last_route(facts));
        gates.extend(fails_open(facts));
        gates.extend(facts.topology.services.iter().zip(facts.min_ready).map(|(s, min)| capacity(facts, s, *min)));
        gates.extend(node_observed(facts));
    }
    overrides::apply(&facts.request.overrides, &mut gates);
    gates
}

/// The gates that the cluster alone can answer: for a cluster that is only remembered.
pub fn of_cluster(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = vec![node_known(facts)];
    if let (true, Ok(cluster)) =
        (facts.topology.nodes.contains(facts.node()), facts.seen.cluster.fresh(facts.now, facts.max_age))
    {
        gates.extend([quorum(cluster), maintenance_mode(cluster), transition(cluster)]);
        gates.extend([node_state(facts, cluster), failed_instances(facts, cluster)]);
        // A CIB does not hold the votes: a saved cluster cannot answer that.
        gates.extend(rehearsed::gates(facts, cluster, Answer::Refuse, Answer::Warn));
    }
    overrides::apply(&facts.request.overrides, &mut gates);
    gates
}

/// A host outside the cluster has routes and connections, and nothing else.
fn outside(facts: &Facts<'_>, drain: bool) -> Vec<Gate> {
    let node = facts.node();
    let mut gates = vec![match (drain, facts.outstanding) {
        (true, None) => Gate::new("node-state", Answer::Pass, format!("{node} is a host outside the cluster")),
        (true, Some(run)) => Gate::new("node-state", Answer::Refuse, format!("{node} is already out: {run}"))
            .remedy(format!("`tidegate restore {node}` brings it back")),
        (false, Some(run)) => Gate::new("ours", Answer::Pass, format!("{node} was drained by {run}")),
        (false, None) => Gate::new("ours", Answer::Refuse, format!("no drain of {node} is in the journal")),
    }];
    gates.extend(routes_answer(facts));
    if drain {
        gates.extend(last_route(facts));
        gates.extend(fails_open(facts));
        gates.extend(node_observed(facts));
    }
    gates
}

/// Routes that would send clients to a drained member all the same, because too few others are left.
fn fails_open(facts: &Facts<'_>) -> Vec<Gate> {
    let refusal = |t: RouteTarget| {
        let why = facts.look().member(&t).ok()?.refuses_drain.as_ref()?;
        let detail = format!("{} ({}) would not be drained of {}: {why}", t.instance, t.route, t.server);
        let remedy = "bring other members of that route into service, or change its threshold";
        Some(Gate::new("fails-open", Answer::Refuse, detail).remedy(remedy))
    };
    targets(facts).filter_map(refusal).collect()
}

/// The gates that are asked again right before standby: the world may have changed since the plan.
pub fn before_standby(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = Vec::new();
    match facts.seen.cluster.fresh(facts.now, facts.max_age) {
        Err(reason) => {
            gates.push(Gate::new("cluster-answers", Answer::Hold, format!("the cluster does not answer: {reason}")));
        }
        Ok(cluster) => {
            gates.extend([quorum(cluster), maintenance_mode(cluster), transition(cluster)]);
            gates.push(node_state(facts, cluster));
            gates.push(failed_instances(facts, cluster));
            gates.extend(rehearsed::gates(facts, cluster, Answer::Hold, Answer::Hold));
        }
    }
    gates.extend(last_route(facts));
    gates.extend(fails_open(facts));
    gates.extend(facts.topology.services.iter().zip(facts.min_ready).map(|(s, min)| capacity(facts, s, *min)));
    overrides::apply(&facts.request.overrides, &mut gates);
    gates
}

fn node_known(facts: &Facts<'_>) -> Gate {
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

fn other_run(facts: &Facts<'_>) -> Gate {
    match facts.open_run {
        None => Gate::new("other-run", Answer::Pass, "no other run is open"),
        Some(run) => Gate::new("other-run", Answer::Refuse, format!("run {run} is open; one run at a time"))
            .remedy(format!("`tidegate show {run}`, then `tidegate resume {run}` or `tidegate abort {run}`")),
    }
}

fn quorum(cluster: &ClusterView) -> Gate {
    if cluster.quorate {
        return Gate::new("quorum", Answer::Pass, "the cluster has quorum");
    }
    let online = cluster.nodes.values().filter(|m| m.online).count();
    let all = cluster.nodes.len();
    let detail = format!("no quorum: {online} of {all} nodes are online, {} needed", all / 2 + 1);
    Gate::new("quorum", Answer::Refuse, detail).remedy("bring members back until the cluster has quorum")
}

fn maintenance_mode(cluster: &ClusterView) -> Gate {
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

fn transition(cluster: &ClusterView) -> Gate {
    if cluster.transition {
        return Gate::new("transition", Answer::Hold, "the cluster is in the middle of a transition")
            .remedy("wait until the cluster is idle (`crm_mon` shows nothing pending)");
    }
    Gate::new("transition", Answer::Pass, "the cluster is idle")
}

/// What keeps a member from being drained, apart from standby.
fn unfit(member: &Member) -> Option<&'static str> {
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

fn node_state(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
    let node = facts.node();
    let Some(member) = cluster.nodes.get(node) else {
        return Gate::new("node-state", Answer::Refuse, format!("the cluster does not know {node}"));
    };
    if let Some(state) = unfit(member) {
        return Gate::new("node-state", Answer::Refuse, format!("{node} is {state}"));
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
    let detail = format!("{node} is already banned for {service}: {run}");
    Some(
        Gate::new("node-state", Answer::Refuse, detail)
            .remedy(format!("`tidegate restore {node}` brings it back, then the whole node can be drained")),
    )
}

fn restorable(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
    let node = facts.node();
    let refuse = |detail: String| Gate::new("ours", Answer::Refuse, detail);
    let Some(member) = cluster.nodes.get(node) else { return refuse(format!("the cluster does not know {node}")) };
    if let Some(state) = unfit(member) {
        return Gate::new("node-state", Answer::Refuse, format!("{node} is {state}"));
    }
    match (facts.outstanding, &member.owner, member.standby) {
        (None, Some(owner), _) => refuse(format!("{node} is held by {}, which is not in this journal", owner.run))
            .remedy("restore it from the coordinator whose journal has that run"),
        (None, None, true) => refuse(format!("{node} is in standby, and not by Tidegate: it is not ours to restore"))
            .remedy(format!("whoever put it there takes it back: `pcs node unstandby {node}`")),
        (None, None, false) => refuse(format!("{node} is not drained: there is nothing to restore")),
        (Some(run), Some(owner), _) if &owner.run != run => {
            refuse(format!("{node} is held by {}, and our drain is {run}", owner.run))
        }
        (Some(run), None, true) => refuse(format!("{node} is in standby without the mark of our drain {run}")).remedy(
            format!("find out who did it; after `pcs node unstandby {node}` the restore brings its traffic back"),
        ),
        (Some(run), ..) => Gate::new("ours", Answer::Pass, format!("{node} was drained by {run}")),
    }
}

fn failed_instances(facts: &Facts<'_>, cluster: &ClusterView) -> Gate {
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

fn targets(facts: &Facts<'_>) -> impl Iterator<Item = RouteTarget> {
    facts.topology.targets(facts.node()).into_iter().flat_map(|(_, targets)| targets)
}

fn routes_answer(facts: &Facts<'_>) -> Vec<Gate> {
    targets(facts)
        .map(|t| match facts.look().member(&t) {
            Ok(_) => Gate::new("route-answers", Answer::Pass, format!("{} ({}) answers", t.instance, t.route)),
            Err(missing) => Gate::new("route-answers", Answer::Refuse, missing.to_string())
                .remedy(format!("every instance must acknowledge: make {} answer", t.instance)),
        })
        .collect()
}

fn last_route(facts: &Facts<'_>) -> Vec<Gate> {
    targets(facts)
        .filter(|t| t.role.is_driven())
        .filter_map(|t| {
            let others = facts.look().others_serving(&t).ok()?;
            let place = format!("{} ({})", t.instance, t.route);
            Some(if others == 0 {
                Gate::new(
                    "last-route",
                    Answer::Refuse,
                    format!("{} is the last server of {place} that takes clients", t.server),
                )
                .remedy("bring another server of that backend into service first")
            } else {
                Gate::new("last-route", Answer::Pass, format!("{others} other servers of {place} take clients"))
            })
        })
        .collect()
}

/// Ready nodes that are left: running the service, answering as ready, and taking clients at every instance.
fn capacity(facts: &Facts<'_>, service: &ServiceShape, min_ready: u32) -> Gate {
    let look = facts.look();
    let Ok(cluster) = look.cluster() else {
        return Gate::new("capacity", Answer::Hold, format!("{}: the cluster does not answer", service.name));
    };
    let (mut ready, mut missing, mut unknown) = (0_u32, Vec::new(), false);
    for node in facts.topology.nodes.iter().filter(|n| *n != facts.node()) {
        match serves(facts, cluster, service, node) {
            Ok(()) => ready += 1,
            Err(Absence { why, unknown: unseen }) => {
                missing.push(format!("{node} {why}"));
                unknown |= unseen;
            }
        }
    }
    let left = format!("{}: {ready} ready nodes are left without {}, {min_ready} needed", service.name, facts.node());
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
    if !cluster.instances_on(&service.resource, node).any(|i| i.started()) {
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

/// The node's own facts must be readable, or no wait on them could ever end.
fn node_observed(facts: &Facts<'_>) -> Vec<Gate> {
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
