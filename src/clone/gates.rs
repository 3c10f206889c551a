//! Conditions before a clone is changed, all of them answered: of the cluster, of the configuration that is there, of the
//! units on the nodes, and of what the cluster itself says that it would do. What is unknown passes none.
//!
//! What only matters to a change (quorum, a run that is open, what would stop) is not asked where there is none: then the
//! answers tell what is wrong with what is there.

mod declared;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use super::{change::Change, declaration::Declaration, found::Found, unit::UnitFile};
use crate::{
    config::settings::Service,
    model::{ClusterView, NodeName, Rehearsal, RunId, rehearsal::Verb},
    plan::gates::{Answer, Gate, Override},
};

/// Gates that a person may answer for.
pub const OVERRIDABLE: [&str; 2] = ["clone-stops", "clone-collateral"];

/// What was seen of one service.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The service.
    pub service: &'a Service,
    /// Its clone as it should be.
    pub wanted: &'a Declaration,
    /// Its clone as it is.
    pub found: &'a Found,
    /// The unit's files on each node, or why they are not known.
    pub units: &'a BTreeMap<NodeName, Result<UnitFile, String>>,
    /// The cluster.
    pub cluster: &'a ClusterView,
}

impl Facts<'_> {
    /// Nodes on which the cluster may run it: members that no constraint bans.
    pub fn eligible(&self) -> BTreeSet<&NodeName> {
        let banned = self.found.banned();
        self.cluster.nodes.keys().filter(|node| !banned.contains(node)).collect()
    }

    /// Whether the clone is yet to be created.
    fn creates(&self) -> bool {
        self.found.clone.is_none()
    }
}

/// The gates of one service.
pub fn of_service(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = declared::gates(facts);
    gates.extend(units::gates(facts));
    gates
}

/// What was seen around the changes of all services.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The cluster.
    pub cluster: &'a ClusterView,
    /// A run that is open, where there is one.
    pub open_run: Option<&'a RunId>,
    /// The run by which an instance stands in for one that is out, where one does: until it goes, the clone has one more.
    pub stand_in: Option<&'a RunId>,
    /// What will be changed.
    pub changes: &'a [Change],
    /// What the cluster would do because of it, or why that is not known.
    pub rehearsal: Result<&'a Rehearsal, &'a str>,
    /// The primitives of all services.
    pub resources: &'a BTreeSet<String>,
}

/// The gates of making any change at all; none where there is none.
pub fn around(around: &Around<'_>) -> Vec<Gate> {
    if around.changes.is_empty() {
        return Vec::new();
    }
    let mut gates = vec![other_run(around), quorum(around.cluster), idle(around.cluster)];
    if around.cluster.maintenance_mode {
        let detail = "the cluster is in maintenance mode: it would not start or stop anything";
        gates.push(
            Gate::new("maintenance-mode", Answer::Refuse, detail).remedy("`pcs property set maintenance-mode=false`"),
        );
    }
    if around.changes.iter().any(Change::is_of_cluster) {
        gates.extend(rehearsed(around));
    }
    gates
}

/// Lets through what a person answers for, with a warning that says so.
pub fn answer_for(overrides: &[Override], gates: &mut [Gate]) {
    for gate in gates.iter_mut().filter(|g| g.answer == Answer::Refuse && !g.unknown) {
        let allowed = |o: &&Override| o.gate == gate.code && OVERRIDABLE.contains(&o.gate.as_str());
        let Some(by) = overrides.iter().find(allowed) else { continue };
        gate.answer = Answer::Warn;
        gate.detail = format!("{} (overridden: {})", gate.detail, by.reason);
        gate.remedy = None;
    }
}

fn other_run(around: &Around<'_>) -> Gate {
    match (around.open_run, around.stand_in) {
        (None, None) => Gate::new("other-run", Answer::Pass, "no run is open"),
        (None, Some(run)) => {
            let detail = format!("an instance stands in for one that is out ({run}): there is one more than declared");
            Gate::new("other-run", Answer::Refuse, detail)
                .remedy("`tidegate restore` of the node that is out, or of the one that stands in, lets it go")
        }
        (Some(run), _) => Gate::new("other-run", Answer::Refuse, format!("run {run} is open; one hand at a time"))
            .remedy(format!("`tidegate show {run}`, then `tidegate resume {run}` or `tidegate abort {run}`")),
    }
}

fn quorum(cluster: &ClusterView) -> Gate {
    let (online, all) = (cluster.nodes.values().filter(|m| m.online).count(), cluster.nodes.len());
    match cluster.quorate {
        true => {
            Gate::new("quorum", Answer::Pass, format!("the cluster has quorum, {online} of {all} nodes are online"))
        }
        false => Gate::new("quorum", Answer::Refuse, format!("no quorum: {online} of {all} nodes are online"))
            .remedy("bring members back until the cluster has quorum"),
    }
}

fn idle(cluster: &ClusterView) -> Gate {
    match cluster.transition {
        false => Gate::new("transition", Answer::Pass, "the cluster is idle"),
        true => Gate::new("transition", Answer::Hold, "the cluster is in the middle of a transition")
            .remedy("wait until the cluster is idle (`crm_mon` shows nothing pending)"),
    }
}

/// What the cluster would do: start what is new, and touch nothing else.
fn rehearsed(around: &Around<'_>) -> Vec<Gate> {
    let rehearsal = match around.rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(why) => {
            let detail = format!("the cluster could not rehearse the changes: {why}");
            let gate = Gate::new("clone-rehearsal", Answer::Refuse, detail)
                .remedy("make `crm_simulate` and `cibadmin` work on a member, as the user that Tidegate connects as");
            return vec![Gate { unknown: true, ..gate }];
        }
    };
    let said = |moves: Vec<String>| moves.join(", ");
    let ours = |resource: &str| around.resources.contains(resource);
    let starts = rehearsal.moves.iter().filter(|m| ours(&m.resource) && m.verb == Verb::Start);
    let starts = said(starts.map(ToString::to_string).collect());
    let would = if starts.is_empty() {
        "the cluster would start nothing".into()
    } else {
        format!("the cluster would {starts}")
    };
    let mut gates = vec![Gate::new("clone-rehearsal", Answer::Pass, would)];
    let stops: Vec<String> = rehearsal
        .moves
        .iter()
        .filter(|m| ours(&m.resource) && m.verb != Verb::Start)
        .map(ToString::to_string)
        .collect();
    gates.push(match stops.is_empty() {
        true => Gate::new("clone-stops", Answer::Pass, "no instance that runs would be stopped"),
        false => Gate::new("clone-stops", Answer::Refuse, format!("clients would be cut off: {}", said(stops))).remedy(
            "drain the nodes first (`tidegate drain NODE`), or answer for it with --override clone-stops=REASON",
        ),
    });
    let others: Vec<String> = rehearsal.moves.iter().filter(|m| !ours(&m.resource)).map(ToString::to_string).collect();
    gates.push(match others.is_empty() {
        true => Gate::new("clone-collateral", Answer::Pass, "nothing else would be touched"),
        false => Gate::new("clone-collateral", Answer::Refuse, format!("others would be touched: {}", said(others)))
            .remedy("look at the constraints; or answer for it with --override clone-collateral=REASON"),
    });
    gates
}

#[cfg(test)]
mod tests;
