//! `[[entrypoint]]` and its routes: what is read, what they refer to, and what they may not share.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cluster::Context,
    endpoint,
    nearest::nearest,
    reader::{Reader, Spot},
    report::Problems,
    settings::{Endpoint, Entrypoint, Haproxy, HaproxyInstance, Protocol, Route, Tls, Via},
};
use crate::model::{EntrypointName, InstanceName, RouteId, ServiceName};

/// What is already driven, and where that was said: two routes that drive the same server would each remember the
/// other's drain as the state to put back.
#[derive(Default)]
struct Driven {
    ids: BTreeMap<RouteId, Spot>,
    servers: Vec<(Endpoint, String, String, RouteId)>,
}

/// Reads all entrypoints; `None` where a part is missing or wrong, which has been reported then.
pub(crate) fn entrypoints(
    readers: &[Reader<'_>],
    context: &Context,
    problems: &mut Problems,
) -> Option<Vec<Entrypoint>> {
    let mut driven = Driven::default();
    let all: Vec<_> = readers.iter().map(|r| entrypoint(r, context, &mut driven, problems)).collect();
    all.into_iter().collect()
}

fn entrypoint(r: &Reader<'_>, context: &Context, driven: &mut Driven, problems: &mut Problems) -> Option<Entrypoint> {
    let name = r.text("name");
    let service = r.text("service").map(ServiceName::new);
    // Where no service could be read at all, that was reported.
    let unknown = |s: &&ServiceName| !context.services.is_empty() && !context.services.contains(*s);
    if let Some(service) = service.as_ref().filter(unknown) {
        let near = nearest(service.as_str(), context.services.iter().map(ServiceName::as_str));
        let help = near.map_or_else(|| "name a `[[service]]`".to_owned(), |n| format!("did you mean \"{n}\"?"));
        r.spot("service").report(problems, format!("there is no service \"{service}\""), help);
    }
    let protocol: Option<Protocol> = r.choice("protocol");
    let tls: Option<Tls> = r.choice("tls");
    if protocol == Some(Protocol::Http) && tls.is_some() {
        r.spot("tls").report(
            problems,
            "protocol = \"http\" has no TLS",
            "use protocol = \"https\", or leave `tls` out",
        );
    }
    let routes = r.tables("route");
    let routes: Vec<_> = routes.iter().map(|route| self::route(route, name.as_deref(), driven, problems)).collect();
    Some(Entrypoint {
        name: EntrypointName::new(name?),
        service: service?,
        address: r.text("address")?,
        protocol: protocol?,
        tls,
        client_identity: r.choice("client-identity"),
        routes: routes.into_iter().collect::<Option<_>>()?,
    })
}

fn route(r: &Reader<'_>, entrypoint: Option<&str>, driven: &mut Driven, problems: &mut Problems) -> Option<Route> {
    let ramp = ramp(r, problems);
    let via = r.variant().and_then(|via| match via {
        "haproxy" => haproxy(r, problems),
        _ => None,
    })?;
    let name = if r.has("name") { r.text("name")? } else { via.backend.clone() };
    let id = RouteId::new(format!("{}/haproxy:{name}", entrypoint?));
    driven.add(&id, &via, r, problems);
    Some(Route { id, tier: r.integer("tier")?, ramp: ramp?, dwell: r.duration("dwell")?, via: Via::Haproxy(via) })
}

impl Driven {
    fn add(&mut self, id: &RouteId, via: &Haproxy, r: &Reader<'_>, problems: &mut Problems) {
        if let Some(first) = self.ids.get(id) {
            let message = format!("there is a route {id} already, at {}", problems.line_of(first.at));
            let help = "routes are appended, never merged; give this one a `name` of its own if it is another";
            return r.here().report(problems, message, help);
        }
        self.ids.insert(id.clone(), r.here());
        for instance in &via.instances {
            let same = |(socket, backend, server, _): &&(Endpoint, String, String, RouteId)| {
                *socket == instance.socket && *backend == via.backend && *server == via.server
            };
            if let Some((.., other)) = self.servers.iter().find(same) {
                let message = format!("{} on {} is already driven by the route {other}", via.backend, instance.name);
                let help = "frontends that share a backend are one entrypoint";
                return r.spot("instances").report(problems, message, help);
            }
        }
        let server = |i: &HaproxyInstance| (i.socket.clone(), via.backend.clone(), via.server.clone(), id.clone());
        self.servers.extend(via.instances.iter().map(server));
    }
}

fn ramp(r: &Reader<'_>, problems: &mut Problems) -> Option<Vec<u8>> {
    let stages: Vec<(Spot, u8)> = r
        .texts("ramp")?
        .into_iter()
        .map(|(spot, text)| text.strip_suffix('%').and_then(|n| n.parse().ok()).map(|n| (spot, n)))
        .collect::<Option<_>>()?;
    for pair in stages.windows(2) {
        if let [(_, before), (spot, after)] = pair
            && after <= before
        {
            let message = format!("the ramp does not rise: {after}% comes after {before}%");
            spot.report(problems, message, "each stage must be larger than the one before it");
        }
    }
    if let Some((spot, last)) = stages.last().filter(|(_, last)| *last != 100) {
        spot.report(problems, format!("the ramp ends at {last}%"), "the last stage must be \"100%\"");
    }
    Some(stages.into_iter().map(|(_, percent)| percent).collect())
}

fn haproxy(r: &Reader<'_>, problems: &mut Problems) -> Option<Haproxy> {
    let backend = r.text("backend");
    let server = r.text("server");
    let instances = instances(r, problems);
    Some(Haproxy { backend: backend?, server: server?, instances: instances? })
}

/// An instance as it is written.
struct Written {
    spot: Spot,
    name: Option<InstanceName>,
    socket: Endpoint,
    master: Option<Endpoint>,
    source: Vec<std::net::IpAddr>,
}

fn instances(r: &Reader<'_>, problems: &mut Problems) -> Option<Vec<HaproxyInstance>> {
    let written: Vec<Written> = r.items("instances").into_iter().map(written).collect::<Option<_>>()?;
    let mut names: BTreeSet<InstanceName> = BTreeSet::new();
    let mut sockets: Vec<&Endpoint> = Vec::new();
    for one in &written {
        if let Some(name) = one.name.as_ref().filter(|name| !names.insert((*name).clone())) {
            one.spot.report(problems, format!("there are two instances named \"{name}\""), "give each its own name");
        }
        if sockets.contains(&&one.socket) {
            one.spot.report(problems, "another instance has the same socket", "each HAProxy must be listed once");
        }
        sockets.push(&one.socket);
    }
    let named = |one: Written| {
        let name = one.name.unwrap_or_else(|| endpoint::derive_name(&one.socket, &names));
        names.insert(name.clone());
        HaproxyInstance { name, socket: one.socket, master: one.master, source: one.source }
    };
    Some(written.into_iter().map(named).collect())
}

fn written(item: Result<Reader<'_>, (Spot, String)>) -> Option<Written> {
    match item {
        Err((spot, text)) => {
            Some(Written { spot, name: None, socket: endpoint::parse(&text)?, master: None, source: Vec::new() })
        }
        Ok(r) => Some(Written {
            spot: r.here(),
            name: r.text("name").map(InstanceName::new),
            socket: endpoint::parse(&r.text("socket")?)?,
            master: r.text("master").and_then(|text| endpoint::parse(&text)),
            source: r.texts("source")?.into_iter().map(|(_, ip)| ip.parse().ok()).collect::<Option<_>>()?,
        }),
    }
}
