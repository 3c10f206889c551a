//! Gates: conditions that must hold before a step. The same functions answer `can-drain`, planning, and the run's
//! last look before standby. What is unknown passes none of them.

mod ages;
mod alerts;
mod calendar;
mod capacity;
mod cluster;
mod drift;
mod headroom;
mod node;
mod overrides;
mod rehearsed;
mod routes;
mod titles;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::{
    ages::observations,
    alerts::alerts,
    calendar::calendar,
    capacity::capacity,
    cluster::{failed_instances, maintenance_mode, node_state, quorum, restorable, transition},
    drift::drift,
    headroom::headroom,
    node::{node_known, node_observed, other_run},
    rehearsed::{Moment, standing_in},
    routes::{fails_open, last_route, routes_answer},
};
use super::{
    standin,
    steps::{Purpose, Request},
};
use crate::{
    config::Settings,
    model::{ClusterView, NodeName, Observation, RunId, Topology, topology::ServiceShape},
    run::look::Look,
};

pub use headroom::by_sockets;
pub use overrides::{OVERRIDABLE, Override};
pub use titles::{KNOWN, Known};

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
    /// For people: what it is about, in a few words.
    #[serde(default)]
    pub title: String,
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
    /// A gate of the table, answered.
    pub fn new(code: &str, answer: Answer, detail: impl Into<String>) -> Self {
        let title = titles::title(code);
        debug_assert!(!title.is_empty(), "{code} is not in the table of gates");
        Self { code: code.into(), title: title.into(), answer, detail: detail.into(), remedy: None, unknown: false }
    }

    /// With what would change the answer.
    pub fn remedy(mut self, words: impl Into<String>) -> Self {
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
    /// What is configured: limits, windows, whose alerts count.
    pub settings: &'a Settings,
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

impl<'a> Facts<'a> {
    fn node(&self) -> &'a NodeName {
        &self.request.node
    }

    fn look(&self) -> Look<'a> {
        Look { seen: self.seen, now: self.now, max_age: self.max_age }
    }

    /// Who will stand in for a service before anything else is done.
    fn stand_in(&self, service: &ServiceShape) -> Option<NodeName> {
        let seen = self.seen.rehearsals.get(self.node()).filter(|_| self.request.purpose == Purpose::Drain)?;
        let rehearsal = seen.fresh(self.now, self.max_age).ok()?;
        standin::of(self, service, rehearsal)?.ok().map(|stand_in| stand_in.node)
    }
}

/// Every gate of a request, all of them answered.
pub fn all(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = vec![node_known(facts), other_run(facts)];
    let (purpose, drain) = (facts.request.purpose, facts.request.purpose.leaves());
    gates.extend(calendar(facts).filter(|_| purpose == Purpose::Drain));
    if facts.topology.outside.contains(facts.node()) {
        gates.extend(outside(facts, drain));
        overrides::apply(&facts.request.overrides, &mut gates);
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
            gates.push(Gate::new("cluster-answers", Answer::Pass, answers(cluster)));
            gates.extend([quorum(cluster), maintenance_mode(cluster), transition(cluster)]);
            match purpose {
                Purpose::Drain | Purpose::Retire => {
                    gates.extend([node_state(facts, cluster), failed_instances(facts, cluster)]);
                    gates.extend(rehearsed::gates(facts, cluster, Moment::Planned));
                }
                Purpose::StandIn => {
                    let more = [node_state(facts, cluster), failed_instances(facts, cluster), standing_in(facts)];
                    gates.extend(more);
                }
                Purpose::Restore | Purpose::Withhold => gates.push(restorable(facts, cluster)),
            }
        }
    }
    gates.extend(routes_answer(facts));
    if drain {
        gates.extend(last_route(facts));
        gates.extend(fails_open(facts));
        gates.push(drift(facts));
        gates.extend(
            facts
                .topology
                .services
                .iter()
                .zip(facts.min_ready)
                .map(|(s, min)| capacity(facts, s, *min, facts.stand_in(s).as_ref())),
        );
        gates.extend(headroom(facts));
        gates.extend(node_observed(facts));
        gates.extend(alerts(facts, Answer::Refuse, Answer::Refuse));
    }
    gates.push(observations(facts));
    overrides::apply(&facts.request.overrides, &mut gates);
    gates
}

fn answers(cluster: &ClusterView) -> String {
    let online = cluster.nodes.values().filter(|m| m.online).count();
    format!("the cluster answers: {online} of {} nodes are online", cluster.nodes.len())
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
        gates.extend(rehearsed::gates(facts, cluster, Moment::Saved));
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
        (false, None) => Gate::new("ours", Answer::Refuse, format!("no drain of {node} is in the journal"))
            .remedy("`tidegate status` shows who is out; whoever drained it brings it back"),
    }];
    gates.extend(routes_answer(facts));
    if drain {
        gates.extend(last_route(facts));
        gates.extend(fails_open(facts));
        gates.push(drift(facts));
        gates.extend(node_observed(facts));
        gates.extend(alerts(facts, Answer::Refuse, Answer::Refuse));
    }
    gates.push(observations(facts));
    gates
}

/// The gates that are asked again right before standby: the world may have changed since the plan. The calendar is not: the
/// clock stops no run halfway. Nor is headroom: the connections have moved by then, and a standby moves none.
pub fn before_standby(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = Vec::new();
    match facts.seen.cluster.fresh(facts.now, facts.max_age) {
        Err(reason) => {
            let gate = Gate::new("cluster-answers", Answer::Hold, format!("the cluster does not answer: {reason}"));
            gates.push(gate.remedy("make `crm_mon` work on at least one member"));
        }
        Ok(cluster) => {
            gates.extend([quorum(cluster), maintenance_mode(cluster), transition(cluster)]);
            gates.push(node_state(facts, cluster));
            gates.push(failed_instances(facts, cluster));
            gates.extend(rehearsed::gates(facts, cluster, Moment::Standby));
        }
    }
    gates.extend(last_route(facts));
    gates.extend(fails_open(facts));
    gates.extend(facts.topology.services.iter().zip(facts.min_ready).map(|(s, min)| capacity(facts, s, *min, None)));
    gates.extend(alerts(facts, Answer::Hold, Answer::Hold));
    overrides::apply(&facts.request.overrides, &mut gates);
    gates
}
