//! `via = "bgp"`: what the configuration says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Bgp, keys::KEYS, prefix::Prefix};
use crate::{
    config::{
        endpoint,
        reader::Reader,
        report::Problems,
        settings::{Endpoint, Place},
        shape::Variant,
    },
    model::{
        InstanceName, NodeName, RouteId,
        topology::{InstanceShape, Role},
    },
    provider::{
        RouteProvider,
        route::kind::{About, Kind, OUTER, Tools},
    },
};

/// A prefix that nodes announce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The prefix.
    pub prefix: Prefix,
    /// Who announces it.
    pub announcers: Vec<Announcer>,
    /// How long it is marked before it is withdrawn.
    pub graceful_shutdown: Option<Duration>,
    /// Who must show it too.
    pub observers: Vec<Observer>,
}

/// A daemon that announces the prefix for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcer {
    /// The node; every node that no other announcer names, where there is none.
    pub node: Option<NodeName>,
    /// By which address observers know its paths; may hold `{address}`.
    pub next_hop: String,
    /// The daemon.
    pub daemon: Daemon,
    /// BIRD's static protocol that originates the prefix; nothing for FRR.
    pub protocol: Option<String>,
    /// What marks: BIRD's second protocol, FRR's route-map.
    pub graceful: Option<String>,
}

/// A daemon that is only asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observer {
    /// Its name in plans and messages.
    pub name: InstanceName,
    /// The daemon.
    pub daemon: Daemon,
    /// Its session with each node that the guard may close: a BGP protocol of BIRD.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sessions: BTreeMap<NodeName, String>,
}

/// Where a daemon is. Every text may hold `{node}`, `{address}` and `{ssh}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "daemon", rename_all = "kebab-case")]
pub enum Daemon {
    /// BIRD.
    Bird {
        /// `unix:/path` or `ssh://host/path`.
        socket: String,
    },
    /// FRR's bgpd.
    Frr {
        /// The host over SSH; this machine where there is none.
        host: Option<String>,
        /// The folder of bgpd's socket.
        vty_socket: String,
    },
}

impl Kind for Settings {
    const VARIANT: Variant = Variant { name: "bgp", about: "A prefix, announced by BIRD or FRR.", keys: &KEYS };
    const TIER: u16 = OUTER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let prefix = r.text("prefix")?.parse::<Prefix>();
        if let Err(why) = &prefix {
            r.spot("prefix").report(problems, why.clone(), "");
        }
        let graceful_shutdown = r.duration("graceful-shutdown");
        let patience = about.context.run.as_ref().map(|run| run.patience);
        if let (Some(grace), Some(patience)) = (graceful_shutdown, patience)
            && grace >= patience
        {
            let message = "the prefix would be marked for longer than a step may take";
            r.spot("graceful-shutdown").report(problems, message, "it must be shorter than `run.patience`");
        }
        let announcers = announcers(r, about, graceful_shutdown.is_some(), problems);
        let observers = observers::read(r, about, problems);
        Some(Self { prefix: prefix.ok()?, announcers: announcers?, graceful_shutdown, observers: observers? })
    }

    fn name(&self) -> String {
        self.prefix.to_string()
    }

    fn drives(&self) -> Vec<String> {
        let of = |a: &Announcer| {
            let node = a.node.as_ref().map_or_else(|| "every node".to_owned(), ToString::to_string);
            match &a.protocol {
                Some(protocol) => format!("protocol {protocol} of BIRD ({}) for {node}", a.daemon),
                None => format!("{} of FRR ({}) for {node}", self.prefix, a.daemon),
            }
        };
        self.announcers.iter().map(of).collect()
    }

    fn hosts(&self, places: &[Place]) -> Vec<String> {
        let own = places.iter().filter_map(|p| Some((p, self.announcer(&p.node)?)));
        let own = own.filter_map(|(place, a)| a.daemon.ssh_host(|text| place.fill(text)));
        own.chain(self.observers.iter().filter_map(|o| o.daemon.ssh_host(str::to_owned))).collect()
    }

    fn instances(&self, places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        let blind = InstanceShape { blind: true, ..InstanceShape::default() };
        let driven = places.iter().filter(|p| self.announcer(&p.node).is_some());
        let driven = driven.map(|p| (own(&p.node), InstanceShape { only: Some(p.node.clone()), ..blind.clone() }));
        let asked = self.observers.iter().map(|o| {
            let sessions = o.sessions.keys().cloned().collect();
            (o.name.clone(), InstanceShape { role: Role::Follower, sessions, ..blind.clone() })
        });
        driven.chain(asked).collect()
    }

    fn server(&self, place: &Place) -> String {
        place.node.to_string()
    }

    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Bgp::new(id, self, &places, tools))
    }
}

/// A node's announcer is an instance of the node's name.
pub(super) fn own(node: &NodeName) -> InstanceName {
    InstanceName::new(node.as_str())
}

impl Settings {
    /// The announcer of a node.
    pub(super) fn announcer(&self, node: &NodeName) -> Option<&Announcer> {
        let named = self.announcers.iter().find(|a| a.node.as_ref() == Some(node));
        named.or_else(|| self.announcers.iter().find(|a| a.node.is_none()))
    }

    /// The address by which a node's paths are known.
    pub(super) fn speaker(&self, place: &Place) -> Result<IpAddr, String> {
        let node = &place.node;
        let announcer = self.announcer(node).ok_or_else(|| format!("{node} has no announcer"))?;
        let said = place.fill(&announcer.next_hop);
        said.parse().map_err(|_| {
            format!("{node} has no address by which its paths are known: set its `address`, or `next-hop`")
        })
    }
}

impl Daemon {
    fn ssh_host(&self, fill: impl Fn(&str) -> String) -> Option<String> {
        match self {
            Self::Bird { socket } => endpoint::parse(&fill(socket))?.ssh_host().map(str::to_owned),
            Self::Frr { host, .. } => host.as_deref().map(fill),
        }
    }

    /// Whether it is another one for each node.
    fn is_template(&self) -> bool {
        match self {
            Self::Bird { socket } => socket.contains('{'),
            Self::Frr { host, vty_socket } => {
                vty_socket.contains('{') || host.as_ref().is_some_and(|h| h.contains('{'))
            }
        }
    }

    /// The name that an observer without one gets.
    fn derive_name(&self, taken: &BTreeSet<InstanceName>) -> Option<InstanceName> {
        let endpoint = match self {
            Self::Bird { socket } => endpoint::parse(socket)?,
            Self::Frr { host: Some(host), .. } => Endpoint::Ssh { host: host.clone(), path: "/".into() },
            Self::Frr { host: None, .. } => Endpoint::Unix { path: "/socket".into() },
        };
        Some(endpoint::derive_name(&endpoint, taken))
    }
}

impl std::fmt::Display for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bird { socket } => f.write_str(socket),
            Self::Frr { host: Some(host), vty_socket } => write!(f, "{host}:{vty_socket}"),
            Self::Frr { host: None, vty_socket } => f.write_str(vty_socket),
        }
    }
}

fn announcers(r: &Reader<'_>, about: &About<'_>, grace: bool, problems: &mut Problems) -> Option<Vec<Announcer>> {
    let readers: Vec<Reader<'_>> = r.items("announcers").into_iter().filter_map(Result::ok).collect();
    let mut named: BTreeSet<Option<NodeName>> = BTreeSet::new();
    let mut all = Vec::new();
    for r in &readers {
        let one = announcer(r, about, problems);
        if let Some(one) = &one {
            check(one, r, about, grace, problems);
            if !named.insert(one.node.clone()) {
                let who = one.node.as_ref().map_or_else(|| "every other node".to_owned(), ToString::to_string);
                r.here().report(problems, format!("there is an announcer for {who} already"), "a node has one");
            }
        }
        all.push(one);
    }
    all.into_iter().collect()
}

fn announcer(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Announcer> {
    let node = if r.has("node") { Some(about.context.node(r, "node", problems)?) } else { None };
    let (protocol, graceful) = match r.variant()? {
        "bird" => (Some(r.text("protocol")?), r.text("graceful-protocol")),
        _ => (None, r.text("graceful-route-map")),
    };
    Some(Announcer { node, next_hop: r.text("next-hop")?, daemon: daemon(r)?, protocol, graceful })
}

fn daemon(r: &Reader<'_>) -> Option<Daemon> {
    match r.variant()? {
        "bird" => Some(Daemon::Bird { socket: r.text("socket")? }),
        _ => Some(Daemon::Frr { host: r.text("host"), vty_socket: r.text("vty-socket")? }),
    }
}

/// What contradicts itself in one announcer.
fn check(one: &Announcer, r: &Reader<'_>, about: &About<'_>, grace: bool, problems: &mut Problems) {
    let marks = if one.protocol.is_some() { "graceful-protocol" } else { "graceful-route-map" };
    match (&one.graceful, grace) {
        (None, true) => {
            let message = format!("`graceful-shutdown` is set, and this announcer has no `{marks}`");
            r.here().report(problems, message, "the operator prepares the mark; Tidegate only switches it on");
        }
        (Some(_), false) => {
            r.spot(marks).report(
                problems,
                "nothing marks the prefix without `graceful-shutdown`",
                "set it, or leave this out",
            );
        }
        _ => {}
    }
    if one.graceful.is_some() && one.graceful == one.protocol {
        r.spot(marks).report(problems, "it is the protocol that announces the prefix", "name the second one");
    }
    if one.node.is_none() && !one.daemon.is_template() && about.context.nodes.is_none_or(|n| n > 1) {
        let message = "it stands for every node, and is the same daemon for all of them";
        r.here().report(problems, message, "name its `node`, or put `{node}`, `{address}` or `{ssh}` into its place");
    }
}

mod observers;
#[cfg(test)]
mod tests;
