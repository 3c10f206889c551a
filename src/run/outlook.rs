//! What state a run leaves its node in, and the next command: the end of every error and of every hold.

use super::state::{Attempt, Outcome, RunState, Status};
use crate::{
    journal::Ending,
    model::{Desired, Effect, RunId},
    plan::{Action, Plan, Purpose},
};

/// The node's state in one or two sentences, from what the journal knows; what is in doubt is said to be so.
pub fn node_state(plan: &Plan, state: &RunState) -> String {
    let node = plan.node();
    if plan.request.purpose == Purpose::Retire && matches!(state.status, Status::Ended { ending: Ending::Done }) {
        return format!("{node} stands in no longer: its routes, and how many instances run, are as before.");
    }
    let routing = match routing(plan, state) {
        Routing::Untouched => format!("{node} has its traffic as before"),
        Routing::Out => format!("{node} gets no new clients"),
        Routing::Partly => format!("{node} is out of some routes only"),
        Routing::Back if plan.request.purpose == Purpose::StandIn => format!("{node} takes clients"),
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
    let (mut tiers, mut back, mut begun) = (0, 0, false);
    for (step, action) in plan.steps.iter().enumerate() {
        match &action.action {
            Action::DrainRoutes { targets, .. } => {
                all += targets.len();
                done += if state.is_done(step) { targets.len() } else { routes_drained(state, step) };
            }
            Action::ReadmitRoutes { .. } => {
                tiers += 1;
                back += usize::from(state.is_done(step));
                begun |= readmission_begun(state, step);
            }
            _ => {}
        }
    }
    match (plan.request.purpose, done) {
        (Purpose::Restore, _) if tiers > 0 && back == tiers => Routing::Back,
        (Purpose::Restore, _) if begun => Routing::Partly,
        (Purpose::Restore, _) => Routing::Out,
        (Purpose::StandIn, _) if tiers > 0 && back == tiers => Routing::Back,
        (Purpose::StandIn | Purpose::Retire, _) if begun => Routing::Partly,
        (_, 0) => Routing::Untouched,
        (_, done) if done == all => Routing::Out,
        _ => Routing::Partly,
    }
}

/// Whether any instance may send clients again: one that accepted is enough, and what is in doubt may have happened.
fn readmission_begun(state: &RunState, step: usize) -> bool {
    let serving =
        |e: &Effect| matches!(e, Effect::Route { desired: Desired::Serving { .. } | Desired::Exactly { .. }, .. });
    let may_have = |a: &Attempt| a.step == step && serving(&a.effect) && !a.changed_nothing();
    state.is_done(step) || state.attempts.iter().any(may_have)
}

fn routes_drained(state: &RunState, step: usize) -> usize {
    let drained = |e: &Effect| matches!(e, Effect::Route { desired: Desired::Drained, .. });
    state.attempts.iter().filter(|a| a.step == step && drained(&a.effect) && !a.changed_nothing()).count()
}

fn cluster(plan: &Plan, state: &RunState) -> String {
    let attempt = |wanted: fn(&Effect) -> bool| state.attempts.iter().find(|a| wanted(&a.effect)).map(|a| &a.outcome);
    let standby = attempt(|e| matches!(e, Effect::Standby { .. }));
    let unstandby = attempt(|e| matches!(e, Effect::Unstandby { .. }));
    let stopped = |wanted: fn(&Action) -> bool| {
        plan.steps.iter().position(|s| wanted(&s.action)).is_some_and(|step| state.is_done(step))
    };
    let leave = &plan.request.leave;
    let (out, units) = (leave.state(), leave.service().map_or("its units".to_owned(), |s| format!("{s} there")));
    match (plan.request.purpose, standby, unstandby) {
        (Purpose::Drain, None, _) => format!("it is not {out} and runs {units}"),
        (Purpose::Drain, Some(Outcome::Acknowledged), _) if !leave.stops_units() => format!("it is {out}"),
        (Purpose::Drain, Some(Outcome::Acknowledged), _) if stopped(|a| matches!(a, Action::VerifyStopped { .. })) => {
            let verb = if leave.service().is_some() { "is" } else { "are" };
            format!("it is {out} and {units} {verb} stopped")
        }
        (Purpose::Drain, Some(Outcome::Acknowledged), _) => format!("it is {out}; {units} may still be stopping"),
        (Purpose::Drain, Some(_), _) => format!("whether it is {out} is not known"),
        (Purpose::Restore, _, None) if plan.steps.iter().any(|s| matches!(s.action, Action::Unstandby { .. })) => {
            format!("it is still {out}")
        }
        (Purpose::Restore, _, Some(Outcome::Acknowledged)) if stopped(|a| matches!(a, Action::AwaitReady { .. })) => {
            format!("it runs {units} and is ready")
        }
        (Purpose::Restore, _, Some(Outcome::Acknowledged)) => {
            format!("it is not {out} any more; {units} may still be starting")
        }
        (Purpose::Restore, _, Some(_)) => format!("whether it is still {out} is not known"),
        (Purpose::StandIn | Purpose::Retire, ..) => standing(plan, state),
        (Purpose::Restore | Purpose::Withhold, ..) => "the cluster was not touched by this run".into(),
    }
}

/// Of an instance that stands in, or did.
fn standing(plan: &Plan, state: &RunState) -> String {
    let service = plan.request.leave.service().map_or("the service".to_owned(), ToString::to_string);
    let done = |wanted: fn(&Action) -> bool| {
        plan.steps.iter().position(|s| wanted(&s.action)).is_some_and(|step| state.is_done(step))
    };
    let begun = state.attempts.iter().any(|a| matches!(a.effect, Effect::Resize { .. }));
    let banned = state.attempts.iter().any(|a| matches!(a.effect, Effect::Standby { .. }));
    match plan.request.purpose {
        Purpose::StandIn if done(|a| matches!(a, Action::AwaitReady { .. })) => {
            format!("{service} stands in there and is ready")
        }
        Purpose::StandIn if begun => format!("{service} may be starting there"),
        Purpose::StandIn => format!("{service} does not run there"),
        _ if done(|a| matches!(a, Action::VerifyStopped { .. })) => format!("{service} is stopped there"),
        _ if banned => format!("{service} may still be stopping there"),
        _ => format!("{service} still stands in there"),
    }
}

/// What a person can do next.
pub fn next_command(run: &RunId, plan: &Plan, state: &RunState) -> String {
    let node = plan.node();
    match &state.status {
        Status::Ended { ending: Ending::Done } if plan.request.purpose == Purpose::StandIn => {
            "`tidegate drain NODE` goes on with the node that it stands in for".into()
        }
        Status::Ended { ending: Ending::Aborted { undo: None, .. } } if plan.request.purpose == Purpose::StandIn => {
            "`tidegate status` shows its share".into()
        }
        Status::Ended { ending: Ending::Done }
            if matches!(plan.request.purpose, Purpose::Restore | Purpose::Retire) =>
        {
            "`tidegate status` shows its share".into()
        }
        Status::Ended { ending: Ending::Aborted { undo: None, .. } } if plan.request.purpose == Purpose::Drain => {
            "`tidegate status` shows its share".into()
        }
        Status::Ended { ending: Ending::Done | Ending::Aborted { .. } } => {
            format!("`tidegate restore {node}` brings it back")
        }
        Status::Ended { ending: Ending::Stuck { .. } } => {
            format!("see `tidegate show {run}`, mend it, then `tidegate abort {run} --acknowledge`")
        }
        Status::Ended { ending: Ending::Acknowledged { .. } } => {
            format!("`tidegate status` shows its state, `tidegate restore {node}` puts back what is left to put back")
        }
        Status::Open | Status::Active | Status::Held { .. } | Status::Aborting { .. } => {
            format!("`tidegate resume {run}` goes on, `tidegate abort {run}` puts everything back")
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        journal::{Event, Record},
        model::{Exact, NodeName, RouteTarget, topology::Role},
        plan::{Request, Step, steps::Readmission},
    };

    fn readmission(instance: &str) -> Readmission {
        Readmission {
            target: RouteTarget {
                route: "web/haproxy:app".into(),
                instance: instance.into(),
                server: "node-2".into(),
                service: "app".into(),
                role: Role::Driven,
            },
            serving: true,
            first: false,
            weight: 100,
            exact: Exact::default(),
            ramp: vec![100],
            dwell: std::time::Duration::ZERO,
            max_error_ratio: 0.0,
        }
    }

    fn restore(steps: Vec<Action>) -> Plan {
        Plan {
            request: Request {
                purpose: Purpose::Restore,
                node: NodeName::new("node-2"),
                operator: "ann".into(),
                reason: "test".into(),
                overrides: Vec::new(),
                leave: Default::default(),
            },
            found: Vec::new(),
            rehearsal: None,
            parent: None,
            origin: None,
            made_at: Timestamp::UNIX_EPOCH,
            fingerprint: String::new(),
            steps: steps.into_iter().map(|action| Step { action }).collect(),
            warnings: Vec::new(),
        }
    }

    fn after(plan: &Plan, events: Vec<Event>) -> String {
        let record = |(n, event)| Record { seq: n, at: Timestamp::UNIX_EPOCH, token: 1, event, hash: String::new() };
        let records: Vec<Record> = (1..).zip(events).map(record).collect();
        node_state(plan, &RunState::fold(plan, &records).expect("it fits"))
    }

    #[test]
    fn clients_may_come_from_the_first_readmission_on_and_do_when_every_tier_is_done() {
        let tier = |tier, instance| Action::ReadmitRoutes {
            tier,
            readmissions: vec![readmission(instance)],
            followers: Vec::new(),
        };
        let plan = restore(vec![tier(20, "lb-1"), tier(10, "edge-1")]);
        let begun = vec![Event::Taken { by: "ann".into() }, Event::StepBegun { step: 0 }];
        assert!(after(&plan, begun.clone()).contains("gets no new clients"));

        let effect = Effect::Route {
            route: "web/haproxy:app".into(),
            instance: "lb-1".into(),
            server: "node-2".into(),
            desired: Desired::Exactly { exact: Exact::default() },
        };
        let mut events = [begun, vec![Event::Intended { step: 0, effect: effect.clone(), receipt: None }]].concat();
        assert!(
            after(&plan, events.clone()).contains("out of some routes only"),
            "an effect in doubt may have happened"
        );

        let refused =
            |error: &str| Event::NotAccepted { step: 0, effect: effect.clone(), error: error.into(), refused: true };
        let said_no = [events.clone(), vec![refused("no")]].concat();
        assert!(after(&plan, said_no).contains("gets no new clients"), "what was refused changed nothing");
        let again = vec![Event::Accepted { step: 0, effect: effect.clone() }, events[2].clone(), refused("no")];
        let said_yes_before = [events.clone(), again].concat();
        assert!(after(&plan, said_yes_before).contains("out of some routes only"), "what was accepted may have");

        events.push(Event::StepDone { step: 0 });
        assert!(after(&plan, events.clone()).contains("out of some routes only"), "one of two tiers");
        events.extend([Event::StepBegun { step: 1 }, Event::StepDone { step: 1 }]);
        assert!(after(&plan, events).contains("has its traffic again"));
    }
}
