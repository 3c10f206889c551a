//! The objective: it is set, it can be measured, and what has to notice a failure is quick enough for it.

use std::time::Duration;

use super::{
    Facts,
    facts::span,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{config::settings::Via, model::balancer::Check};

pub(super) static RULES: [Rule; 7] = [
    Rule {
        code: "objective-missing",
        title: "A failover objective is set",
        why: "Nobody can say whether checks are quick enough, a drill succeeded, or an outage was longer than it may be.",
        mend: "Write `objective = { failover = \"15s\", … }` into the service: what its users are promised.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: missing,
    },
    Rule {
        code: "objective-unmeasured",
        title: "What is promised can be measured",
        why: "No route of the service counts requests for each node, so neither skew nor errors are ever seen.",
        mend: "Take `max-skew` out, or send clients through a load balancer that counts (HAProxy, Envoy, or a program that reports it).",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: unmeasured,
    },
    Rule {
        code: "failover-ready-slow",
        title: "Readiness is judged within the failover objective",
        why: "Tidegate's guard calls a node lost after interval × failures + time-out: later than the service promises.",
        mend: "Lower `ready.interval`, `ready.unhealthy` or `ready.timeout`, or promise less.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: ready_slow,
    },
    Rule {
        code: "failover-check-slow",
        title: "Load balancers notice a failure within the failover objective",
        why: "Clients are sent to a node that is lost until the checks have taken it out: interval × failures + time-out is longer than \
              the service promises.",
        mend: "HAProxy: lower `inter` (or `fastinter`), `fall` and `timeout check` until they fit, or promise less.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: check_slow,
    },
    Rule {
        code: "threshold-of-one",
        title: "One lost answer takes nobody out",
        why: "A single packet that is lost, or a pause of the program, takes a healthy node out; on a busy day all of them.",
        mend: "At least two failures in a row: `ready.unhealthy = 2`; HAProxy: `fall 2`.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: of_one,
    },
    Rule {
        code: "grace-past-objective",
        title: "The grace after a start fits the objective",
        why: "A node that comes back broken is not called unhealthy while its grace lasts: longer than the service promises.",
        mend: "Let `ready.grace` be a little more than a start takes, or promise less.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: grace_long,
    },
    Rule {
        code: "grace-short",
        title: "Thresholds leave time to start",
        why: "The node is called unhealthy, and its penalty grows, before its start is over: each start looks like a failure.",
        mend: "Let `ready.grace` be longer than the longest start.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: grace_short,
    },
];

fn missing(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in facts.settings.services.iter().filter(|s| s.objective.failover.is_none()) {
        verdict.found(format!("service {}", service.name), "`objective.failover` is not set");
    }
}

fn unmeasured(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in facts.settings.services.iter().filter(|s| s.objective.max_skew.is_some()) {
        let mut routes = facts.routes().filter(|(_, s, _)| s.name == service.name).map(|(_, _, r)| r).peekable();
        let none = routes.peek().is_none();
        if !none && routes.all(|r| matches!(r.via, Via::Dns(_) | Via::Bgp(_) | Via::Nginx(_))) {
            let what = "`max-skew` is promised, and no route counts requests for each node";
            verdict.found(format!("service {}", service.name), what);
        }
    }
}

fn ready_slow(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        let (Some(objective), ready) = (service.objective.failover, &service.ready) else { continue };
        let longest = ready.interval * ready.unhealthy + ready.timeout;
        if longest > objective {
            let (interval, timeout) = (span(ready.interval), span(ready.timeout));
            let what = format!(
                "{interval} × {} + {timeout} = {}, and the objective is {}",
                ready.unhealthy,
                span(longest),
                span(objective)
            );
            verdict.found(format!("service {}", service.name), what);
        }
    }
}

fn check_slow(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let Some(objective) = balancer.service.objective.failover else { continue };
        // Who checks nothing is found as that.
        if matches!(balancer.tells(|v| v.check.as_ref()), Ok(Check::None | Check::Passive)) {
            continue;
        }
        match balancer.tells(|v| v.pace) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(pace) if pace.longest() > objective => {
                let (longest, interval, timeout) = (span(pace.longest()), span(pace.interval), span(pace.timeout));
                let what = format!(
                    "every {interval}, {} failures, {timeout} each: {longest}, and the objective is {}",
                    pace.failures,
                    span(objective)
                );
                verdict.found(&balancer.about, what);
            }
            Ok(_) => {}
        }
    }
}

fn of_one(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in facts.settings.services.iter().filter(|s| s.ready.unhealthy == 1) {
        verdict
            .found(format!("service {}", service.name), "one failed probe makes it unhealthy (`ready.unhealthy = 1`)");
    }
    if facts.found.is_none() {
        return;
    }
    for balancer in facts.balancers() {
        // What cannot be told here is told where the pace itself is asked for.
        if let Ok(1) = balancer.tells(|v| v.pace.map(|p| p.failures)) {
            verdict.found(&balancer.about, "one failed check takes a member out (`fall 1`)");
        }
    }
}

fn grace_long(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        let grace = service.ready.grace;
        if let Some(objective) = service.objective.failover.filter(|o| grace > *o) {
            let what = format!("its grace is {}, and the objective is {}", span(grace), span(objective));
            verdict.found(format!("service {}", service.name), what);
        }
    }
}

fn grace_short(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        let ready = &service.ready;
        let patient = ready.grace + ready.interval * ready.unhealthy;
        let longest = |node: &crate::model::NodeName| -> Result<Option<Duration>, String> {
            let machine = facts.found().machines.get(node).ok_or("it was not asked")?.as_ref().map_err(Clone::clone)?;
            Ok(machine.units.get(&service.unit).and_then(|u| u.as_ref()?.started_in))
        };
        for node in &facts.topology.nodes {
            let about = format!("{node}: {}", service.unit);
            match longest(node) {
                Err(why) => verdict.unknown(about, &why),
                Ok(Some(took)) if took > patient => {
                    let what =
                        format!("its last start took {}, and it is unhealthy after {}", span(took), span(patient));
                    verdict.found(about, what);
                }
                Ok(_) => {}
            }
        }
    }
}
