//! Connections that live long need somebody to have decided what becomes of them.

use super::{
    Facts,
    facts::span,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::config::settings::{OnDeadline, Protocol, Service};

pub(super) static RULES: [Rule; 2] = [
    Rule {
        code: "long-lived-undecided",
        title: "Long-lived connections have a policy",
        why: "Connections of this protocol stay open for hours: every drain waits to its deadline, is held, and wakes somebody up.",
        mend: "Set `connections.max-age`, or `on-deadline = \"close\"` or `\"abort\"`: what becomes of those that do not leave.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: undecided,
    },
    Rule {
        code: "quiet-past-deadline",
        title: "Quiet connections end before a drain gives up",
        why: "A WebSocket, or a client that went away without a word, holds the drain until its deadline, and then somebody has to decide at night.",
        mend: "HAProxy: lower `timeout tunnel`, `timeout client` and `timeout server` below the deadline; or set `connections.max-age` or `on-deadline`.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: quiet,
    },
];

/// Whether nobody has decided what becomes of connections that stay.
fn is_undecided(service: &Service) -> bool {
    service.connections.max_age.is_none() && service.connections.on_deadline == OnDeadline::Hold
}

fn undecided(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints().filter(|(_, s)| is_undecided(s)) {
        let word = match entrypoint.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Grpc => "grpc",
            Protocol::Http | Protocol::Https => continue,
        };
        let what = format!("its protocol is {word}, and nothing says what becomes of connections that stay");
        verdict.found(format!("entrypoint {}", entrypoint.name), what);
    }
}

fn quiet(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let service = balancer.service;
        if !is_undecided(service) {
            continue;
        }
        let deadline = service.connections.deadline;
        match balancer.tells(|v| v.quiet) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(quiet) if quiet >= deadline => {
                let what = format!(
                    "it keeps a quiet connection for {}, and a drain waits for {}",
                    span(quiet),
                    span(deadline)
                );
                verdict.found(&balancer.about, what);
            }
            Ok(_) => {}
        }
    }
}
