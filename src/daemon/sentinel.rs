//! The sentinel: while a node is out and nobody executes a run, it sees to it that the node stays out.
//!
//! Every route is looked at once per its `watch` (see [`super::watch`]). What a reload forgot is set again, by a run of its own
//! (so that it is in the journal, under the lease, with the gates that every run has); in a held run, by that run. What
//! a person put back is written down and shown, and left alone. Requests on a drained member are counted and written
//! down. An executor at work looks after its own run, so the sentinel keeps still while the lease is held.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{metrics, watch::Sight};
use crate::{
    journal::{Drift, Event, JournalError, RunSummary},
    model::{Leave, NodeName, Observation, RunId},
    plan::{
        Purpose, Request, ledger,
        planner::{self, Basis},
    },
    run::{
        drift::{Finding, Kept, Memory},
        executor::{Engine, Finish, RunError},
        look::Look,
        observer::Observer,
        state::{RunState, Status},
        wants::Wants,
    },
};

/// Time between two looks at the journal, and the pace of the loop.
const PACE: Duration = Duration::from_millis(200);
/// Runs that are read to find out who is out.
const RUNS_READ: usize = 200;
/// Looks that a held run gets to set again what it drained.
const LOOKS: usize = 50;

/// A node that is out.
struct Out {
    node: NodeName,
    /// The drain that holds it out.
    run: RunId,
    /// When it had done what it did.
    since: Timestamp,
    kept: Kept,
    /// How it left.
    leave: Leave,
    /// Whether the drain has ended; otherwise it is held, or waits for an executor.
    ended: bool,
}

/// Watches over everything that is out.
pub struct Sentinel {
    engine: Engine,
    sight: watch::Receiver<Sight>,
    memory: Memory,
    /// When something was last set again: what was seen before that is no news.
    set_again: Option<Timestamp>,
}

impl Sentinel {
    /// A sentinel that works with this engine, on what is seen. It acts under the engine's own name in the lease.
    pub fn new(engine: Engine, sight: watch::Receiver<Sight>) -> Self {
        Self { engine, sight, memory: Memory::default(), set_again: None }
    }

    /// Watches until it is told to stop. What fails is logged and tried again.
    pub async fn watch(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.who_is_out().await {
                Ok(outs) => self.look_after(&outs).await,
                Err(error) => tracing::warn!("the journal does not say who is out: {error}"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }

    async fn look_after(&mut self, outs: &[Out]) {
        for node in self.engine.topology.nodes.iter().chain(&self.engine.topology.outside) {
            metrics::out(node.as_str(), outs.iter().any(|out| out.node == *node));
        }
        self.memory.keep_only(outs.iter().map(|out| &out.kept));
        for out in outs {
            let seen = self.seen_after(self.set_again.map_or(out.since, |at| at.max(out.since)));
            let look = Look { seen: &seen, now: self.engine.world.clock.now(), max_age: self.max_age() };
            let mut set = false;
            for finding in self.memory.compare(&out.kept, &look) {
                if !finding.news {
                    self.count(&finding);
                    continue;
                }
                // Setting one again sets all of the node: what was forgotten besides is told, and no run of its own.
                match finding.drift == Drift::Forgotten && set {
                    true => self.tell(out, &finding),
                    false => set |= self.handle(out, finding).await,
                }
            }
            if set {
                // What was asked before says nothing any more.
                self.set_again = Some(self.engine.world.clock.now());
            }
        }
    }

    /// What was seen of routes after that moment: an older look shows what was there before the drain.
    fn seen_after(&self, since: Timestamp) -> Observation {
        let mut routes = self.sight.borrow().seen.routes.clone();
        for instances in routes.values_mut() {
            instances.retain(|_, seen| seen.at().is_some_and(|at| at > since));
        }
        Observation { routes, ..Observation::default() }
    }

    /// The oldest look that still counts: two of the slowest route.
    fn max_age(&self) -> Duration {
        let routes = self.engine.settings.entrypoints.iter().flat_map(|e| &e.routes);
        let slowest = routes.map(|r| r.watch).max().unwrap_or_default();
        (slowest * 2 + self.engine.settings.run.call_timeout).max(self.engine.settings.max_age())
    }

    async fn who_is_out(&self) -> Result<Vec<Out>, RunError> {
        let runs = self.engine.journal.runs(RUNS_READ).await?;
        let topology = &self.engine.topology;
        let mut outs = Vec::new();
        for node in topology.nodes.iter().chain(&topology.outside) {
            if let Some(out) = self.out(&runs, node).await? {
                outs.push(out);
            }
        }
        Ok(outs)
    }

    /// A node whose drain is over, or held; one whose restore is open is on its way back, and not looked after here.
    async fn out(&self, runs: &[RunSummary], node: &NodeName) -> Result<Option<Out>, RunError> {
        let Some(run) = ledger::outstanding(runs, node) else { return Ok(None) };
        let Some(summary) = runs.iter().find(|r| r.run == run) else { return Ok(None) };
        if ledger::open(runs).is_some_and(|open| open.run != run && open.plan.node() == node) {
            return Ok(None);
        }
        let records = self.engine.journal.records(&run).await?;
        let state = RunState::fold(&summary.plan, &records)?;
        if !matches!(state.status, Status::Held { .. } | Status::Ended { .. }) {
            return Ok(None);
        }
        let kept = Kept::by(&summary.plan, &state);
        // Of the drain, and not of what was written down since: that came from looks.
        let drained = records.iter().filter(|r| !matches!(r.event, Event::Drifted { .. })).map(|r| r.at).max();
        let since = drained.unwrap_or(summary.opened_at);
        let leave = summary.plan.request.leave.clone();
        Ok(Some(Out { node: node.clone(), run, since, kept, leave, ended: summary.ending.is_some() }))
    }

    async fn handle(&mut self, out: &Out, finding: Finding) -> bool {
        let done = match finding.drift {
            Drift::Forgotten => self.set_again(out, &finding).await,
            Drift::Overruled | Drift::Requests => self.write_down(out, &finding).await,
        };
        match done {
            Ok(()) => {
                self.tell(out, &finding);
                return finding.drift == Drift::Forgotten;
            }
            // An executor is at work, and looks after it; or it works by the next look.
            Err(RunError::Unavailable(JournalError::Held { .. } | JournalError::RunOpen(_))) => {}
            Err(error) => tracing::warn!("drift of {} could not be handled: {error}", finding.target.server),
        }
        false
    }

    fn tell(&mut self, out: &Out, finding: &Finding) {
        let Finding { target, drift, saw, .. } = finding;
        tracing::warn!(
            "{} at {} ({}), kept out by {}: {saw} ({drift})",
            target.server,
            target.instance,
            target.route,
            out.run
        );
        metrics::drifted(target, *drift);
        self.count(finding);
    }

    fn count(&mut self, finding: &Finding) {
        let requests = self.memory.told(finding);
        metrics::drained_requests(&finding.target, requests);
    }

    async fn write_down(&self, out: &Out, finding: &Finding) -> Result<(), RunError> {
        let lease = self.engine.take().await?;
        let event = Event::Drifted { target: finding.target.clone(), saw: finding.saw.clone(), drift: finding.drift };
        let now = self.engine.world.clock.now();
        let written = self.engine.journal.append(&lease, &out.run, &[event], now).await;
        self.engine.journal.release(&lease).await?;
        Ok(written.map(drop)?)
    }

    async fn set_again(&mut self, out: &Out, finding: &Finding) -> Result<(), RunError> {
        if !out.ended {
            let lease = self.engine.take().await?;
            let times = self.engine.tend(&out.run, lease, LOOKS).await?;
            metrics::reasserted(out.node.as_str(), times);
            return Ok(());
        }
        let mut observer = Observer::new(self.engine.world.clone(), self.engine.settings.clone());
        let wants = Wants { cluster: Some(Duration::ZERO), routes: true, ..Wants::default() };
        observer.refresh(&self.engine.topology, &wants).await;
        let request = Request {
            purpose: Purpose::Withhold,
            node: out.node.clone(),
            operator: "sentinel".into(),
            reason: format!(
                "{} at {} {}: a reload forgot the drain",
                finding.target.server, finding.target.instance, finding.saw
            ),
            overrides: Vec::new(),
            leave: out.leave.clone(),
        };
        let basis = Basis {
            settings: &self.engine.settings,
            topology: &self.engine.topology,
            seen: observer.seen(),
            open_run: None,
            outstanding: Some((&out.run, &[])),
            now: self.engine.world.clock.now(),
        };
        match planner::plan(&request, &basis) {
            Ok(plan) => {
                let (run, lease) = self.engine.open(&plan).await?;
                let stop = CancellationToken::new();
                let finished = self.engine.execute(&run, lease, observer.seen().clone(), &stop).await?;
                if finished.iter().any(|(_, finish)| *finish == Finish::Done) {
                    metrics::reasserted(out.node.as_str(), 1);
                }
            }
            Err(gates) => {
                let why: Vec<&str> = gates.iter().map(|g| g.detail.as_str()).collect();
                tracing::warn!("{} cannot be taken out again yet: {}", out.node, why.join("; "));
            }
        }
        Ok(())
    }
}
