//! The router: BIRD, which hears the announcers and spreads clients over all paths of a prefix, and a caching resolver.
//!
//! Equal-cost routing alone sends a connection wherever the hash of its addresses points *now*: when a path goes, the
//! kernel deals out the hashes anew, and connections to other nodes break as well. Routers in front of stateful services
//! remember a connection's path instead. So does this one: the path that a connection's first packet took is kept as its
//! mark, and marked packets are routed by it. A withdrawn prefix then gets no new connections and loses no old ones.
//! A first packet is always routed afresh: answers pass the router by, so it never sees a connection end, and a client
//! that uses a port again within minutes would follow the older connection's path, to a node that left long ago.
//! [`Lab::forget_flows`] shows the other kind.

use anyhow::{Context, Result};

use crate::lab::Lab;
use crate::lab::duty::{Duty, File, lines};
use crate::lab::layout::{Host, Role, hosts};

use super::announcer::{ANYCAST, NODES_AS, ROUTER_AS};
use super::dns::{LOGGING, ZONE};

/// A path to a prefix, as the router has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The node that announced it.
    pub node: String,
    /// Whether clients are sent there: the kernel has it among the equal paths.
    pub used: bool,
    /// Its attributes (`BGP.as_path`, `BGP.community`…), one a line.
    pub attributes: Vec<String>,
}

/// BIRD and the resolver.
pub(crate) fn duties(host: &Host) -> Vec<Duty> {
    vec![
        Duty {
            unit: "bird.service",
            runs: true,
            files: vec![File::new("etc/bird/bird.conf", bird(host)).owned("bird")],
            logs: vec![("var/log/bird/bird.log", "bird")],
            memory: "",
        },
        Duty {
            unit: "named.service",
            runs: true,
            files: vec![File::new("etc/bind/named.conf", resolver(host))],
            logs: vec![("var/log/named/named.log", "bind")],
            memory: "",
        },
    ]
}

/// The protocol that speaks with a node.
fn protocol(node: &Host) -> String {
    node.name.replace('-', "_")
}

fn bird(host: &Host) -> String {
    let sessions = lines(hosts(Role::Node), |node| {
        format!("protocol bgp {} from nodes {{\n    neighbor {} as {NODES_AS};\n}}", protocol(node), node.address)
    });
    format!(
        r#"# Made by `cargo xtask lab`; see xtask/src/lab/route/router.rs.
log "/var/log/bird/bird.log" all;
timeformat log iso long ms;
timeformat protocol iso long ms;
timeformat route iso long ms;
router id {address};
debug protocols {{ states, routes }};

protocol device {{
}}

protocol kernel {{
    merge paths on;
    ipv4 {{
        import none;
        export where source = RTS_BGP;
    }};
}}

# RFC 8326: a path that is about to go is used only where there is no other.
filter announced {{
    if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
    if net ~ [ {ANYCAST}{{32,32}} ] then accept;
    reject;
}}

template bgp nodes {{
    local {address} as {ROUTER_AS};
    passive;
    error wait time 1, 2;
    hold time 6;
    ipv4 {{
        import filter announced;
        export none;
    }};
}}

{sessions}"#,
        address = host.address,
    )
}

fn resolver(host: &Host) -> String {
    let servers: String = hosts(Role::NameServer).map(|server| format!("{}; ", server.address)).collect();
    format!(
        r#"// Made by `cargo xtask lab`; see xtask/src/lab/route/router.rs.
options {{
    directory "/var/cache/bind";
    listen-on {{ {address}; 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-recursion {{ any; }};
    dnssec-validation no;
    empty-zones-enable no;
    rrset-order {{ order random; }};
}};

{LOGGING}
zone "{ZONE}" {{
    type static-stub;
    server-addresses {{ {servers}}};
}};
"#,
        address = host.address,
    )
}

/// A connection's first packet, and one sent again for want of an answer.
const FIRST: &str = "tcp flags & (syn | ack) == syn";
/// Every other.
const LATER: &str = "tcp flags & (syn | ack) != syn";

/// The packet filter that keeps a connection on its path.
pub(crate) fn flows() -> String {
    let nodes = lines(hosts(Role::Node), |node| {
        format!("add rule ip flows out {FIRST} rt ip nexthop {} ct mark set {}", node.address, mark(node))
    });
    format!(
        "add table ip flows\nflush table ip flows\n\
         add chain ip flows in {{ type filter hook prerouting priority mangle; }}\n\
         add rule ip flows in ip daddr {ANYCAST} {LATER} ct direction original meta mark set ct mark\n\
         add chain ip flows out {{ type filter hook postrouting priority mangle; }}\n{nodes}"
    )
}

/// What a node's connections are marked with, and the routing table for that mark.
pub(crate) fn mark(node: &Host) -> u8 {
    let [.., last] = node.address.octets();
    last
}

impl Lab {
    /// The router's paths to an anycast address, in the order of the nodes.
    pub fn paths(&self, address: &str) -> Result<Vec<Path>> {
        let script = format!("birdc show route all for {address}; echo KERNEL; ip route show {address}");
        let text = self.shell("router", &script)?;
        let (bird, kernel) = text.split_once("KERNEL").context("the router said nothing of its kernel")?;
        let mut paths = parse(bird);
        for path in &mut paths {
            let node = hosts(Role::Node).find(|node| protocol(node) == path.node);
            let node = node.with_context(|| format!("the router has a path from {}", path.node))?;
            path.node = node.name.to_owned();
            path.used = kernel.contains(&format!("via {} ", node.address));
        }
        paths.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(paths)
    }

    /// Makes the router one without memory: a connection goes where its hash points, whatever that was before.
    pub fn forget_flows(&self) -> Result<()> {
        self.nft("router", "delete table ip flows\n")
    }

    /// Makes the router remember again which path a connection is on.
    pub fn keep_flows(&self) -> Result<()> {
        self.nft("router", &flows())
    }

    /// Makes the resolver forget every answer.
    pub fn flush_resolver(&self) -> Result<()> {
        self.shell("router", "rndc flush").map(drop)
    }
}

/// Reads `birdc show route all for ADDRESS`: a line a path, its attributes indented below.
fn parse(text: &str) -> Vec<Path> {
    let mut paths: Vec<Path> = Vec::new();
    for line in text.lines() {
        let session = line.split_once("unicast [").and_then(|(_, rest)| rest.split(' ').next());
        match (session, paths.last_mut()) {
            (Some(session), _) => {
                paths.push(Path { node: session.to_owned(), used: false, attributes: Vec::new() });
            }
            (None, Some(path)) if line.trim_start().starts_with("BGP.") => path.attributes.push(line.trim().to_owned()),
            _ => {}
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn paths_come_with_their_attributes() {
        let text = "BIRD 2.0.12 ready.\nTable master4:\n\
                    10.78.0.1/32         unicast [node_1 2026-11-21 09:55:38.794] * (100) [AS65010i]\n\
                    \tvia 10.77.0.11 on eth0\n\tType: BGP univ\n\tBGP.as_path: 65010\n\
                    \x20                    unicast [node_3 2026-11-21 09:55:38.794] (100) [AS65010i]\n\
                    \tvia 10.77.0.13 on eth0\n\tBGP.local_pref: 0\n\tBGP.community: (65535,0)\n";
        let paths = parse(text);
        let nodes: Vec<&str> = paths.iter().map(|path| path.node.as_str()).collect();
        assert_eq!(nodes, ["node_1", "node_3"]);
        assert_eq!(paths[1].attributes, ["BGP.local_pref: 0", "BGP.community: (65535,0)"]);
        assert_eq!(parse("BIRD 2.0.12 ready.\nNetwork not found\n"), []);
    }
}
