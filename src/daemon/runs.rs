//! Runs as metrics: the journal, folded once a second. It decides nothing and writes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Doing, DrillEnding, DrillKind, Open, RunEnding, RunStatus, Step};
use crate::{
    journal::{Ending, Journal, JournalError, PlaySummary, Plays, RunSummary},
    model::{NodeName, RunId, observed::age},
    plan::{Purpose, ledger},
    run::state::{RunState, Status, StepState},
};

/// Time between two looks at the journal.
const PACE: Duration = Duration::from_secs(1);
/// Runs that are read.
const RUNS_READ: usize = 200;
/// Runs that the usual time is made of.
const USUAL: usize = 20;
const PURPOSES: [Purpose; 5] = [Purpose::Drain, Purpose::Restore, Purpose::Withhold, Purpose::StandIn, Purpose::Retire];

/// Reports what the journal says of runs.
pub struct Runs {
    journal: Arc<dyn Journal>,
    /// Drills, where the journal keeps any.
    plays: Option<Arc<dyn Plays>>,
    /// Runs whose end is told; `None` before the first look, which tells of no end: those were not now.
    told: Option<BTreeSet<RunId>>,
    open: Option<Open>,
}

impl Runs {
    /// Reports the runs of this journal.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, plays: None, told: None, open: None }
    }

    /// Reports the drills of this journal, too.
    pub fn with_drills(self, plays: Arc<dyn Plays>) -> Self {
        Self { plays: Some(plays), ..self }
    }

    /// Works until it is told to stop. A journal that cannot be read is logged, and read again.
    pub async fn work(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.look().await {
                tracing::warn!("runs are not reported: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), JournalError> {
        let runs = self.journal.runs(RUNS_READ).await?;
        for purpose in PURPOSES {
            metrics::baseline(purpose, usual(&runs, purpose));
        }
        for ((purpose, node), at) in last_done(&runs) {
            metrics::done(purpose, node.as_str(), at);
        }
        if let Some(plays) = &self.plays {
            tell_drills(&plays.plays(RUNS_READ).await?);
        }
        self.tell_ends(&runs).await?;
        let open = match ledger::open(&runs) {
            Some(run) => self.fold(run).await?.map(|state| opened(run, &state)),
            None => None,
        };
        if let Some(before) = self.open.take() {
            let same = |now: &Open| (now.purpose, &now.node) == (before.purpose, &before.node);
            if !open.as_ref().is_some_and(same) {
                metrics::none_open(&before);
            }
        }
        open.iter().for_each(metrics::open);
        self.open = open;
        Ok(())
    }

    async fn tell_ends(&mut self, runs: &[RunSummary]) -> Result<(), JournalError> {
        let ended = || runs.iter().filter(|run| run.ending.is_some());
        let all: BTreeSet<RunId> = ended().map(|run| run.run.clone()).collect();
        if let Some(told) = &self.told {
            for run in ended().filter(|run| !told.contains(&run.run)) {
                let Some((ending, at)) = run.ending.as_ref().zip(run.ended_at) else { continue };
                metrics::ended(run.plan.request.purpose, kind(ending), age(at, run.opened_at));
                for (step, took) in self.fold(run).await?.map(|state| steps(run, &state)).unwrap_or_default() {
                    metrics::stepped(run.plan.request.purpose, step, took);
                }
            }
        }
        self.told = Some(all);
        Ok(())
    }

    /// A run's state. What does not fit together is logged, and not reported.
    async fn fold(&self, run: &RunSummary) -> Result<Option<RunState>, JournalError> {
        let records = self.journal.records(&run.run).await?;
        let state = RunState::fold(&run.plan, &records);
        Ok(state.inspect_err(|error| tracing::warn!("run {} is not reported: {error}", run.run)).ok())
    }
}

/// When a drill of each kind last ended in each way.
fn tell_drills(plays: &[PlaySummary]) {
    for kind in DrillKind::ALL {
        for ending in DrillEnding::ALL {
            metrics::drill(*kind, *ending, last_drill(plays, *kind, *ending));
        }
    }
}

fn last_drill(plays: &[PlaySummary], kind: DrillKind, ending: DrillEnding) -> Option<Timestamp> {
    let same = |play: &&PlaySummary| {
        let book = &play.opening.playbook;
        let unplanned = kind == DrillKind::Unplanned;
        let ended = play.ending.as_ref().is_some_and(|how| how.word() == ending.word());
        ended && book.drill.is_some() && book.is_unplanned() == unplanned
    };
    plays.iter().filter(same).filter_map(|play| play.ended_at).max()
}

fn kind(ending: &Ending) -> RunEnding {
    match ending {
        Ending::Done => RunEnding::Done,
        Ending::Aborted { .. } => RunEnding::Aborted,
        Ending::Stuck { .. } | Ending::Acknowledged { .. } => RunEnding::Stuck,
    }
}

/// What is to be told of an open run.
fn opened(run: &RunSummary, state: &RunState) -> Open {
    let step = state.current();
    let since = step.and_then(|step| match state.steps.get(step) {
        Some(StepState::Active { since }) => Some(*since),
        _ => None,
    });
    Open {
        purpose: run.plan.request.purpose,
        node: run.plan.node().to_string(),
        since: run.opened_at,
        status: match state.status {
            Status::Open => RunStatus::Open,
            Status::Active => RunStatus::Active,
            Status::Held { .. } => RunStatus::Held,
            Status::Aborting { .. } => RunStatus::Aborting,
            // Nothing else is still open when it has ended.
            Status::Ended { .. } => RunStatus::Stuck,
        },
        doing: step.and_then(|step| run.plan.steps.get(step)).map(|s| Doing { step: (&s.action).into(), since }),
    }
}

/// How long each proven step took.
fn steps(run: &RunSummary, state: &RunState) -> Vec<(Step, Duration)> {
    let took = |step: &StepState| match step {
        StepState::Done { since, at } => Some(age(*at, *since)),
        _ => None,
    };
    let steps = run.plan.steps.iter().zip(&state.steps);
    steps.filter_map(|(step, state)| Some(((&step.action).into(), took(state)?))).collect()
}

/// The median time of the latest runs that were done.
fn usual(runs: &[RunSummary], purpose: Purpose) -> Option<Duration> {
    let done = runs.iter().filter(|r| r.plan.request.purpose == purpose && r.ending == Some(Ending::Done));
    let mut took: Vec<Duration> = done.filter_map(|r| Some(age(r.ended_at?, r.opened_at))).take(USUAL).collect();
    took.sort();
    took.get(took.len() / 2).copied()
}

fn last_done(runs: &[RunSummary]) -> BTreeMap<(Purpose, NodeName), jiff::Timestamp> {
    let mut last = BTreeMap::new();
    for run in runs.iter().filter(|r| r.ending == Some(Ending::Done)) {
        let Some(at) = run.ended_at else { continue };
        let latest = last.entry((run.plan.request.purpose, run.plan.node().clone())).or_insert(at);
        *latest = at.max(*latest);
    }
    last
}

#[cfg(test)]
mod tests;
