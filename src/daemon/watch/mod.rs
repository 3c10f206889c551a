//! What the coordinator sees, all the time: every instance of every route, the cluster, the units and the probes, each at
//! its own pace and none waiting for another. Whoever decides reads [`Sight`] and is woken by every change of it.
//!
//! Polls are the floor and not the pace: systemd's signals, the cluster's logs and failing probes ask for a look at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    guard::{Place, Probed},
    health::{Handle, Target},
    journal::Notebook,
    model::{InstanceName, NodeName, Observation, Observed, RouteId, Topology, UnitName},
    provider::{ProviderError, Result, World},
};

mod cluster;
mod probes;
mod routes;
mod units;

/// Longest wait for one answer: who is slower is not seen in time.
const LIMIT: Duration = Duration::from_secs(2);

/// Everything that is seen now.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The real systems.
    pub seen: Observation,
    /// What many probes make of each service on each node.
    pub probes: BTreeMap<Place, Probed>,
}

/// What every watching task needs.
#[derive(Clone)]
struct Eyes {
    world: World,
    settings: Arc<Settings>,
    sight: watch::Sender<Sight>,
    nudges: Arc<Nudges>,
    stop: CancellationToken,
}

/// Who is to look at once.
#[derive(Default)]
struct Nudges {
    cluster: Notify,
    routes: BTreeMap<(RouteId, InstanceName), Notify>,
    units: BTreeMap<(NodeName, UnitName), Notify>,
}

/// Watches until it is dropped, or told to stop.
pub struct Watch {
    eyes: Eyes,
    probes: Handle,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Begins to look at everything.
    pub fn start(
        world: World,
        settings: Arc<Settings>,
        topology: &Topology,
        targets: Vec<Target>,
        notebook: Arc<dyn Notebook>,
        stop: CancellationToken,
    ) -> Self {
        let nudges = Arc::new(Nudges::of(&settings, topology));
        let (sight, _) = watch::channel(Sight::default());
        let eyes = Eyes { world, settings, sight, nudges, stop };
        let mut tasks = JoinSet::new();
        cluster::watch(&eyes, &mut tasks);
        routes::watch(&eyes, &mut tasks);
        units::watch(&eyes, &mut tasks);
        let probes = probes::watch(&eyes, targets, notebook, &mut tasks);
        Self { eyes, probes, _tasks: tasks }
    }

    /// What is seen, and word of every change of it.
    pub fn sight(&self) -> watch::Receiver<Sight> {
        self.eyes.sight.subscribe()
    }

    /// Has a service probed on a node now.
    pub fn probe(&self, place: &Place) {
        // Where too many ask, the probe comes in its time.
        let _taken = self.probes.hasten(&place.0, &place.1);
    }

    /// Has an instance of a route looked at now.
    pub fn look_at(&self, route: &RouteId, instance: &InstanceName) {
        if let Some(nudge) = self.eyes.nudges.routes.get(&(route.clone(), instance.clone())) {
            nudge.notify_one();
        }
    }
}

impl Nudges {
    fn of(settings: &Settings, topology: &Topology) -> Self {
        let instances = topology.routes.iter().flat_map(|r| r.instances.keys().map(|i| (r.id.clone(), i.clone())));
        let units = topology.nodes.iter().flat_map(|n| settings.services.iter().map(|s| (n.clone(), s.unit.clone())));
        Self {
            cluster: Notify::new(),
            routes: instances.map(|key| (key, Notify::new())).collect(),
            units: units.map(|key| (key, Notify::new())).collect(),
        }
    }
}

impl Eyes {
    /// Asks within the limit; what does not answer is unknown. What does is as old as the question: the answer may have
    /// been on its way while something changed.
    async fn ask<T>(&self, question: impl Future<Output = Result<T>>) -> Observed<T> {
        let asked = self.now();
        let limit = LIMIT.min(self.settings.run.call_timeout);
        match tokio::time::timeout(limit, question).await.unwrap_or(Err(ProviderError::TimedOut(limit))) {
            Ok(value) => Observed::known(value, asked),
            Err(error) => Observed::unknown(error.to_string()),
        }
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Until it is time to look again: after the pause, when somebody asks, or never more (`false`).
    async fn again(&self, pause: Duration, nudge: &Notify) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = nudge.notified() => true,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// A view counts for `max-age`; it is confirmed twice in that time.
    fn at_least(&self, pause: Duration) -> Duration {
        pause.min(self.settings.max_age() / 2)
    }
}
