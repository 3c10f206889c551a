//! Names, addresses and places: where everything of one lab is, from its prefix alone.
//!
//! Two labs never meet: folders, namespaces, machines and control groups carry the prefix, and the addresses
//! live in namespaces of their own, so that every lab can use the same ones.

use std::env;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// TCP port of the power switch, on the control namespace's address (the fence agent's default too).
pub(crate) const SWITCH_PORT: u16 = 7410;
/// Where the application listens on every node.
pub const APP_PORT: u16 = 8080;
/// Where Jetty listens on every node.
pub const JETTY_PORT: u16 = 8081;

/// What a host of the lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A member of the Pacemaker cluster.
    Node,
    /// A load balancer.
    Balancer,
    /// An authoritative name server of the zone `lab.example`; only in a lab with routes.
    NameServer,
    /// What leads clients to the anycast addresses, and their caching resolver; only in a lab with routes.
    Router,
    /// A bare network namespace on this machine's own file system.
    Namespace,
}

impl Role {
    /// Whether a host of this role is there only in a lab with routes.
    pub fn only_with_routes(self) -> bool {
        matches!(self, Self::NameServer | Self::Router)
    }
}

/// A host of the lab.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its name inside the lab.
    pub name: &'static str,
    /// Its only address.
    pub address: Ipv4Addr,
    /// What it is.
    pub role: Role,
}

/// Every host of a lab; the order is the order of their corosync ids, too.
pub const HOSTS: [Host; 10] = [
    host("node-1", 11, Role::Node),
    host("node-2", 12, Role::Node),
    host("node-3", 13, Role::Node),
    host("lb-1", 21, Role::Balancer),
    host("lb-2", 22, Role::Balancer),
    host("dns-1", 31, Role::NameServer),
    host("dns-2", 32, Role::NameServer),
    host("router", 41, Role::Router),
    host("control", 2, Role::Namespace),
    host("client", 3, Role::Namespace),
];

const fn host(name: &'static str, last: u8, role: Role) -> Host {
    Host { name, address: Ipv4Addr::new(10, 77, 0, last), role }
}

/// The hosts with this role.
pub fn hosts(role: Role) -> impl Iterator<Item = &'static Host> {
    HOSTS.iter().filter(move |host| host.role == role)
}

/// The hosts of a lab, with or without routes.
pub fn present(routes: bool) -> impl Iterator<Item = &'static Host> {
    HOSTS.iter().filter(move |host| routes || !host.role.only_with_routes())
}

/// Those of them that boot a system of their own.
pub fn machines(routes: bool) -> impl Iterator<Item = &'static Host> {
    present(routes).filter(|host| host.role != Role::Namespace)
}

/// The host of that name.
pub fn find(name: &str) -> Result<&'static Host> {
    match HOSTS.iter().find(|host| host.name == name) {
        Some(host) => Ok(host),
        None => bail!("the lab has no host {name}; it has {}", HOSTS.map(|host| host.name).join(", ")),
    }
}

/// Where the things of one lab are.
#[derive(Clone, Debug)]
pub struct Layout {
    prefix: String,
    dir: PathBuf,
}

impl Layout {
    /// The layout of the lab with this prefix (letters, digits and `-`, ten at most).
    pub fn new(prefix: &str) -> Result<Self> {
        let fits = (1..=10).contains(&prefix.len())
            && prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            bail!("the prefix {prefix:?} must be 1 to 10 of the characters a-z, 0-9 and -");
        }
        Ok(Self { prefix: prefix.to_owned(), dir: state_root().join(prefix) })
    }

    /// The prefix itself.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The lab's folder.
    pub fn dir(&self) -> &PathBuf {
        &self.dir
    }

    /// A file in the lab's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of one machine.
    pub(crate) fn machine(&self, name: &str) -> PathBuf {
        self.dir.join("machines").join(name)
    }

    /// The writable layer of one machine: its own files, over the shared root file system.
    pub(crate) fn upper(&self, name: &str) -> PathBuf {
        self.machine(name).join("upper")
    }

    /// A network namespace's name; `bridge` is the switch between all hosts.
    pub(crate) fn netns(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A network namespace's file.
    pub(crate) fn netns_file(&self, name: &str) -> PathBuf {
        PathBuf::from("/run/netns").join(self.netns(name))
    }

    /// The name of the lab's control group in each hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("tidegate-lab-{}", self.prefix)
    }

    /// The control socket of the supervisor.
    pub(crate) fn switch_socket(&self) -> PathBuf {
        self.file("switch.sock")
    }
}

/// Where the folders of all labs are (`TIDEGATE_LAB_STATE`, or `/var/lib/tidegate-lab`).
pub(crate) fn state_root() -> PathBuf {
    env::var_os("TIDEGATE_LAB_STATE").map_or_else(|| "/var/lib/tidegate-lab".into(), PathBuf::from)
}

/// Where root file systems are kept (`TIDEGATE_LAB_CACHE`, or `/var/cache/tidegate-lab`).
pub(crate) fn cache_root() -> PathBuf {
    env::var_os("TIDEGATE_LAB_CACHE").map_or_else(|| "/var/cache/tidegate-lab".into(), PathBuf::from)
}
