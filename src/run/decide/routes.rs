//! Taking members out of routes, and keeping them out until the run is past them.

use super::{Progress, Situation};
use crate::{
    journal::Event,
    model::{Admission, Before, Desired, Effect, RouteTarget},
    plan::{
        Action,
        gates::{Answer, Gate},
    },
    run::{state::Outcome, waiting::Waiting},
};

fn effect(target: &RouteTarget, desired: Desired) -> Effect {
    Effect::Route {
        route: target.route.clone(),
        instance: target.instance.clone(),
        server: target.server.clone(),
        desired,
    }
}

/// Drains every target; the last server of an instance is never drained, however the plan saw it.
pub(super) fn drain(s: &Situation<'_>, step: usize, targets: &[RouteTarget]) -> Progress {
    let mut progress = Progress::default();
    for target in targets {
        progress.merge(drain_one(s, step, target));
    }
    progress
}

pub(super) fn drain_one(s: &Situation<'_>, step: usize, target: &RouteTarget) -> Progress {
    let (member, others) = match (s.look.member(target), s.look.others_serving(target)) {
        (Ok(member), Ok(others)) => (member, others),
        (Err(waiting), _) | (_, Err(waiting)) => return Progress::wait(waiting),
    };
    if others == 0 && member.admission == Admission::Serving {
        return Progress::wait(Waiting::Gate { gate: last_route(target) });
    }
    let before = Before::Route {
        route: target.route.clone(),
        instance: target.instance.clone(),
        server: target.server.clone(),
        weight: member.weight,
        serving: member.admission == Admission::Serving,
        exact: member.exact.clone(),
    };
    s.pursue(step, effect(target, Desired::Drained), Some(before))
}

fn last_route(target: &RouteTarget) -> Gate {
    Gate {
        code: "last-route".into(),
        answer: Answer::Hold,
        detail: format!(
            "{} is now the last server of {} ({}) that takes clients; it stays in until another one does",
            target.server, target.instance, target.route
        ),
        remedy: Some("bring another server of that backend into service".into()),
    }
}

/// Makes old check results count no more.
pub(super) fn fresh_checks(s: &Situation<'_>, step: usize, targets: &[RouteTarget]) -> Progress {
    let mut progress = Progress::default();
    for target in targets {
        progress.merge(s.pursue(step, effect(target, Desired::FreshCheck), None));
    }
    progress
}

/// What was drained stays drained: a reload, or another hand, is answered at once. An instance that does not
/// answer stops everything, since nobody knows what it does.
pub(super) fn upkeep(s: &Situation<'_>, current: usize) -> Progress {
    let mut progress = Progress::default();
    for (step, action) in s.plan.steps.iter().enumerate() {
        match action_targets(s, step, &action.action, current) {
            Some(targets) => {
                for target in targets {
                    progress.merge(keep_out(s, step, target));
                }
            }
            None => continue,
        }
    }
    progress
}

/// The members that must be out while step `current` is under way: those drained before it, and those that a later
/// step will readmit.
fn action_targets<'a>(
    s: &Situation<'a>,
    step: usize,
    action: &'a Action,
    current: usize,
) -> Option<Vec<&'a RouteTarget>> {
    match action {
        Action::DrainRoutes { targets, .. } if step < current => Some(targets.iter().collect()),
        Action::ReadmitRoutes { readmissions, .. } if step > current && leaves_standby(s) => {
            Some(readmissions.iter().filter(|r| r.serving).map(|r| &r.target).collect())
        }
        _ => None,
    }
}

/// Whether the plan brings a node back from standby: only then must its routes be out to begin with.
fn leaves_standby(s: &Situation<'_>) -> bool {
    s.plan.steps.iter().any(|step| matches!(step.action, Action::Unstandby { .. }))
}

fn keep_out(s: &Situation<'_>, step: usize, target: &RouteTarget) -> Progress {
    let member = match s.look.member(target) {
        Ok(member) => member,
        Err(waiting) => return Progress::wait(waiting),
    };
    if member.admission != Admission::Serving {
        return Progress::default();
    }
    let effect = effect(target, Desired::Drained);
    let mut progress = s.pursue(step, effect.clone(), None);
    let settled = s.state.attempt(step, &effect).is_none_or(|a| a.outcome == Outcome::Acknowledged);
    if settled && !progress.acts.is_empty() {
        let saw = format!("serving again with weight {}", member.weight);
        progress.records.push(Event::Reasserted { target: target.clone(), saw });
    }
    progress
}
