//! The routes of the lab as Tidegate's configuration has them: a `[[entrypoint.route]]` table for each.

use std::net::Ipv4Addr;

use anyhow::{Result, bail};

use crate::lab::duty::lines;
use crate::lab::layout::{APP_PORT, Role, find, hosts};
use crate::lab::route::cloud::program;
use crate::lab::{
    ANYCAST_APP, Announcer, CLOUD_API_PORT, EDGES, ENVOY_ADMIN_PORT, ENVOY_ENDPOINTS, Lab, NGINX_SERVERS, Proxy, TTL,
    ZONE,
};

/// Where clients come in.
#[derive(Clone, Debug)]
pub struct Entrance {
    address: String,
    port: u16,
}

impl Entrance {
    /// An address.
    pub fn of(address: Ipv4Addr, port: u16) -> Self {
        Self { address: address.to_string(), port }
    }

    /// An address as text.
    pub fn at(address: &str, port: u16) -> Self {
        Self { address: address.to_owned(), port }
    }

    /// A name of the zone.
    pub fn named(name: &str, port: u16) -> Self {
        Self { address: format!("{name}.{ZONE}"), port }
    }

    pub(super) fn text(&self) -> String {
        let Self { address, port } = self;
        format!(
            "[[entrypoint]]\nname = \"web\"\nservice = \"app\"\naddress = \"{address}\"\nport = {port}\nprotocol = \"http\"\n\
             client-identity = \"x-forwarded-for\"\n"
        )
    }
}

/// A route of the lab.
#[derive(Clone, Debug)]
pub enum RouteText {
    /// HAProxy on the load balancers, or on the nodes themselves.
    Haproxy(Proxy),
    /// HAProxy on load balancers that can be drained themselves, from the names that lead to them.
    HaproxyOutside,
    /// NGINX on the load balancers.
    Nginx,
    /// Envoy on the load balancers.
    Envoy,
    /// The cloud balancer, by a program that runs beside Tidegate.
    Cloud,
    /// A name of the zone, whose records lead to these hosts.
    Dns(&'static str, Vec<&'static str>),
    /// An anycast address.
    Bgp(&'static str, Announcer),
    /// Any other, as it is.
    Other(String),
}

impl RouteText {
    pub(super) fn text(&self, lab: &Lab, ramp: &str) -> Result<String> {
        let table = match self {
            Self::Haproxy(Proxy::Edge) => haproxy(&EDGES, true, ramp)?,
            Self::Haproxy(proxy) => haproxy(&proxy.machines(), false, ramp)?,
            Self::HaproxyOutside => haproxy(&Proxy::Haproxy.machines(), true, ramp)?,
            Self::Nginx => nginx(ramp),
            Self::Envoy => envoy(ramp),
            Self::Cloud => cloud(ramp),
            Self::Dns(name, members) => dns(lab, name, members),
            Self::Bgp(address, announcer) => bgp(address, *announcer)?,
            Self::Other(text) => text.clone(),
        };
        Ok(format!("[[entrypoint.route]]\n{table}"))
    }
}

/// `on_node`: each runs on a host, of its own name, that can be drained.
fn haproxy(machines: &[&str], on_node: bool, ramp: &str) -> Result<String> {
    let mut text = format!(
        "via = \"haproxy\"\nbackend = \"app\"\nserver = \"{{node}}\"\nconfig-file = \"/etc/haproxy/haproxy.cfg\"\n{ramp}instances = [\n"
    );
    for machine in machines {
        let host = find(machine)?;
        let node = if on_node { format!(", node = \"{machine}\"") } else { String::new() };
        text += &format!(
            "  {{ name = \"{machine}\", socket = \"ssh://{machine}/run/haproxy/admin.sock\", source = [\"{}\"]{node} }},\n",
            host.address
        );
    }
    Ok(text + "]\n")
}

fn nginx(ramp: &str) -> String {
    let instances = lines(hosts(Role::Balancer), |host| {
        format!("  {{ name = \"{0}\", host = \"{0}\", source = [\"{1}\"] }},", host.name, host.address)
    });
    format!(
        "via = \"nginx\"\ninclude = \"{NGINX_SERVERS}\"\nserver = \"{{address}}:{APP_PORT}\"\n{ramp}instances = [\n{instances}]\n"
    )
}

fn envoy(ramp: &str) -> String {
    let instances = lines(hosts(Role::Balancer), |host| {
        format!(
            "  {{ name = \"{0}\", host = \"{0}\", admin = \"tcp:127.0.0.1:{ENVOY_ADMIN_PORT}\", source = [\"{1}\"] }},",
            host.name, host.address
        )
    });
    format!(
        "via = \"envoy\"\ncluster = \"app\"\neds = \"{ENVOY_ENDPOINTS}\"\nserver = \"{{address}}:{APP_PORT}\"\n{ramp}instances = [\n{instances}]\n"
    )
}

fn cloud(ramp: &str) -> String {
    let instances = lines(hosts(Role::Balancer), |host| {
        format!(
            "  {{ name = \"{0}\", host = \"local\", source = [\"{1}\"], arguments = [\"http://{1}:{CLOUD_API_PORT}\"] }},",
            host.name, host.address
        )
    });
    let program = program();
    format!("via = \"exec\"\nprogram = [\"python3\", \"{}\"]\n{ramp}instances = [\n{instances}]\n", program.display())
}

/// The secondary is not named: Tidegate finds it through the zone.
fn dns(lab: &Lab, name: &str, members: &[&str]) -> String {
    format!(
        "via = \"dns\"\nservers = [\"10.77.0.31\"]\nzone = \"{ZONE}\"\nrecord-name = \"{name}\"\nttl = \"{TTL}s\"\n\
         key-file = \"{}\"\nresolvers = [\"10.77.0.41\"]\nnodes = {members:?}\n",
        lab.tsig_key().display()
    )
}

fn bgp(address: &str, announcer: Announcer) -> Result<String> {
    let (statement, members) = match address {
        ANYCAST_APP => ("anycast_app", hosts(Role::Node).map(|host| host.name).collect::<Vec<_>>()),
        super::super::ANYCAST_EDGE => ("anycast_edge", EDGES.to_vec()),
        other => bail!("nobody announces {other} in the lab"),
    };
    // What the router calls its sessions, in xtask/src/lab/route/router.rs.
    let sessions = |node: &&str| format!("{{ node = \"{node}\", protocol = \"{}\" }}", node.replace('-', "_"));
    let sessions = members.iter().map(sessions).collect::<Vec<_>>().join(", ");
    let announcer = match announcer {
        Announcer::Bird => format!(
            "daemon = \"bird\", socket = \"ssh://{{ssh}}/run/bird/bird.ctl\", protocol = \"{statement}\", \
             graceful-protocol = \"{statement}_leaving\""
        ),
        Announcer::Frr => "daemon = \"frr\", host = \"{ssh}\", graceful-route-map = \"LEAVING\"".to_owned(),
    };
    Ok(format!(
        "via = \"bgp\"\nprefix = \"{address}/32\"\ngraceful-shutdown = \"1s\"\nannouncers = [{{ {announcer} }}]\n\
         observers = [{{ name = \"router\", daemon = \"bird\", socket = \"ssh://router/run/bird/bird.ctl\", sessions = [{sessions}] }}]\n\
         nodes = {members:?}\n"
    ))
}
