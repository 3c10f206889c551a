//! TLS ends where the entrypoint says it does.

use super::{
    Facts,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{
    config::settings::{Probe, Protocol, Tls},
    model::balancer::BackTls,
};

pub(super) static RULES: [Rule; 5] = [
    Rule {
        code: "tls-unstated",
        title: "It is said where TLS ends",
        why: "Nobody can tell whether a load balancer that decrypts, or one that does not, is right.",
        mend: "Write `tls = \"terminate\"`, `\"passthrough\"` or `\"end-to-end\"` into the entrypoint.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: unstated,
    },
    Rule {
        code: "tls-at-balancer",
        title: "Load balancers decrypt where they should, and only there",
        why: "Clients meet clear text where they expect TLS, or a certificate where TLS should have gone through.",
        mend: "Put `ssl crt …` on the listener (NGINX: `listen … ssl`) or take it away, or correct `tls` of the entrypoint.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: at_balancer,
    },
    Rule {
        code: "tls-to-service",
        title: "The way from load balancer to service is as it is said to be",
        why: "What should be encrypted is readable on the way to the service, or the service is spoken to in a way that it does not \
              understand.",
        mend: "Put `ssl verify required ca-file …` on the servers (NGINX: `proxy_pass https://…`) or take it away, or correct `tls`.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: to_service,
    },
    Rule {
        code: "tls-unverified",
        title: "Certificates of services are verified",
        why: "Whoever can take a node's address can pose as the service: that the way is encrypted does not say to whom.",
        mend: "`verify required ca-file …` on the servers (NGINX: `proxy_ssl_verify on` and `proxy_ssl_trusted_certificate`).",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: unverified,
    },
    Rule {
        code: "tls-probe",
        title: "The probe speaks TLS where clients do",
        why: "The probe tests another way than that on which clients come: a certificate that ran out stops them and not the probe.",
        mend: "Let `ready.protocol` be `https` (or `tls = true` for `http2` and `grpc`) where TLS reaches the service, and `http` where it does not.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: probe,
    },
];

/// Protocols that are nothing without TLS.
fn wants_tls(protocol: Protocol) -> bool {
    protocol == Protocol::Https
}

fn unstated(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints().filter(|(e, _)| wants_tls(e.protocol) && e.tls.is_none()) {
        verdict.found(format!("entrypoint {}", entrypoint.name), "its protocol is https, and it has no `tls`");
    }
}

fn at_balancer(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let entrypoint = balancer.entrypoint;
        let wanted = match entrypoint.tls {
            Some(Tls::Terminate | Tls::EndToEnd) => true,
            Some(Tls::Passthrough) => false,
            None if wants_tls(entrypoint.protocol) => continue,
            // In clear; that a listener for TLS leads there as well does no harm.
            None => continue,
        };
        match (balancer.tells(|v| v.front_tls), wanted) {
            (Err(why), _) => verdict.unknown(&balancer.about, &why),
            (Ok(true), false) => verdict.found(&balancer.about, "a listener decrypts, and TLS is to go through"),
            (Ok(false), true) => verdict.found(&balancer.about, "no listener that leads to the service speaks TLS"),
            _ => {}
        }
    }
}

fn to_service(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers().into_iter().filter(|b| b.entrypoint.tls.is_some()) {
        let wanted = balancer.entrypoint.tls == Some(Tls::EndToEnd);
        match balancer.tells(|v| v.back_tls) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(BackTls::Clear) if wanted => verdict.found(&balancer.about, "it speaks to the service in clear"),
            Ok(BackTls::Verified | BackTls::Unverified) if !wanted => {
                verdict.found(&balancer.about, "it speaks TLS of its own to the service");
            }
            Ok(_) => {}
        }
    }
}

fn unverified(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers().into_iter().filter(|b| b.entrypoint.tls == Some(Tls::EndToEnd)) {
        match balancer.tells(|v| v.back_tls) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(BackTls::Unverified) => verdict.found(&balancer.about, "it believes any certificate of the service"),
            Ok(BackTls::Clear | BackTls::Verified) => {}
        }
    }
}

fn probe(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, service) in facts.entrypoints() {
        let Some(tls) = entrypoint.tls else { continue };
        let reaches = tls != Tls::Terminate;
        let speaks = match &service.ready.probe {
            Probe::Http(_) => false,
            Probe::Https { .. } => true,
            Probe::Http2 { trust, .. } | Probe::Grpc { trust, .. } => trust.is_some(),
            // Neither says anything of TLS.
            Probe::Tcp | Probe::Exec { .. } => continue,
        };
        if speaks != reaches {
            let (is, should) = if speaks { ("TLS", "ends before it") } else { ("clear text", "reaches it") };
            let what = format!("it is probed in {is}, and TLS of {} {should}", entrypoint.name);
            verdict.found(format!("service {}", service.name), what);
        }
    }
}
