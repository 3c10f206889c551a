//! Standby and units: the cluster's half of the job.

use super::{Progress, Situation};
use crate::{
    journal::Event,
    model::{Before, ClusterView, Effect, Leave, Ownership, UnitName, topology::Listener},
    plan::{
        Action,
        gates::{Answer, Gate},
        steps::{ClusterUnit, ReadyWait},
    },
    run::{
        gate::standby_permit,
        look::is_running,
        waiting::{MAX_LISTED, Waiting},
    },
};

/// Our standby of the plan's node, or what the request asks for instead.
pub(in crate::run) fn standby_effect(s: &Situation<'_>) -> Effect {
    Effect::Standby {
        node: s.plan.node().clone(),
        owner: Ownership {
            // Whoever stood in leaves by the name of the run by which it came, however often it is asked to.
            run: s.plan.origin.as_ref().unwrap_or(s.run).clone(),
            operator: s.plan.request.operator.clone(),
            reason: s.plan.request.reason.clone(),
        },
        leave: s.plan.request.leave.clone(),
    }
}

/// Standby, behind the gate. Traffic that came back opens the wait for connections again.
pub(super) fn standby(s: &Situation<'_>, step: usize) -> Progress {
    let effect = standby_effect(s);
    let cluster = match s.look.cluster() {
        Ok(cluster) => cluster,
        Err(waiting) => return Progress::wait(waiting),
    };
    let member = cluster.nodes.get(s.plan.node());
    let attribute = match s.plan.request.leave {
        Leave::Standby => member.and_then(|m| m.standby_attribute.clone()),
        Leave::Maintenance => member.and_then(|m| m.maintenance_attribute.clone()),
        Leave::StandbyUntilRestart | Leave::Ban { .. } | Leave::Adopt { .. } | Leave::Release { .. } => None,
    };
    behind_the_gate(s, s.pursue(step, effect, Some(Before::Standby { attribute })))
}

/// What stops the service is only done where nobody is connected any more, by a look of this moment.
fn behind_the_gate(s: &Situation<'_>, progress: Progress) -> Progress {
    if progress.acts.is_empty() {
        return progress;
    }
    match standby_permit(s.plan, s.state, &s.look, s.settings, s.topology) {
        Ok(_) => progress,
        Err(missing) => {
            let lost = missing.iter().find_map(|w| match w {
                Waiting::Connections(c) => Some((c.listener.clone(), c.total)),
                _ => None,
            });
            match lost {
                Some((listener, residual)) => {
                    let step = wait_of(s, &listener);
                    Progress::record(Event::DrainLost { step, listener, residual })
                }
                None => Progress { waits: missing.into_iter().take(MAX_LISTED).collect(), ..Progress::default() },
            }
        }
    }
}

/// The step that waits for the connections of a listener.
fn wait_of(s: &Situation<'_>, listener: &Listener) -> Option<usize> {
    let waits = |action: &Action| match action {
        Action::AwaitConnections { services } => services.iter().any(|w| w.listener == *listener),
        _ => false,
    };
    s.plan.steps.iter().position(|step| waits(&step.action))
}

/// The cluster recorded the stop, and systemd says the same.
pub(super) fn stopped(s: &Situation<'_>, units: &[ClusterUnit]) -> Progress {
    let node = s.plan.node();
    let cluster = match s.look.cluster() {
        Ok(cluster) => cluster,
        Err(waiting) => return Progress::wait(waiting),
    };
    let mut waits = Vec::new();
    match s.look.shows(&standby_effect(s), None) {
        Ok(true) => {}
        Ok(false) => waits.push(Waiting::Gate { gate: standby_lost(s) }),
        Err(waiting) => waits.push(waiting),
    }
    for unit in units {
        for instance in
            cluster.instances_on(&unit.resource, node).filter(|i| i.active || i.failed || i.pending.is_some())
        {
            let says = if instance.failed {
                "failed".into()
            } else {
                instance.pending.clone().unwrap_or("still active".into())
            };
            waits.push(Waiting::NotStopped { node: node.clone(), resource: unit.resource.clone(), says });
        }
        match s.look.unit(node, &unit.unit) {
            Ok(view) if !is_running(view) => {}
            Ok(view) => waits.push(Waiting::Unit {
                node: node.clone(),
                unit: unit.unit.clone(),
                state: format!("{} ({})", view.active, view.sub),
                wanted: "inactive",
            }),
            Err(waiting) => waits.push(waiting),
        }
    }
    if waits.is_empty()
        && let Some(progress) = compared(s, cluster)
    {
        return progress;
    }
    Progress { waits, ..Progress::default() }
}

/// Allows a clone another number of instances.
pub(super) fn resize(s: &Situation<'_>, step: usize, resource: &str, from: &str, to: &str) -> Progress {
    let effect = Effect::Resize { resource: resource.to_owned(), from: from.to_owned(), to: to.to_owned() };
    s.pursue(step, effect, Some(Before::Clone { resource: resource.to_owned(), instances: from.to_owned() }))
}

/// What the cluster did is compared with what it had rehearsed, once it is at rest where that matters.
fn compared(s: &Situation<'_>, cluster: &ClusterView) -> Option<Progress> {
    let rehearsal = s.plan.rehearsal.as_ref()?;
    if rehearsal.after.is_empty() || cluster.resources.is_empty() || !s.state.unrehearsed.is_empty() {
        return None;
    }
    let differences = rehearsal.differences(&cluster.resources);
    if differences.is_empty() {
        return None;
    }
    if !cluster.transition {
        return Some(Progress::record(Event::Unrehearsed { differences }));
    }
    Some(Progress::wait(Waiting::Gate {
        gate: Gate::new(
            "transition",
            Answer::Hold,
            format!("the cluster is still at work: {}", differences.join("; ")),
        ),
    }))
}

fn standby_lost(s: &Situation<'_>) -> Gate {
    let node = s.plan.node();
    Gate::new(
        "node-state",
        Answer::Hold,
        format!("{node} is not {} any more, by another hand; its routes stay drained", s.plan.request.leave.state()),
    )
    .remedy(format!("`tidegate abort {}` brings its traffic back", s.run))
}

/// Stops units outside the cluster, one after the other.
pub(super) fn stop_units(s: &Situation<'_>, step: usize, units: &[UnitName]) -> Progress {
    let node = s.plan.node();
    one_by_one(units, |unit| {
        let active = match s.look.unit(node, unit) {
            Ok(view) => is_running(view),
            Err(waiting) => return Progress::wait(waiting),
        };
        let effect = Effect::StopUnit { node: node.clone(), unit: unit.clone() };
        let progress = s.pursue(step, effect, Some(Before::Unit { unit: unit.clone(), active }));
        // Elsewhere these units stop after standby, and carry no traffic any more.
        if s.plan.request.leave.changes_keeper() { behind_the_gate(s, progress) } else { progress }
    })
}

/// Starts units outside the cluster, one after the other.
pub(super) fn start_units(s: &Situation<'_>, step: usize, units: &[UnitName]) -> Progress {
    let node = s.plan.node();
    one_by_one(units, |unit| s.pursue(step, Effect::StartUnit { node: node.clone(), unit: unit.clone() }, None))
}

/// Has systemd start units at boot, or no longer.
pub(super) fn enable_units(s: &Situation<'_>, step: usize, units: &[UnitName], enabled: bool) -> Progress {
    let node = s.plan.node();
    one_by_one(units, |unit| {
        let before = match s.look.unit(node, unit) {
            Ok(view) => view.is_enabled(),
            Err(waiting) => return Progress::wait(waiting),
        };
        let effect = Effect::EnableUnit { node: node.clone(), unit: unit.clone(), enabled };
        s.pursue(step, effect, Some(Before::UnitFile { unit: unit.clone(), enabled: before }))
    })
}

fn one_by_one(units: &[UnitName], mut go: impl FnMut(&UnitName) -> Progress) -> Progress {
    units.iter().map(&mut go).find(|p| !p.is_proven()).unwrap_or_default()
}

/// Takes our own standby away.
pub(super) fn unstandby(s: &Situation<'_>, step: usize, attribute: Option<String>) -> Progress {
    let Some(owner) = s.plan.origin.clone() else {
        return Progress::wait(Waiting::Gate { gate: not_ours(s) });
    };
    let leave = s.plan.request.leave.clone();
    s.pursue(step, Effect::Unstandby { node: s.plan.node().clone(), owner, attribute, leave }, None)
}

fn not_ours(s: &Situation<'_>) -> Gate {
    Gate::new(
        "ours",
        Answer::Refuse,
        format!("the plan names no drain whose standby of {} it could undo", s.plan.node()),
    )
}

/// Once out of standby, the node stays out of it while it is brought back: our own standby that shows again (a change
/// that arrived late, an answer that was old) is undone again; anybody else's is respected.
pub(super) fn keep_in(s: &Situation<'_>, current: usize) -> Progress {
    let earlier = s.plan.steps.iter().enumerate().find_map(|(step, x)| match &x.action {
        Action::Unstandby { attribute, .. } if step < current => Some((step, attribute.clone())),
        _ => None,
    });
    let (Some((step, attribute)), Some(origin)) = (earlier, s.plan.origin.as_ref()) else {
        return Progress::default();
    };
    let cluster = match s.look.cluster() {
        Ok(cluster) => cluster,
        Err(waiting) => return Progress::wait(waiting),
    };
    let banned = match &s.plan.request.leave {
        Leave::Ban { resource, .. } => cluster.ban(resource, s.plan.node()) == Some(origin),
        _ => false,
    };
    match cluster.nodes.get(s.plan.node()) {
        Some(_) if banned => unstandby(s, step, attribute),
        Some(member) if member.owner.as_ref().is_some_and(|o| &o.run == origin) => unstandby(s, step, attribute),
        Some(member) if !member.usable() => Progress::wait(Waiting::Gate { gate: unusable(s) }),
        Some(_) => Progress::default(),
        None => Progress::wait(Waiting::Gate { gate: unusable(s) }),
    }
}

fn unusable(s: &Situation<'_>) -> Gate {
    let node = s.plan.node();
    Gate::new(
        "node-state",
        Answer::Hold,
        format!("{node} is in standby by another hand, in maintenance, or not online; it gets no traffic"),
    )
    .remedy("`crm_mon -1 -A` shows its state")
}

/// The cluster finished the start, and systemd says the same.
pub(super) fn started(s: &Situation<'_>, units: &[ClusterUnit]) -> Progress {
    let node = s.plan.node();
    let cluster = match s.look.cluster() {
        Ok(cluster) => cluster,
        Err(waiting) => return Progress::wait(waiting),
    };
    let mut waits = Vec::new();
    for unit in units {
        let mut instances = cluster.instances_on(&unit.resource, node).peekable();
        let says = match instances.peek() {
            None => Some("no instance there yet".to_owned()),
            Some(i) if i.failed => Some("failed".to_owned()),
            Some(i) if !i.started() => Some(i.pending.clone().unwrap_or("not active".into())),
            Some(_) => None,
        };
        if let Some(says) = says {
            waits.push(Waiting::NotStarted { node: node.clone(), resource: unit.resource.clone(), says });
        }
        match s.look.unit(node, &unit.unit) {
            Ok(view) if view.is_active() => {}
            Ok(view) => waits.push(Waiting::Unit {
                node: node.clone(),
                unit: unit.unit.clone(),
                state: format!("{} ({})", view.active, view.sub),
                wanted: "active",
            }),
            Err(waiting) => waits.push(waiting),
        }
    }
    Progress { waits, ..Progress::default() }
}

/// The services answer as ready, often enough in a row.
pub(super) fn ready(s: &Situation<'_>, services: &[ReadyWait]) -> Progress {
    let waits = services.iter().filter_map(|wait| {
        let streak = s.streaks.ready(&wait.service);
        let passed = streak.map_or(0, |r| r.passed);
        (passed < wait.healthy).then(|| Waiting::NotReady {
            node: s.plan.node().clone(),
            service: wait.service.clone(),
            reason: streak.and_then(|r| r.reason.clone()),
            passed,
            needed: wait.healthy,
        })
    });
    Progress { waits: waits.collect(), ..Progress::default() }
}
