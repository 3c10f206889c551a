//! What each step needs to see, and how often: enough to decide, no more than the systems should be asked.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use jiff::Timestamp;

use super::{state::RunState, streaks::Streaks};
use crate::{
    model::{Holder, Leave, NodeName, Topology, observed::age},
    plan::{Action, Plan, Request, steps::ConnectionWait},
};

/// What is to be looked at; everything else keeps the age that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The cluster, where it was last seen longer ago than this.
    pub cluster: Option<Duration>,
    /// What the cluster would do if this node left so, where that was asked longer ago than this.
    pub rehearsal: Option<(NodeName, Leave, Duration)>,
    /// Alerts, where they were asked for longer ago than this.
    pub alerts: Option<Duration>,
    /// All instances of all routes.
    pub routes: bool,
    /// Sockets on these nodes, at every port where clients may be.
    pub sockets: BTreeSet<NodeName>,
    /// Units on these nodes.
    pub units: BTreeSet<NodeName>,
    /// Readiness of these nodes, as often as each service's interval says.
    pub ready: BTreeSet<NodeName>,
    /// Connections that ended lately, on a node at a port, where they were looked at longer ago than this.
    pub ended: Vec<(NodeName, u16, Duration)>,
    /// Connections one by one. Nothing waits for these answers: they are there when they are there.
    pub listings: Vec<Wanted>,
}

/// A list of connections that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who holds them.
    pub held: Holder,
    /// Which sockets, on a node.
    pub peers: Vec<SocketAddr>,
    /// Age from which a list is asked for again.
    pub staleness: Duration,
}

impl Wants {
    /// Everything, of every node.
    pub fn everything(topology: &Topology) -> Self {
        let nodes: BTreeSet<NodeName> = topology.nodes.iter().cloned().collect();
        Self {
            cluster: Some(Duration::ZERO),
            rehearsal: None,
            alerts: None,
            routes: true,
            sockets: nodes.iter().chain(&topology.outside).cloned().collect(),
            units: nodes.clone(),
            ready: nodes,
            ended: Vec::new(),
            listings: Vec::new(),
        }
    }

    /// With a rehearsal of what a drain asks of the cluster, and the alerts that may stand in its way.
    pub fn rehearsing(mut self, request: &Request, topology: &Topology) -> Self {
        let has_one = request.purpose.leaves() && topology.nodes.contains(&request.node);
        self.rehearsal = has_one.then(|| (request.node.clone(), request.leave.clone(), Duration::ZERO));
        self.alerts = request.purpose.leaves().then_some(Duration::ZERO);
        self
    }
}

/// What the next decision of a run depends on.
pub fn wants(plan: &Plan, state: &RunState, topology: &Topology) -> Wants {
    let node = || BTreeSet::from([plan.node().clone()]);
    let others = || topology.nodes.iter().filter(|n| *n != plan.node()).cloned().collect::<BTreeSet<NodeName>>();
    let leave = &plan.request.leave;
    let rehearsal = || topology.nodes.contains(plan.node()).then(|| (plan.node().clone(), leave.clone(), REHEARSED));
    let action = state.current().and_then(|step| plan.action(step));
    let mut wants = Wants { routes: true, ..Wants::default() };
    match action {
        None => {}
        Some(Action::DrainRoutes { .. } | Action::CloseRoutes { .. }) if plan.request.purpose.leaves() => {
            wants.sockets = node();
            wants.ready = others();
        }
        Some(Action::DrainRoutes { .. } | Action::CloseRoutes { .. } | Action::RequireFreshChecks { .. }) => {}
        // The cluster is looked at ahead, so that the gate before standby need not wait for it.
        Some(Action::AwaitConnections { .. }) => {
            wants.sockets = node();
            wants.ready = others();
            wants.cluster = Some(Duration::from_secs(1));
            wants.rehearsal = rehearsal();
            wants.alerts = Some(REHEARSED);
        }
        Some(Action::Standby { .. }) => {
            wants.rehearsal = rehearsal();
            wants.alerts = Some(REHEARSED);
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
        // The unit that systemd runs is stopped as others are by standby: behind the same gate.
        Some(Action::StopUnits { .. }) if leave.changes_keeper() => {
            wants.rehearsal = rehearsal();
            (wants.sockets, wants.units, wants.ready) = (node(), node(), others());
            wants.cluster = Some(Duration::from_secs(1));
        }
        Some(Action::StopUnits { .. } | Action::EnableUnits { .. } | Action::StartUnits { .. }) => wants.units = node(),
        Some(Action::Unstandby { .. } | Action::Resize { .. }) => wants.cluster = Some(Duration::ZERO),
        Some(Action::AwaitReady { .. } | Action::ReadmitRoutes { .. }) => {
            wants.ready = node();
            wants.cluster = Some(Duration::from_secs(1));
        }
    }
    wants
}

/// The lists that a wait for connections is worth: only while something is left, after a moment (most are gone by then),
/// and seldom, since a list costs a load balancer more than a count. Close to the deadline a fresh one is wanted once,
/// for the journal.
pub fn listings(plan: &Plan, state: &RunState, streaks: &Streaks, now: Timestamp) -> Vec<Wanted> {
    let Some(Action::AwaitConnections { services }) = state.current().and_then(|step| plan.action(step)) else {
        return Vec::new();
    };
    let mut wanted = Vec::new();
    for wait in services.iter().filter(|w| !state.releases.contains_key(&w.listener)) {
        let Some(lasting) = streaks.lasting(&wait.listener) else { continue };
        let left = wait.policy.deadline.saturating_sub(age(now, state.armed_at));
        let last_chance = left <= LAST_CHANCE;
        if !last_chance && lasting.busy_for(now).is_none_or(|busy| busy < A_MOMENT) {
            continue;
        }
        let staleness = if last_chance { JUST_NOW } else { SELDOM };
        wanted.extend(lasting.holders().iter().map(|(held, peers)| Wanted {
            held: held.clone(),
            peers: peers.clone(),
            staleness,
        }));
    }
    wanted
}

/// Where it is to be looked at who ended lately: while nothing is seen any more, and clients may come that nobody counts.
/// Four times while it settles, and at its end.
pub fn ended(plan: &Plan, state: &RunState, streaks: &Streaks, now: Timestamp) -> Vec<(NodeName, u16, Duration)> {
    let Some(Action::AwaitConnections { services }) = state.current().and_then(|step| plan.action(step)) else {
        return Vec::new();
    };
    let open = services.iter().filter(|w| w.needs_ended() && !state.releases.contains_key(&w.listener));
    let empty = open.filter(|w| streaks.lasting(&w.listener).is_some_and(|lasting| lasting.is_empty()));
    let due = |wait: &ConnectionWait| {
        let settle = wait.policy.settle;
        let left = settle.saturating_sub(streaks.quiet_for(&wait.listener, now).unwrap_or_default());
        (settle / 4).min(left).clamp(Duration::from_millis(50), Duration::from_secs(1))
    };
    empty.map(|wait| (wait.node.clone(), wait.port, due(wait))).collect()
}

/// Age up to which a rehearsal and the alerts are good enough right before standby. A short drain so goes by that of its plan.
const REHEARSED: Duration = Duration::from_secs(5);
/// Time that connections get before anybody asks who they are.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Least time between two lists.
const SELDOM: Duration = Duration::from_secs(2);
/// Time before the deadline from which on one more list is asked for: more than there is between two looks.
const LAST_CHANCE: Duration = Duration::from_millis(1200);
/// Age up to which a list is good enough for the deadline.
const JUST_NOW: Duration = Duration::from_secs(1);

/// Time until the next look: tight at first, since most waits are short; up to a second when a wait gets long, since
/// nobody should be asked ten times a second for ten minutes. Close to its end a wait is tight again. A stop or a start
/// usually ends within three seconds, and a cluster that did not change answers cheaply: it is asked more often.
pub fn pause(plan: &Plan, state: &RunState, poll: Duration, ends_in: Option<Duration>, now: Timestamp) -> Duration {
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
