//! The lab: a real cluster on one machine.
//!
//! Three Pacemaker nodes and two HAProxy hosts, each a systemd of its own in `systemd-nspawn`, around a bridge
//! that lives in a network namespace; beside them the namespaces `control`, from which Tidegate and ssh work,
//! and `client`, from which load comes. Everything that the product drives is the real thing: D-Bus, sshd,
//! corosync, fencing, HAProxy's socket. Tests use [`Lab`]; people use `cargo xtask lab`.

mod balancer;
mod cgroup;
mod cluster;
mod cluster_scripts;
mod config;
mod duty;
mod faults;
mod haproxy;
mod host;
mod keys;
mod layout;
mod logs;
mod machine;
mod network;
mod product;
mod reach;
mod reset;
mod rootfs;
mod route;
mod route_network;
mod seed;
mod seed_files;
mod shell;
mod status;
mod supervisor;
mod switch;
mod teardown;
mod up;
mod view;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use balancer::Server;
pub use config::{Entrance, JETTY, RouteText, TidegateConfig, jetty_beside};
pub use haproxy::Haproxy;
pub(crate) use layout::cache_root;
pub use layout::{APP_PORT, HOSTS, Host, JETTY_PORT, Layout, Role, find, hosts, machines, present};
pub use logs::{AppRequest, Forwarded, LbRequest, Notice, PathChange, Query, ZoneUpdate};
pub(crate) use product::target_folder;
pub use product::tidegate;
pub use route::{
    ANYCAST_APP, ANYCAST_EDGE, Announcer, CLOUD_API_PORT, CLOUD_PORT, EDGES, ENVOY_ADMIN_PORT, ENVOY_ENDPOINTS,
    ENVOY_PORT, Envoy, NGINX_PORT, NGINX_SERVERS, Nginx, Path as BgpPath, Proxy, TTL, ZONE,
};
pub(crate) use shell::{Answer, run};
pub use status::{BalancerStatus, HostStatus, Status};
pub use supervisor::{Power, supervise};
pub use up::prepare;
pub use view::{ClusterView, Instance, Member};

/// What a lab is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Names everything of this lab; a second lab at the same time needs another one.
    pub prefix: String,
    /// Run Jetty as a second clone on all nodes.
    pub jetty: bool,
    /// HAProxy's settings.
    pub haproxy: Haproxy,
    /// Every other way of distribution too: DNS, anycast, NGINX, Envoy, HAProxy on the nodes.
    pub routes: bool,
    /// What announces the anycast addresses.
    pub announcer: Announcer,
    /// Which load balancers run in a lab with routes.
    pub proxies: Vec<Proxy>,
    /// NGINX's settings.
    pub nginx: Nginx,
    /// Envoy's settings.
    pub envoy: Envoy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "tg".to_owned(),
            jetty: false,
            haproxy: Haproxy::default(),
            routes: false,
            announcer: Announcer::default(),
            proxies: vec![Proxy::Haproxy],
            nginx: Nginx::default(),
            envoy: Envoy::default(),
        }
    }
}

/// A lab that is up.
#[derive(Clone, Debug)]
pub struct Lab {
    layout: Layout,
    options: Options,
}

impl Lab {
    /// Boots a lab and returns when its application is served by both load balancers.
    pub fn up(options: Options) -> Result<Self> {
        up::up(options)
    }

    /// Finds a running lab by its prefix.
    pub fn attach(prefix: &str) -> Result<Self> {
        let layout = Layout::new(prefix)?;
        switch::ask(&layout, "ping")?;
        let text = fs::read_to_string(layout.file("lab.json")).with_context(|| {
            format!("the lab {prefix:?} did not come up completely; remove it with `cargo xtask lab down`")
        })?;
        let options = serde_json::from_str(&text).context("the lab's lab.json is not readable")?;
        Ok(Self { layout, options })
    }

    /// Removes the lab of this prefix, whatever state it is in.
    pub fn down(prefix: &str) -> Result<()> {
        let layout = Layout::new(prefix)?;
        host::require_root()?;
        let _lock = up::lock(&layout)?;
        teardown::clean(&layout)?;
        teardown::forget(&layout);
        Ok(())
    }

    /// Writes down what the lab was started with; its presence says that the lab came up.
    pub(crate) fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.options)?;
        shell::write(&self.layout.file("lab.json"), 0o644, &text)
    }

    /// What the lab was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The lab's folder: keys, logs, journal.
    pub fn dir(&self) -> &Path {
        self.layout.dir()
    }

    /// The configuration for `ssh -F`, with a `Host` for every machine.
    pub fn ssh_config(&self) -> PathBuf {
        self.layout.file("ssh_config")
    }

    /// The names of the cluster's nodes.
    pub fn node_names(&self) -> Vec<&'static str> {
        hosts(Role::Node).map(|host| host.name).collect()
    }

    /// The names of the load balancers.
    pub fn balancer_names(&self) -> Vec<&'static str> {
        hosts(Role::Balancer).map(|host| host.name).collect()
    }

    /// A host's address.
    pub fn address(&self, name: &str) -> Result<std::net::Ipv4Addr> {
        Ok(find(name)?.address)
    }
}
