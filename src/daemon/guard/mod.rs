//! The guard at work: decides at every change of what is seen, and has it done.
//!
//! What is withdrawn is in the journal before it is touched, so a coordinator that dies and comes back puts back what it
//! took out. Nothing here waits for a route: changes are carried out beside the decisions, one at a time for each member.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use self::hand::{Done, Hand, RUNS_READ};
use super::{
    metrics::{self, Guarded},
    watch::Watch,
};
use crate::{
    config::{Settings, guard::Mode},
    guard::{Act, Decision, Delay, Known, Memory, decide},
    journal::{Journal, Note, Notebook, Withdrawal},
    model::{NodeName, RouteTarget, Topology, observed::age},
    plan::ledger,
    provider::World,
};

mod hand;
mod session;

/// Time between two looks at the journal, and longest time between two decisions.
const PACE: Duration = Duration::from_millis(200);
/// Time after which the same "would" is told again.
const TOLD: Duration = Duration::from_secs(600);

/// Everything that a guard works with.
pub struct Guard {
    world: World,
    settings: Arc<Settings>,
    topology: Arc<Topology>,
    journal: Arc<dyn Journal>,
    notebook: Arc<dyn Notebook>,
    watch: Arc<Watch>,
    mode: Mode,
    memory: Memory,
    in_hand: Option<BTreeSet<NodeName>>,
    withdrawn: BTreeMap<RouteTarget, Withdrawal>,
    busy: BTreeSet<RouteTarget>,
    working: JoinSet<(RouteTarget, Done)>,
    told: BTreeMap<RouteTarget, Timestamp>,
    delayed: BTreeMap<RouteTarget, (NodeName, Delay)>,
}

impl Guard {
    /// A guard over what `watch` sees; what it may do is the mode's to say.
    pub fn new(
        world: World,
        settings: Arc<Settings>,
        topology: Arc<Topology>,
        journal: Arc<dyn Journal>,
        notebook: Arc<dyn Notebook>,
        watch: Arc<Watch>,
        mode: Mode,
    ) -> Self {
        Self {
            world,
            settings,
            topology,
            journal,
            notebook,
            watch,
            mode,
            memory: Memory::new(),
            in_hand: None,
            withdrawn: BTreeMap::new(),
            busy: BTreeSet::new(),
            working: JoinSet::new(),
            told: BTreeMap::new(),
            delayed: BTreeMap::new(),
        }
    }

    /// Works until it is told to stop; what was begun then is finished.
    pub async fn work(mut self, stop: &CancellationToken) {
        if self.mode == Mode::Off {
            return;
        }
        let mut sight = self.watch.sight();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = pace.tick() => self.read_journal().await,
                changed = sight.changed() => if changed.is_err() { break },
                Some(done) = self.working.join_next(), if !self.working.is_empty() => {
                    if let Ok((target, done)) = done {
                        self.finished(&target, &done).await;
                    }
                }
            }
            let decision = {
                let now = sight.borrow_and_update();
                let known = Known {
                    settings: &self.settings,
                    topology: &self.topology,
                    seen: &now.seen,
                    probes: &now.probes,
                    in_hand: self.in_hand.as_ref(),
                    withdrawn: &self.withdrawn,
                    busy: &self.busy,
                    now: self.world.clock.now(),
                };
                decide(&known, &mut self.memory)
            };
            self.carry_out(decision).await;
        }
        while let Some(done) = self.working.join_next().await {
            if let Ok((target, done)) = done {
                self.finished(&target, &done).await;
            }
        }
    }

    async fn read_journal(&mut self) {
        let runs = match self.journal.runs(RUNS_READ).await {
            Ok(runs) => runs,
            Err(error) => {
                tracing::warn!("the guard keeps still: {error}");
                self.in_hand = None;
                return;
            }
        };
        let first = self.in_hand.is_none();
        self.in_hand = Some(self.topology.nodes.iter().filter(|node| ledger::in_hand(&runs, node)).cloned().collect());
        if first {
            self.read_withdrawn().await;
        }
    }

    async fn read_withdrawn(&mut self) {
        match self.notebook.withdrawn().await {
            Ok(withdrawn) => self.withdrawn = withdrawn,
            Err(error) => {
                tracing::warn!("the guard keeps still: {error}");
                self.in_hand = None;
            }
        }
    }

    async fn carry_out(&mut self, decision: Decision) {
        metrics::blind(decision.blind.is_some());
        for service in &self.settings.services {
            let open = decision.kept.iter().any(|target| target.service == service.name);
            metrics::fail_open(service.name.as_str(), open);
        }
        self.tell_delays(decision.delayed);
        for act in decision.acts {
            self.act(act).await;
        }
    }

    /// Each delay once, when it begins.
    fn tell_delays(&mut self, delayed: BTreeMap<RouteTarget, (NodeName, Delay)>) {
        for (target, (node, delay)) in delayed.iter().filter(|(target, delay)| self.delayed.get(target) != Some(delay))
        {
            let (route, instance, server) = (&target.route, &target.instance, &target.server);
            tracing::warn!("{instance} ({route}): the change of {server} waits: {delay}");
            let kind = match delay {
                Delay::Limited => Guarded::Limited,
                Delay::Damped => Guarded::Damped,
            };
            metrics::guard_action(kind, route.as_str(), node.as_str());
        }
        self.delayed = delayed;
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Hasten { place } => self.watch.probe(&place),
            Act::FailOpen { ref target, ref node, ref why } => {
                tracing::warn!("{act}");
                metrics::guard_action(Guarded::Refused, target.route.as_str(), node.as_str());
                self.note(Note::FailOpen { target: target.clone(), node: node.clone(), why: why.clone() }).await;
            }
            Act::OutOfOrder { ref node } => {
                tracing::warn!("{act}");
                metrics::out_of_order(node.as_str());
                self.note(Note::OutOfOrder { node: node.clone() }).await;
            }
            Act::Blind { ref why } => {
                tracing::warn!("{act}");
                self.note(Note::Blind { why: why.clone() }).await;
            }
            Act::Sighted => {
                tracing::info!("{act}");
                self.note(Note::Sighted).await;
            }
            Act::Advise { ref target, ref node, .. }
            | Act::Withdraw { ref target, ref node, .. }
            | Act::Return { ref target, ref node, .. } => {
                let (target, node) = (target.clone(), node.clone());
                match self.mode {
                    Mode::Act => self.begin(target, act),
                    Mode::Observe | Mode::Off => self.would(target, node, &act).await,
                }
            }
        }
    }

    fn begin(&mut self, target: RouteTarget, act: Act) {
        tracing::warn!("{act}");
        self.busy.insert(target.clone());
        let route = self.topology.routes.iter().find(|route| route.id == target.route);
        let followers = route.into_iter().flat_map(|route| &route.instances);
        let followers = followers.filter(|(_, shape)| !shape.role.is_driven()).map(|(name, _)| name.clone()).collect();
        let hand = Hand {
            world: self.world.clone(),
            journal: Arc::clone(&self.journal),
            notebook: Arc::clone(&self.notebook),
            followers,
            limit: self.settings.run.call_timeout,
        };
        self.working.spawn(async move { (target, hand.carry_out(act).await) });
    }

    /// Said once in a while: a loss that lasts is one loss.
    async fn would(&mut self, target: RouteTarget, node: NodeName, act: &Act) {
        let now = self.world.clock.now();
        if self.told.get(&target).is_some_and(|at| age(now, *at) < TOLD) {
            return;
        }
        self.told.insert(target.clone(), now);
        tracing::warn!("would, if `guard.mode` were `act`: {act}");
        metrics::guard_action(Guarded::WouldAct, target.route.as_str(), node.as_str());
        self.note(Note::Would { target, node, why: act.to_string() }).await;
    }

    async fn finished(&mut self, target: &RouteTarget, done: &Done) {
        self.busy.remove(target);
        self.watch.look_at(&target.route, &target.instance);
        let Done { node, kind, error } = done;
        metrics::guard_action(*kind, target.route.as_str(), node.as_str());
        let (route, instance, server) = (&target.route, &target.instance, &target.server);
        match error {
            Some(error) => tracing::warn!("{instance} ({route}), {server}: {error}"),
            None => tracing::info!("{instance} ({route}), {server}: {}", kind.word()),
        }
        self.read_withdrawn().await;
    }

    /// A note that only tells: where it cannot be written the log has it, and nothing depends on it.
    async fn note(&self, note: Note) {
        if let Err(error) = self.notebook.note(&[note], self.world.clock.now()).await {
            tracing::warn!("the guard's note could not be written down: {error}");
        }
    }
}
