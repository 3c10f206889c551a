//! The stable name leads where the routes lead.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Facts,
    rule::{Needs, Rule, Severity, Verdict},
    single::ip,
};
use crate::{
    config::settings::{Route, Via},
    model::topology::Role,
};

pub(super) static RULES: [Rule; 4] = [
    Rule {
        code: "name-unresolved",
        title: "The stable name resolves",
        why: "Clients that ask for the name find nobody.",
        mend: "Add the records, or correct `address`; where only clients' own resolvers know the name, say so with an acceptance.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: unresolved,
    },
    Rule {
        code: "name-elsewhere",
        title: "The stable name resolves to what the routes hold",
        why: "Clients go where no route of the entrypoint leads: a drain of the routes does not reach them.",
        mend: "Let `record-name` and `address` be the same name, look for a second zone (split horizon) or a hosts file, and wait for one \
               TTL where the records have just changed.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: elsewhere,
    },
    Rule {
        code: "resolver-elsewhere",
        title: "Resolvers answer what the zone holds",
        why: "Clients of this resolver are still sent to members that are out, or never to one that is in.",
        mend: "Wait for one TTL; if it stays so, the resolver asks a server that does not follow the zone, or keeps answers for longer \
               than it may.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: resolvers,
    },
    Rule {
        code: "address-outside-prefix",
        title: "The address lies in the prefix that is announced",
        why: "The prefix that Tidegate withdraws is not the one that clients connect to.",
        mend: "Correct `address` or `prefix`.",
        severity: Severity::Problem,
        needs: Needs::Configuration,
        look: outside,
    },
];

fn unresolved(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, answers) in &facts.found().names {
        let about = format!("entrypoint {entrypoint}");
        for answer in answers {
            match &answer.addresses {
                Ok(addresses) if addresses.is_empty() => {
                    verdict.found(&about, format!("{} finds no address for it", answer.who));
                }
                Ok(_) => {}
                Err(why) => verdict.unknown(&about, &format!("{}: {why}", answer.who)),
            }
        }
    }
}

/// The addresses to which a route by name leads; `None` where one of them is not known here.
fn held(facts: &Facts<'_>, route: &Route) -> Option<BTreeSet<IpAddr>> {
    let Via::Dns(dns) = &route.via else { return None };
    if !dns.kind.is_address() || dns.record != "{address}" {
        return None;
    }
    let shape = facts.shape(route)?;
    shape.servers.keys().map(|node| facts.settings.nodes.get(node)?.address).collect()
}

fn elsewhere(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints() {
        let Some(answers) = facts.found().names.get(&entrypoint.name) else { continue };
        let about = format!("entrypoint {}", entrypoint.name);
        let by_prefix = |address: &IpAddr| {
            entrypoint.routes.iter().any(|r| matches!(&r.via, Via::Bgp(bgp) if bgp.prefix.holds(*address)))
        };
        let names: Vec<&Route> = entrypoint.routes.iter().filter(|r| matches!(r.via, Via::Dns(_))).collect();
        let prefixes = entrypoint.routes.iter().any(|r| matches!(r.via, Via::Bgp(_)));
        let known: Option<Vec<_>> = names.iter().map(|r| held(facts, r)).collect();
        let Some(known) = known.filter(|_| prefixes || !names.is_empty()) else { continue };
        let led: BTreeSet<IpAddr> = known.into_iter().flatten().collect();
        for answer in answers {
            let Ok(addresses) = &answer.addresses else { continue };
            let strange: Vec<String> =
                addresses.iter().filter(|a| !by_prefix(a) && !led.contains(a)).map(ToString::to_string).collect();
            if !strange.is_empty() {
                let what = format!("{} finds {}, where no route leads", answer.who, strange.join(", "));
                verdict.found(&about, what);
            }
        }
    }
}

fn resolvers(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (_, _, route) in facts.routes() {
        let Some(asked) = facts.found().resolvers.get(&route.id) else { continue };
        let Some(shape) = facts.shape(route) else { continue };
        let driven = shape.instances.iter().find(|(_, i)| i.role == Role::Driven).map(|(name, _)| name);
        let view = driven.and_then(|i| facts.found().seen.routes.get(&route.id)?.get(i)?.value());
        for (who, said) in asked {
            match (said, view) {
                (Err(why), _) => verdict.unknown(&route.id, &format!("{who}: {why}")),
                (_, None) => verdict.unknown(&route.id, "the zone's server does not answer"),
                (Ok(said), Some(view)) => {
                    let admitted = view.members.iter().filter(|(_, m)| m.is_admitted()).map(|(name, _)| name.clone());
                    let admitted: BTreeSet<String> = admitted.collect();
                    if *said != admitted {
                        let list = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(", ");
                        let what = format!("{who} answers {}, and the zone holds {}", list(said), list(&admitted));
                        verdict.found(&route.id, what);
                    }
                }
            }
        }
    }
}

fn outside(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (entrypoint, _) in facts.entrypoints() {
        let Some(address) = ip(&entrypoint.address) else { continue };
        let prefixes: Vec<_> = entrypoint
            .routes
            .iter()
            .filter_map(|r| if let Via::Bgp(bgp) = &r.via { Some(bgp.prefix) } else { None })
            .collect();
        if !prefixes.is_empty() && !prefixes.iter().any(|p| p.holds(address)) {
            let list: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            let what = format!("{address} does not lie in {}", list.join(", "));
            verdict.found(format!("entrypoint {}", entrypoint.name), what);
        }
    }
}
