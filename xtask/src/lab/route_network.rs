//! What the hosts of a lab with routes know of the anycast addresses: who has them, and how packets get there.
//!
//! Set from outside, with the cable, so that it is there before the machine's own programs are.

use anyhow::Result;

use super::layout::{Host, Layout, Role, find, hosts};
use super::route::announcer::{ANYCAST, prefixes};
use super::route::router;
use super::shell::{feed, tool};

/// The routing table for answers from an anycast address.
const BACK: u8 = 78;

/// Gives a host its part of the anycast network.
pub(crate) fn prepare(layout: &Layout, host: &Host) -> Result<()> {
    let way = find("router")?.address;
    match host.role {
        Role::Node => {
            // Answers go back over the router: one that keeps connections on their path has to see both ways.
            let mut script =
                format!("rule add from {ANYCAST} lookup {BACK}\nroute add default via {way} table {BACK}\n");
            for (_, address) in prefixes(host) {
                script += &format!("addr add {address}/32 dev lo\n");
            }
            ip(layout, host, &script)
        }
        Role::Router => {
            let mut script = String::new();
            for node in hosts(Role::Node) {
                let mark = router::mark(node);
                script += &format!("rule add fwmark {mark} lookup {mark}\n");
                script += &format!("route add {ANYCAST} via {} table {mark}\n", node.address);
            }
            ip(layout, host, &script)?;
            // Everything comes in and goes out by the one cable, so every packet would earn a redirect.
            settings(
                layout,
                host,
                "ip_forward=1 fib_multipath_hash_policy=1 conf/all/send_redirects=0 conf/eth0/send_redirects=0",
            )?;
            let enter = format!("--net={}", layout.netns_file(host.name).display());
            feed(&mut tool("nsenter", &[&enter, "--", "nft", "-f", "-"]), &router::flows()).map(drop)
        }
        Role::Namespace => ip(layout, host, &format!("route add {ANYCAST} via {way}\n")),
        Role::Balancer | Role::NameServer => Ok(()),
    }
}

fn ip(layout: &Layout, host: &Host, script: &str) -> Result<()> {
    feed(&mut tool("ip", &["-n", &layout.netns(host.name), "-batch", "-"]), script).map(drop)
}

/// Sets what is under `/proc/sys/net/ipv4` of a host's namespace.
fn settings(layout: &Layout, host: &Host, settings: &str) -> Result<()> {
    let enter = format!("--net={}", layout.netns_file(host.name).display());
    let script = "for one in $0; do echo ${one#*=} > /proc/sys/net/ipv4/${one%%=*}; done";
    super::shell::run(&mut tool("nsenter", &[&enter, "--", "sh", "-euc", script, settings])).map(drop)
}
