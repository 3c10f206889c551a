//! The service learns who the client is, in the way that it expects.

use super::{
    Facts,
    facts::is_balancer,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{
    config::settings::{ClientIdentity, Entrypoint, Protocol, Tls},
    model::balancer::Identity,
};

pub(super) static RULES: [Rule; 5] = [
    Rule {
        code: "identity-unstated",
        title: "It is said how the service learns who the client is",
        why: "Behind a load balancer every client has the load balancer's address, unless it passes theirs on. Nobody can tell whether \
              that is missing or meant.",
        mend: "Write `client-identity` into the entrypoint: `x-forwarded-for`, `forwarded`, `proxy-protocol`, or `none` where nobody needs it.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: unstated,
    },
    Rule {
        code: "identity-impossible",
        title: "The way to tell the client's identity fits the layer",
        why: "A header can be added only to requests that are read: what goes through as it comes, or is no HTTP, never has one.",
        mend: "Use `client-identity = \"proxy-protocol\"` there, and configure it on both sides.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: impossible,
    },
    Rule {
        code: "identity-lost",
        title: "Load balancers really pass on who the client is",
        why: "The service sees the load balancer in place of every client: limits, logs and access rules by address hit all of them.",
        mend: "HAProxy: `option forwardfor`, `option forwarded` or `send-proxy-v2` on the servers; NGINX: `proxy_set_header X-Forwarded-For …` or \
               `proxy_protocol on`. On every load balancer.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: lost,
    },
    Rule {
        code: "proxy-protocol-unexpected",
        title: "The PROXY protocol is sent only where it is expected",
        why: "A service that does not expect the PROXY protocol takes its first line for a broken request, and refuses every client.",
        mend: "Take `send-proxy` away from the servers, or write `client-identity = \"proxy-protocol\"` where the service does expect it.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: unexpected,
    },
    Rule {
        code: "proxy-protocol-demanded",
        title: "Listeners demand the PROXY protocol only of those who send it",
        why: "A listener that demands the PROXY protocol refuses every client that connects to it directly.",
        mend: "Take `accept-proxy` away (NGINX: `proxy_protocol` of `listen`), or list the route in front that sends it, on an outer tier.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: demanded,
    },
];

fn unstated(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints() {
        if entrypoint.client_identity.is_none() && entrypoint.routes.iter().any(|r| is_balancer(&r.via)) {
            let what = "it has a load balancer in front and no `client-identity`";
            verdict.found(format!("entrypoint {}", entrypoint.name), what);
        }
    }
}

/// What the load balancers of an entrypoint have to pass on.
fn wanted(entrypoint: &Entrypoint) -> Option<Identity> {
    match entrypoint.client_identity? {
        ClientIdentity::XForwardedFor => Some(Identity::XForwardedFor),
        ClientIdentity::Forwarded => Some(Identity::Forwarded),
        ClientIdentity::ProxyProtocol => Some(Identity::ProxyProtocol),
        ClientIdentity::None => None,
    }
}

fn is_possible(entrypoint: &Entrypoint) -> bool {
    let opaque = entrypoint.protocol == Protocol::Tcp || entrypoint.tls == Some(Tls::Passthrough);
    !opaque || !matches!(wanted(entrypoint), Some(Identity::XForwardedFor | Identity::Forwarded))
}

fn impossible(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints().filter(|(e, _)| !is_possible(e)) {
        let what = "a header is to tell the client's address, and nobody on the way reads requests";
        verdict.found(format!("entrypoint {}", entrypoint.name), what);
    }
}

fn lost(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        // One that passes on to other load balancers tells them; the innermost tells the service.
        let (Some(wanted), true) = (wanted(balancer.entrypoint), is_possible(balancer.entrypoint)) else { continue };
        if !facts.leads_to_members(balancer.route) {
            continue;
        }
        match balancer.tells(|v| v.tells.as_ref()) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(tells) if tells.contains(&wanted) => {}
            Ok(_) => verdict.found(&balancer.about, format!("it does not pass on {}", word(wanted))),
        }
    }
}

fn word(identity: Identity) -> &'static str {
    match identity {
        Identity::XForwardedFor => "X-Forwarded-For",
        Identity::Forwarded => "Forwarded",
        Identity::ProxyProtocol => "the PROXY protocol",
    }
}

fn unexpected(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let expected = wanted(balancer.entrypoint) == Some(Identity::ProxyProtocol);
        match balancer.tells(|v| v.tells.as_ref()) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(tells) if tells.contains(&Identity::ProxyProtocol) && !expected => {
                verdict.found(&balancer.about, "it sends the PROXY protocol to the service");
            }
            Ok(_) => {}
        }
    }
}

fn demanded(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let outer = |r: &crate::config::settings::Route| is_balancer(&r.via) && r.tier < balancer.route.tier;
        if balancer.entrypoint.routes.iter().any(outer) {
            continue;
        }
        match balancer.tells(|v| v.accepts_proxy) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(true) => {
                verdict.found(&balancer.about, "a listener demands the PROXY protocol, and nothing in front sends it")
            }
            Ok(false) => {}
        }
    }
}
