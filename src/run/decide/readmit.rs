//! The way back into traffic: only behind a check that passed, in stages, and out again when errors rise.

use std::time::Duration;

use super::{Decision, Progress, Situation, follow::follow, routes};
use crate::{
    journal::{Counted, Event},
    model::{Desired, Effect, Health, MemberView, Readiness, observed::age},
    plan::steps::{Following, Readmission},
    run::{state::Ramp, waiting::Waiting},
};

/// Tries of a ramp before a person is called.
const MAX_BACK_OFFS: u32 = 3;
/// Failed requests at one stage that are never taken for noise.
const MIN_ERRORS: u64 = 3;

/// Goes on with one tier.
pub(super) fn readmit(
    s: &Situation<'_>,
    step: usize,
    readmissions: &[Readmission],
    followers: &[Following],
) -> Decision {
    let (ramped, plain): (Vec<_>, Vec<_>) = readmissions.iter().partition(|r| r.serving);
    let mut progress = Progress::default();
    for back in plain {
        progress.merge(s.pursue(step, effect(back, Desired::Exactly { exact: back.exact.clone() }), None));
    }
    if !ramped.is_empty() {
        match ramp(s, step, &ramped, followers) {
            Decision::Go(more) => progress.merge(more),
            other => return other,
        }
    }
    if progress.is_proven() {
        followers.iter().for_each(|f| progress.merge(follow(s, &f.target, f.serving)));
    }
    Decision::Go(progress)
}

fn effect(back: &Readmission, desired: Desired) -> Effect {
    Effect::Route {
        route: back.target.route.clone(),
        instance: back.target.instance.clone(),
        server: back.target.server.clone(),
        desired,
    }
}

fn ramp(s: &Situation<'_>, step: usize, ramped: &[&Readmission], followers: &[Following]) -> Decision {
    let last = ramped.iter().map(|r| r.last_stage()).max().unwrap_or(0);
    let ramp = s.state.ramps.get(&step);
    let reached = ramp.and_then(|r| r.stage);
    let stage = reached.map_or(0, |r| r + 1).min(last);
    if let Some(why) = trouble(s, step, ramped, ramp) {
        return Decision::Go(Progress::record(Event::RampBackedOff { step, stage, why }));
    }
    if let Some(waiting) = ramp.and_then(|r| pause(s, ramped, r)) {
        return paused(s, step, ramped, followers, ramp, waiting);
    }
    let mut progress = Progress::default();
    for back in ramped {
        progress.merge(to_stage(s, step, back, stage, last));
    }
    // A stage is reached when clients get it everywhere.
    if progress.is_proven() {
        followers.iter().for_each(|f| progress.merge(follow(s, &f.target, f.serving)));
    }
    if progress.is_proven() && reached != Some(last) {
        match counters(s, ramped) {
            Ok(baseline) => progress.records.push(Event::RampStage { step, stage, baseline }),
            Err(waiting) => progress.waits.push(waiting),
        }
    }
    Decision::Go(progress)
}

/// One member to one stage, once the load balancer's own check has passed there.
fn to_stage(s: &Situation<'_>, step: usize, back: &Readmission, stage: usize, last: usize) -> Progress {
    // Readiness that nobody knows admits nobody; that it was lost is `trouble`'s to say.
    if let Err(waiting) = ready(s, back) {
        return Progress::wait(waiting);
    }
    match s.look.member(&back.target).map(|m| &m.health) {
        Err(waiting) => Progress::wait(waiting),
        Ok(Health::Failing { reason }) => Progress::wait(Waiting::CheckNotPassed {
            instance: back.target.instance.clone(),
            server: back.target.server.clone(),
            reason: reason.clone(),
        }),
        Ok(Health::Passing | Health::Unchecked) => {
            let desired = if stage >= last && !back.first {
                Desired::Exactly { exact: back.exact.clone() }
            } else {
                Desired::Serving { weight: back.weight_at(stage) }
            };
            s.pursue(step, effect(back, desired), None)
        }
    }
}

/// Whether what is on the node may get clients: the service answers, or, on a host outside the cluster, its load
/// balancers answer and have somewhere to send them.
fn ready(s: &Situation<'_>, back: &Readmission) -> Result<(), Waiting> {
    let node = s.plan.node();
    if s.topology.nodes.contains(node) {
        return s.look.readiness(node, &back.target.service).map(drop);
    }
    let routes = s.topology.routes.iter().filter(|r| r.service == back.target.service);
    for route in routes {
        for (instance, _) in route.instances.iter().filter(|(_, shape)| shape.host.as_ref() == Some(node)) {
            let view = s.look.instance(&route.id, instance)?;
            if !view.members.values().any(MemberView::takes_clients) {
                let reason = "it has no server that takes clients".to_owned();
                return Err(Waiting::NoAnswer { what: format!("{instance} ({})", route.id), reason });
            }
        }
    }
    Ok(())
}

/// Why the node should not have the traffic that it has: it is not ready any more, or requests fail on it.
fn trouble(s: &Situation<'_>, step: usize, ramped: &[&Readmission], ramp: Option<&Ramp>) -> Option<String> {
    let ramp = ramp.filter(|r| r.stage.is_some());
    let admitted = ramp.is_some() || s.state.attempts.iter().any(|a| a.step == step);
    // A host outside the cluster runs no instance that could be asked; what ails its load balancers, `ready` says.
    if admitted && s.topology.nodes.contains(s.plan.node()) {
        for back in ramped {
            if let Ok((Readiness::NotReady { reason }, _)) = s.look.readiness(s.plan.node(), &back.target.service) {
                return Some(format!("{} is not ready any more: {reason}", back.target.service));
            }
        }
    }
    // An instance that does not answer now is no trouble by itself: the ramp goes no further until it does.
    let (failed, sent) = since(&ramp?.baseline, &counters(s, ramped).ok()?);
    let allowed = ramped.iter().map(|r| r.max_error_ratio).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counters; nobody sends 2^52 requests in a dwell")]
    let ratio = failed as f64 / sent.max(1) as f64;
    (failed >= MIN_ERRORS && ratio > allowed).then(|| format!("{failed} of {sent} requests failed"))
}

/// While the ramp rests at a stage nothing changes; while it is taken back, the node must really be out, and after
/// too many tries a person is called.
fn paused(
    s: &Situation<'_>,
    step: usize,
    ramped: &[&Readmission],
    followers: &[Following],
    ramp: Option<&Ramp>,
    waiting: Waiting,
) -> Decision {
    let mut progress = Progress::default();
    if let Some(ramp) = ramp.filter(|r| r.stage.is_none()) {
        ramped.iter().for_each(|back| progress.merge(routes::drain_one(s, step, &back.target)));
        let out = followers.iter().filter(|f| f.serving).map(|f| follow(s, &f.target, false));
        out.for_each(|more| progress.merge(more));
        if progress.is_proven() && ramp.back_offs > MAX_BACK_OFFS {
            let why = ramp.why.clone().unwrap_or_default();
            let why =
                format!("{} tries to readmit {} failed, the last one because {why}", ramp.back_offs, s.plan.node());
            return Decision::Hold { records: Vec::new(), why };
        }
    }
    progress.waits.push(waiting);
    Decision::Go(progress)
}

/// What the ramp waits for before its next stage, if anything.
fn pause(s: &Situation<'_>, ramped: &[&Readmission], ramp: &Ramp) -> Option<Waiting> {
    let dwell = ramped.iter().map(|r| r.dwell).max().unwrap_or_default();
    let since = age(s.look.now, ramp.since);
    match ramp.stage {
        Some(stage) => {
            let ended = ramped.iter().all(|r| stage >= r.last_stage());
            let percent = ramped.iter().filter_map(|r| r.ramp.get(stage)).max().copied().unwrap_or(100);
            (!ended && since < dwell).then(|| Waiting::Ramp { percent, left: dwell.saturating_sub(since) })
        }
        None if ramp.back_offs > 0 => {
            let pause = dwell.max(Duration::from_secs(1)).saturating_mul(1 << ramp.back_offs.min(6));
            if since < pause {
                let why = ramp.why.clone().unwrap_or_default();
                return Some(Waiting::BackedOff { why, left: pause.saturating_sub(since) });
            }
            not_ready(s, ramped, ramp)
        }
        None => None,
    }
}

/// After a back-off the node must be ready again, as often in a row as at first.
fn not_ready(s: &Situation<'_>, ramped: &[&Readmission], ramp: &Ramp) -> Option<Waiting> {
    if !s.topology.nodes.contains(s.plan.node()) {
        return ramped.iter().find_map(|back| ready(s, back).err());
    }
    ramped.iter().find_map(|back| {
        let needed = s.settings.service(&back.target.service).map_or(1, |service| service.ready.healthy);
        let streak = s.streaks.ready(&back.target.service);
        let passed = streak.map_or(0, |r| r.passed);
        (passed < needed).then(|| Waiting::NotReady {
            node: s.plan.node().clone(),
            service: back.target.service.clone(),
            reason: streak.and_then(|r| r.reason.clone()).or_else(|| ramp.why.clone()),
            passed,
            needed,
        })
    })
}

/// What every instance has counted so far; only all of them together can be compared.
fn counters(s: &Situation<'_>, ramped: &[&Readmission]) -> Result<Vec<Counted>, Waiting> {
    let count = |back: &&Readmission| {
        let member = s.look.member(&back.target)?;
        Ok(Counted {
            route: back.target.route.clone(),
            instance: back.target.instance.clone(),
            errors: member.errors_total,
            requests: member.requests_total,
        })
    };
    ramped.iter().map(count).collect()
}

/// Failed requests and requests since a baseline. A counter below its baseline began again with a new process.
fn since(baseline: &[Counted], now: &[Counted]) -> (u64, u64) {
    let before = |c: &Counted| baseline.iter().find(|b| b.route == c.route && b.instance == c.instance);
    now.iter().fold((0_u64, 0_u64), |(failed, sent), c| {
        let (errors, requests) = match before(c) {
            Some(b) if c.requests >= b.requests && c.errors >= b.errors => {
                (c.errors - b.errors, c.requests - b.requests)
            }
            _ => (c.errors, c.requests),
        };
        (failed.saturating_add(errors), sent.saturating_add(requests))
    })
}
