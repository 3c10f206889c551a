//! The providers that the configuration asks for.
//!
//! With `access = "local"` the coordinator is itself a member, and only that member's own sockets and units can be
//! read: asking this machine in another's name would be a wrong answer that looks like a right one.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    config::{
        Settings,
        settings::{Access as Way, Route},
    },
    health::{Failure, Target, probe::Programs, prober::HttpProber},
    model::NodeName,
    play::Machines,
    provider::{
        CloneControl, ProviderError, Result, SystemClock, UnitFiles, World,
        access::{Access, Following, Output, Stream, local::LocalAccess, ssh::SshAccess},
        alerts::Prometheus,
        cluster::pacemaker::Pacemaker,
        route::Tools,
        unit::{files::Files, systemd::Systemd},
    },
    traffic::sockets::Sockets,
};

/// What the local machine is called among hosts; no machine's name.
const HERE: &str = "";

/// The ways to the machines, shared by every provider.
#[derive(Clone)]
pub(super) struct Ways {
    nodes: Arc<dyn Access>,
    ssh: Arc<SshAccess>,
    /// The member that this machine is, where access is local.
    here: Option<NodeName>,
}

/// What the clone manager drives.
pub(super) struct ClonesWorld {
    pub(super) clones: Arc<dyn CloneControl>,
    pub(super) files: Arc<dyn UnitFiles>,
}

impl Ways {
    /// The ways that the settings ask for. Nothing is connected yet.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(match &settings.cluster.access {
            Way::Ssh { user, config } => {
                let ssh = Arc::new(SshAccess::new(user.clone(), config.clone())?);
                Self { nodes: ssh.clone(), ssh, here: None }
            }
            Way::Local => {
                let ssh = Arc::new(SshAccess::new(None, None)?);
                let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
                Self { nodes: Arc::new(OnlyHere(LocalAccess::new())), ssh, here: Some(NodeName::new(here)) }
            }
        })
    }

    /// The way to machines that are not this one.
    pub(super) fn ssh(&self) -> Arc<SshAccess> {
        self.ssh.clone()
    }

    /// Begins to connect to every machine that will be needed, without waiting for any of them.
    pub(super) fn warm(&self, settings: &Settings) {
        let mut hosts: Vec<String> = Vec::new();
        if self.here.is_none() {
            hosts.extend(members(settings).iter().map(|n| self.host(settings, n)));
        }
        let places = settings.places(&members(settings));
        hosts.extend(places.iter().filter(|p| p.outside).map(|p| p.ssh.clone()));
        for route in settings.entrypoints.iter().flat_map(|e| &e.routes) {
            let reached: Vec<_> = places.iter().filter(|p| route.reaches(p)).cloned().collect();
            hosts.extend(route.via.hosts(&reached));
        }
        hosts.sort();
        hosts.dedup();
        let ssh = self.ssh.clone();
        tokio::spawn(async move {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            // A host that does not answer is told by whoever needs it.
            ssh.warm(&hosts).await;
        });
    }

    /// The providers for these members.
    pub(super) fn world(&self, settings: &Settings, members: &[NodeName]) -> World {
        let limit = settings.run.call_timeout;
        let places = settings.places(members);
        let hosts: BTreeMap<NodeName, String> =
            members.iter().map(|node| (node.clone(), self.host(settings, node))).collect();
        let outside = places.iter().filter(|p| p.outside).map(|p| (p.node.clone(), self.host(settings, &p.node)));
        let reached: BTreeMap<NodeName, String> = hosts.clone().into_iter().chain(outside).collect();
        let tools = Tools { access: self.ssh.clone(), local: Arc::new(LocalAccess::new()), limit };
        let connect = |route: &Route| {
            let reached = places.iter().filter(|p| route.reaches(p)).cloned().collect();
            route.via.connect(route.id.clone(), reached, &tools)
        };
        World {
            routes: settings.entrypoints.iter().flat_map(|e| &e.routes).map(connect).collect(),
            cluster: Arc::new(Pacemaker::new(self.nodes.clone(), self.asked(&hosts), limit)),
            units: Arc::new(Systemd::new(self.nodes.clone(), hosts.clone(), limit).jobs_within(settings.run.patience)),
            traffic: Arc::new(Sockets::new(self.nodes.clone(), reached, limit)),
            prober: Arc::new(HttpProber::new(&settings.services, &settings.nodes, self.programs(settings, members))),
            alerts: settings.prometheus.as_ref().map(|settings| Prometheus::new(settings) as _),
            clock: Arc::new(SystemClock),
        }
    }

    /// The providers of the clone manager, for these members.
    pub(super) fn clones(&self, settings: &Settings, members: &[NodeName]) -> ClonesWorld {
        let limit = settings.run.call_timeout;
        let hosts: BTreeMap<NodeName, String> =
            members.iter().map(|node| (node.clone(), self.host(settings, node))).collect();
        ClonesWorld {
            clones: Arc::new(Pacemaker::new(self.nodes.clone(), self.asked(&hosts), limit)),
            files: Arc::new(Systemd::new(self.nodes.clone(), hosts, limit)),
        }
    }

    /// The members' machines, and this one.
    pub(super) fn machines(&self, settings: &Settings, members: &[NodeName]) -> Machines {
        let hosts = members.iter().map(|node| (node.clone(), self.host(settings, node)));
        let here = Arc::new(LocalAccess::new());
        Machines { access: self.nodes.clone(), hosts: hosts.collect(), here, limit: settings.run.call_timeout }
    }

    /// The members' disks.
    pub(super) fn files(&self, settings: &Settings, members: &[NodeName]) -> Files {
        let hosts = members.iter().map(|node| (node.clone(), self.host(settings, node)));
        Files::new(self.nodes.clone(), hosts.collect())
    }

    /// What the probe engine probes: every service on every member. A target that cannot be made, since a file that its
    /// probe needs cannot be read, is told with its reason.
    pub(super) fn targets(
        &self,
        settings: &Settings,
        members: &[NodeName],
    ) -> Vec<std::result::Result<Target, Failure>> {
        let programs = self.programs(settings, members);
        let of = |node| settings.services.iter().map(move |service| (service, node));
        let each = members.iter().flat_map(of);
        each.map(|(service, node)| Target::new(service, node, &settings.nodes, &programs)).collect()
    }

    /// Probes that are programs on these members.
    fn programs(&self, settings: &Settings, members: &[NodeName]) -> Programs {
        let hosts = members.iter().map(|node| (node.clone(), self.host(settings, node)));
        Programs::new(self.nodes.clone(), hosts.collect())
    }

    /// The members that are asked about the cluster.
    fn asked(&self, hosts: &BTreeMap<NodeName, String>) -> Vec<(NodeName, String)> {
        match &self.here {
            Some(here) => vec![(here.clone(), HERE.to_owned())],
            None => hosts.iter().map(|(node, host)| (node.clone(), host.clone())).collect(),
        }
    }

    fn host(&self, settings: &Settings, node: &NodeName) -> String {
        match &self.here {
            Some(here) if is_same(here, node) => HERE.to_owned(),
            Some(_) => node.as_str().to_owned(),
            None => settings.nodes.get(node).and_then(|n| n.ssh.clone()).unwrap_or_else(|| node.as_str().to_owned()),
        }
    }
}

/// The members as the configuration lists them; empty where the cluster has to be asked.
pub(super) fn members(settings: &Settings) -> Vec<NodeName> {
    match settings.cluster.members.as_slice() {
        [] => settings.nodes.iter().filter(|(_, n)| !n.outside).map(|(name, _)| name.clone()).collect(),
        listed => listed.to_vec(),
    }
}

/// Whether a machine's name is a member's: the same, or the same up to the first dot.
fn is_same(host: &NodeName, node: &NodeName) -> bool {
    let short = |name: &NodeName| name.as_str().split('.').next().unwrap_or_default().to_owned();
    host == node || short(host) == node.as_str() || host.as_str() == short(node)
}

/// This machine, and no other in its name.
struct OnlyHere(LocalAccess);

fn here_only(host: &str) -> Result<()> {
    if host == HERE {
        return Ok(());
    }
    let why = format!("{host} is another machine, and `access = \"local\"` reaches this one only");
    Err(ProviderError::Unreachable(why))
}

#[async_trait]
impl Access for OnlyHere {
    async fn run(&self, host: &str, argv: &[&str], limit: Duration) -> Result<Output> {
        here_only(host)?;
        self.0.run(host, argv, limit).await
    }

    async fn feed(&self, host: &str, argv: &[&str], input: &[u8], limit: Duration) -> Result<Output> {
        here_only(host)?;
        self.0.feed(host, argv, input, limit).await
    }

    async fn follow(&self, host: &str, argv: &[&str]) -> Result<Box<dyn Following>> {
        here_only(host)?;
        self.0.follow(host, argv).await
    }

    async fn connect_unix(&self, host: &str, path: &Path) -> Result<Box<dyn Stream>> {
        here_only(host)?;
        self.0.connect_unix(host, path).await
    }

    async fn connect_tcp(&self, host: &str, address: &str) -> Result<Box<dyn Stream>> {
        here_only(host)?;
        self.0.connect_tcp(host, address).await
    }

    async fn system_bus(&self, host: &str) -> Result<zbus::Connection> {
        here_only(host)?;
        self.0.system_bus(host).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_is_not_asked_in_anothers_name() {
        let here = OnlyHere(LocalAccess::new());
        let limit = Duration::from_secs(5);
        let other = here.run("node-02", &["true"], limit).await;
        assert!(matches!(other, Err(ProviderError::Unreachable(_))), "{other:?}");
        assert!(here.run(HERE, &["true"], limit).await.is_ok());
    }

    #[test]
    fn a_domain_makes_no_difference() {
        let same = |a: &str, b: &str| is_same(&NodeName::new(a), &NodeName::new(b));
        assert!(same("node-01.example.com", "node-01") && same("node-01", "node-01.example.com"));
        assert!(!same("node-01", "node-02") && !same("node-01.a", "node-01.b"));
    }
}
