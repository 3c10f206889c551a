//! Drain and restore of the embedded world: observe, plan, execute, exactly as in production.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio_util::sync::CancellationToken;

use super::{
    edge::Edge,
    scenario::{DemoError, Result},
    stage::Stage,
    world::DemoWorld,
};
use crate::{
    config::Settings,
    journal::{Event, Record, memory::MemoryJournal},
    model::{Leave, NodeName, Observation, Receipt, RunId, Topology},
    plan::{
        Plan, Purpose, Request, ledger,
        planner::{self, Basis},
    },
    run::{
        executor::{Engine, Finish, Watcher},
        observer::Observer,
        state::RunState,
        waiting::Waiting,
        wants::Wants,
    },
};

/// Runs looked back at; the demo opens two.
const MAX_RUNS: usize = 10;

/// The engine of the embedded world.
pub(super) struct Runs {
    engine: Engine,
    witness: Arc<Witness>,
}

impl Runs {
    pub(super) fn new(world: &DemoWorld, stage: &Stage) -> Self {
        let witness =
            Arc::new(Witness { stage: stage.clone(), edges: world.edges.clone(), idle: AtomicU64::new(u64::MAX) });
        let engine = Engine {
            world: world.world.clone(),
            journal: Arc::new(MemoryJournal::default()),
            settings: Arc::new(world.settings.clone()),
            topology: Arc::new(world.topology.clone()),
            watcher: witness.clone(),
            holder: "demo".to_owned(),
        };
        Self { engine, witness }
    }

    /// Plans and executes. Anything but a proven end is an error.
    pub(super) async fn request(&self, purpose: Purpose, node: &NodeName) -> Result<()> {
        let request = Request {
            purpose,
            node: node.clone(),
            operator: "you".to_owned(),
            reason: "to see what a drain does".to_owned(),
            overrides: Vec::new(),
            leave: Leave::default(),
        };
        let seen = self.look(&request).await;
        let plan = self.plan(&request, &seen).await?;
        let (run, lease) = self.engine.open(&plan).await?;
        let finished = self.engine.execute(&run, lease, seen, &CancellationToken::new()).await?;
        match finished.into_iter().next() {
            Some((_, Finish::Done)) => Ok(()),
            other => Err(DemoError::Unfinished { purpose, finish: other.map(|(_, finish)| finish) }),
        }
    }

    /// Connections to the node that the load balancers kept open, idle, when it counted as drained.
    pub(super) fn idle_after_drain(&self) -> Option<u64> {
        let idle = self.witness.idle.load(Ordering::SeqCst);
        (idle != u64::MAX).then_some(idle)
    }

    async fn look(&self, request: &Request) -> Observation {
        let (settings, topology): (&Arc<Settings>, &Topology) = (&self.engine.settings, &self.engine.topology);
        let mut observer = Observer::new(self.engine.world.clone(), settings.clone());
        observer.refresh(topology, &Wants::everything(topology).rehearsing(request, topology)).await;
        observer.seen().clone()
    }

    async fn plan(&self, request: &Request, seen: &Observation) -> Result<Plan> {
        let runs = self.engine.journal.runs(MAX_RUNS).await?;
        let held = match ledger::outstanding(&runs, &request.node) {
            Some(run) => Some((self.receipts(&run).await?, run)),
            None => None,
        };
        let basis = Basis {
            settings: &self.engine.settings,
            topology: &self.engine.topology,
            seen,
            open_run: ledger::open(&runs).map(|r| &r.run),
            outstanding: held.as_ref().map(|(receipts, run)| (run, receipts.as_slice())),
            now: self.engine.world.clock.now(),
        };
        planner::plan(request, &basis).map_err(|gates| DemoError::Refused { purpose: request.purpose, gates })
    }

    async fn receipts(&self, run: &RunId) -> Result<Vec<Receipt>> {
        let plan = self.engine.journal.run(run).await?.plan;
        let records = self.engine.journal.records(run).await?;
        Ok(RunState::fold(&plan, &records)?.receipts)
    }
}

/// Watches for the stage, and looks at the load balancers' pools at the moment in which the node counts as drained.
struct Witness {
    stage: Stage,
    edges: Vec<Edge>,
    idle: AtomicU64,
}

impl Watcher for Witness {
    fn recorded(&self, run: &RunId, plan: &Plan, record: &Record, state: &RunState) {
        if matches!(record.event, Event::Drained { .. }) {
            let server = plan.node().as_str();
            let idle = self.edges.iter().map(|e| e.view().members.get(server).map_or(0, |m| m.idle)).sum();
            self.idle.store(idle, Ordering::SeqCst);
        }
        self.stage.recorded(run, plan, record, state);
    }

    fn waiting(&self, run: &RunId, plan: &Plan, state: &RunState, waits: &[Waiting], seen: &Observation) {
        self.stage.waiting(run, plan, state, waits, seen);
    }
}
