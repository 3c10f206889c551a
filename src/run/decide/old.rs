//! `max-age`: a connection that is older is cut while the node drains, before the deadline.
//!
//! Only where its client cannot come back here: the routes are out, nobody remembers the way (the caller sees to that),
//! and the load balancer does not let in clients that are bound to the node. Ages are lower bounds, so nothing is cut too
//! early. On the node, sockets that are surely no load balancer's, and those of one that cannot list them where each has a
//! client behind it.

use std::{net::SocketAddr, time::Duration};

use super::{Progress, Situation, connections};
use crate::{
    model::{Effect, Straggler, observed::age},
    plan::steps::{ConnectionWait, Through},
    run::{
        connected,
        state::{Attempt, Outcome},
        waiting::Waiting,
    },
    traffic::residual::Residual,
};

/// Connections that are cut at one place at once; the next list brings the next ones.
const MAX_AT_ONCE: usize = 32;
/// Time between two orders to a place that does not take them, for each one it refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest of it.
const MAX_PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn cut(s: &Situation<'_>, step: usize, wait: &ConnectionWait, left: &Residual) -> Progress {
    let mut progress = Progress::default();
    let Some(limit) = wait.policy.max_age.filter(|_| s.look.all_drained(wait)) else { return progress };
    for through in connections::balancers(wait).filter(|t| !connections::lets_bound_in(s, wait, t)) {
        let too_old = too_old(s, through, limit);
        if !too_old.is_empty() {
            let target = &through.target;
            progress.merge(order(
                s,
                step,
                Effect::CloseOld {
                    route: target.route.clone(),
                    instance: target.instance.clone(),
                    server: target.server.clone(),
                    connections: too_old,
                },
            ));
        }
    }
    let lasting = s.streaks.lasting(&wait.listener);
    let is_old = |peer: &SocketAddr| lasting.and_then(|l| l.seen_for(peer, s.look.now)) >= Some(limit);
    let unlisted = connected::unlisted(&s.look, wait).filter(|(t, _)| !connections::lets_bound_in(s, wait, t));
    let all = left.certain.iter().copied().chain(unlisted.map(|(_, peer)| peer));
    let peers: Vec<SocketAddr> = all.filter(is_old).take(MAX_AT_ONCE).collect();
    if !peers.is_empty() {
        progress.merge(order(s, step, Effect::CloseSockets { node: wait.node.clone(), port: wait.port, peers }));
    }
    progress
}

fn too_old(s: &Situation<'_>, through: &Through, limit: Duration) -> Vec<Straggler> {
    let Some(Ok((list, _))) = s.look.stragglers(&through.holder()) else { return Vec::new() };
    list.oldest.iter().filter(|s| s.age >= Some(limit)).take(MAX_AT_ONCE).cloned().collect()
}

/// Each list is another order, so what a place refused is counted over all of them.
fn order(s: &Situation<'_>, step: usize, effect: Effect) -> Progress {
    let failed = |a: &&Attempt| a.step == step && same_place(&a.effect, &effect) && is_failed(a);
    let refusals = s.state.attempts.iter().filter(failed);
    let count = u32::try_from(refusals.clone().count()).unwrap_or(u32::MAX);
    match refusals.max_by_key(|a| a.at) {
        Some(last) if age(s.look.now, last.at) < PATIENCE.saturating_mul(count).min(MAX_PATIENCE) => {
            let error = match &last.outcome {
                Outcome::Failed(error) | Outcome::Refused(error) => error.clone(),
                _ => String::new(),
            };
            Progress::wait(Waiting::Retry { effect: effect.to_string(), error, tries: count })
        }
        _ => s.pursue(step, effect, None),
    }
}

fn is_failed(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Failed(_) | Outcome::Refused(_))
}

fn same_place(a: &Effect, b: &Effect) -> bool {
    match (a, b) {
        (
            Effect::CloseOld { route, instance, server, .. },
            Effect::CloseOld { route: r, instance: i, server: s, .. },
        ) => (route, instance, server) == (r, i, s),
        (Effect::CloseSockets { node, port, .. }, Effect::CloseSockets { node: n, port: p, .. }) => {
            (node, port) == (n, p)
        }
        _ => false,
    }
}
