//! What clients remember of a name, against the time that a drain, a failure and a window have.

use std::time::Duration;

use super::{
    Facts,
    facts::span,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::config::settings::{Route, Via};

/// TTL up to which nobody has to plan ahead.
const SHORT: Duration = Duration::from_secs(60);

pub(super) static RULES: [Rule; 4] = [
    Rule {
        code: "ttl-past-deadline",
        title: "Clients forget a name before a drain gives up",
        why: "A drain waits for at least the TTL; it reaches its deadline first, each time.",
        mend: "Lower `ttl` (or `ttl-during-maintenance`), or raise `connections.deadline` above it.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: past_deadline,
    },
    Rule {
        code: "ttl-past-failover",
        title: "Clients forget a lost node within the failover objective",
        why: "The guard takes a lost node out of the name at once, but clients go there for as long as they remember the answer.",
        mend: "Lower `ttl`, let the name lead to load balancers instead of nodes, or promise less.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: past_failover,
    },
    Rule {
        code: "ttl-without-window",
        title: "A long TTL can be shortened for a window",
        why: "Each drain of each node waits for the whole TTL, and so does each restore that goes wrong.",
        mend: "Set `ttl-during-maintenance`, and open a window with `tidegate window open` one TTL ahead.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: without_window,
    },
    Rule {
        code: "ttl-differs",
        title: "The TTL is the one that is configured",
        why: "What was reckoned with the configured TTL is wrong: clients remember for longer, or ask more often.",
        mend: "Set the TTL of the records to `ttl`, or close a window that was left open with `tidegate window close`.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: differs,
    },
];

/// The usual TTL and that of a window, by the configuration; what the zone holds where it says none.
fn ttls(facts: &Facts<'_>, route: &Route) -> Option<(Duration, Option<Duration>)> {
    let Via::Dns(dns) = &route.via else { return None };
    let seconds = |ttl: u32| Duration::from_secs(ttl.into());
    let held = || seen(facts, route).into_iter().max();
    Some((dns.ttl.map(seconds).or_else(held)?, dns.ttl_during_maintenance.map(seconds)))
}

/// The TTLs that the zone's servers answer with.
fn seen(facts: &Facts<'_>, route: &Route) -> Vec<Duration> {
    let instances = facts.found.and_then(|found| found.seen.routes.get(&route.id));
    let views = instances.into_iter().flat_map(|i| i.values()).filter_map(|o| o.value());
    views.flat_map(|view| view.members.values().map(|m| m.linger)).filter(|ttl| !ttl.is_zero()).collect()
}

fn past_deadline(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, service, route) in facts.routes() {
        let Some((usual, window)) = ttls(facts, route) else { continue };
        let least = window.unwrap_or(usual);
        let deadline = service.connections.deadline;
        if least >= deadline {
            let what = format!("its TTL is {}, and the deadline of a drain {}", span(least), span(deadline));
            verdict.found(&route.id, what);
        }
    }
}

fn past_failover(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, service, route) in facts.routes().filter(|(_, _, route)| facts.leads_to_members(route)) {
        let (Some((usual, _)), Some(objective)) = (ttls(facts, route), service.objective.failover) else { continue };
        if usual > objective {
            let what =
                format!("it leads to nodes with a TTL of {}, and the objective is {}", span(usual), span(objective));
            verdict.found(&route.id, what);
        }
    }
}

fn without_window(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, _, route) in facts.routes() {
        if let Some((usual, None)) = ttls(facts, route)
            && usual > SHORT
        {
            verdict
                .found(&route.id, format!("its TTL is {}, and no `ttl-during-maintenance` shortens it", span(usual)));
        }
    }
}

fn differs(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, _, route) in facts.routes() {
        let Via::Dns(dns) = &route.via else { continue };
        let Some(expected) = dns.ttl.map(|ttl| Duration::from_secs(ttl.into())) else { continue };
        let seen = seen(facts, route);
        if seen.is_empty() {
            verdict.unknown(&route.id, "no server of the zone told its records");
        } else if let Some(other) = seen.iter().find(|ttl| **ttl != expected) {
            verdict.found(&route.id, format!("the zone's TTL is {}, and `ttl` says {}", span(*other), span(expected)));
        }
    }
}
