//! The announcers of the anycast addresses: BIRD or FRR on every node, one at a time.
//!
//! Each prefix comes from a statement of its own (BIRD's static protocol, FRR's `network`), so that one can be withdrawn
//! while the session stays up. Beside each is what marks it for a graceful shutdown (RFC 8326): in BIRD a second static
//! protocol (`…_leaving`), disabled, in FRR the route-map `LEAVING`.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::lab::duty::{Duty, File, lines};
use crate::lab::layout::{Host, Role, find, hosts};
use crate::lab::shell::Answer;

use super::edge::EDGES;

/// The anycast address of the application, announced by all nodes.
pub const ANYCAST_APP: &str = "10.78.0.1";
/// The anycast address of the load balancers on nodes, announced by those that have one.
pub const ANYCAST_EDGE: &str = "10.78.0.2";
/// All of the lab's anycast addresses.
pub(crate) const ANYCAST: &str = "10.78.0.0/24";

/// The nodes' autonomous system, and the router's.
pub(crate) const NODES_AS: u32 = 65010;
pub(crate) const ROUTER_AS: u32 = 65000;

/// What announces on the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Announcer {
    /// BIRD 2, by its control socket.
    #[default]
    Bird,
    /// FRRouting's bgpd, by vtysh.
    Frr,
}

/// The prefixes of a node: the name of the statement, and the address.
pub(crate) fn prefixes(host: &Host) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("anycast_app", ANYCAST_APP)];
    if EDGES.contains(&host.name) {
        all.push(("anycast_edge", ANYCAST_EDGE));
    }
    all
}

/// BIRD and FRR on a node, of which one runs.
pub(crate) fn duties(host: &Host, announcer: Announcer) -> Vec<Duty> {
    vec![
        Duty {
            unit: "bird.service",
            runs: announcer == Announcer::Bird,
            files: vec![File::new("etc/bird/bird.conf", bird(host)).owned("bird")],
            logs: vec![("var/log/bird/bird.log", "bird")],
            memory: "",
        },
        Duty {
            unit: "frr.service",
            runs: announcer == Announcer::Frr,
            files: vec![
                File::new("etc/frr/daemons", DAEMONS).owned("frr"),
                File::new("etc/frr/frr.conf", frr(host)).owned("frr"),
            ],
            logs: vec![("var/log/frr/frr.log", "frr")],
            memory: "",
        },
    ]
}

fn bird(host: &Host) -> String {
    let statics = lines(prefixes(host), |(name, address)| {
        format!(
            "protocol static {name} {{\n    ipv4;\n    route {address}/32 blackhole;\n}}\n\n\
             protocol static {name}_leaving {{\n    disabled;\n    ipv4 {{\n        preference 210;\n        \
             import filter {{ bgp_community.add((65535, 0)); accept; }};\n    }};\n    route {address}/32 blackhole;\n}}\n"
        )
    });
    format!(
        r#"# Made by `cargo xtask lab`; see xtask/src/lab/route/announcer.rs.
log "/var/log/bird/bird.log" all;
timeformat log iso long ms;
timeformat protocol iso long ms;
timeformat route iso long ms;
router id {address};
debug protocols {{ states }};

protocol device {{
}}

{statics}
protocol bgp upstream {{
    local {address} as {NODES_AS};
    neighbor {router} as {ROUTER_AS};
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
    hold time 6;
    ipv4 {{
        import none;
        export where source = RTS_STATIC;
    }};
}}
"#,
        address = host.address,
        router = router(),
    )
}

const DAEMONS: &str = "bgpd=yes\nvtysh_enable=yes\nzebra_options=\"-A 127.0.0.1 -s 90000000\"\nbgpd_options=\"-A 127.0.0.1\"\n\
    staticd_options=\"-A 127.0.0.1\"\n";

fn frr(host: &Host) -> String {
    let networks = lines(prefixes(host), |(_, address)| format!("  network {address}/32"));
    format!(
        "! Made by `cargo xtask lab`; see xtask/src/lab/route/announcer.rs.
frr defaults traditional
hostname {name}
log file /var/log/frr/frr.log informational
log timestamp precision 3
!
router bgp {NODES_AS}
 bgp router-id {address}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {router} remote-as {ROUTER_AS}
 neighbor {router} timers 2 6
 neighbor {router} timers connect 1
 neighbor {router} advertisement-interval 0
 !
 address-family ipv4 unicast
{networks} exit-address-family
exit
!
route-map LEAVING permit 10
 set community graceful-shutdown
exit
!
",
        name = host.name,
        address = host.address,
        router = router(),
    )
}

fn router() -> String {
    find("router").map_or_else(|_| String::new(), |host| host.address.to_string())
}

impl Lab {
    /// Lets BIRD or FRR announce on all nodes, until the next reset, and returns when the router has every path.
    pub fn announce_with(&self, announcer: Announcer) -> Result<()> {
        for node in hosts(Role::Node) {
            let (stop, start) = match announcer {
                Announcer::Bird => ("frr.service", "bird.service"),
                Announcer::Frr => ("bird.service", "frr.service"),
            };
            self.shell(node.name, &format!("systemctl stop {stop}; systemctl reset-failed; systemctl start {start}"))?;
        }
        self.wait("every path on the router", std::time::Duration::from_secs(20), Self::paths_complete)
    }

    /// Announces a prefix from a node's BIRD, or withdraws it, as an operator would by hand.
    pub fn bird_static(&self, node: &str, statement: &str, announced: bool) -> Result<()> {
        let verb = if announced { "enable" } else { "disable" };
        self.exec(node, &["birdc", verb, statement]).map(drop)
    }

    /// Runs FRR's commands on a node, as an operator would by hand.
    pub fn vtysh(&self, node: &str, commands: &[&str]) -> Result<String> {
        let mut line = vec!["vtysh"];
        for command in commands {
            line.extend(["-c", command]);
        }
        let output = self.exec(node, &line)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Reloads the configuration of a node's BIRD (or the router's); what was disabled by hand stays so.
    pub fn reload_bird(&self, machine: &str) -> Result<()> {
        self.exec(machine, &["birdc", "configure"]).map(drop)
    }

    /// Whether the router has every prefix from every node that should announce it.
    pub(crate) fn paths_complete(&self) -> Result<Answer> {
        for node in hosts(Role::Node) {
            for (_, address) in prefixes(node) {
                let paths = self.paths(address)?;
                if !paths.iter().any(|path| path.node == node.name && path.used) {
                    return Ok(Answer::NotYet(format!("the router has no path to {address} over {}", node.name)));
                }
            }
        }
        Ok(Answer::Yes)
    }
}
