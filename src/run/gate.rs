//! The run's own gate: the last look before standby, and the only place where a [`StandbyPermit`] is made.

use super::{
    connected::Connected,
    look::Look,
    proof::{Release, StandbyPermit},
    state::RunState,
    waiting::Waiting,
};
use crate::{
    config::Settings,
    model::Topology,
    plan::{
        Action, Plan,
        gates::{self, Facts},
        planner,
    },
};

/// Grants the permit where every service of the plan was released (drained, or its deadline's policy ended the
/// wait), every route still reads back as drained, and the cluster's gates pass on fresh data. Otherwise says what
/// is missing.
pub fn standby_permit(
    plan: &Plan,
    state: &RunState,
    look: &Look<'_>,
    settings: &Settings,
    topology: &Topology,
) -> Result<StandbyPermit, Vec<Waiting>> {
    let mut missing = Vec::new();
    let mut releases = Vec::new();
    for action in plan.steps.iter().map(|s| &s.action) {
        match action {
            Action::DrainRoutes { targets, .. } => {
                for target in targets {
                    match look.member(target) {
                        Ok(member) if member.admission != crate::model::Admission::Serving => {}
                        Ok(_) => missing.push(Waiting::Acknowledgement {
                            effect: format!("{} ({}): {} drained", target.instance, target.route, target.server),
                        }),
                        Err(waiting) => missing.push(waiting),
                    }
                }
            }
            Action::AwaitConnections { services } => {
                for wait in services {
                    match (state.releases.get(&wait.listener), look.residual(wait)) {
                        (_, Err(waiting)) => missing.push(waiting),
                        (Some(release @ Release::DeadlineReached { .. }), Ok(_)) => {
                            releases.push((wait.listener.clone(), release.clone()));
                        }
                        (Some(release @ Release::Drained), Ok(left)) if left.total == 0 => {
                            releases.push((wait.listener.clone(), release.clone()));
                        }
                        (_, Ok(left)) => {
                            missing.push(Waiting::Connections(Box::new(Connected::plain(
                                wait,
                                left,
                                wait.policy.deadline,
                            ))));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    missing.extend(cluster_gates(plan, look, settings, topology));
    if missing.is_empty() { Ok(StandbyPermit::new(plan.node().clone(), releases)) } else { Err(missing) }
}

fn cluster_gates(plan: &Plan, look: &Look<'_>, settings: &Settings, topology: &Topology) -> Vec<Waiting> {
    let topology = plan.request.leave.concerns(topology);
    let facts = Facts {
        request: &plan.request,
        settings,
        topology: &topology,
        seen: look.seen,
        min_ready: &planner::min_ready(settings, &topology),
        open_run: None,
        outstanding: None,
        now: look.now,
        max_age: look.max_age,
    };
    gates::before_standby(&facts).into_iter().filter(|g| !g.passes()).map(|gate| Waiting::Gate { gate }).collect()
}
