//! The wait for connections: over when nothing is left for long enough, or when the deadline's policy says so.

use std::time::Duration;

use jiff::Timestamp;

use super::{Decision, Progress, Situation, cut, old};
use crate::{
    config::settings::{Affinity, OnDeadline},
    journal::Event,
    model::{Before, RouteTarget, observed::age},
    plan::{
        Action,
        steps::{ConnectionWait, Through},
    },
    run::{
        connected::{self, Connected},
        proof::Release,
        state::StepState,
        waiting::{MAX_LISTED, Short, Waiting},
    },
    traffic::residual::Residual,
};

/// Least time between two records about the end of the same wait.
const NOTE_EVERY: Duration = Duration::from_secs(30);
/// A client that comes this long after the wait began is no left-over of the time before.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Waits for every service of the node.
pub(super) fn wait(s: &Situation<'_>, step: usize, services: &[ConnectionWait]) -> Decision {
    let mut progress = Progress::default();
    for service in services {
        match s.state.releases.get(&service.listener) {
            Some(Release::Drained) => {}
            Some(Release::DeadlineReached { .. }) => progress.merge(cut::close(s, step, service)),
            None => match wait_one(s, step, service) {
                Decision::Go(more) => progress.merge(more),
                other => return other,
            },
        }
    }
    Decision::Go(progress)
}

fn wait_one(s: &Situation<'_>, step: usize, wait: &ConnectionWait) -> Decision {
    let waited = age(s.look.now, s.state.armed_at);
    let left = match s.look.residual(wait) {
        Ok(left) => left,
        // How many are left is unknown: no policy may act on that.
        Err(waiting) => return Decision::Go(Progress::wait(waiting)),
    };
    let policy = &wait.policy;
    let remembered = remembered(s, wait);
    let quiet = s.streaks.quiet_for(&wait.listener, s.look.now).unwrap_or_default();
    let still_some = left.total > 0 || remembered.is_some();
    // What began to settle before the deadline may end it; who is not quiet by then has clients that come and go, or a
    // node that did not tell of them until now.
    let comes = s.streaks.lasting(&wait.listener).is_some_and(|lasting| lasting.came(s.look.now).is_some());
    let restless = comes && quiet < policy.settle && waited >= policy.deadline + policy.settle;
    if let Some(waiting) = unheard(s, wait).filter(|_| !still_some) {
        return Decision::Go(Progress::wait(waiting));
    }
    if still_some && waited >= policy.deadline || restless {
        return deadline(s, wait, &left, remembered);
    }
    let to_deadline = policy.deadline.saturating_sub(waited);
    if left.total > 0 {
        let mut progress = match remembered {
            // Who remembers the way would come right back.
            Some(_) => Progress::default(),
            None => old::cut(s, step, wait, &left),
        };
        let connected = Connected::of(&s.look, s.streaks, wait, left, to_deadline);
        progress.records.extend(note(s, &connected, waited));
        progress.waits.push(Waiting::Connections(Box::new(connected)));
        return Decision::Go(progress);
    }
    if let Some((through, time)) = remembered {
        let (instance, server) = (through.target.instance.clone(), through.target.server.clone());
        return Decision::Go(Progress::wait(Waiting::Remembered { instance, server, left: time }));
    }
    let listener = wait.listener.clone();
    Decision::Go(if quiet >= policy.settle {
        Progress::record(Event::Drained { listener })
    } else {
        let came = came(s, wait, waited);
        let lasting = s.streaks.lasting(&wait.listener);
        let passers = lasting.into_iter().flat_map(|l| l.passers(s.look.now)).map(|(peer, _)| peer);
        let passers = passers.take(MAX_LISTED).collect();
        Progress::wait(Waiting::Settling { listener, left: policy.settle.saturating_sub(quiet), came, passers })
    })
}

/// The node does not tell of those who come and are gone again: nobody knows whether any do, so no policy acts on it.
fn unheard(s: &Situation<'_>, wait: &ConnectionWait) -> Option<Waiting> {
    s.look.ended(&wait.node, wait.port).filter(|_| wait.needs_ended())?.err()
}

/// What became known of the end, or changed; seldom, and the seldomer the longer it takes.
fn note(s: &Situation<'_>, connected: &Connected, waited: Duration) -> Option<Event> {
    let verdict = connected.verdict?;
    if let Some(noted) = s.state.noted.get(&connected.listener) {
        let same = noted.verdict.is_some_and(|before| before.word() == verdict.word());
        if same || age(s.look.now, noted.at) < NOTE_EVERY.max(waited / 10) {
            return None;
        }
    }
    let (listener, oldest) = (connected.listener.clone(), connected.oldest.clone());
    Some(Event::Stragglers { listener, remaining: connected.total, verdict, oldest })
}

/// How long ago the last client came to the drained node.
fn came(s: &Situation<'_>, wait: &ConnectionWait, waited: Duration) -> Option<Duration> {
    let ago = s.streaks.lasting(&wait.listener)?.came(s.look.now)?;
    (ago + A_MOMENT < waited).then_some(ago)
}

/// The way that clients remember longest, and for how long: a record's TTL, counted from when every server had
/// forgotten it. A lower bound only; what clients really do is seen on the node.
fn remembered<'a>(s: &Situation<'_>, wait: &'a ConnectionWait) -> Option<(&'a Through, Duration)> {
    let left = |through: &'a Through| {
        let linger = through.linger.max(linger_when_left(s, through));
        if linger.is_zero() {
            return None;
        }
        let since = out_since(s, through).map_or(Duration::ZERO, |at| age(s.look.now, at));
        let left = linger.checked_sub(since).filter(|left| !left.is_zero())?;
        Some((through, left))
    };
    wait.through.iter().filter_map(left).max_by_key(|(_, left)| *left)
}

/// What the plan saw may be another time than what clients were told last: somebody changed the TTL in between. Both
/// kinds of answers are remembered.
fn linger_when_left(s: &Situation<'_>, through: &Through) -> Duration {
    let RouteTarget { route: r, instance: i, server: n, .. } = &through.target;
    let of = |before: &Before| match before {
        Before::Route { route, instance, server, linger, .. } if (route, instance, server) == (r, i, n) => {
            Some(*linger)
        }
        _ => None,
    };
    s.state.receipts.iter().find_map(|receipt| of(&receipt.before)).unwrap_or_default()
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

fn deadline(
    s: &Situation<'_>,
    wait: &ConnectionWait,
    left: &Residual,
    remembered: Option<(&Through, Duration)>,
) -> Decision {
    let policy = wait.policy.on_deadline;
    let (oldest, _) = connected::oldest(&s.look, s.streaks, wait, left);
    let listener = wait.listener.clone();
    let records = vec![Event::DeadlineReached { listener, remaining: left.total, policy, left: oldest }];
    let after = Short(age(s.look.now, s.state.armed_at).min(wait.policy.deadline));
    let why = match remembered {
        _ if left.total > 0 => {
            let verdict = s.streaks.lasting(&wait.listener).and_then(|l| l.verdict());
            let verdict = verdict.map(|v| format!("; {v}")).unwrap_or_default();
            let (n, plural) = (left.total, if left.total == 1 { "" } else { "s" });
            format!("{} still has {n} connection{plural} of {} after {after}{verdict}", wait.node, wait.listener)
        }
        Some((through, time)) => {
            format!("answers with {} may still be remembered for {} after {after}", through.target.server, Short(time))
        }
        None => format!("clients of {} keep coming to {} after {after}", wait.listener, wait.node),
    };
    match policy {
        OnDeadline::Hold => Decision::Hold { records, why },
        OnDeadline::Abort => Decision::Undo { records, why },
        OnDeadline::Close => Decision::Go(Progress { records, ..Progress::default() }),
    }
}

/// Whether clients of the listener are bound to a node.
pub(super) fn is_bound(s: &Situation<'_>, wait: &ConnectionWait) -> bool {
    s.settings.service(&wait.listener.service).is_some_and(|service| service.sessions.affinity != Affinity::None)
}

/// Whether a load balancer lets clients in that are bound to the node, and the service has such.
pub(super) fn lets_bound_in(s: &Situation<'_>, wait: &ConnectionWait, through: &Through) -> bool {
    is_bound(s, wait) && s.look.member(&through.target).is_ok_and(|member| member.admits_bound)
}

/// The load balancers that hold connections and take orders.
pub(super) fn balancers(wait: &ConnectionWait) -> impl Iterator<Item = &Through> {
    wait.through.iter().filter(|t| t.target.role.is_driven() && !t.blind)
}
