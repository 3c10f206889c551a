//! What each step needs to see, and how often: enough to decide, no more than the systems should be asked.

use std::{collections::BTreeSet, time::Duration};

use super::state::RunState;
use crate::{
    model::{NodeName, Topology, observed::age},
    plan::{Action, Plan, Purpose},
};

/// What is to be looked at; everything else keeps the age that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The cluster, where it was last seen longer ago than this.
    pub cluster: Option<Duration>,
    /// All instances of all routes.
    pub routes: bool,
    /// Sockets on these nodes, at every port where clients may be.
    pub sockets: BTreeSet<NodeName>,
    /// Units on these nodes.
    pub units: BTreeSet<NodeName>,
    /// Readiness of these nodes, as often as each service's interval says.
    pub ready: BTreeSet<NodeName>,
}

impl Wants {
    /// Everything, of every node.
    pub fn everything(topology: &Topology) -> Self {
        let nodes: BTreeSet<NodeName> = topology.nodes.iter().cloned().collect();
        Self {
            cluster: Some(Duration::ZERO),
            routes: true,
            sockets: nodes.iter().chain(&topology.outside).cloned().collect(),
            units: nodes.clone(),
            ready: nodes,
        }
    }
}

/// What the next decision of a run depends on.
pub fn wants(plan: &Plan, state: &RunState, topology: &Topology) -> Wants {
    let node = || BTreeSet::from([plan.node().clone()]);
    let others = || topology.nodes.iter().filter(|n| *n != plan.node()).cloned().collect::<BTreeSet<NodeName>>();
    let action = state.current().and_then(|step| plan.action(step));
    let mut wants = Wants { routes: true, ..Wants::default() };
    match action {
        None => {}
        Some(Action::DrainRoutes { .. } | Action::CloseRoutes { .. }) if plan.request.purpose == Purpose::Drain => {
            wants.sockets = node();
            wants.ready = others();
        }
        Some(Action::DrainRoutes { .. } | Action::CloseRoutes { .. } | Action::RequireFreshChecks { .. }) => {}
        // The cluster is looked at ahead, so that the gate before standby need not wait for it.
        Some(Action::AwaitConnections { .. }) => {
            wants.sockets = node();
            wants.ready = others();
            wants.cluster = Some(Duration::from_secs(1));
        }
        Some(Action::Standby) => {
            wants.sockets = node();
            wants.ready = others();
            // Before the change a look of the last second will do; after it every look counts.
            let changed = state.attempts.iter().any(|a| state.current() == Some(a.step));
            wants.cluster = Some(if changed { Duration::ZERO } else { Duration::from_secs(1) });
        }
        Some(Action::VerifyStopped { .. } | Action::VerifyStarted { .. }) => {
            wants.cluster = Some(Duration::ZERO);
            wants.units = node();
        }
        Some(Action::StopUnits { .. } | Action::StartUnits { .. }) => wants.units = node(),
        Some(Action::Unstandby { .. }) => wants.cluster = Some(Duration::ZERO),
        Some(Action::AwaitReady { .. } | Action::ReadmitRoutes { .. }) => {
            wants.ready = node();
            wants.cluster = Some(Duration::from_secs(1));
        }
    }
    wants
}

/// Time until the next look: tight at first, since most waits are short; up to a second when a wait gets long, since
/// nobody should be asked ten times a second for ten minutes. Close to its end a wait is tight again. A stop or a start
/// usually ends within three seconds, and a cluster that did not change answers cheaply: it is asked more often.
pub fn pause(
    plan: &Plan,
    state: &RunState,
    poll: Duration,
    ends_in: Option<Duration>,
    now: jiff::Timestamp,
) -> Duration {
    let waited = age(now, state.armed_at);
    let action = state.current().and_then(|step| plan.action(step));
    let verifies = matches!(action, Some(Action::VerifyStopped { .. } | Action::VerifyStarted { .. }));
    match ends_in {
        Some(left) => left.clamp(Duration::from_millis(1), poll),
        None if verifies && waited < SOON => poll.min(OFTEN),
        None => (waited / 20).clamp(poll, Duration::from_secs(1).max(poll)),
    }
}

/// Time within which a unit usually stops or starts, as the cluster records it.
const SOON: Duration = Duration::from_secs(3);
/// Time between two looks until then.
const OFTEN: Duration = Duration::from_millis(25);
