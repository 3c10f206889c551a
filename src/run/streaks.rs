//! What must hold for a while: facts that one observation cannot show. The run's only memory beside its journal;
//! lost in a crash, on purpose, since a wait that nobody watched proves nothing.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::look::Look;
use crate::{
    model::{Readiness, ServiceName},
    plan::{Action, Plan},
};

/// How long, and how often in a row, things have been so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streaks {
    quiet: BTreeMap<ServiceName, Timestamp>,
    ready: BTreeMap<ServiceName, Ready>,
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
                        let quiet = look.residual(wait).is_ok_and(|r| r.total == 0) && look.all_drained(wait);
                        if quiet {
                            self.quiet.entry(wait.service.clone()).or_insert(look.now);
                        } else {
                            self.quiet.remove(&wait.service);
                        }
                    }
                }
                Action::AwaitReady { services } => {
                    for wait in services {
                        self.count_probe(look, plan, &wait.service);
                    }
                }
                _ => {}
            }
        }
    }

    fn count_probe(&mut self, look: &Look<'_>, plan: &Plan, service: &ServiceName) {
        match look.readiness(plan.node(), service) {
            Ok((readiness, at)) => {
                let streak =
                    self.ready.entry(service.clone()).or_insert(Ready { passed: 0, at: Timestamp::MIN, reason: None });
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
                self.ready.remove(service);
            }
        }
    }

    /// How long a service has had no residual traffic.
    pub fn quiet_for(&self, service: &ServiceName, now: Timestamp) -> Option<Duration> {
        self.quiet.get(service).map(|since| crate::model::observed::age(now, *since))
    }

    /// The probes of a service in a row.
    pub fn ready(&self, service: &ServiceName) -> Option<&Ready> {
        self.ready.get(service)
    }
}
