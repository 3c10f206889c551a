//! What must hold for a while: facts that one observation cannot show. The run's only memory beside its journal;
//! lost in a crash, on purpose, since a wait that nobody watched proves nothing.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{lasting::Lasting, look::Look};
use crate::{
    model::{NodeName, Readiness, RouteTarget, ServiceName, topology::Listener},
    plan::{Action, Plan, steps::ConnectionWait},
};

/// How long, and how often in a row, things have been so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streaks {
    quiet: BTreeMap<Listener, Quiet>,
    counted: BTreeMap<(Listener, RouteTarget), u64>,
    lasting: BTreeMap<Listener, Lasting>,
    ready: BTreeMap<(NodeName, ServiceName), Ready>,
}

/// A time without traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quiet {
    since: Timestamp,
    /// Up to when that is known; `None` where every look tells.
    until: Option<Timestamp>,
}

/// Successive probes of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Successes in a row, zero after a failure.
    pub passed: u32,
    /// The last probe that was counted.
    pub at: Timestamp,
    /// Why the last one failed, if it did.
    pub reason: Option<String>,
}

impl Streaks {
    /// Takes one observation into account.
    pub fn absorb(&mut self, plan: &Plan, look: &Look<'_>) {
        for step in &plan.steps {
            match &step.action {
                Action::AwaitConnections { services } => {
                    for wait in services {
                        self.listen(look, wait);
                    }
                }
                Action::AwaitReady { services, node } => {
                    for wait in services {
                        self.count_probe(look, node.as_ref().unwrap_or(plan.node()), &wait.service);
                    }
                }
                _ => {}
            }
        }
    }

    fn listen(&mut self, look: &Look<'_>, wait: &ConnectionWait) {
        let counted = self.came(look, wait);
        let lasting = self.lasting.entry(wait.listener.clone()).or_default();
        let came = lasting.absorb(look, wait, counted);
        let until = match wait.needs_ended() {
            false => Some(None),
            // Who comes and goes between two looks is told by what is left of it: so long as that is not known, nothing is.
            true => lasting.ended_at().map(Some),
        };
        let silent = !came && look.residual(wait).is_ok_and(|r| r.total == 0) && look.all_drained(wait);
        match until.filter(|_| silent) {
            Some(until) => {
                let since = until.unwrap_or(look.now);
                self.quiet.entry(wait.listener.clone()).or_insert(Quiet { since, until }).until = until;
            }
            None => drop(self.quiet.remove(&wait.listener)),
        }
    }

    /// Whether requests came since the last look. Clients that are bound to a node come and go between two looks: their
    /// sessions may never be seen, but they are counted.
    fn came(&mut self, look: &Look<'_>, wait: &ConnectionWait) -> bool {
        let mut came = false;
        for through in &wait.through {
            let Ok(member) = look.member(&through.target) else { continue };
            let key = (wait.listener.clone(), through.target.clone());
            let now = member.requests_total;
            // Fewer than before: another process counts, and from zero.
            came |=
                self.counted.insert(key, now).is_some_and(|before| if now < before { now > 0 } else { now > before });
        }
        came
    }

    fn count_probe(&mut self, look: &Look<'_>, node: &NodeName, service: &ServiceName) {
        let key = (node.clone(), service.clone());
        match look.readiness(node, service) {
            Ok((readiness, at)) => {
                let streak = self.ready.entry(key).or_insert(Ready { passed: 0, at: Timestamp::MIN, reason: None });
                if at <= streak.at {
                    return;
                }
                streak.at = at;
                match readiness {
                    Readiness::Ready => (streak.passed, streak.reason) = (streak.passed.saturating_add(1), None),
                    Readiness::NotReady { reason } => (streak.passed, streak.reason) = (0, Some(reason.clone())),
                }
            }
            Err(_) => {
                self.ready.remove(&key);
            }
        }
    }

    /// What is remembered of a listener's connections.
    pub fn lasting(&self, listener: &Listener) -> Option<&Lasting> {
        self.lasting.get(listener)
    }

    /// How long a service has had no residual traffic.
    pub fn quiet_for(&self, listener: &Listener, now: Timestamp) -> Option<Duration> {
        self.quiet.get(listener).map(|quiet| crate::model::observed::age(quiet.until.unwrap_or(now), quiet.since))
    }

    /// The probes of a service on a node in a row.
    pub fn ready(&self, node: &NodeName, service: &ServiceName) -> Option<&Ready> {
        self.ready.get(&(node.clone(), service.clone()))
    }
}
