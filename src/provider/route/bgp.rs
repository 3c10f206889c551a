//! Anycast: a prefix that routing daemons on the nodes announce, and that leaves a node by being withdrawn there.
//!
//! * Each node's announcer is an instance of its own, with the node as its only member; it is told to withdraw, and its
//!   BGP sessions stay. Observers (routers, route collectors) are told nothing by a run: they have to show it by
//!   themselves that the node's path is gone, or there again.
//! * A node without power or link can be told nothing. Where the configuration permits it, the guard closes an
//!   observer's session with it.
//! * With a graceful shutdown (RFC 8326) the prefix is first announced with the community 65535:0, which makes it the
//!   last choice of its peers, and withdrawn when they had time to move. A marked prefix still counts as announced.
//! * The mark is the operator's, prepared in the daemon's own configuration; Tidegate switches it on and writes no
//!   policy. What was announced comes back as the very text or switch that it was.
//! * A prefix has no weight and no check. Whether anybody hears of it is all the health that it has: no session that
//!   stands, or none that is told of it, and the announcer counts as one that takes no clients.
//! * BGP has no memory of clients: once peers have no path, nobody comes anew. Connections that stand are broken by
//!   the withdrawal itself where they cross a router that moves them to another node; what is left on the node is seen
//!   there, by its sockets.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use crate::{
    config::{endpoint, settings::Place},
    model::{Desired, InstanceName, InstanceView, RouteId, Session},
    provider::{ProviderError, Result, RouteProvider, route::kind::Tools},
};

mod announcer;
mod bird;
mod frr;
mod keys;
mod observer;
mod prefix;
mod settings;
mod stage;

pub use prefix::Prefix;
pub use settings::{Announcer, Daemon, Observer, Settings};

/// One instance, of whatever role and daemon.
#[async_trait]
trait Instance: Send + Sync {
    /// Whether it knows that member.
    fn has(&self, server: &str) -> bool;

    /// What it holds now.
    async fn observe(&self) -> Result<InstanceView>;

    /// Sets its only member's state.
    async fn apply(&self, desired: &Desired) -> Result<()>;

    /// Its session with a member, where it is an observer that has one which may be closed.
    async fn session(&self, _server: &str) -> Result<Session> {
        Err(ProviderError::Refused("an announcer's sessions are not closed".into()))
    }

    /// Closes that session, or puts it back.
    async fn set_session(&self, _server: &str, _desired: &Desired) -> Result<()> {
        Err(ProviderError::Refused("an announcer's sessions are not closed".into()))
    }
}

/// One prefix on every announcer and observer of it.
pub struct Bgp {
    id: RouteId,
    instances: BTreeMap<InstanceName, Arc<dyn Instance>>,
}

impl Bgp {
    /// Drives `settings` for these nodes. Nothing is connected yet.
    pub fn new(id: RouteId, settings: &Settings, places: &[Place], tools: &Tools) -> Self {
        let announcers = places.iter().filter_map(|place| {
            let announcer = settings.announcer(&place.node)?;
            Some((settings::own(&place.node), announcing(settings, announcer, place, tools)))
        });
        let observers = settings.observers.iter().map(|o| (o.name.clone(), observing(settings, o, places, tools)));
        Self { id, instances: announcers.chain(observers).collect() }
    }

    fn instance(&self, name: &InstanceName) -> Result<&Arc<dyn Instance>> {
        self.instances.get(name).ok_or_else(|| ProviderError::Refused(format!("{} has no instance {name}", self.id)))
    }

    fn member(&self, name: &InstanceName, server: &str) -> Result<&Arc<dyn Instance>> {
        let instance = self.instance(name)?;
        let unknown = || ProviderError::Refused(format!("{name} ({}) has no member {server}", self.id));
        if instance.has(server) { Ok(instance) } else { Err(unknown()) }
    }
}

fn announcing(settings: &Settings, announcer: &Announcer, place: &Place, tools: &Tools) -> Arc<dyn Instance> {
    let (server, tools) = (place.node.to_string(), tools.clone());
    let (grace, limit) = (settings.graceful_shutdown, tools.limit);
    let (prefix, graceful) = (settings.prefix, announcer.graceful.clone());
    match &announcer.daemon {
        Daemon::Bird { socket } => {
            let protocol = announcer.protocol.clone().unwrap_or_default();
            let socket = endpoint::parse(&place.fill(socket)).ok_or_else(|| place.fill(socket));
            let speaker = bird::Bird { prefix, socket, protocol, graceful, tools };
            Arc::new(announcer::Announcer::new(server, speaker, grace, limit))
        }
        Daemon::Frr { host, vty_socket } => {
            let host = host.as_ref().map(|host| place.fill(host));
            let speaker = frr::Frr::new(prefix, host, place.fill(vty_socket), graceful, tools);
            Arc::new(announcer::Announcer::new(server, speaker, grace, limit))
        }
    }
}

fn observing(settings: &Settings, observer: &Observer, places: &[Place], tools: &Tools) -> Arc<dyn Instance> {
    let members = places.iter().map(|p| (p.node.to_string(), settings.speaker(p))).collect();
    let sessions = observer.sessions.iter().map(|(node, name)| (node.to_string(), name.clone())).collect();
    let (prefix, tools, limit) = (settings.prefix, tools.clone(), tools.limit);
    match &observer.daemon {
        Daemon::Bird { socket } => {
            let socket = endpoint::parse(socket).ok_or_else(|| socket.clone());
            Arc::new(observer::Observer::new(bird::Ear { prefix, socket, tools }, members, sessions, limit))
        }
        Daemon::Frr { host, vty_socket } => {
            let ear = frr::Ear::new(prefix, host.clone(), vty_socket.clone(), tools);
            Arc::new(observer::Observer::new(ear, members, sessions, limit))
        }
    }
}

#[async_trait]
impl RouteProvider for Bgp {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        self.instance(instance)?.observe().await
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        self.member(instance, server)?.apply(desired).await
    }

    async fn session(&self, instance: &InstanceName, server: &str) -> Result<Session> {
        self.member(instance, server)?.session(server).await
    }

    async fn set_session(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        self.member(instance, server)?.set_session(server, desired).await
    }

    /// A router holds no connections: there is nothing to cut here.
    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.member(instance, server).map(drop)
    }
}
