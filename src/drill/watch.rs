//! What is seen while a drill is played: every way to what is broken, its readiness and the cluster, each polled by a task
//! of its own, so that a machine that does not answer keeps nobody else waiting.
//!
//! Only changes are kept, and not more than [`KEPT`] of them. What is so now is told to whoever watches over the drill, at
//! once: who stops a drill that has gone wrong cannot wait for the slowest answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::unseen::Unseen;
use super::detect::{Seen, Sighting, Standing, Way};
use crate::{
    config::Settings,
    model::{InstanceName, InstanceView, NodeName, Observation, Observed, Readiness, ServiceName, Topology},
    provider::World,
    run::{observer::Observer, wants::Wants},
};

/// Pause between two looks at the same thing.
const POLL: Duration = Duration::from_millis(100);
/// The same for the cluster, for which a look is work.
const POLL_CLUSTER: Duration = Duration::from_millis(500);
/// Longest wait for a route or the cluster; a probe has its own limit.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest wait for the first answer of all ways.
const FIRST: Duration = Duration::from_secs(15);
/// Changes that are kept.
pub const KEPT: usize = 20_000;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What is broken, by the name that routes and the cluster have for it: a node, or a load balancer that names lead to.
    pub node: Option<NodeName>,
    /// The instance of routes that is broken, where it is one: a load balancer, a name server, an announcer.
    pub instance: Option<InstanceName>,
    /// The service whose routes and readiness are watched.
    pub service: ServiceName,
}

/// What is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nodes on which the service is ready. `None` while one was not probed yet.
    pub ready: Option<u32>,
    /// The fewest that there were.
    pub least_ready: Option<u32>,
    /// Each node: `None` where nobody knows, which counts as not ready.
    pub nodes: BTreeMap<NodeName, Option<bool>>,
}

/// What was seen in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Changes, in the order in which they were seen.
    pub seen: Vec<Seen>,
    /// Changes for which there was no room.
    pub dropped: u64,
    /// The ways to what is broken.
    pub ways: Vec<Way>,
    /// What is broken, where it is an instance of routes.
    pub lost: Vec<Way>,
    /// How many nodes were ready, at each change.
    pub ready: Vec<(Timestamp, u32)>,
}

/// Watches until it is finished, dropped or told to stop.
pub struct Watcher {
    shared: Arc<Shared>,
    now: watch::Sender<Now>,
    unseen: Unseen,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What all tasks write to.
#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
}

impl Watcher {
    /// Begins to look. The settings' own intervals of probes do not count here, their time limits do.
    pub fn start(
        world: &World,
        settings: &Settings,
        topology: &Topology,
        subject: &Subject,
        stop: &CancellationToken,
    ) -> Self {
        let settings = Arc::new(quick(settings, &subject.service));
        let (ways, lost) = (ways(topology, subject), lost(topology, subject));
        let (now, _) = watch::channel(Now::default());
        let unseen = Unseen::of(ways.iter().chain(&lost).map(Way::to_string));
        let record = Record { ways: ways.clone(), lost: lost.clone(), ..Record::default() };
        let shared = Arc::new(Shared { record: Mutex::new(record) });
        let (stop, mut tasks) = (stop.child_token(), JoinSet::new());
        let mut look = |topology: Topology, wants: Wants, pause: Duration, see: See| {
            let observer = Observer::new(world.clone(), settings.clone());
            let told = Told { shared: shared.clone(), now: now.clone(), unseen: unseen.clone() };
            let stop = stop.clone();
            let work = poll(observer, topology, wants, pause, see, told);
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = work => {}
                }
            });
        };
        let routes = || Wants { routes: true, ..Wants::default() };
        for (way, server, only) in ways.iter().filter_map(|way| to_member(topology, subject, way)) {
            look(only, routes(), POLL, See::Way { way, server });
        }
        for way in lost {
            look(alone(topology, &way), routes(), POLL, See::Instance { way });
        }
        for node in &topology.nodes {
            now.send_modify(|now| {
                now.nodes.insert(node.clone(), None);
            });
            let wants = Wants { ready: BTreeSet::from([node.clone()]), ..Wants::default() };
            let see = See::Ready { node: node.clone(), service: subject.service.clone(), of: topology.nodes.len() };
            look(topology.clone(), wants, POLL, see);
        }
        if let Some(node) = subject.node.clone().filter(|node| topology.nodes.contains(node)) {
            let wants = Wants { cluster: Some(Duration::ZERO), ..Wants::default() };
            look(topology.clone(), wants, POLL_CLUSTER, See::Member { node });
        }
        Self { shared, now, unseen, tasks, stop }
    }

    /// Waits until every way and every instance that is watched has answered once.
    ///
    /// # Errors
    /// Who did not, within 15 s.
    pub async fn all_seen(&self) -> Result<(), String> {
        self.unseen.none_left(FIRST).await
    }

    /// What is so now, and word of every change of it.
    pub fn now(&self) -> watch::Receiver<Now> {
        self.now.subscribe()
    }

    /// What was seen so far.
    pub fn so_far(&self) -> Record {
        self.shared.lock().clone()
    }

    /// Notes what somebody else did: the guard told a way of the loss.
    pub fn told(&self, at: Timestamp, way: Way) {
        self.shared.keep(Seen { at, sighting: Sighting::Told { way } });
    }

    /// Stops looking.
    pub async fn finish(mut self) -> Record {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.so_far()
    }
}

/// Who is told of what a task sees.
struct Told {
    shared: Arc<Shared>,
    now: watch::Sender<Now>,
    unseen: Unseen,
}

/// What one task makes of what it sees.
#[derive(Clone)]
enum See {
    Way { way: Way, server: String },
    Instance { way: Way },
    Ready { node: NodeName, service: ServiceName, of: usize },
    Member { node: NodeName },
}

impl See {
    /// The sighting, and when its answer came, where one did.
    fn of(&self, seen: &Observation) -> (Sighting, Option<Timestamp>) {
        match self {
            Self::Way { way, server } => {
                let instance = instance(seen, way);
                let standing = match instance {
                    Some(Observed::Known { value, .. }) => Standing::of(value.members.get(server)),
                    Some(Observed::Unknown { reason }) => Standing::Silent(reason.clone()),
                    None => Standing::Silent("it was not asked".into()),
                };
                (Sighting::Way { way: way.clone(), standing }, instance.and_then(Observed::at))
            }
            Self::Instance { way } => {
                let instance = instance(seen, way);
                (Sighting::instance(way.clone(), instance.and_then(Observed::value)), instance.and_then(Observed::at))
            }
            Self::Ready { node, service, .. } => {
                let probe = seen.nodes.get(node).and_then(|n| n.ready.get(service));
                let ready = probe.and_then(Observed::value).map(|r| *r == Readiness::Ready);
                (Sighting::Ready { node: node.clone(), ready }, probe.and_then(Observed::at))
            }
            Self::Member { node } => {
                let usable = seen.cluster.value().and_then(|c| c.nodes.get(node)).map(|m| m.usable());
                (Sighting::Member { node: node.clone(), usable }, seen.cluster.at())
            }
        }
    }
}

fn instance<'o>(seen: &'o Observation, way: &Way) -> Option<&'o Observed<InstanceView>> {
    seen.routes.get(&way.route).and_then(|route| route.get(&way.instance))
}

async fn poll(mut observer: Observer, topology: Topology, wants: Wants, pause: Duration, see: See, told: Told) {
    let mut last = None;
    loop {
        observer.refresh(&topology, &wants).await;
        let (sighting, at) = see.of(observer.seen());
        if last.as_ref().is_none_or(|last| differs(last, &sighting)) {
            let at = at.unwrap_or_else(|| observer.now());
            if let (See::Ready { node, of, .. }, Sighting::Ready { ready, .. }) = (&see, &sighting) {
                let mut count = None;
                told.now.send_modify(|now| count = turned(now, node, *ready, *of));
                told.shared.ready(at, count);
            }
            told.unseen.take(&sighting);
            told.shared.keep(Seen { at, sighting: sighting.clone() });
            last = Some(sighting);
        }
        tokio::time::sleep(pause).await;
    }
}

/// The reason of a silence changes with every answer that does not come; that is no change.
fn differs(one: &Sighting, other: &Sighting) -> bool {
    let silent = |s: &Sighting| matches!(s, Sighting::Way { standing: Standing::Silent(_), .. });
    one != other && !(silent(one) && silent(other))
}

/// Takes a node's readiness in; how many are ready now, once all are known.
fn turned(now: &mut Now, node: &NodeName, ready: Option<bool>, of: usize) -> Option<u32> {
    now.nodes.insert(node.clone(), ready);
    let first = now.ready.is_none();
    // Until each was probed once, too few would be counted; from then on, unknown is not ready.
    if first && now.nodes.values().filter(|r| r.is_some()).count() < of {
        return None;
    }
    let count = now.nodes.values().filter(|r| **r == Some(true)).count();
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    now.ready = Some(count);
    now.least_ready = Some(now.least_ready.map_or(count, |least| least.min(count)));
    now.ready
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, seen: Seen) {
        let mut record = self.lock();
        if record.seen.len() < KEPT { record.seen.push(seen) } else { record.dropped += 1 }
    }

    fn ready(&self, at: Timestamp, count: Option<u32>) {
        let mut record = self.lock();
        let Some(count) = count.filter(|count| record.ready.last().is_none_or(|(_, last)| last != count)) else {
            return;
        };
        if record.ready.len() < KEPT { record.ready.push((at, count)) } else { record.dropped += 1 }
    }
}

/// Every instance of the service's routes that leads to it, but those that are on it and go with it.
fn ways(topology: &Topology, subject: &Subject) -> Vec<Way> {
    let Some(node) = &subject.node else { return Vec::new() };
    let routes = topology.routes.iter().filter(|r| r.service == subject.service && r.servers.contains_key(node));
    routes
        .flat_map(|route| {
            let apart = route.instances.iter().filter(|(_, shape)| shape.host.as_ref() != Some(node));
            let others = apart.filter(|(_, shape)| shape.only.is_none());
            others.map(|(instance, _)| Way { route: route.id.clone(), instance: instance.clone() })
        })
        .collect()
}

/// The instance that is broken itself, in every route of the service that it is part of.
fn lost(topology: &Topology, subject: &Subject) -> Vec<Way> {
    let Some(instance) = &subject.instance else { return Vec::new() };
    let routes = topology.routes.iter().filter(|r| r.service == subject.service && r.instances.contains_key(instance));
    routes.map(|route| Way { route: route.id.clone(), instance: instance.clone() }).collect()
}

/// A way with the broken member's name there, and a topology with nothing else in it.
fn to_member(topology: &Topology, subject: &Subject, way: &Way) -> Option<(Way, String, Topology)> {
    let route = topology.routes.iter().find(|r| r.id == way.route)?;
    let server = route.servers.get(subject.node.as_ref()?)?.clone();
    Some((way.clone(), server, alone(topology, way)))
}

/// A topology with this one instance in it, and no other route.
fn alone(topology: &Topology, way: &Way) -> Topology {
    let mut routes: Vec<_> = topology.routes.iter().filter(|r| r.id == way.route).cloned().collect();
    routes.iter_mut().for_each(|route| route.instances.retain(|name, _| *name == way.instance));
    Topology { routes, ..topology.clone() }
}

/// Settings by which a look is as quick as may be: of one service, with short time limits.
fn quick(settings: &Settings, service: &ServiceName) -> Settings {
    let mut quick = settings.clone();
    quick.services.retain(|s| s.name == *service);
    quick.services.iter_mut().for_each(|s| s.ready.interval = Duration::ZERO);
    let probes = quick.services.iter().map(|s| s.ready.timeout).max().unwrap_or_default();
    quick.run.call_timeout = quick.run.call_timeout.min(LIMIT.max(probes));
    quick
}

mod unseen;

#[cfg(test)]
mod tests;
