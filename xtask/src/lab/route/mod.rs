//! The other ways of distribution in a lab with routes: a file for each, with its configuration and its handles.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Lab;
use super::layout::{Layout, Role, find, machines};
use super::shell::{Answer, write};

pub(crate) mod announcer;
pub(crate) mod cloud;
pub(crate) mod dns;
pub(crate) mod edge;
pub(crate) mod envoy;
pub(crate) mod nginx;
mod proxies;
pub(crate) mod router;

pub use announcer::{ANYCAST_APP, ANYCAST_EDGE, Announcer};
pub use cloud::{CLOUD_API_PORT, CLOUD_PORT};
pub use dns::{TTL, ZONE};
pub use edge::EDGES;
pub use envoy::{ENVOY_ADMIN_PORT, ENVOY_ENDPOINTS, ENVOY_PORT, Envoy};
pub use nginx::{NGINX_PORT, NGINX_SERVERS, Nginx};
pub use proxies::Proxy;
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
        std::thread::scope(|scope| -> Result<()> {
            let starts: Vec<_> = machines(true).map(|host| scope.spawn(|| self.fresh_duties(host))).collect();
            starts.into_iter().try_for_each(|start| start.join().unwrap_or_else(|_| bail!("a thread broke")))
        })?;
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
        self.wait_proxies(&self.options.proxies)
    }

    /// Waits until these load balancers serve.
    fn wait_proxies(&self, wanted: &[Proxy]) -> Result<()> {
        let limit = Duration::from_secs(30);
        let runs = |proxy: Proxy| wanted.contains(&proxy);
        if runs(Proxy::Haproxy) {
            self.wait("both HAProxy", limit, Self::balancers_up)?;
        }
        if runs(Proxy::Edge) {
            self.wait("HAProxy on the nodes", limit, |lab| lab.all_up(&EDGES))?;
        }
        let ports = [(Proxy::Nginx, NGINX_PORT), (Proxy::Envoy, ENVOY_PORT), (Proxy::Cloud, CLOUD_PORT)];
        let ports: Vec<u16> = ports.into_iter().filter(|(proxy, _)| runs(*proxy)).map(|(_, port)| port).collect();
        self.wait("the other load balancers", limit, |lab| lab.pass_through(&ports))
    }

    /// Whether what listens on these ports of both load balancers passes a client through to the application.
    fn pass_through(&self, ports: &[u16]) -> Result<Answer> {
        for host in super::hosts(Role::Balancer) {
            for port in ports {
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
