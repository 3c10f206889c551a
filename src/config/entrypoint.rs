//! `[[entrypoint]]` and its routes: what is read, what they refer to, and what they may not share.

use std::{collections::BTreeMap, time::Duration};

use super::{
    cluster::Context,
    nearest::nearest,
    reader::{Reader, Spot},
    report::Problems,
    settings::{Entrypoint, Protocol, Route, Tls, Via},
};
use crate::{
    model::{EntrypointName, NodeName, RouteId, ServiceName},
    provider::route::kind::{About, BALANCER},
};

/// What is already driven, and where that was said: two routes that drive the same thing would each remember the
/// other's drain as the state to put back.
#[derive(Default)]
struct Driven {
    ids: BTreeMap<RouteId, Spot>,
    things: BTreeMap<String, RouteId>,
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
    let address = r.text("address");
    let about = About { address: address.as_deref(), context };
    let routes: Vec<_> =
        routes.iter().map(|route| self::route(route, name.as_deref(), &about, driven, problems)).collect();
    let port = r.integer("port").or_else(|| port(address.as_deref()?, protocol?));
    Some(Entrypoint {
        name: EntrypointName::new(name?),
        service: service?,
        address: address?,
        port,
        protocol: protocol?,
        tls,
        client_identity: r.choice("client-identity"),
        routes: routes.into_iter().collect::<Option<_>>()?,
    })
}

fn route(
    r: &Reader<'_>,
    entrypoint: Option<&str>,
    about: &About<'_>,
    driven: &mut Driven,
    problems: &mut Problems,
) -> Option<Route> {
    let ramp = ramp(r, problems);
    let nodes = nodes(r, about.context, problems);
    let via = Via::read(r, about, problems)?;
    let name = if r.has("name") { r.text("name")? } else { via.name() };
    let id = RouteId::new(format!("{}/{}:{name}", entrypoint?, via.word()));
    driven.add(&id, &via, r, problems);
    let tier = if r.has("tier") { r.integer("tier")? } else { via.tier() };
    let usual = if via.tier() < BALANCER { Duration::from_secs(5) } else { Duration::from_secs(1) };
    let watch = if r.has("watch") { r.duration("watch")? } else { usual };
    Some(Route { id, tier, ramp: ramp?, dwell: r.duration("dwell")?, nodes: nodes?, watch, via })
}

/// The nodes that a route leads to, where they are listed.
fn nodes(r: &Reader<'_>, context: &Context, problems: &mut Problems) -> Option<Option<Vec<NodeName>>> {
    if !r.has("nodes") {
        return Some(None);
    }
    let named = r.texts("nodes")?;
    named.iter().for_each(|(spot, name)| context.known(spot, name, problems));
    Some(Some(named.into_iter().map(|(_, name)| NodeName::new(name)).collect()))
}

impl Driven {
    fn add(&mut self, id: &RouteId, via: &Via, r: &Reader<'_>, problems: &mut Problems) {
        if let Some(first) = self.ids.get(id) {
            let message = format!("there is a route {id} already, at {}", problems.line_of(first.at));
            let help = "routes are appended, never merged; give this one a `name` of its own if it is another";
            return r.here().report(problems, message, help);
        }
        self.ids.insert(id.clone(), r.here());
        for thing in via.drives() {
            if let Some(other) = self.things.get(&thing).filter(|other| *other != id) {
                let message = format!("{thing} is already driven by the route {other}");
                let help = "frontends that share a backend are one entrypoint";
                return r.here().report(problems, message, help);
            }
            self.things.insert(thing, id.clone());
        }
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

/// The port of an address that names one, else the protocol's own.
fn port(address: &str, protocol: Protocol) -> Option<u16> {
    let written = address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match (written.and_then(|(_, port)| port.parse().ok()), protocol) {
        (Some(port), _) => Some(port),
        (None, Protocol::Http) => Some(80),
        (None, Protocol::Https | Protocol::Grpc) => Some(443),
        (None, Protocol::Tcp) => None,
    }
}
