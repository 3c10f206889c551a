//! HAProxy on the nodes themselves, for a service whose load balancers run where its instances do.
//!
//! It listens on every address of its node, so that both DNS (the node's own address) and anycast can lead to it, and
//! balances over the application on all nodes.

use crate::lab::duty::{Duty, File};
use crate::lab::haproxy::Haproxy;
use crate::lab::layout::Host;

/// The nodes that run a load balancer.
pub const EDGES: [&str; 2] = ["node-1", "node-2"];

/// HAProxy on a node, where it has one.
pub(crate) fn duty(host: &Host, runs: bool) -> Option<Duty> {
    // Quick checks: it is up before the application is, and would call every node down for long.
    let haproxy = Haproxy { inter: "1s".to_owned(), ..Haproxy::default() };
    EDGES.contains(&host.name).then(|| Duty {
        unit: "haproxy.service",
        runs,
        files: vec![File::new("etc/haproxy/haproxy.cfg", haproxy.render(host, false))],
        logs: vec![("var/log/haproxy/access.log", "root")],
        memory: "/var/lib/haproxy/server-state",
    })
}
