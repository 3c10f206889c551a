//! Health checks: they ask what matters, and the load balancers' agree with `/ready`.

use super::{
    Facts,
    facts::Balancer,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{
    config::settings::{Http, Probe, Protocol},
    model::balancer::Check,
};

pub(super) static RULES: [Rule; 5] = [
    Rule {
        code: "check-missing",
        title: "Load balancers check the members",
        why: "Clients are sent to a member whether it answers or not, until a person, or Tidegate, takes it out.",
        mend: "HAProxy: `check` on every server with `option httpchk`; NGINX: `max_fails` above 0 at least.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: missing,
    },
    Rule {
        code: "check-passive",
        title: "Checks do not need clients that fail",
        why: "Without checks of its own a load balancer learns of a failure by requests that fail, and tries again with those of clients.",
        mend: "Use a load balancer with active checks, or run the guard (`guard.mode = \"act\"`), which probes by itself, and accept this.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: passive,
    },
    Rule {
        code: "check-port-only",
        title: "Checks are no bare port checks",
        why: "A port opens as soon as the program listens, and while it hangs: the kernel answers, not the service.",
        mend: "HAProxy: `option httpchk GET /ready` with `http-check expect status 200`.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: port_only,
    },
    Rule {
        code: "check-differs",
        title: "Load balancers' checks agree with `service.ready`",
        why: "What one holds for ready the other holds for dead: a drain waits for a check that never passes, or clients are sent to what is \
              not ready.",
        mend: "Ask for the same path and port as `service.ready`, and expect the same statuses.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: differs,
    },
    Rule {
        code: "ready-port-only",
        title: "Readiness is no bare port check",
        why: "A drain, a restore and the guard believe `service.ready`; a port that opens says nothing of a service that answers requests.",
        mend: "Let the service answer a path of its own, such as `/ready`, and probe that.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: ready_port_only,
    },
];

/// What is found by looking at each load balancer's check.
fn each(facts: &Facts<'_>, verdict: &mut Verdict, look: impl Fn(&Balancer<'_>, &Check) -> Option<String>) {
    for balancer in facts.balancers() {
        match balancer.tells(|v| v.check.as_ref()) {
            Err(why) => verdict.unknown(&balancer.about, &why),
            Ok(check) => {
                if let Some(what) = look(&balancer, check) {
                    verdict.found(&balancer.about, what);
                }
            }
        }
    }
}

fn missing(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, |_, check| (*check == Check::None).then(|| "it does not check every member".to_owned()));
}

fn passive(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, |_, check| {
        (*check == Check::Passive).then(|| "it learns of a failure by clients' requests alone".to_owned())
    });
}

fn port_only(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, |balancer, check| {
        let bare = match check {
            Check::Port => "that a port opens",
            Check::Handshake => "that TLS is spoken",
            _ => return None,
        };
        let says_more = !matches!(balancer.service.ready.probe, Probe::Tcp);
        says_more.then(|| format!("it only checks {bare}"))
    });
}

fn differs(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, |balancer, check| {
        let Check::Request { path, port, passes } = check else { return None };
        let ready = &balancer.service.ready;
        let mut apart = Vec::new();
        apart.extend(port.filter(|p| *p != ready.port).map(|p| format!("port {p}, not {}", ready.port)));
        if let Probe::Http(http) | Probe::Https { http, .. } | Probe::Http2 { http, .. } = &ready.probe {
            apart.extend(path.as_ref().filter(|p| **p != http.path).map(|p| format!("{p}, not {}", http.path)));
            apart.extend(passes.as_ref().and_then(|passes| status_apart(passes, http)));
        }
        (!apart.is_empty()).then(|| format!("it checks {}", apart.join("; ")))
    });
}

fn status_apart(passes: &[std::ops::RangeInclusive<u16>], http: &Http) -> Option<String> {
    let by_balancer = |status: u16| passes.iter().any(|range| range.contains(&status));
    let apart = (200..=599).find(|status| by_balancer(*status) != http.expect.status.holds(*status))?;
    Some(if by_balancer(apart) {
        format!("and is content with {apart}, which is not ready")
    } else {
        format!("and is not content with {apart}, which is ready")
    })
}

fn ready_port_only(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        let of_requests = |p: Protocol| p != Protocol::Tcp;
        let asked = facts.entrypoints().find(|(e, s)| s.name == service.name && of_requests(e.protocol));
        if let (Probe::Tcp, Some((entrypoint, _))) = (&service.ready.probe, asked) {
            let what = format!("it is probed by a port that opens, and {} is made of requests", entrypoint.name);
            verdict.found(format!("service {}", service.name), what);
        }
    }
}
