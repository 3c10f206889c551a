//! The simulated world behind the providers' traits, with calls that take time, fail, or lose their answers.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tidegate::{
    model::{
        ClusterView, Desired, InstanceName, InstanceView, Leave, NodeName, Ownership, Readiness, Rehearsal, RouteId,
        RunId, ServiceName, SocketsView, Stragglers, UnitName, UnitView,
        rehearsal::{Kind, Move, Verb},
    },
    provider::{Clock, ClusterControl, NodeTraffic, Prober, ProviderError, Result, RouteProvider, UnitControl, World},
    run::proof::{Release, StandbyPermit},
};
use tokio::time::{Instant, sleep};

use crate::world::{Admin, LBS, Sim, Unit, epoch};

/// A handle to the world; time is the paused clock's.
#[derive(Clone)]
pub struct Edge {
    sim: Arc<Mutex<Sim>>,
    start: Instant,
    route: RouteId,
}

impl Edge {
    pub fn new(sim: Sim) -> Self {
        Self { sim: Arc::new(Mutex::new(sim)), start: Instant::now(), route: RouteId::from("web/haproxy:app") }
    }

    pub fn providers(&self) -> World {
        World {
            routes: vec![Arc::new(self.clone())],
            cluster: Arc::new(self.clone()),
            units: Arc::new(self.clone()),
            traffic: Arc::new(self.clone()),
            prober: Arc::new(self.clone()),
            alerts: None,
            clock: Arc::new(self.clone()),
        }
    }

    pub fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The world, moved to the present.
    pub fn sim(&self) -> MutexGuard<'_, Sim> {
        let mut sim = self.sim.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.millis();
        sim.advance(now);
        sim
    }

    /// A program begins to execute a run, or ends.
    pub fn watch(&self, on: bool) {
        let now = self.millis();
        self.sim().watched_since = on.then_some(now);
    }

    fn latency(&self, longest: u64) -> Duration {
        Duration::from_millis(self.sim().rng.u64(1..longest))
    }

    fn dice(&self, percent: impl Fn(&Sim) -> u8) -> bool {
        let mut sim = self.sim();
        let chance = percent(&sim);
        sim.rng.u8(0..100) < chance
    }

    /// A question: it changes nothing.
    async fn read<T>(&self, look: impl FnOnce(&mut Sim) -> Result<T>) -> Result<T> {
        let time = self.latency(60);
        sleep(time).await;
        if self.dice(|s| s.faults.lost) {
            return Err(ProviderError::Unreachable("connection refused".into()));
        }
        look(&mut self.sim())
    }

    /// A change: once sent it happens, whether or not somebody still waits for the answer.
    async fn write(&self, change: impl FnOnce(&mut Sim) -> Result<()> + Send + 'static) -> Result<()> {
        if self.dice(|s| s.faults.lost) {
            sleep(self.latency(60)).await;
            return Err(ProviderError::Unreachable("connection refused".into()));
        }
        let (time, edge) = (self.latency(200), self.clone());
        let done = tokio::spawn(async move {
            sleep(time).await;
            let answer = change(&mut edge.sim());
            sleep(edge.latency(40)).await;
            answer
        });
        let answer = done.await.unwrap_or_else(|e| Err(ProviderError::Unexpected(e.to_string())));
        if self.dice(|s| s.faults.unanswered) {
            sleep(Duration::from_secs(2)).await;
            return Err(ProviderError::TimedOut(Duration::from_secs(2)));
        }
        answer
    }

    fn lb(&self, instance: &InstanceName) -> Result<usize> {
        let lb = LBS.iter().position(|l| *l == instance.as_str());
        let lb = lb.ok_or_else(|| ProviderError::Unreachable(format!("no load balancer {instance}")))?;
        if self.sim().cut_off(lb) {
            return Err(ProviderError::Unreachable("no route to host".into()));
        }
        Ok(lb)
    }
}

impl Clock for Edge {
    fn now(&self) -> Timestamp {
        epoch() + SignedDuration::from_millis(i64::try_from(self.millis()).unwrap_or(i64::MAX))
    }
}

#[async_trait]
impl RouteProvider for Edge {
    fn id(&self) -> &RouteId {
        &self.route
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let lb = self.lb(instance)?;
        self.read(|sim| Ok(sim.lb_view(lb))).await
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let lb = self.lb(instance)?;
        let (server, desired) = (server.to_owned(), desired.clone());
        self.write(move |sim| {
            sim.note(format!("{} {server} {}", LBS[lb], words(&desired)));
            let known = match &desired {
                Desired::Drained => sim.set_server(lb, &server, Some(Admin::Drain), None),
                Desired::Closed => sim.set_server(lb, &server, Some(Admin::Maint), None),
                Desired::FreshCheck => {
                    sim.health_down(lb, &server);
                    true
                }
                Desired::Serving { weight } => sim.set_server(lb, &server, Some(Admin::Ready), Some(*weight)),
                Desired::Exactly { exact } => {
                    let admin = match exact.0["admin"].as_u64() {
                        Some(0) => Admin::Ready,
                        Some(8) => Admin::Drain,
                        _ => Admin::Maint,
                    };
                    let weight = exact.0["weight"].as_u64().and_then(|w| u32::try_from(w).ok());
                    sim.set_server(lb, &server, Some(admin), weight)
                }
            };
            if known { Ok(()) } else { Err(ProviderError::Refused("No such server.".into())) }
        })
        .await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        let lb = self.lb(instance)?;
        let server = server.to_owned();
        self.write(move |sim| {
            sim.note(format!("{} {server} sessions cut", LBS[lb]));
            let cut = sim.lbs[lb].servers.get_mut(&server).map(|s| std::mem::take(&mut s.sessions).len() as u64);
            sim.cut += cut.unwrap_or(0);
            Ok(())
        })
        .await
    }

    async fn stragglers(&self, instance: &InstanceName, server: &str) -> Result<Option<Stragglers>> {
        let lb = self.lb(instance)?;
        let time = {
            let mut sim = self.sim();
            sim.lists += 1;
            sim.list_time
        };
        sleep(Duration::from_millis(time)).await;
        self.read(|sim| Ok(sim.stragglers(lb, server))).await
    }

    async fn close_one(&self, instance: &InstanceName, server: &str, id: &str) -> Result<()> {
        let lb = self.lb(instance)?;
        let (server, id) = (server.to_owned(), id.to_owned());
        self.write(move |sim| {
            sim.cut_session(lb, &server, &id);
            Ok(())
        })
        .await
    }
}

fn words(desired: &Desired) -> String {
    match desired {
        Desired::Drained => "drained".into(),
        Desired::Closed => "closed".into(),
        Desired::FreshCheck => "fresh check".into(),
        Desired::Serving { weight } => format!("weight {weight}"),
        Desired::Exactly { .. } => "as before".into(),
    }
}

#[async_trait]
impl ClusterControl for Edge {
    async fn observe(&self) -> Result<ClusterView> {
        self.read(|sim| Ok(sim.cluster())).await
    }

    async fn rehearse(&self, node: &NodeName, _: &Leave) -> Result<Rehearsal> {
        let node = node.clone();
        self.read(move |sim| {
            let view = sim.cluster();
            let mut rehearsal = Rehearsal::of_stops(&view, &node);
            let runs = |n: &NodeName| view.instances_on("app_service", n).any(|i| i.active);
            let free = |n: &&NodeName| !runs(n) && !view.nodes[*n].standby && view.ban("app_service", n).is_none();
            let others = view.nodes.keys().filter(|n| **n != node && runs(n)).count();
            let start = |to: &NodeName| Move {
                verb: Verb::Start,
                resource: "app_service".into(),
                kind: Kind::Instance,
                from: None,
                to: Some(to.clone()),
                why: None,
            };
            let arrives = view.nodes.keys().filter(|n| **n != node).find(free);
            rehearsal.moves.extend(arrives.filter(|_| sim.clone_max.is_some_and(|max| others < max)).map(start));
            Ok(rehearsal)
        })
        .await
    }

    async fn resize(&self, resource: &str, from: &str, to: &str) -> Result<()> {
        let (resource, from, to) = (resource.to_owned(), from.to_owned(), to.to_owned());
        self.write(move |sim| {
            sim.note(format!("clone-max of {resource} from {from} to {to}"));
            let now = sim.clone_max.map(|n| n.to_string());
            if now.as_ref() != Some(&from) && now.as_ref() != Some(&to) {
                return Err(ProviderError::Refused(format!("clone-max is {now:?}")));
            }
            sim.clone_max = to.parse().ok();
            Ok(())
        })
        .await
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<()> {
        let ban = matches!(leave, Leave::Ban { .. });
        let forced = permit.releases().iter().any(|(_, r)| matches!(r, Release::DeadlineReached { .. }));
        let (node, owner) = (permit.node().clone(), owner.clone());
        self.write(move |sim| {
            sim.leave(&node, &owner, forced, ban);
            Ok(())
        })
        .await
    }

    async fn unstandby(&self, node: &NodeName, owner: &RunId, leave: &Leave, attribute: Option<&str>) -> Result<()> {
        let ban = matches!(leave, Leave::Ban { .. });
        let (node, owner, attribute) = (node.clone(), owner.clone(), attribute.map(ToOwned::to_owned));
        self.write(move |sim| {
            if ban {
                sim.note(format!("unban {node}"));
                sim.bans.retain(|n, run| *n != node || *run != owner);
                return Ok(());
            }
            sim.note(format!("unstandby {node}"));
            let Some(n) = sim.nodes.get_mut(&node) else { return Err(ProviderError::Refused("no such node".into())) };
            match &n.owner {
                Some(o) if o.run != owner => return Err(ProviderError::Refused(format!("{} holds {node}", o.run))),
                None if n.standby.is_some() => return Err(ProviderError::Refused("not our standby".into())),
                _ => (n.owner, n.standby) = (None, attribute),
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl UnitControl for Edge {
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView> {
        let (node, unit) = (node.clone(), unit.clone());
        self.read(move |sim| {
            let n = sim.nodes.get(&node).ok_or_else(|| ProviderError::Unreachable(format!("no node {node}")))?;
            let active = match (unit.as_str(), n.unit) {
                ("app.service", Unit::Running { .. }) => "active",
                ("app.service", Unit::Stopping { .. }) => "deactivating",
                ("app.service", Unit::Starting { .. }) => "activating",
                ("app.service", Unit::Stopped) => "inactive",
                _ if n.extra_running => "active",
                _ => "inactive",
            };
            Ok(UnitView { active: active.into(), sub: String::new(), file_state: "disabled".into() })
        })
        .await
    }

    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.extra(node, unit, false).await
    }

    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.extra(node, unit, true).await
    }
}

impl Edge {
    async fn extra(&self, node: &NodeName, unit: &UnitName, running: bool) -> Result<()> {
        let (node, unit) = (node.clone(), unit.clone());
        self.write(move |sim| {
            sim.note(format!("{} {unit} on {node}", if running { "start" } else { "stop" }));
            if let Some(n) = sim.nodes.get_mut(&node) {
                n.extra_running = running;
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl NodeTraffic for Edge {
    async fn sockets(&self, node: &NodeName, _port: u16) -> Result<SocketsView> {
        let node = node.clone();
        self.read(move |sim| {
            let list = sim.sockets(node.as_str());
            let peers = list
                .into_iter()
                .map(|(lb, port)| SocketAddr::from(([10, 0, 0, 101 + u8::try_from(lb).unwrap_or(0)], port)));
            let direct = if node.as_str() == crate::NODE { sim.direct.clone() } else { vec![] };
            let peers: BTreeSet<SocketAddr> = peers.chain(direct).collect();
            Ok(SocketsView { peers: peers.into_iter().collect() })
        })
        .await
    }

    async fn close(&self, node: &NodeName, _port: u16, peers: &[SocketAddr]) -> Result<()> {
        let (node, peers) = (node.clone(), peers.to_vec());
        self.write(move |sim| match sim.cut_direct(&peers) {
            true => Ok(()),
            false => Err(ProviderError::Refused(format!("every socket of {node} is a load balancer's"))),
        })
        .await
    }
}

#[async_trait]
impl Prober for Edge {
    async fn probe(&self, node: &NodeName, _service: &ServiceName) -> Result<Readiness> {
        let node = node.clone();
        self.read(move |sim| {
            Ok(if sim.answers(node.as_str()) {
                Readiness::Ready
            } else {
                Readiness::NotReady { reason: "status 503".into() }
            })
        })
        .await
    }
}
