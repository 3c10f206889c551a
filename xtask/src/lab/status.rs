//! The whole lab at a glance, for people and, as JSON, for programs.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::layout::{Role, hosts, present};
use super::{ClusterView, Lab, Server, network, switch};

/// Everything that `lab status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The lab's prefix.
    pub prefix: String,
    /// The lab's folder.
    pub dir: String,
    /// Every host.
    pub hosts: Vec<HostStatus>,
    /// The cluster, when a node answers.
    pub cluster: Option<ClusterView>,
    /// What each load balancer sees.
    pub balancers: Vec<BalancerStatus>,
}

/// One host.
#[derive(Debug, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// `on`, `off`, or `namespace` for a host without a system of its own.
    pub power: String,
    /// Whether its cable is plugged in.
    pub linked: bool,
    /// PID 1 inside, as this machine numbers it.
    pub leader: Option<i32>,
    /// How often it was booted.
    pub boots: u32,
}

/// One load balancer's servers.
#[derive(Debug, Serialize)]
pub struct BalancerStatus {
    /// Its name.
    pub name: String,
    /// Its servers; none when it does not answer.
    pub servers: Vec<Server>,
}

impl Lab {
    /// Looks at every machine, the cluster and both load balancers.
    pub fn status(&self) -> Result<Status> {
        let power = switch::machines(&self.layout)?;
        let host_status = |host: &super::Host| {
            let power = power.iter().find(|power| power.name == host.name);
            HostStatus {
                name: host.name.to_owned(),
                address: host.address.to_string(),
                power: power.map_or("namespace", |power| if power.on { "on" } else { "off" }).to_owned(),
                linked: network::plugged(&self.layout, host.name),
                leader: power.and_then(|power| power.leader),
                boots: power.map_or(0, |power| power.boots),
            }
        };
        Ok(Status {
            prefix: self.layout.prefix().to_owned(),
            dir: self.dir().display().to_string(),
            hosts: present(self.options.routes).map(host_status).collect(),
            cluster: self.cluster().ok(),
            balancers: hosts(Role::Balancer)
                .map(|balancer| BalancerStatus {
                    name: balancer.name.to_owned(),
                    servers: self.servers(balancer.name).unwrap_or_default(),
                })
                .collect(),
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "lab {} in {}", self.prefix, self.dir)?;
        for host in &self.hosts {
            let cable = if host.linked { "" } else { "  cable pulled" };
            writeln!(out, "  {:<8} {:<11} {}{cable}", host.name, host.address, host.power)?;
        }
        match &self.cluster {
            None => writeln!(out, "cluster: no node answers")?,
            Some(cluster) => {
                let quorum = if cluster.quorum { "quorum" } else { "NO QUORUM" };
                let coordinator = cluster.coordinator.as_deref().unwrap_or("nobody");
                writeln!(out, "cluster: {quorum}, coordinated by {coordinator}, {} failures", cluster.failures)?;
                for node in &cluster.nodes {
                    let mut words = vec![if node.online { "online" } else { "offline" }];
                    let flags = [
                        (node.standby, "standby"),
                        (node.maintenance, "maintenance"),
                        (node.pending, "pending"),
                        (node.unclean, "unclean"),
                    ];
                    words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| word));
                    let runs: Vec<String> = cluster
                        .instances
                        .iter()
                        .filter(|instance| instance.node == node.name)
                        .map(|instance| format!("{} {}", instance.resource, instance.role))
                        .collect();
                    writeln!(out, "  {:<8} {}: {}", node.name, words.join(" "), runs.join(", "))?;
                }
            }
        }
        for balancer in &self.balancers {
            if balancer.servers.is_empty() {
                writeln!(out, "{}: HAProxy does not answer", balancer.name)?;
            } else {
                writeln!(out, "{}:", balancer.name)?;
            }
            for server in &balancer.servers {
                writeln!(
                    out,
                    "  {:<16} {} {} weight {} sessions {} total {}",
                    format!("{}/{}", server.backend, server.name),
                    server.status,
                    server.check,
                    server.weight,
                    server.sessions,
                    server.total
                )?;
            }
        }
        Ok(())
    }
}
