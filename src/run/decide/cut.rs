//! The policy `close`: at the deadline, what is left is cut. Clients that are bound to the node are sent elsewhere first,
//! or they would be back at once; then every load balancer cuts its sessions, and the node whatever is left. How many
//! each side held is written down before, and how many of them are gone after: what the journal says is what the clients
//! saw.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{Progress, Situation, connections, routes};
use crate::{
    journal::{Event, Held},
    model::{Effect, observed::age},
    plan::steps::{ConnectionWait, Through},
    run::{
        state::{Attempt, Cut, Outcome},
        waiting::Waiting,
    },
    traffic::residual::Residual,
};

/// Time that cut connections get to disappear before the run goes on without them.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Sockets that are cut on a node with one command.
const MAX_CUT: usize = 256;

pub(super) fn close(s: &Situation<'_>, step: usize, wait: &ConnectionWait) -> Progress {
    let mut progress = Progress::default();
    if s.state.cuts.get(&wait.listener).is_some_and(|cut| cut.over) {
        return progress;
    }
    for through in connections::balancers(wait).filter(|t| connections::lets_bound_in(s, wait, t)) {
        progress.merge(routes::close(s, step, std::slice::from_ref(&through.target)));
    }
    if !progress.is_proven() {
        return progress;
    }
    let Some(cut) = s.state.cuts.get(&wait.listener) else { return begin(s, wait) };
    let mut cut_at = cut.at;
    for through in connections::balancers(wait) {
        let effect = Effect::CloseConnections {
            route: through.target.route.clone(),
            instance: through.target.instance.clone(),
            server: through.target.server.clone(),
        };
        let done = s.state.attempt(step, &effect).filter(|a| a.outcome == Outcome::Acknowledged);
        cut_at = done.map_or(cut_at, |a| cut_at.max(a.at));
        progress.merge(s.pursue(step, effect, None));
    }
    if !progress.is_proven() {
        return progress;
    }
    match s.look.residual(wait) {
        Err(waiting) => Progress::wait(waiting),
        Ok(left) if left.total > 0 && age(s.look.now, cut_at) < CLOSING_TIME => {
            cut_sockets(s, step, wait, cut, &left, CLOSING_TIME.saturating_sub(age(s.look.now, cut_at)))
        }
        Ok(left) => Progress::record(over(s, step, wait, cut, &left)),
    }
}

/// Writes down how many each load balancer holds, from the look on which they are then cut.
fn begin(s: &Situation<'_>, wait: &ConnectionWait) -> Progress {
    let mut through = Vec::new();
    for t in connections::balancers(wait) {
        match held(s, t) {
            Ok(held) => through.push(held),
            Err(waiting) => return Progress::wait(waiting),
        }
    }
    Progress::record(Event::Cutting { listener: wait.listener.clone(), through })
}

fn held(s: &Situation<'_>, through: &Through) -> Result<Held, Waiting> {
    let (route, instance) = (through.target.route.clone(), through.target.instance.clone());
    s.look.member(&through.target).map(|member| Held { route, instance, connections: member.sessions })
}

/// What no load balancer holds is cut on the node itself, then all gets a moment to be gone.
fn cut_sockets(
    s: &Situation<'_>,
    step: usize,
    wait: &ConnectionWait,
    cut: &Cut,
    left: &Residual,
    time: Duration,
) -> Progress {
    let earlier: BTreeSet<_> = socket_cuts(s, step, wait, cut.at).flat_map(|(_, peers)| peers).collect();
    let mut peers: Vec<_> = left.unexplained.iter().filter(|peer| !earlier.contains(peer)).copied().collect();
    peers.sort_unstable();
    peers.truncate(MAX_CUT);
    let mut progress = Progress::default();
    if !peers.is_empty() {
        progress = s.pursue(step, Effect::CloseSockets { node: wait.node.clone(), port: wait.port, peers }, None);
    }
    // What was ordered and not taken is ordered again, as long as there is time.
    let pending = socket_cuts(s, step, wait, cut.at).filter(|(a, _)| a.outcome != Outcome::Acknowledged);
    for (attempt, _) in pending {
        progress.merge(s.pursue(step, attempt.effect.clone(), None));
    }
    if progress.is_proven() {
        let (node, listener) = (wait.node.clone(), wait.listener.clone());
        progress.waits.push(Waiting::Cutting { node, listener, total: left.total, left: time });
    }
    progress
}

/// The orders to cut sockets of this listener on the node since the cut began.
fn socket_cuts<'a>(
    s: &Situation<'a>,
    step: usize,
    wait: &'a ConnectionWait,
    since: Timestamp,
) -> impl Iterator<Item = (&'a Attempt, &'a [std::net::SocketAddr])> {
    s.state.attempts.iter().filter(move |a| a.step == step && a.at >= since).filter_map(move |a| match &a.effect {
        Effect::CloseSockets { port, peers, .. } if *port == wait.port => Some((a, peers.as_slice())),
        _ => None,
    })
}

/// How many are gone on each side. What a load balancer still has was not cut.
fn over(s: &Situation<'_>, step: usize, wait: &ConnectionWait, cut: &Cut, left: &Residual) -> Event {
    let still = |held: &Held| {
        let same = |t: &&Through| t.target.route == held.route && t.target.instance == held.instance;
        let member = connections::balancers(wait).find(same).map(|t| s.look.member(&t.target));
        member.and_then(Result::ok).map_or(0, |member| member.sessions)
    };
    let gone = |held: &Held| Held { connections: held.connections.saturating_sub(still(held)), ..held.clone() };
    let is_taken = |a: &Attempt| matches!(a.outcome, Outcome::Accepted | Outcome::Acknowledged);
    let taken = socket_cuts(s, step, wait, cut.at).filter(|(a, _)| is_taken(a));
    let sockets: BTreeSet<_> =
        taken.flat_map(|(_, peers)| peers).filter(|peer| !left.unexplained.contains(peer)).collect();
    Event::Cut {
        listener: wait.listener.clone(),
        through: cut.through.iter().map(gone).collect(),
        sockets: u64::try_from(sockets.len()).unwrap_or(u64::MAX),
        remaining: left.total,
    }
}
