//! Looking at everything that a run needs, at once: independent systems are asked in parallel, each within its own
//! time limit, and what does not answer becomes Unknown with the reason.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{listings::Listings, wants::Wants};
use crate::{
    config::Settings,
    model::{
        Alert, ClusterView, InstanceName, InstanceView, NodeName, Observation, Observed, Readiness, Rehearsal, RouteId,
        ServiceName, SocketsView, Topology, UnitName, UnitView, observed::age,
    },
    provider::{Clock, ProviderError, Result, World},
};

/// One answer.
enum Answer {
    Cluster(Result<ClusterView>),
    Rehearsal(NodeName, Result<Rehearsal>),
    Route(RouteId, InstanceName, Result<InstanceView>),
    Sockets(NodeName, u16, Result<SocketsView>),
    Ended(NodeName, u16, Result<SocketsView>),
    Unit(NodeName, UnitName, Result<UnitView>),
    Ready(NodeName, ServiceName, Result<Readiness>),
    Alerts(Result<Vec<Alert>>),
}

type Question<'a> = Pin<Box<dyn Future<Output = (Answer, Timestamp)> + Send + 'a>>;

/// Looks, and keeps what it saw.
pub struct Observer {
    world: World,
    settings: Arc<Settings>,
    seen: Observation,
    listings: Listings,
}

impl Observer {
    /// An observer that has seen nothing yet.
    pub fn new(world: World, settings: Arc<Settings>) -> Self {
        Self { world, settings, seen: Observation::default(), listings: Listings::default() }
    }

    /// Goes on from what somebody else saw.
    pub fn starting_from(mut self, seen: Observation) -> Self {
        self.seen = seen;
        self
    }

    /// What was seen last.
    pub fn seen(&self) -> &Observation {
        &self.seen
    }

    /// Now, by the world's clock.
    pub fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Only the cluster: enough to learn who its members are.
    pub async fn members(&mut self) -> Vec<NodeName> {
        let wants = Wants { cluster: Some(Duration::ZERO), ..Wants::default() };
        self.refresh(&Topology::default(), &wants).await;
        self.seen.cluster.value().map(|c| c.nodes.keys().cloned().collect()).unwrap_or_default()
    }

    /// Looks at what is wanted. Dropping it in the middle loses the answers and nothing else.
    pub async fn refresh(&mut self, topology: &Topology, wants: &Wants) {
        let now = self.world.clock.now();
        self.listings.ask(&self.world, self.settings.run.call_timeout, &wants.listings, now);
        let questions = self.questions(topology, wants);
        let answers = join_all(questions).await;
        for (answer, at) in answers {
            self.keep(answer, at);
        }
        self.listings.collect(&mut self.seen.stragglers, self.world.clock.now(), self.settings.max_age());
    }

    fn questions<'a>(&'a self, topology: &'a Topology, wants: &Wants) -> Vec<Question<'a>> {
        let (world, limit) = (&self.world, self.settings.run.call_timeout);
        let clock = &world.clock;
        let mut questions: Vec<Question<'a>> = Vec::new();
        if wants.cluster.is_some_and(|staleness| self.older(self.seen.cluster.at(), staleness)) {
            questions.push(ask(clock, limit, world.cluster.observe(), Answer::Cluster));
        }
        if let Some((node, leave, staleness)) = &wants.rehearsal
            && self.older(self.seen.rehearsals.get(node).and_then(Observed::at), *staleness)
        {
            let (cluster, node, name, leave) = (world.cluster.clone(), node.clone(), node.clone(), leave.clone());
            let look = async move { cluster.rehearse(&node, &leave).await };
            questions.push(ask(clock, limit, look, |r| Answer::Rehearsal(name, r)));
        }
        if let (Some(alerts), Some(staleness)) = (&world.alerts, wants.alerts)
            && self.older(self.seen.alerts.as_ref().and_then(Observed::at), staleness)
        {
            questions.push(ask(clock, limit, alerts.firing(), Answer::Alerts));
        }
        for route in topology.routes.iter().filter(|_| wants.routes) {
            let Ok(provider) = world.route(&route.id) else { continue };
            for instance in route.instances.keys() {
                let name = (route.id.clone(), instance.clone());
                questions.push(ask(clock, limit, provider.observe(instance), |r| Answer::Route(name.0, name.1, r)));
            }
        }
        for (node, port) in wants.sockets.iter().flat_map(|n| topology.ports(n).into_iter().map(move |p| (n, p))) {
            let (traffic, node, name) = (world.traffic.clone(), node.clone(), node.clone());
            let look = async move { traffic.sockets(&node, port).await };
            questions.push(ask(clock, limit, look, move |r| Answer::Sockets(name, port, r)));
        }
        for (node, port, _) in wants.ended.iter().filter(|(n, port, old)| self.older(self.ended_at(n, *port), *old)) {
            let (traffic, node, name, port) = (world.traffic.clone(), node.clone(), node.clone(), *port);
            let look = async move { traffic.ended(&node, port).await };
            questions.push(ask(clock, limit, look, move |r| Answer::Ended(name, port, r)));
        }
        for service in &self.settings.services {
            for node in &wants.units {
                for unit in std::iter::once(&service.unit).chain(&service.extra_units) {
                    let name = (node.clone(), unit.clone());
                    let (units, node, unit) = (world.units.clone(), node.clone(), unit.clone());
                    let look = async move { units.observe(&node, &unit).await };
                    questions.push(ask(clock, limit, look, |r| Answer::Unit(name.0, name.1, r)));
                }
            }
            for node in wants.ready.iter().filter(|n| self.probe_due(n, &service.name, service.ready.interval)) {
                let name = (node.clone(), service.name.clone());
                let (prober, node, service) = (world.prober.clone(), node.clone(), service.name.clone());
                let look = async move { prober.probe(&node, &service).await };
                questions.push(ask(clock, limit, look, |r| Answer::Ready(name.0, name.1, r)));
            }
        }
        questions
    }

    fn ended_at(&self, node: &NodeName, port: u16) -> Option<Timestamp> {
        self.seen.nodes.get(node)?.ended.get(&port)?.at()
    }

    fn older(&self, at: Option<Timestamp>, staleness: Duration) -> bool {
        at.is_none_or(|at| age(self.world.clock.now(), at) >= staleness)
    }

    fn probe_due(&self, node: &NodeName, service: &ServiceName, interval: Duration) -> bool {
        let last = self.seen.nodes.get(node).and_then(|n| n.ready.get(service)).and_then(Observed::at);
        self.older(last, interval)
    }

    fn keep(&mut self, answer: Answer, at: Timestamp) {
        match answer {
            Answer::Cluster(r) => self.seen.cluster = observed(r, at),
            Answer::Rehearsal(node, r) => drop(self.seen.rehearsals.insert(node, observed(r, at))),
            Answer::Route(route, instance, r) => {
                self.seen.routes.entry(route).or_default().insert(instance, observed(r, at));
            }
            Answer::Sockets(node, port, r) => {
                self.seen.nodes.entry(node).or_default().sockets.insert(port, observed(r, at));
            }
            Answer::Ended(node, port, r) => {
                self.seen.nodes.entry(node).or_default().ended.insert(port, observed(r, at));
            }
            Answer::Unit(node, unit, r) => {
                self.seen.nodes.entry(node).or_default().units.insert(unit, observed(r, at));
            }
            Answer::Alerts(r) => self.seen.alerts = Some(observed(r, at)),
            Answer::Ready(node, service, r) => {
                self.seen.nodes.entry(node).or_default().ready.insert(service, observed(r, at));
            }
        }
    }
}

fn ask<'a, T: Send + 'a>(
    clock: &'a Arc<dyn Clock>,
    limit: Duration,
    question: impl Future<Output = Result<T>> + Send + 'a,
    into: impl FnOnce(Result<T>) -> Answer + Send + 'a,
) -> Question<'a> {
    Box::pin(async move {
        let result = tokio::time::timeout(limit, question).await.unwrap_or(Err(ProviderError::TimedOut(limit)));
        (into(result), clock.now())
    })
}

fn observed<T>(result: Result<T>, at: Timestamp) -> Observed<T> {
    match result {
        Ok(value) => Observed::known(value, at),
        Err(error) => Observed::unknown(error.to_string()),
    }
}
