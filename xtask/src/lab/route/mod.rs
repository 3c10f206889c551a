//! The other ways of distribution in a lab with routes: a file for each, with its configuration and its handles.

use std::time::Duration;

use anyhow::Result;

use super::Lab;
use super::layout::{Layout, Role, find, machines};
use super::shell::{Answer, write};

pub(crate) mod announcer;
pub(crate) mod dns;
pub(crate) mod edge;
pub(crate) mod envoy;
pub(crate) mod nginx;
pub(crate) mod router;

pub use announcer::{ANYCAST_APP, ANYCAST_EDGE, Announcer};
pub use dns::{TTL, ZONE};
pub use edge::EDGES;
pub use envoy::{ENVOY_ADMIN_PORT, ENVOY_ENDPOINTS, ENVOY_PORT, Envoy};
pub use nginx::{NGINX_PORT, NGINX_SERVERS, Nginx};
pub use router::Path;

/// What the hosts of a lab with routes share: the keys of the zone, and who resolves names for clients.
pub(crate) fn prepare(layout: &Layout) -> Result<()> {
    dns::make_keys(layout)?;
    let resolver = find("router")?.address;
    write(&layout.file("resolv.conf"), 0o644, &format!("nameserver {resolver}\noptions timeout:1 attempts:2\n"))
}

impl Lab {
    /// Starts everything anew that makes the routes, as it was at first, and waits until all of it serves.
    pub(crate) fn fresh_routes(&self) -> Result<()> {
        for host in machines(true) {
            self.fresh_duties(host)?;
        }
        self.wait_routes()
    }

    /// Waits until every route serves.
    pub(crate) fn wait_routes(&self) -> Result<()> {
        let limit = Duration::from_secs(30);
        self.wait("the zone on dns-1", limit, |lab| lab.serial("dns-1").map(|_| Answer::Yes))?;
        // It may have asked before the primary was there, and would ask again in a minute.
        self.shell("dns-2", &format!("rndc refresh {ZONE}"))?;
        self.wait("the zone on both name servers", limit, Self::zone_served)?;
        self.wait("every path on the router", limit, Self::paths_complete)?;
        self.wait("HAProxy on the nodes", limit, |lab| lab.all_up(&EDGES))?;
        self.wait("NGINX and Envoy", limit, Self::proxies_serve)
    }

    /// Whether NGINX and Envoy pass a client through to the application.
    fn proxies_serve(&self) -> Result<Answer> {
        for host in super::hosts(Role::Balancer) {
            for port in [NGINX_PORT, ENVOY_PORT] {
                let url = format!("http://{}:{port}/ready", host.address);
                let curl = ["curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}", &url];
                let code = self.output("control", &curl)?.stdout;
                if code != b"200" {
                    return Ok(Answer::NotYet(format!("{url} answers {}", String::from_utf8_lossy(&code))));
                }
            }
        }
        Ok(Answer::Yes)
    }
}
