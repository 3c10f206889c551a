//! Providers: the edge where Tidegate touches real systems. Each is one file behind one of these traits.
//!
//! What all of them promise:
//! * `observe` changes nothing, and an error is never turned into an empty or a healthy answer;
//! * `apply` sets a desired state: applied twice it changes nothing more, and its `Ok` means *accepted*, not
//!   *acknowledged*; the run reads back by observing;
//! * an error from `apply` means the outcome is unknown, unless it is [`ProviderError::Refused`];
//! * every call may be dropped at any await point, and is bounded by the caller's time limit as well as its own.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    clone::{Change, Enablement, Found, UnitFile},
    model::{
        BalancerView, ClusterView, Desired, InstanceName, InstanceView, Leave, NodeName, Readiness, Rehearsal, RouteId,
        RunId, ServiceName, Session, SocketsView, Straggler, Stragglers, UnitName, UnitView, action::Ownership,
        topology::InstanceShape,
    },
    run::proof::StandbyPermit,
};

pub mod access;
pub mod alerts;
pub mod cluster;
pub mod http;
pub mod null;
pub mod route;
pub mod unit;

/// Why a provider did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time: the outcome is unknown.
    #[error("no answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The system answered and said no: nothing changed.
    #[error("refused: {0}")]
    Refused(String),
    /// The system answered something that cannot be understood: the outcome is unknown.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

/// The result of a provider call.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// One route: every load balancer (or server, or announcer) that sends clients to members.
#[async_trait]
pub trait RouteProvider: Send + Sync {
    /// The route's id.
    fn id(&self) -> &RouteId;

    /// Instances that the configuration does not name and that must acknowledge too: a zone's secondaries, for one.
    /// One that cannot be reached is an instance all the same: it will not answer, and so hold what needs it.
    async fn discover(&self) -> Result<BTreeMap<InstanceName, InstanceShape>> {
        Ok(BTreeMap::new())
    }

    /// Shortens what clients remember of this route ahead of a planned window, or puts back what is usual. `None` where
    /// nothing of the kind is configured. `Ok` means accepted; reading back shows it as `linger`.
    async fn window(&self, _open: bool) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// What others answer now that nobody waits for, for people: public resolvers that remember.
    async fn elsewhere(&self) -> Vec<(String, Result<Vec<String>>)> {
        Vec::new()
    }

    /// What one instance's own configuration says of the way to the members, for the review. `None` where this kind of
    /// route tells nothing of the sort. Changes nothing.
    async fn configured(&self, _instance: &InstanceName) -> Result<Option<BalancerView>> {
        Ok(None)
    }

    /// What one instance holds now, all members of it.
    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView>;

    /// Sets one member's state on one instance.
    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()>;

    /// The session by which an instance that only follows hears of a member, where the configuration permits to close
    /// it. Refused elsewhere.
    async fn session(&self, instance: &InstanceName, _server: &str) -> Result<Session> {
        Err(ProviderError::Refused(format!("{}: {instance} has no session that may be closed", self.id())))
    }

    /// Closes that session (`Drained`), or puts it back (`Exactly`). What another hand closed is neither closed again
    /// nor opened.
    async fn set_session(&self, instance: &InstanceName, _server: &str, _desired: &Desired) -> Result<()> {
        Err(ProviderError::Refused(format!("{}: {instance} has no session that may be closed", self.id())))
    }

    /// Cuts what is still connected to a member through one instance.
    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()>;

    /// The connections of clients that are on a member now, through one instance: all counted, the oldest listed.
    /// `None` where this kind of route cannot list them. It may cost the instance more than `observe` does.
    async fn stragglers(&self, _instance: &InstanceName, _server: &str) -> Result<Option<Stragglers>> {
        Ok(None)
    }

    /// Cuts exactly the connection that `stragglers` listed with this id; one that is gone already is no error.
    async fn close_one(&self, _instance: &InstanceName, _server: &str, _id: &str) -> Result<()> {
        Err(ProviderError::Refused(format!("{} cannot cut single connections", self.id())))
    }
}

/// The time-out of each resource's stop operation, or why it is not known.
pub type StopTimeouts = BTreeMap<String, std::result::Result<Duration, String>>;

/// The cluster manager.
#[async_trait]
pub trait ClusterControl: Send + Sync {
    /// The cluster as any reachable member sees it.
    async fn observe(&self) -> Result<ClusterView>;

    /// Tells of every moment at which the cluster may have changed, until it is dropped. A hint is no observation, and
    /// one may be missed: whoever listens looks for himself, now and then as well.
    async fn hints(&self, _told: &Notify) {
        std::future::pending().await
    }

    /// What the cluster would do if this node left so, by its own scheduler on a copy of it. Changes nothing.
    async fn rehearse(&self, node: &NodeName, leave: &Leave) -> Result<Rehearsal>;

    /// For how long it waits for each of these resources to stop; `Err` tells why one is not known. Changes nothing.
    async fn stop_timeouts(&self, _resources: &[&str]) -> Result<StopTimeouts> {
        Err(ProviderError::Refused("this cluster does not tell".into()))
    }

    /// Takes a node out of the cluster's work with our mark: standby, unless `leave` says otherwise. The permit is the
    /// proof that its connections are gone (or that the configured policy ended the wait); only the run's own gate makes
    /// one.
    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<()>;

    /// Allows a clone another number of instances (`clone-max`). Refused where it is neither `from` nor `to`: then somebody
    /// else was there.
    async fn resize(&self, resource: &str, _from: &str, _to: &str) -> Result<()> {
        Err(ProviderError::Refused(format!("the number of instances of {resource} cannot be changed here")))
    }

    /// Takes that back: the attribute is as it was before, and our mark is gone. Refused where the mark is not `owner`'s.
    async fn unstandby(&self, node: &NodeName, owner: &RunId, leave: &Leave, attribute: Option<&str>) -> Result<()>;
}

/// The clones of the cluster's configuration.
#[async_trait]
pub trait CloneControl: Send + Sync {
    /// What the configuration says of these primitives, in their order and all of one moment.
    async fn found(&self, resources: &[String]) -> Result<Vec<Found>>;

    /// What the cluster would do because of these changes, by its own scheduler on a copy of it. Changes nothing. Changes
    /// of nodes are left out.
    async fn rehearse_changes(&self, changes: &[Change]) -> Result<Rehearsal>;

    /// Makes the changes of the cluster's configuration, all of them at once or none; those of nodes are left out. What is
    /// as wanted already is not touched. Refused where something is neither what a change leads away from nor what it
    /// leads to: then somebody else was there.
    async fn make(&self, changes: &[Change]) -> Result<()>;
}

/// The files of units on the nodes.
#[async_trait]
pub trait UnitFiles: Send + Sync {
    /// The files of a unit, by the manager and with their content. That there are none is an answer, not an error.
    async fn files(&self, node: &NodeName, unit: &UnitName) -> Result<UnitFile>;

    /// Lets a unit start at boot (`to` enabled) or not (`to` disabled). Whether it runs now stays as it is.
    async fn set_boot(&self, node: &NodeName, unit: &UnitName, from: &Enablement, to: &Enablement) -> Result<()>;
}

/// systemd on the nodes.
#[async_trait]
pub trait UnitControl: Send + Sync {
    /// A unit's state, from the manager itself.
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView>;

    /// Tells of every moment at which a unit may have changed, until it is dropped or can tell no more. A hint is no
    /// observation, and one may be missed.
    async fn hints(&self, _node: &NodeName, _unit: &UnitName, _told: &Notify) -> Result<()> {
        std::future::pending().await
    }

    /// Has systemd start a unit at boot, or no longer.
    async fn enable(&self, node: &NodeName, unit: &UnitName, _enabled: bool) -> Result<()> {
        Err(ProviderError::Refused(format!("{unit} on {node}: nobody here decides what starts at boot")))
    }

    /// Stops a unit and waits for its job to end.
    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<()>;

    /// Starts a unit and waits for its job to end.
    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<()>;
}

/// The nodes' own view of their connections.
#[async_trait]
pub trait NodeTraffic: Send + Sync {
    /// Established connections whose local port is `port`.
    async fn sockets(&self, node: &NodeName, port: u16) -> Result<SocketsView>;

    /// Connections to `port` that ended within the last minute and that the node still remembers, by their far ends. Not
    /// all are remembered: only those that the node closed first.
    async fn ended(&self, _node: &NodeName, _port: u16) -> Result<SocketsView> {
        Ok(SocketsView::default())
    }

    /// What the node lacks to tell of those, and what to do about it; `None` where it lacks nothing.
    async fn lacks(&self, _node: &NodeName) -> Result<Option<String>> {
        Ok(None)
    }

    /// More about the connections between `port` and these peers, as far as the node tells: those that are gone
    /// already are missing, and ages are not known there.
    async fn details(&self, _node: &NodeName, _port: u16, peers: &[SocketAddr]) -> Result<Vec<Straggler>> {
        Ok(peers.iter().map(Straggler::direct).collect())
    }

    /// Cuts the connections between `port` and these peers; those that are gone already are no error.
    async fn close(&self, node: &NodeName, port: u16, peers: &[SocketAddr]) -> Result<()>;
}

/// Readiness probes. A service that answers badly, or not at all, is `Ok(NotReady)`: that *is* the observation.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Probes one service on one node once.
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness>;
}

/// Time, so that a simulation can have its own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else asks")]
        Timestamp::now()
    }
}

/// Everything that a run needs of the outside world.
#[derive(Clone)]
pub struct World {
    /// One provider a route.
    pub routes: Vec<Arc<dyn RouteProvider>>,
    /// The cluster manager.
    pub cluster: Arc<dyn ClusterControl>,
    /// systemd.
    pub units: Arc<dyn UnitControl>,
    /// Sockets on the nodes.
    pub traffic: Arc<dyn NodeTraffic>,
    /// Readiness.
    pub prober: Arc<dyn Prober>,
    /// Alerts, where somebody is to be asked for them.
    pub alerts: Option<Arc<dyn alerts::Alerts>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl World {
    /// The provider of a route.
    pub fn route(&self, id: &RouteId) -> Result<&Arc<dyn RouteProvider>> {
        self.routes
            .iter()
            .find(|r| r.id() == id)
            .ok_or_else(|| ProviderError::Unreachable(format!("no provider drives the route {id}")))
    }
}
