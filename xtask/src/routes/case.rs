//! The cases: by which routes clients come, what is drained, and which servers testify.

use anyhow::Result;

use super::layer::balancers::Balancers;
use super::layer::names::Names;
use super::layer::prefix::Prefix;
use super::layer::{Layer, node};
use super::order::Layers;
use crate::lab::{
    ANYCAST_APP, ANYCAST_EDGE, APP_PORT, Announcer, CLOUD_API_PORT, CLOUD_PORT, EDGES, ENVOY_ENDPOINTS, ENVOY_PORT,
    Entrance, Lab, NGINX_PORT, NGINX_SERVERS, Proxy, RouteText,
};

/// One layout.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The load balancers that run.
    pub(super) proxies: &'static [Proxy],
    pub(super) announcer: Announcer,
    /// What leads clients to the load balancers, or to the nodes.
    front: Front,
    /// What is drained and restored, one after the other.
    pub(super) drained: &'static [&'static str],
    /// Makes the state one that nobody would set by chance.
    pub(super) prepare: fn(&Lab) -> Result<()>,
    /// More text of Tidegate's configuration.
    pub(super) extra: &'static str,
}

/// What clients know.
#[derive(Clone, Copy)]
enum Front {
    /// The addresses of both load balancers.
    Balancers(u16),
    /// A name of the zone, with the hosts that its records lead to.
    Name(&'static str, u16, &'static [&'static str]),
    /// An anycast address.
    Anycast(&'static str, u16),
}

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const NODE: &str = "node-1";

/// The load balancers as hosts that can be drained from the names that lead to them.
const OUTSIDE: &str = "[[node]]\nname = \"lb-1\"\naddress = \"10.77.0.21\"\noutside = true\n\n\
    [[node]]\nname = \"lb-2\"\naddress = \"10.77.0.22\"\noutside = true\n";

fn nothing(_lab: &Lab) -> Result<()> {
    Ok(())
}

/// Every case.
pub(super) fn all() -> Vec<Case> {
    let case = |name, front, proxies| Case {
        name,
        proxies,
        announcer: Announcer::Bird,
        front,
        drained: &[NODE],
        prepare: nothing,
        extra: "",
    };
    vec![
        Case { prepare: haproxy_weights, ..case("haproxy", Front::Balancers(80), &[Proxy::Haproxy]) },
        Case { prepare: nginx_file, ..case("nginx", Front::Balancers(NGINX_PORT), &[Proxy::Nginx]) },
        Case { prepare: envoy_file, ..case("envoy", Front::Balancers(ENVOY_PORT), &[Proxy::Envoy]) },
        case("dns", Front::Name("app", APP_PORT, &NODES), &[]),
        case("bird", Front::Anycast(ANYCAST_APP, APP_PORT), &[]),
        Case { announcer: Announcer::Frr, ..case("frr", Front::Anycast(ANYCAST_APP, APP_PORT), &[]) },
        Case { prepare: cloud_weights, ..case("exec", Front::Balancers(CLOUD_PORT), &[Proxy::Cloud]) },
        Case {
            drained: &["lb-1", NODE],
            prepare: haproxy_weights,
            extra: OUTSIDE,
            ..case("dns-haproxy", Front::Name("web", 80, &["lb-1", "lb-2"]), &[Proxy::Haproxy])
        },
        Case { prepare: edge_weights, ..case("dns-edge", Front::Name("edge", 80, &EDGES), &[Proxy::Edge]) },
        Case { prepare: edge_weights, ..case("anycast-haproxy", Front::Anycast(ANYCAST_EDGE, 80), &[Proxy::Edge]) },
    ]
}

/// The names of all cases.
pub fn names() -> Vec<&'static str> {
    all().iter().map(|case| case.name).collect()
}

impl Case {
    /// What clients connect to.
    pub(super) fn urls(&self, lab: &Lab) -> Result<Vec<String>> {
        Ok(match self.front {
            Front::Balancers(port) => {
                let balancers = lab.balancer_names().into_iter();
                balancers.map(|name| Ok(format!("http://{}:{port}/", lab.address(name)?))).collect::<Result<_>>()?
            }
            Front::Name(name, port, _) => vec![format!("http://{name}.{}:{port}/", crate::lab::ZONE)],
            Front::Anycast(address, port) => vec![format!("http://{address}:{port}/")],
        })
    }

    /// The entrypoint of the configuration.
    pub(super) fn entrance(&self) -> Entrance {
        match self.front {
            Front::Balancers(port) => Entrance::of([10, 77, 0, 21].into(), port),
            Front::Name(name, port, _) => Entrance::named(name, port),
            Front::Anycast(address, port) => Entrance::at(address, port),
        }
    }

    /// Its routes.
    pub(super) fn routes(&self) -> Vec<RouteText> {
        let outer = match self.front {
            Front::Balancers(_) => None,
            Front::Name(name, _, members) => Some(RouteText::Dns(name, members.to_vec())),
            Front::Anycast(address, _) => Some(RouteText::Bgp(address, self.announcer)),
        };
        let inner = self.proxies.iter().map(|proxy| match proxy {
            Proxy::Nginx => RouteText::Nginx,
            Proxy::Envoy => RouteText::Envoy,
            Proxy::Cloud => RouteText::Cloud,
            Proxy::Haproxy if self.extra == OUTSIDE => RouteText::HaproxyOutside,
            haproxy => RouteText::Haproxy(*haproxy),
        });
        outer.into_iter().chain(inner).collect()
    }

    /// The layers of its routes, from the client inwards.
    pub(super) fn layers(&self) -> Vec<Box<dyn Layer>> {
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        match self.front {
            Front::Balancers(_) => {}
            Front::Name(name, ..) => layers.push(Box::new(Names(name))),
            Front::Anycast(address, _) => layers.push(Box::new(Prefix { address, announcer: self.announcer })),
        }
        layers.extend(self.proxies.iter().map(|proxy| -> Box<dyn Layer> { Box::new(Balancers(*proxy)) }));
        layers
    }

    /// Those of them that lead to this host, and what runs it.
    pub(super) fn layers_for(&self, host: &str) -> Layers {
        let inside = NODES.contains(&host);
        let leads_there = match self.front {
            Front::Balancers(_) => false,
            Front::Name(_, _, members) => members.contains(&host),
            Front::Anycast(address, _) => address == ANYCAST_APP || EDGES.contains(&host),
        };
        let front = usize::from(!matches!(self.front, Front::Balancers(_)));
        let outer = self.layers().into_iter().enumerate();
        // The first is the front, where there is one; load balancers lead to nodes only.
        let outer = outer.filter(|(at, _)| if *at < front { leads_there } else { inside }).map(|(_, layer)| layer);
        Layers { outer: outer.collect(), inner: if inside { node::all().into() } else { Vec::new() } }
    }
}

/// Weights that differ by load balancer, as only an exact restore brings them back.
fn haproxy_weights(lab: &Lab) -> Result<()> {
    uneven(lab, &lab.balancer_names())
}

/// The same on the nodes that are load balancers themselves.
fn edge_weights(lab: &Lab) -> Result<()> {
    uneven(lab, &EDGES)
}

fn uneven(lab: &Lab, balancers: &[&str]) -> Result<()> {
    for (balancer, weight) in balancers.iter().zip(["37", "53"]) {
        lab.haproxy(balancer, &format!("set server app/{NODE} weight {weight}"))?;
    }
    Ok(())
}

/// A file that somebody wrote by hand: comments, spaces, weights, an empty line.
fn nginx_file(lab: &Lab) -> Result<()> {
    for (balancer, weight) in lab.balancer_names().into_iter().zip(["37", "53"]) {
        let script = format!(
            "sed -i -e '1i # the nodes of {balancer}' -e '/0.11:/s/weight=100/  weight={weight}/' \
             -e '/0.11:/s/$/   # rack 1/' -e '$a\\\\' {NGINX_SERVERS}; chmod 640 {NGINX_SERVERS}; chgrp www-data {NGINX_SERVERS}"
        );
        lab.shell(balancer, &script)?;
        lab.reload_nginx(balancer)?;
    }
    Ok(())
}

/// Weights that differ by load balancer, and nobody's idea of indentation.
fn envoy_file(lab: &Lab) -> Result<()> {
    for (balancer, weight) in lab.balancer_names().into_iter().zip(["37", "53"]) {
        let script = format!(
            "sed '0,/\"load_balancing_weight\": 100/s//\"load_balancing_weight\":    {weight}/' {ENVOY_ENDPOINTS} > /etc/envoy/new; \
             mv /etc/envoy/new {ENVOY_ENDPOINTS}"
        );
        lab.shell(balancer, &script)?;
    }
    Ok(())
}

/// Weights that differ by balancer, set by their API.
fn cloud_weights(lab: &Lab) -> Result<()> {
    for (balancer, weight) in lab.balancer_names().into_iter().zip(["37", "53"]) {
        let (address, port) = (lab.address(balancer)?, CLOUD_API_PORT);
        let body = format!("{{\"state\": \"active\", \"weight\": {weight}, \"revision\": 1}}");
        lab.shell(balancer, &format!("curl -sf -X PUT -d '{body}' http://{address}:{port}/pool/targets/{NODE}"))?;
    }
    Ok(())
}
