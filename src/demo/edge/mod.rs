//! One load balancer: a small HTTP reverse proxy with the few things that a drain meets at a real one.
//!
//! Servers have an administrative state, a weight and health checks of their own (`rise`, `fall`); new requests go
//! round by weight. Connections to servers are kept in a pool when they are idle, and outlive a drain there: they
//! are no traffic, and only this proxy can say so. A request is never sent twice.
//!
//! As with HAProxy, `drain` keeps the weight, `maint` stops the checks, and leaving `maint` counts as up before any
//! check. So a safe way back asks for fresh checks first ([`Edge::check_afresh`]).

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

mod check;
mod proxy;
mod server;

pub use check::Checks;
use server::{Server, Servers};

use crate::model::{Admission, Exact, Health, InstanceName, InstanceView, MemberView};

/// The administrative state of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admin {
    /// Takes requests.
    Ready,
    /// Takes no new ones, and is still checked.
    Drain,
    /// Takes none, and is not checked.
    Maint,
}

/// What an operator can set on a server, and what a restore puts back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The administrative state.
    pub admin: Admin,
    /// 0 to 256.
    pub weight: u32,
}

/// The edge has no server of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No such server.")]
pub struct NoSuchServer;

/// One load balancer; clones are the same one.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    name: InstanceName,
    source: IpAddr,
    entry: SocketAddr,
    checks: Checks,
    servers: Mutex<Servers>,
    /// Wakes the checks of all servers.
    check_now: Notify,
    stop: CancellationToken,
}

impl Edge {
    /// Starts a load balancer on an ephemeral port of `entry`, which reaches its servers from `source`.
    pub async fn start(
        name: InstanceName,
        entry: IpAddr,
        source: IpAddr,
        servers: &[(String, SocketAddr)],
        checks: Checks,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((entry, 0)).await?;
        let edge = Self(Arc::new(Inner {
            name,
            source,
            entry: listener.local_addr()?,
            checks,
            servers: Mutex::new(Servers::new(servers)),
            check_now: Notify::new(),
            stop: CancellationToken::new(),
        }));
        for (server, address) in servers {
            edge.spawn(edge.clone().keep_checking(server.clone(), *address));
        }
        edge.spawn(edge.clone().accept(listener));
        Ok(edge)
    }

    /// Its name.
    pub fn name(&self) -> &InstanceName {
        &self.0.name
    }

    /// Where clients connect to.
    pub fn entry(&self) -> SocketAddr {
        self.0.entry
    }

    /// From where it connects to servers.
    pub fn source(&self) -> IpAddr {
        self.0.source
    }

    /// Ends it, with all its connections.
    pub fn stop(&self) {
        self.0.stop.cancel();
        self.with(Servers::drop_idle);
    }

    /// Sets a server's state and weight.
    pub fn set(&self, server: &str, setting: Setting) -> Result<(), NoSuchServer> {
        self.change(server, |s| s.set(setting))
    }

    /// A server's state and weight.
    pub fn setting(&self, server: &str) -> Result<Setting, NoSuchServer> {
        self.change(server, |s| s.setting)
    }

    /// Takes no new requests, and counts as down until checks that begin from now on have passed.
    pub fn check_afresh(&self, server: &str) -> Result<(), NoSuchServer> {
        self.change(server, |s| s.check_afresh())?;
        self.0.check_now.notify_waiters();
        Ok(())
    }

    /// Cuts every session of a server.
    pub fn close_sessions(&self, server: &str) -> Result<(), NoSuchServer> {
        self.change(server, Server::close_sessions)
    }

    /// Everything that it says of its servers.
    pub fn view(&self) -> InstanceView {
        let members =
            self.with(|servers| servers.iter_mut().map(|s| (s.name.clone(), member(s))).collect::<BTreeMap<_, _>>());
        InstanceView { generation: self.0.entry.port().to_string(), members, ..InstanceView::default() }
    }

    fn change<T>(&self, server: &str, f: impl FnOnce(&mut Server) -> T) -> Result<T, NoSuchServer> {
        self.with(|servers| servers.named(server).map(f).ok_or(NoSuchServer))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Servers) -> T) -> T {
        f(&mut self.0.servers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a task until the edge stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.0.stop.clone().run_until_cancelled_owned(task));
    }

    /// Connects to a server from this edge's own source address.
    async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        connect_from(self.0.source, address, CONNECT_LIMIT).await
    }
}

/// Time limit of one connection to a server.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

async fn connect_from(source: IpAddr, address: SocketAddr, limit: Duration) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((source, 0).into())?;
    let stream = tokio::time::timeout(limit, socket.connect(address)).await.map_err(std::io::Error::from)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn member(server: &mut Server) -> MemberView {
    let Setting { admin, weight } = server.setting;
    MemberView {
        admission: match admin {
            Admin::Ready => Admission::Serving,
            Admin::Drain => Admission::Draining,
            Admin::Maint => Admission::Out,
        },
        health: match server.health.why_down() {
            None => Health::Passing,
            Some(reason) => Health::Failing { reason: reason.to_owned() },
        },
        weight,
        sessions: server.sessions(),
        idle: server.idle(),
        requests_total: server.requests,
        errors_total: server.errors,
        since_change: Some(Duration::from_secs(server.changed.elapsed().as_secs())),
        exact: Exact(serde_json::json!(server.setting)),
        ..MemberView::default()
    }
}
