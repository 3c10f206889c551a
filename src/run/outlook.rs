//! What state a run leaves its node in, and the next command: the end of every error and of every hold.

use super::state::{Outcome, RunState, Status};
use crate::{
    journal::Ending,
    model::{Desired, Effect, RunId},
    plan::{Action, Plan, Purpose},
};

/// The node's state in one or two sentences, from what the journal knows; what is in doubt is said to be so.
pub fn node_state(plan: &Plan, state: &RunState) -> String {
    let node = plan.node();
    let routing = match routing(plan, state) {
        Routing::Untouched => format!("{node} has its traffic as before"),
        Routing::Out => format!("{node} gets no new clients"),
        Routing::Partly => format!("{node} is out of some routes only"),
        Routing::Back => format!("{node} has its traffic again"),
    };
    format!("{routing}; {}.", cluster(plan, state))
}

enum Routing {
    Untouched,
    Out,
    Partly,
    Back,
}

fn routing(plan: &Plan, state: &RunState) -> Routing {
    let (mut all, mut done) = (0, 0);
    for (step, action) in plan.steps.iter().enumerate() {
        match &action.action {
            Action::DrainRoutes { targets, .. } => {
                all += targets.len();
                done += if state.is_done(step) { targets.len() } else { routes_drained(state, step) };
            }
            Action::ReadmitRoutes { .. } if state.is_done(step) => return Routing::Back,
            Action::ReadmitRoutes { .. } if state.ramps.get(&step).is_some_and(|r| r.stage.is_some()) => {
                return Routing::Partly;
            }
            _ => {}
        }
    }
    match (plan.request.purpose, done) {
        (Purpose::Restore, _) => Routing::Out,
        (_, 0) => Routing::Untouched,
        (_, done) if done == all => Routing::Out,
        _ => Routing::Partly,
    }
}

fn routes_drained(state: &RunState, step: usize) -> usize {
    let drained = |e: &Effect| matches!(e, Effect::Route { desired: Desired::Drained, .. });
    state.attempts.iter().filter(|a| a.step == step && drained(&a.effect)).count()
}

fn cluster(plan: &Plan, state: &RunState) -> String {
    let attempt = |wanted: fn(&Effect) -> bool| state.attempts.iter().find(|a| wanted(&a.effect)).map(|a| &a.outcome);
    let standby = attempt(|e| matches!(e, Effect::Standby { .. }));
    let unstandby = attempt(|e| matches!(e, Effect::Unstandby { .. }));
    let stopped = |wanted: fn(&Action) -> bool| {
        plan.steps.iter().position(|s| wanted(&s.action)).is_some_and(|step| state.is_done(step))
    };
    match (plan.request.purpose, standby, unstandby) {
        (Purpose::Drain, None, _) => "it is not in standby and runs its units".into(),
        (Purpose::Drain, Some(Outcome::Acknowledged), _) if stopped(|a| matches!(a, Action::VerifyStopped { .. })) => {
            "it is in standby and its units are stopped".into()
        }
        (Purpose::Drain, Some(Outcome::Acknowledged), _) => "it is in standby; its units may still be stopping".into(),
        (Purpose::Drain, Some(_), _) => "whether it is in standby is not known".into(),
        (Purpose::Restore, _, None) if plan.steps.iter().any(|s| matches!(s.action, Action::Unstandby { .. })) => {
            "it is still in standby".into()
        }
        (Purpose::Restore, _, Some(Outcome::Acknowledged)) if stopped(|a| matches!(a, Action::AwaitReady { .. })) => {
            "it runs its units and is ready".into()
        }
        (Purpose::Restore, _, Some(Outcome::Acknowledged)) => {
            "it is out of standby; its units may still be starting".into()
        }
        (Purpose::Restore, _, Some(_)) => "whether it is still in standby is not known".into(),
        (Purpose::Restore | Purpose::Withhold, ..) => "the cluster was not touched by this run".into(),
    }
}

/// What a person can do next.
pub fn next_command(run: &RunId, plan: &Plan, state: &RunState) -> String {
    let node = plan.node();
    match &state.status {
        Status::Ended { ending: Ending::Done } if plan.request.purpose == Purpose::Restore => {
            "`tidegate status` shows its share".into()
        }
        Status::Ended { ending: Ending::Done | Ending::Aborted { .. } } => {
            format!("`tidegate restore {node}` brings it back")
        }
        Status::Ended { ending: Ending::Stuck { .. } } => {
            format!("see `tidegate show {run}`, mend it, then `tidegate abort {run} --acknowledge`")
        }
        Status::Ended { ending: Ending::Acknowledged { .. } } => "`tidegate status`".into(),
        Status::Open | Status::Active | Status::Held { .. } | Status::Aborting { .. } => {
            format!("`tidegate resume {run}` goes on, `tidegate abort {run}` puts everything back")
        }
    }
}
