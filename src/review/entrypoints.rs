//! Entrypoints, their protocols, and the layer of what distributes them.

use super::{
    Facts,
    facts::is_balancer,
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::{
    config::settings::{Protocol, Tls},
    model::balancer::Layer,
};

pub(super) static RULES: [Rule; 3] = [
    Rule {
        code: "entrypoint-missing",
        title: "Every service has its entrypoints listed",
        why: "Clients come by a way that Tidegate does not know, so a drain leaves it open and stops the unit under them.",
        mend: "List each name or address by which clients reach the service as an `[[entrypoint]]` with its routes.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: missing,
    },
    Rule {
        code: "layer-mismatch",
        title: "The layer of each load balancer fits the protocol",
        why: "A load balancer that sees only connections sends all requests of one to the same node and cannot take a node out \
              between two; one that reads requests breaks what is no HTTP, or what it must not decrypt.",
        mend: "Set `mode http` for HTTP and gRPC that end at the load balancer, `mode tcp` for everything else, or correct \
               `protocol` and `tls` of the entrypoint.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: layer,
    },
    Rule {
        code: "member-single",
        title: "Every route leads to two members at least",
        why: "The only member of a route can never be drained, and when it is lost so is the route.",
        mend: "Add a second member to the route, or leave `nodes` out so that every member of the cluster is one.",
        severity: Severity::Warn,
        needs: Needs::Configuration,
        look: single_member,
    },
];

fn missing(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        if !facts.settings.entrypoints.iter().any(|e| e.service == service.name) {
            verdict.found(format!("service {}", service.name), "no entrypoint leads to it");
        }
    }
}

fn layer(facts: &Facts<'_>, verdict: &mut Verdict) {
    for balancer in facts.balancers() {
        let entrypoint = balancer.entrypoint;
        let layer = match balancer.tells(|view| view.layer) {
            Ok(layer) => layer,
            Err(why) => {
                verdict.unknown(&balancer.about, &why);
                continue;
            }
        };
        let wanted = match (entrypoint.protocol, entrypoint.tls) {
            (Protocol::Tcp, _) | (_, Some(Tls::Passthrough)) => Layer::Connections,
            (Protocol::Http | Protocol::Https | Protocol::Grpc, _) => Layer::Requests,
        };
        if layer == wanted {
            continue;
        }
        let name = &entrypoint.name;
        verdict.found(
            &balancer.about,
            match layer {
                Layer::Connections => format!("it distributes connections (layer 4), and {name} is made of requests"),
                Layer::Requests => format!("it reads requests (layer 7), and {name} is to be passed on as it comes"),
            },
        );
    }
}

fn single_member(facts: &Facts<'_>, verdict: &mut Verdict) {
    // Who is listed nowhere cannot be counted; online the cluster itself is the list.
    if facts.topology.nodes.is_empty() {
        return;
    }
    for (_, _, route) in facts.routes() {
        let Some(shape) = facts.shape(route).filter(|shape| shape.servers.len() < 2) else { continue };
        let only = shape.servers.keys().next().map_or_else(|| "nobody".to_owned(), ToString::to_string);
        // An announcer is a rule of its own.
        if is_balancer(&route.via) || super::facts::is_name(&route.via) {
            verdict.found(&route.id, format!("it leads to {only} alone"));
        }
    }
}
