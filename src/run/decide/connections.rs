//! The wait for connections: over when nothing is left for long enough, or when the deadline's policy says so.

use std::time::Duration;

use jiff::Timestamp;

use super::{Decision, Progress, Situation, routes};
use crate::{
    config::settings::{Affinity, OnDeadline},
    journal::Event,
    model::{Effect, observed::age},
    plan::{
        Action,
        steps::{ConnectionWait, Through},
    },
    run::{
        proof::Release,
        state::{Attempt, Outcome, StepState},
        waiting::{MAX_LISTED, Short, Waiting},
    },
    traffic::residual::Residual,
};

/// Time that cut connections get to disappear before the run goes on without them.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Sockets that are cut on a node with one command.
const MAX_CUT: usize = 256;

/// Waits for every service of the node.
pub(super) fn wait(s: &Situation<'_>, step: usize, services: &[ConnectionWait]) -> Decision {
    let mut progress = Progress::default();
    for service in services {
        match s.state.releases.get(&service.listener) {
            Some(Release::Drained) => {}
            Some(Release::DeadlineReached { .. }) => progress.merge(close(s, step, service)),
            None => match wait_one(s, service) {
                Decision::Go(more) => progress.merge(more),
                other => return other,
            },
        }
    }
    Decision::Go(progress)
}

fn wait_one(s: &Situation<'_>, wait: &ConnectionWait) -> Decision {
    let waited = age(s.look.now, s.state.armed_at);
    let left = match s.look.residual(wait) {
        Ok(left) => left,
        // How many are left is unknown: no policy may act on that.
        Err(waiting) => return Decision::Go(Progress::wait(waiting)),
    };
    let remembered = remembered(s, wait);
    let still_some = left.total > 0 || remembered.is_some();
    if still_some && waited >= wait.policy.deadline {
        return deadline(wait, &left, remembered);
    }
    let to_deadline = wait.policy.deadline.saturating_sub(waited);
    if left.total > 0 {
        return Decision::Go(Progress::wait(still(wait, left, to_deadline)));
    }
    if let Some((through, time)) = remembered {
        let (instance, server) = (through.target.instance.clone(), through.target.server.clone());
        return Decision::Go(Progress::wait(Waiting::Remembered { instance, server, left: time }));
    }
    let quiet = s.streaks.quiet_for(&wait.listener, s.look.now).unwrap_or_default();
    Decision::Go(if quiet >= wait.policy.settle {
        Progress::record(Event::Drained { listener: wait.listener.clone() })
    } else {
        Progress::wait(Waiting::Settling {
            listener: wait.listener.clone(),
            left: wait.policy.settle.saturating_sub(quiet),
        })
    })
}

/// The way that clients remember longest, and for how long: a record's TTL, counted from when every server had
/// forgotten it. A lower bound only; what clients really do is seen on the node.
fn remembered<'a>(s: &Situation<'_>, wait: &'a ConnectionWait) -> Option<(&'a Through, Duration)> {
    let left = |through: &'a Through| {
        let since = out_since(s, through).map_or(Duration::ZERO, |at| age(s.look.now, at));
        let left = through.linger.checked_sub(since).filter(|left| !left.is_zero())?;
        Some((through, left))
    };
    wait.through.iter().filter(|t| !t.linger.is_zero()).filter_map(left).max_by_key(|(_, left)| *left)
}

/// When a member was seen to be out everywhere: its tier's step was proven then, or it was set again later.
fn out_since(s: &Situation<'_>, through: &Through) -> Option<Timestamp> {
    let holds =
        |action: &Action| matches!(action, Action::DrainRoutes { targets, .. } if targets.contains(&through.target));
    let step = s.plan.steps.iter().position(|step| holds(&step.action))?;
    let Some(StepState::Done { at, .. }) = s.state.steps.get(step) else { return None };
    let again = s.state.attempts.iter().filter(|a| a.step == step && a.tries > 1).map(|a| a.at).max();
    Some(again.map_or(*at, |again| again.max(*at)))
}

fn deadline(wait: &ConnectionWait, left: &Residual, remembered: Option<(&Through, Duration)>) -> Decision {
    let policy = wait.policy.on_deadline;
    let listener = wait.listener.clone();
    let records = vec![Event::DeadlineReached { listener, remaining: left.total, policy }];
    let after = Short(wait.policy.deadline);
    let why = match remembered {
        Some((through, time)) if left.total == 0 => {
            format!("answers with {} may still be remembered for {} after {after}", through.target.server, Short(time))
        }
        _ => format!("{} still has {} connections of {} after {after}", wait.node, left.total, wait.listener),
    };
    match policy {
        OnDeadline::Hold => Decision::Hold { records, why },
        OnDeadline::Abort => Decision::Undo { records, why },
        OnDeadline::Close => Decision::Go(Progress { records, ..Progress::default() }),
    }
}

pub(super) fn still(wait: &ConnectionWait, left: Residual, time: Duration) -> Waiting {
    let mut unexplained = left.unexplained;
    unexplained.truncate(MAX_LISTED);
    Waiting::Connections {
        node: wait.node.clone(),
        listener: wait.listener.clone(),
        total: left.total,
        sessions: left.by_instance,
        unexplained,
        left: time,
    }
}

/// Cuts what is left at every load balancer, then gives it a moment to be gone.
fn close(s: &Situation<'_>, step: usize, wait: &ConnectionWait) -> Progress {
    let mut progress = Progress::default();
    // Clients that are bound to the node would be back at once: they are sent elsewhere first.
    for through in wait.through.iter().filter(|t| t.target.role.is_driven()) {
        let bound = s.look.member(&through.target).is_ok_and(|m| m.admits_bound);
        if bound && is_bound(s, wait) {
            let target = &through.target;
            progress.merge(routes::close(s, step, std::slice::from_ref(target)));
        }
    }
    if !progress.is_proven() {
        return progress;
    }
    let mut cut_at = None;
    for through in wait.through.iter().filter(|t| t.target.role.is_driven()) {
        let effect = Effect::CloseConnections {
            route: through.target.route.clone(),
            instance: through.target.instance.clone(),
            server: through.target.server.clone(),
        };
        cut_at =
            cut_at.max(s.state.attempt(step, &effect).filter(|a| a.outcome == Outcome::Acknowledged).map(|a| a.at));
        progress.merge(s.pursue(step, effect, None));
    }
    if !progress.is_proven() {
        return progress;
    }
    match (s.look.residual(wait), cut_at) {
        (Err(waiting), _) => Progress::wait(waiting),
        (Ok(left), at) if left.total > 0 && at.is_none_or(|at| age(s.look.now, at) < CLOSING_TIME) => {
            cut_sockets(s, step, wait, left, cut_at)
        }
        (Ok(_), _) => Progress::default(),
    }
}

fn is_bound(s: &Situation<'_>, wait: &ConnectionWait) -> bool {
    s.settings.service(&wait.listener.service).is_some_and(|service| service.sessions.affinity != Affinity::None)
}

/// What no load balancer holds is cut on the node itself, then all gets a moment to be gone.
fn cut_sockets(
    s: &Situation<'_>,
    step: usize,
    wait: &ConnectionWait,
    left: Residual,
    cut_at: Option<Timestamp>,
) -> Progress {
    let port = wait.port;
    let earlier =
        |a: &&Attempt| a.step == step && matches!(&a.effect, Effect::CloseSockets { port: p, .. } if *p == port);
    let first = s.state.attempts.iter().filter(earlier).map(|a| a.at).min();
    if first.is_some_and(|at| age(s.look.now, at) >= CLOSING_TIME) {
        return Progress::default();
    }
    let mut peers = left.unexplained.clone();
    peers.sort_unstable();
    peers.truncate(MAX_CUT);
    let mut progress = Progress::default();
    if !peers.is_empty() {
        progress = s.pursue(step, Effect::CloseSockets { node: wait.node.clone(), port, peers }, None);
    }
    if progress.is_proven() {
        let since = cut_at.or(first).map_or(Duration::ZERO, |at| age(s.look.now, at));
        progress.waits.push(still(wait, left, CLOSING_TIME.saturating_sub(since)));
    }
    progress
}
