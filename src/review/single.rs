//! What clients pass through must not hang on one machine.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Facts,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::config::settings::{Endpoint, Route, Via};

pub(super) static RULES: [Rule; 4] = [
    Rule {
        code: "single-balancer",
        title: "No load balancer stands alone",
        why: "When the machine of the only load balancer is lost, so is every node behind it, however many there are.",
        mend: "Run a second load balancer on another machine, list it under `instances`, and give clients a way to both (a name \
               with two records, an anycast prefix, an address that moves).",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: balancer,
    },
    Rule {
        code: "single-announcer",
        title: "No prefix has one announcer",
        why: "When the only announcer is lost or withdraws, nobody has a path to the prefix any more.",
        mend: "Let a second node announce the prefix, and name both in the route.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: announcer,
    },
    Rule {
        code: "single-resolver",
        title: "No name has one server",
        why: "When the only server of the zone is lost, clients whose answers run out find nobody, and no record can be changed.",
        mend: "Let a second server, on another machine, serve the zone, and add its NS record.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: resolver,
    },
    Rule {
        code: "single-address",
        title: "The address is not one load balancer's own",
        why: "Clients know the address of one load balancer only: the others stand by in vain when its machine is lost.",
        mend: "Give clients a name that leads to all of them, an anycast prefix or an address that moves, and write that into `address`.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: address,
    },
];

/// The machines on which a route's load balancers run; `None` where they are somebody else's (a cloud's).
fn machines(route: &Route) -> Option<BTreeSet<String>> {
    let host = |host: Option<&str>| host.unwrap_or("this machine").to_owned();
    match &route.via {
        Via::Haproxy(haproxy) => {
            let place = |socket: &Endpoint| match socket {
                Endpoint::Unix { .. } => host(None),
                Endpoint::Ssh { host, .. } => host.clone(),
                Endpoint::Tcp { address } => address.rsplit_once(':').map_or(address.as_str(), |(h, _)| h).to_owned(),
            };
            Some(haproxy.instances.iter().map(|i| place(&i.socket)).collect())
        }
        Via::Nginx(nginx) => Some(nginx.instances.iter().map(|i| host(i.seat.host.as_deref())).collect()),
        Via::Envoy(envoy) => Some(envoy.instances.iter().map(|i| host(i.seat.host.as_deref())).collect()),
        _ => None,
    }
}

fn balancer(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _, route) in facts.routes() {
        let Some(own) = machines(route) else { continue };
        // Another kind of load balancer beside it, for the same clients, is a second one too.
        let beside = entrypoint.routes.iter().filter(|r| r.tier == route.tier).filter_map(machines).flatten();
        let all: BTreeSet<String> = beside.chain(own).collect();
        if let (Some(only), 1) = (all.first(), all.len()) {
            verdict.found(&route.id, format!("every load balancer of it runs on {only}"));
        }
    }
}

fn announcer(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, _, route) in facts.routes() {
        let Via::Bgp(bgp) = &route.via else { continue };
        let Some(shape) = facts.shape(route).filter(|_| !facts.topology.nodes.is_empty()) else { continue };
        if let [only] = shape.servers.keys().collect::<Vec<_>>().as_slice() {
            verdict.found(&route.id, format!("{} is announced by {only} alone", bgp.prefix));
        }
    }
}

fn resolver(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, _, route) in facts.routes() {
        let (Via::Dns(dns), Some(shape)) = (&route.via, facts.shape(route)) else { continue };
        let seen = facts.found().seen.routes.get(&route.id);
        let unseen = shape.instances.keys().find(|i| seen.and_then(|s| s.get(*i)).is_none_or(|o| o.value().is_none()));
        match (shape.instances.len(), unseen) {
            (1, None) => verdict.found(&route.id, format!("{} has one server", dns.zone)),
            // Who does not answer may not be there, or be the only one that was found.
            (_, Some(name)) => verdict.unknown(&route.id, &format!("{name} does not answer")),
            (_, None) => {}
        }
    }
}

fn address(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints() {
        let Some(address) = ip(&entrypoint.address) else { continue };
        for route in &entrypoint.routes {
            let Some(shape) = facts.shape(route).filter(|s| s.instances.len() > 1) else { continue };
            if let Some((name, _)) = shape.instances.iter().find(|(_, i)| i.source.contains(&address)) {
                let what =
                    format!("{address} is {name}'s own address, and {} others serve it too", shape.instances.len() - 1);
                verdict.found(format!("entrypoint {}", entrypoint.name), what);
            }
        }
    }
}

/// The address that is written, without its port.
pub(super) fn ip(address: &str) -> Option<IpAddr> {
    let host = || address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
    address.parse().ok().or_else(|| host()?.parse().ok())
}
