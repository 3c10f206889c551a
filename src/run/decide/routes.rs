//! Taking members out of routes, and keeping them out until the run is past them.

use super::{Progress, Situation, follow::follow};
use crate::{
    journal::Event,
    model::{Admission, Before, Desired, Effect, Exact, RouteTarget, topology::Role},
    plan::{
        Action,
        gates::{Answer, Gate},
    },
    run::{
        state::{Attempt, Outcome},
        waiting::Waiting,
    },
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
    if target.role == Role::Follower {
        return follow(s, target, false);
    }
    let (member, others) = match (s.look.member(target), s.look.others_serving(target)) {
        (Ok(member), Ok(others)) => (member, others),
        (Err(waiting), _) | (_, Err(waiting)) => return Progress::wait(waiting),
    };
    if others == 0 && member.admission == Admission::Serving {
        return Progress::wait(Waiting::Gate { gate: last_route(target) });
    }
    if let Some(why) = member.refuses_drain.as_ref().filter(|_| member.admission == Admission::Serving) {
        return Progress::wait(Waiting::Gate { gate: fails_open(target, why) });
    }
    let before = Before::Route {
        route: target.route.clone(),
        instance: target.instance.clone(),
        server: target.server.clone(),
        weight: member.weight,
        serving: member.admission == Admission::Serving,
        linger: member.linger,
        exact: member.exact.clone(),
    };
    let mut progress = s.pursue(step, effect(target, Desired::Drained), Some(before));
    progress.records.extend(changed(s, target, &member.exact, &progress));
    progress
}

/// What is kept as the state to put back is not what the plan saw: another hand was there first, and is not hidden.
fn changed(s: &Situation<'_>, target: &RouteTarget, now: &Exact, progress: &Progress) -> Option<Event> {
    let keeps = progress.acts.iter().any(|act| act.receipt.is_some())
        || progress.records.iter().any(|event| matches!(event, Event::AlreadySo { .. }));
    let planned = &s.plan.found.iter().find(|found| found.target == *target)?.exact;
    let told = s.state.changed.get(target).unwrap_or(planned);
    let event = || Event::Changed { target: target.clone(), planned: planned.clone(), now: now.clone() };
    (keeps && told != now).then(event)
}

/// Sends clients that are bound to the node elsewhere.
pub(super) fn close(s: &Situation<'_>, step: usize, targets: &[RouteTarget]) -> Progress {
    let mut progress = Progress::default();
    for target in targets {
        progress.merge(s.pursue(step, effect(target, Desired::Closed), None));
    }
    progress
}

fn fails_open(target: &RouteTarget, why: &str) -> Gate {
    Gate::new(
        "fails-open",
        Answer::Hold,
        format!("{} ({}) would not be drained of {}: {why}", target.instance, target.route, target.server),
    )
    .remedy("bring other members of that route into service, or change its threshold")
}

fn last_route(target: &RouteTarget) -> Gate {
    Gate::new(
        "last-route",
        Answer::Hold,
        format!(
            "{} is now the last server of {} ({}) that takes clients; it stays in until another one does",
            target.server, target.instance, target.route
        ),
    )
    .remedy("bring another server of that backend into service")
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
        Action::DrainRoutes { targets, .. } if step < current => {
            Some(targets.iter().filter(|target| !put_back(s, target, step, current)).collect())
        }
        Action::ReadmitRoutes { readmissions, .. } if step > current && leaves_standby(s) => {
            Some(readmissions.iter().filter(|r| r.serving).map(|r| &r.target).collect())
        }
        _ => None,
    }
}

/// Whether a step after that which drained it, up to the present one, lets the member in again.
fn put_back(s: &Situation<'_>, target: &RouteTarget, drained: usize, current: usize) -> bool {
    s.plan.steps.iter().take(current + 1).skip(drained + 1).any(|step| match &step.action {
        Action::ReadmitRoutes { readmissions, followers, .. } => {
            readmissions.iter().map(|r| &r.target).chain(followers.iter().map(|f| &f.target)).any(|t| t == target)
        }
        _ => false,
    })
}

/// Whether the plan starts what was stopped: only then must the node's routes be out to begin with.
fn leaves_standby(s: &Situation<'_>) -> bool {
    let starts = |action: &Action| matches!(action, Action::Unstandby { .. } | Action::StartUnits { .. });
    s.plan.steps.iter().any(|step| starts(&step.action))
}

fn keep_out(s: &Situation<'_>, step: usize, target: &RouteTarget) -> Progress {
    let member = match s.look.member(target) {
        Ok(member) => member,
        Err(waiting) => return Progress::wait(waiting),
    };
    if member.admission != Admission::Serving {
        return Progress::default();
    }
    if target.role == Role::Follower {
        return follow(s, target, false);
    }
    let effect = effect(target, Desired::Drained);
    let attempt = s.state.attempt(step, &effect);
    let saw = format!("serving again with weight {}", member.weight);
    if s.state.overruled.contains_key(target) {
        return Progress::default();
    }
    if attempt.is_some_and(|a| by_another_hand(s, target, a)) {
        return Progress::record(Event::Overruled { target: target.clone(), saw });
    }
    let mut progress = s.pursue(step, effect.clone(), None);
    if attempt.is_none_or(|a| a.outcome == Outcome::Acknowledged) && !progress.acts.is_empty() {
        progress.records.push(Event::Reasserted { target: target.clone(), saw });
    }
    progress
}

/// The process that acknowledged it shows it no longer: no reload forgot it, somebody changed it. Who insists has
/// been asked already.
fn by_another_hand(s: &Situation<'_>, target: &RouteTarget, attempt: &Attempt) -> bool {
    let now = s.look.instance(&target.route, &target.instance).ok().map(|view| view.generation.as_str());
    attempt.outcome == Outcome::Acknowledged
        && attempt.generation.is_some()
        && attempt.generation.as_deref() == now
        && !s.state.insisted.contains(target)
}
