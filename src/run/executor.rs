//! The executor: look, decide, write the intent, act, look again, write the outcome. The only place where plans
//! meet the real world; everything that it knows is in the journal before anything happens.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    decide::{self, Act, Decision, Progress, Situation, decide},
    effects,
    look::Look,
    observer::Observer,
    outlook,
    state::{Misfit, RunState, Status},
    streaks::Streaks,
    waiting::Waiting,
    wants::{Wants, ended, listings, pause, wants},
};
use crate::{
    config::Settings,
    journal::{Ending, Event, Journal, JournalError, Lease, Record},
    model::{Observation, RunId, Topology},
    plan::{Plan, planner},
    provider::{ProviderError, World},
};

/// Somebody who watches runs: a terminal, a log, metrics.
pub trait Watcher: Send + Sync {
    /// A record became durable.
    fn recorded(&self, _run: &RunId, _plan: &Plan, _record: &Record, _state: &RunState) {}
    /// The run waits, after having seen this.
    fn waiting(&self, _run: &RunId, _plan: &Plan, _state: &RunState, _waits: &[Waiting], _seen: &Observation) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {}

/// How an execution came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Everything is proven.
    Done,
    /// It waits for a person.
    Held(String),
    /// The executor was told to stop waiting; the run is open.
    Paused,
    /// It was given up, and the run named here (the next to execute) undoes it.
    Aborted {
        /// Why.
        why: String,
        /// The undoing run.
        undo: Option<RunId>,
    },
    /// An undo failed.
    Stuck(String),
}

/// Why a run could not go on. Nothing was done after the last durable record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The journal does not take what must be written before the next effect.
    #[error("{error}. {node_state}")]
    Journal {
        /// What the journal said.
        error: JournalError,
        /// The node's state, as far as it is known.
        node_state: String,
    },
    /// The journal cannot be opened, read or taken over.
    #[error(transparent)]
    Unavailable(#[from] JournalError),
    /// The journal says something impossible.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Everything that executing runs takes.
#[derive(Clone)]
pub struct Engine {
    /// The outside world.
    pub world: World,
    /// Where runs are kept.
    pub journal: Arc<dyn Journal>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// The fixed world.
    pub topology: Arc<Topology>,
    /// Who watches.
    pub watcher: Arc<dyn Watcher>,
    /// Who we are: `user@host:pid/start`.
    pub holder: String,
}

/// One run in execution.
struct Execution<'e> {
    engine: &'e Engine,
    run: RunId,
    plan: Plan,
    state: RunState,
    lease: Lease,
    observer: Observer,
    streaks: Streaks,
}

impl Engine {
    /// Opens a run for a plan and takes the cluster's lease for it.
    pub async fn open(&self, plan: &Plan) -> Result<(RunId, Lease), RunError> {
        let now = self.world.clock.now();
        let lease = self.journal.acquire(&self.holder, now, self.settings.run.lease).await?;
        let opened = async {
            let run = self.name(plan).await?;
            self.journal.open(&lease, &run, plan, None, now).await?;
            Ok(run)
        };
        match opened.await {
            Ok(run) => Ok((run, lease)),
            Err(error) => {
                // The first error is the one to tell; a lease that cannot be given back runs out by itself.
                let _ = self.journal.release(&lease).await;
                Err(error)
            }
        }
    }

    /// Takes the cluster's lease for a run that is open already.
    pub async fn take(&self) -> Result<Lease, RunError> {
        Ok(self.journal.acquire(&self.holder, self.world.clock.now(), self.settings.run.lease).await?)
    }

    /// Executes an open run from wherever its journal says it is, and whatever undoes it, until there is nothing
    /// left to do or `stop` is cancelled. Gives back every run that was executed with its end, and the lease.
    pub async fn execute(
        &self,
        run: &RunId,
        lease: Lease,
        seen: Observation,
        stop: &CancellationToken,
    ) -> Result<Vec<(RunId, Finish)>, RunError> {
        let mut finished = Vec::new();
        let mut next = Some(run.clone());
        let mut lease = lease;
        let mut seen = seen;
        while let Some(run) = next.take() {
            let mut execution = self.begin(&run, lease.clone(), seen.clone()).await?;
            let finish = execution.drive(stop).await;
            lease = execution.lease.clone();
            seen = execution.observer.seen().clone();
            let finish = match finish {
                Ok(finish) => finish,
                Err(error) => {
                    // Best effort: a lease that cannot be given back runs out by itself.
                    let _ = self.journal.release(&lease).await;
                    return Err(error);
                }
            };
            if let Finish::Aborted { undo, .. } = &finish {
                next.clone_from(undo);
            }
            finished.push((run, finish));
        }
        self.journal.release(&lease).await?;
        Ok(finished)
    }

    /// Keeps out what a held run has drained, until it reads back so or nothing more can be done, `looks` times at most.
    /// The run stays held. Gives back how many members were set again, and the lease.
    pub async fn tend(&self, run: &RunId, lease: Lease, looks: usize) -> Result<u32, RunError> {
        let mut execution = self.load(run, lease, Observation::default()).await?;
        let before = execution.state.reassertions;
        let tended = execution.tend(looks).await;
        self.journal.release(&execution.lease).await?;
        tended.map(|()| execution.state.reassertions - before)
    }

    async fn load(&self, run: &RunId, lease: Lease, seen: Observation) -> Result<Execution<'_>, RunError> {
        let plan = self.journal.run(run).await?.plan;
        let state = RunState::fold(&plan, &self.journal.records(run).await?)?;
        let observer = Observer::new(self.world.clone(), self.settings.clone()).starting_from(seen);
        Ok(Execution { engine: self, run: run.clone(), plan, state, lease, observer, streaks: Streaks::default() })
    }

    async fn begin(&self, run: &RunId, lease: Lease, seen: Observation) -> Result<Execution<'_>, RunError> {
        let mut execution = self.load(run, lease, seen).await?;
        if !matches!(execution.state.status, Status::Ended { .. }) {
            execution.record(vec![Event::Taken { by: self.holder.clone() }]).await?;
        }
        Ok(execution)
    }

    /// A name that says what the run is, with the time; a number where two would be the same.
    async fn name(&self, plan: &Plan) -> Result<RunId, RunError> {
        let verb = if plan.parent.is_some() { "undo".to_owned() } else { plan.request.purpose.to_string() };
        let time = self.world.clock.now().strftime("%Y%m%dT%H%M%S").to_string();
        let base = format!("{verb}-{}-{time}", plan.node());
        for n in 1..1000 {
            let name = RunId::new(if n == 1 { base.clone() } else { format!("{base}-{n}") });
            match self.journal.run(&name).await {
                Err(JournalError::NoSuchRun(_)) => return Ok(name),
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Err(JournalError::Storage { path: base, reason: "a thousand runs within one second".into() }.into())
    }
}

/// Records-only decisions taken in a row on one observation; more would be a loop.
const MAX_RECORDS_A_LOOK: usize = 64;

impl Execution<'_> {
    async fn drive(&mut self, stop: &CancellationToken) -> Result<Finish, RunError> {
        if let Status::Ended { ending } = &self.state.status {
            return Ok(finish_of(ending));
        }
        loop {
            self.renew().await?;
            self.notice_abort().await?;
            let mut wants = wants(&self.plan, &self.state, &self.engine.topology);
            let now = self.engine.world.clock.now();
            wants.listings = listings(&self.plan, &self.state, &self.streaks, now);
            wants.ended = ended(&self.plan, &self.state, &self.streaks, now);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Finish::Paused),
                () = self.observer.refresh(&self.engine.topology, &wants) => {}
            }
            match self.settle(stop).await? {
                Some(finish) => return Ok(finish),
                None if stop.is_cancelled() => return Ok(Finish::Paused),
                None => {}
            }
        }
    }

    async fn tend(&mut self, looks: usize) -> Result<(), RunError> {
        let wants = Wants { routes: true, ..Wants::default() };
        for _ in 0..looks {
            self.observer.refresh(&self.engine.topology, &wants).await;
            let seen = self.observer.seen().clone();
            let Progress { records, acts, waits } = decide::tend(&self.situation(self.look(&seen)));
            let idle = records.is_empty() && acts.is_empty();
            if !records.is_empty() {
                self.record(records).await?;
            }
            if !acts.is_empty() {
                self.act(&seen, acts).await?;
            }
            if idle && waits.is_empty() {
                return Ok(());
            }
            if idle {
                tokio::time::sleep(self.engine.settings.run.poll).await;
            }
        }
        Ok(())
    }

    /// Decides on one observation until there is something to carry out or to wait for.
    async fn settle(&mut self, stop: &CancellationToken) -> Result<Option<Finish>, RunError> {
        let seen = self.observer.seen().clone();
        let look = self.look(&seen);
        self.streaks.absorb(&self.plan, &look);
        for _ in 0..MAX_RECORDS_A_LOOK {
            let look = self.look(&seen);
            match decide(&self.situation(look)) {
                Decision::Finish => return self.end(Vec::new(), Ending::Done, Finish::Done).await.map(Some),
                Decision::Hold { records, why } => return self.hold(records, why).await.map(Some),
                Decision::Undo { records, why } => return self.undo(records, why).await.map(Some),
                Decision::Go(Progress { records, acts, waits }) => {
                    if !records.is_empty() {
                        self.record(records).await?;
                    }
                    if !acts.is_empty() {
                        self.act(&seen, acts).await?;
                        return Ok(None);
                    }
                    if !waits.is_empty() {
                        self.wait(&seen, &waits, stop).await;
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    fn look<'a>(&self, seen: &'a Observation) -> Look<'a> {
        Look { seen, now: self.engine.world.clock.now(), max_age: self.engine.settings.max_age() }
    }

    fn situation<'a>(&'a self, look: Look<'a>) -> Situation<'a> {
        Situation {
            run: &self.run,
            plan: &self.plan,
            state: &self.state,
            look,
            streaks: &self.streaks,
            settings: &self.engine.settings,
            topology: &self.engine.topology,
        }
    }

    /// Writes the intents, carries the effects out, writes their outcomes.
    async fn act(&mut self, seen: &Observation, acts: Vec<Act>) -> Result<(), RunError> {
        let look = self.look(seen);
        // Facts recorded by the same decision may have changed the state; the permit is made from the newest one.
        let intents =
            acts.iter().map(|a| Event::Intended { step: a.step, effect: a.effect.clone(), receipt: a.receipt.clone() });
        self.record(intents.collect()).await?;
        let engine = self.engine;
        let situation = self.situation(look);
        let effects = effects::carry_out(&engine.world, &situation, &acts);
        let answers = with_lease(engine, &self.lease, effects).await;
        let outcomes = acts.into_iter().zip(answers).map(|(Act { step, effect, .. }, answer)| match answer {
            Ok(()) => Event::Accepted { step, effect },
            Err(error) => {
                let refused = matches!(error, ProviderError::Refused(_));
                Event::NotAccepted { step, effect, error: error.to_string(), refused }
            }
        });
        self.record(outcomes.collect()).await
    }

    async fn wait(&self, seen: &Observation, waits: &[Waiting], stop: &CancellationToken) {
        self.engine.watcher.waiting(&self.run, &self.plan, &self.state, waits, seen);
        let ends_in = waits.iter().filter_map(|w| match w {
            Waiting::Settling { left, .. } | Waiting::Ramp { left, .. } => Some(*left),
            Waiting::Connections(c) if c.total > 0 && c.left < Duration::from_secs(1) => Some(c.left),
            _ => None,
        });
        let now = self.engine.world.clock.now();
        let time = pause(&self.plan, &self.state, self.engine.settings.run.poll, ends_in.min(), now);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    async fn hold(&mut self, mut records: Vec<Event>, why: String) -> Result<Finish, RunError> {
        // An undo that cannot go on is stuck: it must not look like an ordinary wait.
        if self.plan.parent.is_some() {
            return self.end(records, Ending::Stuck { why: why.clone() }, Finish::Stuck(why)).await;
        }
        records.push(Event::Held { why: why.clone() });
        self.record(records).await?;
        Ok(Finish::Held(why))
    }

    async fn end(&mut self, mut records: Vec<Event>, ending: Ending, finish: Finish) -> Result<Finish, RunError> {
        records.push(Event::Ended { ending });
        self.record(records).await?;
        Ok(finish)
    }

    /// Ends this run and opens the one that undoes it, in one durable fact.
    async fn undo(&mut self, records: Vec<Event>, why: String) -> Result<Finish, RunError> {
        if !records.is_empty() {
            self.record(records).await?;
        }
        let engine = self.engine;
        let now = engine.world.clock.now();
        let plan =
            planner::undo(&engine.settings, &engine.topology, &self.run, &self.plan, &self.state.receipts, &why, now);
        let Some(plan) = plan else {
            let ending = Ending::Aborted { why: why.clone(), undo: None };
            return self.end(Vec::new(), ending, Finish::Aborted { why, undo: None }).await;
        };
        let undo = engine.name(&plan).await?;
        let ending = Ending::Aborted { why: why.clone(), undo: Some(undo.clone()) };
        engine
            .journal
            .open(&self.lease, &undo, &plan, Some((&self.run, ending)), now)
            .await
            .map_err(|error| self.journal_failed(error))?;
        Ok(Finish::Aborted { why, undo: Some(undo) })
    }

    /// Appends to the journal and to the state. Nothing goes on where this fails.
    async fn record(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        let now = self.engine.world.clock.now();
        let records = self
            .engine
            .journal
            .append(&self.lease, &self.run, &events, now)
            .await
            .map_err(|error| self.journal_failed(error))?;
        for record in &records {
            self.state.absorb(record)?;
            self.engine.watcher.recorded(&self.run, &self.plan, record, &self.state);
        }
        Ok(())
    }

    fn journal_failed(&self, error: JournalError) -> RunError {
        let state = outlook::node_state(&self.plan, &self.state);
        let next = outlook::next_command(&self.run, &self.plan, &self.state);
        RunError::Journal { error, node_state: format!("Nothing was done after that. {state} {next}.") }
    }

    async fn renew(&mut self) -> Result<(), RunError> {
        let (now, ttl) = (self.engine.world.clock.now(), self.engine.settings.run.lease);
        if crate::model::observed::age(self.lease.until, now) > ttl / 2 {
            return Ok(());
        }
        self.lease =
            self.engine.journal.renew(&self.lease, now, ttl).await.map_err(|error| self.journal_failed(error))?;
        Ok(())
    }

    async fn notice_abort(&mut self) -> Result<(), RunError> {
        if matches!(self.state.status, Status::Aborting { .. }) {
            return Ok(());
        }
        let by = self.engine.journal.abort_requested(&self.run).await.map_err(|error| self.journal_failed(error))?;
        match by {
            Some(by) => self.record(vec![Event::AbortRequested { by }]).await,
            None => Ok(()),
        }
    }
}

/// Keeps the lease alive while effects take their time. A lease that is lost meanwhile is noticed by the next append,
/// before anything else happens.
pub(crate) async fn with_lease<T>(engine: &Engine, lease: &Lease, work: impl Future<Output = T>) -> T {
    let ttl = engine.settings.run.lease;
    let renewing = async {
        let mut lease = lease.clone();
        loop {
            tokio::time::sleep(ttl / 3).await;
            match engine.journal.renew(&lease, engine.world.clock.now(), ttl).await {
                Ok(renewed) => lease = renewed,
                Err(JournalError::Fenced { .. }) => std::future::pending().await,
                // A passing fault of the storage; the next third of the lease tries again.
                Err(_) => {}
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = renewing => unreachable!("renewing never ends"),
    }
}

fn finish_of(ending: &Ending) -> Finish {
    match ending {
        Ending::Done => Finish::Done,
        Ending::Aborted { why, undo } => Finish::Aborted { why: why.clone(), undo: undo.clone() },
        Ending::Stuck { why } => Finish::Stuck(why.clone()),
        Ending::Acknowledged { .. } => Finish::Aborted { why: "acknowledged".into(), undo: None },
    }
}
