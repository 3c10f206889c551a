//! The wait for connections: over when nothing is left for long enough, or when the deadline's policy says so.

use std::time::Duration;

use super::{Decision, Progress, Situation};
use crate::{
    config::settings::OnDeadline,
    journal::Event,
    model::{Effect, observed::age},
    plan::steps::ConnectionWait,
    run::{
        proof::Release,
        state::Outcome,
        waiting::{MAX_LISTED, Short, Waiting},
    },
    traffic::residual::Residual,
};

/// Time that cut connections get to disappear before the run goes on without them.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// Waits for every service of the node.
pub(super) fn wait(s: &Situation<'_>, step: usize, services: &[ConnectionWait]) -> Decision {
    let mut progress = Progress::default();
    for service in services {
        match s.state.releases.get(&service.service) {
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
    if left.total > 0 && waited >= wait.policy.deadline {
        return deadline(wait, &left);
    }
    if left.total > 0 {
        return Decision::Go(Progress::wait(still(wait, left, wait.policy.deadline.saturating_sub(waited))));
    }
    let quiet = s.streaks.quiet_for(&wait.service, s.look.now).unwrap_or_default();
    Decision::Go(if quiet >= wait.policy.settle {
        Progress::record(Event::Drained { service: wait.service.clone() })
    } else {
        Progress::wait(Waiting::Settling {
            service: wait.service.clone(),
            left: wait.policy.settle.saturating_sub(quiet),
        })
    })
}

fn deadline(wait: &ConnectionWait, left: &Residual) -> Decision {
    let policy = wait.policy.on_deadline;
    let records = vec![Event::DeadlineReached { service: wait.service.clone(), remaining: left.total, policy }];
    let why = format!(
        "{} still has {} connections of {} after {}",
        wait.node,
        left.total,
        wait.service,
        Short(wait.policy.deadline)
    );
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
        service: wait.service.clone(),
        total: left.total,
        sessions: left.by_instance,
        unexplained,
        left: time,
    }
}

/// Cuts what is left at every load balancer, then gives it a moment to be gone.
fn close(s: &Situation<'_>, step: usize, wait: &ConnectionWait) -> Progress {
    let mut progress = Progress::default();
    let mut cut_at = None;
    for through in &wait.through {
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
        (Ok(left), Some(at)) if left.total > 0 && age(s.look.now, at) < CLOSING_TIME => {
            Progress::wait(still(wait, left, CLOSING_TIME.saturating_sub(age(s.look.now, at))))
        }
        (Ok(_), _) => Progress::default(),
    }
}
