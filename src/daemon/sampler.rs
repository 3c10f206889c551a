//! Traffic as metrics: every second what is seen is folded into shares, and every ten the nodes are asked for their own
//! sockets. It changes nothing, and what does not answer is left out.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    metrics::{self, Source},
    watch::Watch,
};
use crate::{
    config::Settings,
    model::{ClusterView, NodeName, Observation, Observed, SocketsView, Topology},
    provider::{ProviderError, World},
    traffic::share::{Traffic, blind},
};

/// Time between two looks at what is seen.
const PACE: Duration = Duration::from_secs(1);
/// Time between two looks at the nodes' sockets: an interval of the windows.
const SOCKETS: Duration = crate::traffic::window::INTERVAL;
/// Time between two judgements.
const JUDGED: Duration = Duration::from_secs(5);

/// What one node's sockets at one port are; endings only where they are asked for.
type Looked = (NodeName, u16, Observed<SocketsView>, Option<Observed<SocketsView>>);

/// Measures traffic.
pub struct Sampler {
    world: World,
    settings: Arc<Settings>,
    topology: Arc<Topology>,
    watch: Arc<Watch>,
    traffic: Traffic,
    /// What is seen, with the nodes' sockets.
    seen: Observation,
    asking: JoinSet<Looked>,
    asked: Option<Instant>,
    judged: Option<Instant>,
}

impl Sampler {
    /// Measures what `watch` sees.
    pub fn new(world: World, settings: Arc<Settings>, topology: Arc<Topology>, watch: Arc<Watch>) -> Self {
        Self {
            world,
            settings,
            topology,
            watch,
            traffic: Traffic::default(),
            seen: Observation::default(),
            asking: JoinSet::new(),
            asked: None,
            judged: None,
        }
    }

    /// Works until it is told to stop.
    pub async fn work(mut self, stop: &CancellationToken) {
        for entrypoint in &self.settings.entrypoints {
            let service = self.settings.services.iter().find(|s| s.name == entrypoint.service);
            if let Some(limit) = service.and_then(|s| s.objective.max_skew) {
                metrics::limit(entrypoint.name.as_str(), limit);
            }
        }
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pace.tick() => self.sample(),
            }
        }
    }

    fn sample(&mut self) {
        {
            let sight = self.watch.sight();
            let now = sight.borrow();
            self.seen.routes.clone_from(&now.seen.routes);
            self.seen.cluster.clone_from(&now.seen.cluster);
        }
        while let Some(looked) = self.asking.try_join_next() {
            if let Ok(looked) = looked {
                self.keep(looked);
            }
        }
        if self.asking.is_empty() && due(&mut self.asked, SOCKETS) {
            self.ask_for_sockets();
        }
        self.traffic.fold(&self.topology, &self.seen).iter().for_each(metrics::counted);
        self.report_members();
        self.report_standby(self.seen.cluster.value());
        if due(&mut self.judged, JUDGED) {
            metrics::process();
            self.traffic.judge(self.world.clock.now()).iter().for_each(metrics::judged);
        }
    }

    /// Asks every node for the sockets of every service, and for endings where nobody else counts. Nothing waits for it.
    fn ask_for_sockets(&mut self) {
        let blind = blind(&self.topology, &self.seen);
        for (node, service) in
            self.topology.nodes.iter().flat_map(|n| self.topology.services.iter().map(move |s| (n, s)))
        {
            let endings = blind.iter().any(|b| b.port == service.port && b.nodes.contains(node));
            let (world, node, port, limit) =
                (self.world.clone(), node.clone(), service.port, self.settings.run.call_timeout);
            self.asking.spawn(async move {
                let ask =
                    |question| async { timeout(limit, question).await.unwrap_or(Err(ProviderError::TimedOut(limit))) };
                let seen = |answer| match answer {
                    Ok(view) => Observed::known(view, world.clock.now()),
                    Err(error) => Observed::unknown(ProviderError::to_string(&error)),
                };
                // Endings after what is open: what came and went between two answers is among them.
                let open = seen(ask(world.traffic.sockets(&node, port)).await);
                let ended = if endings { Some(seen(ask(world.traffic.ended(&node, port)).await)) } else { None };
                (node, port, open, ended)
            });
        }
    }

    fn keep(&mut self, (node, port, open, ended): Looked) {
        metrics::saw(Source::Sockets, node.as_str(), open.at().map(metrics::seconds));
        for service in self.topology.services.iter().filter(|s| s.port == port) {
            metrics::sockets(node.as_str(), service.name.as_str(), open.value().map(|view| view.peers.len()));
        }
        let view = self.seen.nodes.entry(node).or_default();
        view.sockets.insert(port, open);
        match ended {
            Some(ended) => view.ended.insert(port, ended),
            None => view.ended.remove(&port),
        };
    }

    fn report_members(&self) {
        for route in &self.topology.routes {
            for (instance, shape) in &route.instances {
                let view = self.seen.routes.get(&route.id).and_then(|all| all.get(instance)).and_then(Observed::value);
                for (node, server) in &route.servers {
                    if shape.only.as_ref().is_none_or(|only| only == node) {
                        let member = view.and_then(|view| view.members.get(server));
                        metrics::member(route, instance.as_str(), node.as_str(), member);
                    }
                }
            }
        }
    }

    fn report_standby(&self, cluster: Option<&ClusterView>) {
        for node in &self.topology.nodes {
            let member = cluster.and_then(|cluster| cluster.nodes.get(node));
            metrics::standby(node.as_str(), member.map(|m| (m.standby, m.owner.is_some())));
        }
    }
}

/// Whether it is time again; if so, it is done now.
fn due(last: &mut Option<Instant>, every: Duration) -> bool {
    let is = last.is_none_or(|at| at.elapsed() >= every);
    if is {
        *last = Some(Instant::now());
    }
    is
}
