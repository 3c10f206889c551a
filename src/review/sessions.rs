//! Affinity, and where session state lives.

use super::{
    Facts,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{
    config::settings::{Affinity, SessionState},
    model::balancer::Sticky,
};

pub(super) static RULES: [Rule; 4] = [
    Rule {
        code: "state-without-affinity",
        title: "Session state on a node has clients that stay there",
        why: "A client's next request goes to another node, which knows nothing of its session.",
        mend: "Keep session state in a store of its own, or bind clients to a node and write how into `sessions.affinity`.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: without_affinity,
    },
    Rule {
        code: "state-local",
        title: "No session lives on one node alone",
        why: "A drain waits for bound clients until its deadline and then loses their sessions, and a node that fails loses them at once.",
        mend: "Keep session state in a store of its own (`state = \"external\"`) or copy it (`\"replicated\"`).",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: local,
    },
    Rule {
        code: "affinity-differs",
        title: "Load balancers bind clients as it is said",
        why: "Sessions are lost where clients are not bound as they should be, and load balancers that bind differently send one client to two nodes.",
        mend: "Configure the binding on every load balancer (HAProxy: `cookie`, `balance source`, `hash-type consistent`), or correct `sessions.affinity`.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: differs,
    },
    Rule {
        code: "affinity-undeclared",
        title: "Clients that are bound to a node are known as such",
        why: "A drain settles after seconds, while clients with a cookie still come back to the node now and then and are cut when it stops.",
        mend: "Write `sessions.affinity` as the load balancer does it, or take the binding away.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: undeclared,
    },
];

fn without_affinity(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        if service.sessions.state == SessionState::Local && service.sessions.affinity == Affinity::None {
            let what = "its sessions live on the node, and nothing binds clients to one";
            verdict.found(format!("service {}", service.name), what);
        }
    }
}

fn local(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        if service.sessions.state == SessionState::Local && service.sessions.affinity != Affinity::None {
            verdict.found(format!("service {}", service.name), "its sessions live on one node each");
        }
    }
}

fn sticky(affinity: Affinity) -> Sticky {
    match affinity {
        Affinity::None => Sticky::No,
        Affinity::Cookie => Sticky::Cookie,
        Affinity::SourceIp => Sticky::SourceIp,
        Affinity::ConsistentHash => Sticky::ConsistentHash,
    }
}

fn differs(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let declared = sticky(balancer.service.sessions.affinity);
        if declared == Sticky::No || !facts.leads_to_members(balancer.route) {
            continue;
        }
        match balancer.tells(|v| v.sticky) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(found) if found != declared => {
                verdict.found(&balancer.about, format!("it binds clients {}, not {}", word(found), word(declared)));
            }
            Ok(_) => {}
        }
    }
}

fn undeclared(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        if balancer.service.sessions.affinity != Affinity::None {
            continue;
        }
        match balancer.tells(|v| v.sticky) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(Sticky::No) => {}
            Ok(found) => verdict.found(&balancer.about, format!("it binds clients {}", word(found))),
        }
    }
}

fn word(sticky: Sticky) -> &'static str {
    match sticky {
        Sticky::No => "to nobody",
        Sticky::Cookie => "by a cookie",
        Sticky::SourceIp => "by their address",
        Sticky::ConsistentHash => "by a consistent hash",
    }
}
