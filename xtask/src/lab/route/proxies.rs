//! Which load balancers run.
//!
//! A drain waits until a node has no connection that no known load balancer explains. A load balancer that runs beside, has
//! its own checks and its own pool of idle connections and is in no configuration, is such a stranger. So only those run
//! that a test is about.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::lab::layout::{Role, hosts, machines};

use super::EDGES;

/// A load balancer of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proxy {
    /// HAProxy on both load balancers, port 80.
    Haproxy,
    /// NGINX on both, port 81.
    Nginx,
    /// Envoy on both, port 82.
    Envoy,
    /// The cloud balancer on both, port 83.
    Cloud,
    /// HAProxy on the nodes themselves, port 80 of their own and of the anycast address.
    Edge,
}

impl Proxy {
    const ALL: [Self; 5] = [Self::Haproxy, Self::Nginx, Self::Envoy, Self::Cloud, Self::Edge];

    /// The unit that it is.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Haproxy | Self::Edge => "haproxy.service",
            Self::Nginx => "nginx.service",
            Self::Envoy => "envoy.service",
            Self::Cloud => "cloud.service",
        }
    }

    /// The machines that it is on.
    pub fn machines(self) -> Vec<&'static str> {
        match self {
            Self::Edge => EDGES.to_vec(),
            _ => hosts(Role::Balancer).map(|host| host.name).collect(),
        }
    }
}

impl Lab {
    /// Runs these load balancers and no others, until the next reset, and returns when they serve.
    pub fn run_proxies(&self, wanted: &[Proxy]) -> Result<()> {
        for host in machines(true) {
            let units = |run: bool| -> Vec<&str> {
                let here = Proxy::ALL.into_iter().filter(|proxy| proxy.machines().contains(&host.name));
                here.filter(|proxy| wanted.contains(proxy) == run).map(Proxy::unit).collect()
            };
            let (stop, start) = (units(false), units(true));
            if !stop.is_empty() || !start.is_empty() {
                self.shell(host.name, &format!("for u in {}; do systemctl stop $u; done", stop.join(" ")))?;
                self.shell(host.name, &format!("for u in {}; do systemctl start $u; done", start.join(" ")))?;
            }
        }
        self.wait_proxies(wanted)
    }
}
