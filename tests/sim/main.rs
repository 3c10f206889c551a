//! The whole run against a simulated world: seeded, on virtual time, with lost replies, old answers, reloads, quorum
//! flaps, cut-off load balancers, and crashes at every position of the journal. Every seed is a test of its own; a
//! failure prints it. `TIDEGATE_SEEDS=N` sets their number, `TIDEGATE_SEED=N` runs one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod clients;
mod crash;
mod edges;
mod lasting;
mod scenarios;
mod standin;
mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clients::Bound;
use crash::{At, Mortal};
use edges::Edge;
use tidegate::{
    config::{Settings, settings as cfg},
    journal::{Ending, Journal, RunSummary, chain, memory::MemoryJournal},
    model::{Leave, NodeName, Observation, Topology},
    plan::{
        Plan, Purpose, Request,
        gates::Gate,
        ledger,
        planner::{self, Basis},
    },
    provider::route::haproxy,
    run::{
        executor::{Engine, Finish, RunError, Unwatched},
        observer::Observer,
        state::RunState,
        wants::Wants,
    },
};
use tokio_util::sync::CancellationToken;
use world::{Admin, Faults, SERVERS, Sim, Unit};

pub const NODE: &str = "node-2";
/// The node that may be free.
pub const THIRD: &str = "node-3";

pub fn settings() -> Settings {
    let ready = cfg::Ready { interval: Duration::from_millis(500), ..cfg::Ready::new(8080, cfg::Probe::Tcp) };
    let instance = |(n, name): (usize, &&str)| haproxy::Instance {
        name: (**name).into(),
        socket: cfg::Endpoint::Tcp { address: "127.0.0.1:1".into() },
        master: None,
        source: vec![format!("10.0.0.{}", 101 + n).parse().unwrap()],
        node: None,
    };
    let route = cfg::Route {
        id: "web/haproxy:app".into(),
        tier: 20,
        ramp: vec![10, 50, 100],
        dwell: Duration::from_millis(800),
        nodes: None,
        watch: Duration::from_secs(1),
        via: cfg::Via::Haproxy(haproxy::Settings {
            backend: "app".into(),
            server: "{node}".into(),
            instances: world::LBS.iter().enumerate().map(instance).collect(),
            config_file: None,
        }),
    };
    Settings {
        cluster: cfg::Cluster { name: "sim".into(), access: cfg::Access::Local, members: members() },
        journal: cfg::Journal { path: "memory".into() },
        run: cfg::Run { patience: Duration::from_secs(60), ..cfg::Run::default() },
        guard: cfg::Guard::default(),
        review: cfg::Review::default(),
        nodes: BTreeMap::new(),
        services: vec![cfg::Service {
            name: "app".into(),
            unit: "app.service".into(),
            extra_units: vec!["app-sidecar.service".into()],
            clone: cfg::CloneSettings { clone_max: Some(3), ..cfg::CloneSettings::of("app_service") },
            min_ready: 2,
            max_connections: None,
            ready,
            sessions: cfg::Sessions::default(),
            connections: cfg::Connections {
                settle: Duration::from_millis(300),
                deadline: Duration::from_secs(60),
                on_deadline: cfg::OnDeadline::Hold,
                max_age: None,
            },
            objective: cfg::Objective { failover: None, max_error_ratio: 0.001, max_skew: None },
            archives: Vec::new(),
        }],
        entrypoints: vec![cfg::Entrypoint {
            name: "web".into(),
            service: "app".into(),
            address: "10.0.0.100".into(),
            port: Some(80),
            protocol: cfg::Protocol::Http,
            tls: None,
            client_identity: None,
            routes: vec![route],
        }],
        calendar: Vec::new(),
        prometheus: None,
    }
}

fn members() -> Vec<NodeName> {
    SERVERS.iter().map(|s| NodeName::from(*s)).collect()
}

/// One world with its journal; programs come and go.
pub struct Stage {
    pub edge: Edge,
    pub store: Arc<MemoryJournal>,
    pub settings: Arc<Settings>,
    pub topology: Arc<Topology>,
    programs: u32,
}

/// How one program ended.
#[derive(Debug)]
pub enum End {
    Finished(Finish),
    Refused(Vec<Gate>),
    Failed(RunError),
    Died,
}

impl Stage {
    pub fn new(sim: Sim, settings: Settings) -> Self {
        let topology = Arc::new(settings.topology(&members()));
        let (edge, store) = (Edge::new(sim), Arc::new(MemoryJournal::default()));
        Self { edge, store, settings: Arc::new(settings), topology, programs: 0 }
    }

    fn engine(&mut self, journal: Arc<dyn Journal>) -> Engine {
        self.programs += 1;
        Engine {
            world: self.edge.providers(),
            journal,
            settings: self.settings.clone(),
            topology: self.topology.clone(),
            watcher: Arc::new(Unwatched),
            holder: format!("sim@host:{}", self.programs),
        }
    }

    pub async fn runs(&self) -> Vec<RunSummary> {
        self.store.runs(100).await.unwrap()
    }

    async fn plan(&self, purpose: Purpose) -> (Result<Plan, Vec<Gate>>, Observation) {
        let mut observer = Observer::new(self.edge.providers(), self.settings.clone());
        let third = matches!(purpose, Purpose::StandIn | Purpose::Retire);
        let ban = || Leave::Ban { service: "app".into(), resource: "app_service".into() };
        let request = Request {
            purpose,
            node: if third { THIRD.into() } else { NODE.into() },
            operator: "op".into(),
            reason: "patch".into(),
            overrides: Vec::new(),
            leave: if third { ban() } else { Leave::default() },
        };
        let wants = Wants::everything(&self.topology).rehearsing(&request, &self.topology);
        observer.refresh(&self.topology, &wants).await;
        let runs = self.runs().await;
        let origin = match purpose {
            Purpose::Retire => ledger::standing_in(&runs).first().map(|came| came.run.clone()),
            _ => ledger::outstanding(&runs, &request.node),
        };
        let receipts = match &origin {
            Some(run) => {
                let plan = self.store.run(run).await.unwrap().plan;
                RunState::fold(&plan, &self.store.records(run).await.unwrap()).unwrap().receipts
            }
            None => vec![],
        };
        let basis = Basis {
            settings: &self.settings,
            topology: &self.topology,
            seen: observer.seen(),
            open_run: ledger::open(&runs).map(|r| &r.run),
            outstanding: origin.as_ref().map(|o| (o, receipts.as_slice())),
            now: self.edge.providers().clock.now(),
        };
        (planner::plan(&request, &basis), observer.seen().clone())
    }

    /// A new program plans and runs; it may die on the way.
    pub async fn start(&mut self, purpose: Purpose, at: At, stop: &CancellationToken) -> (End, u64) {
        let mortal = Arc::new(Mortal::new(self.store.clone(), at));
        let engine = self.engine(mortal.clone());
        let work = async {
            let (plan, seen) = self.plan(purpose).await;
            let plan = match plan {
                Ok(plan) => plan,
                Err(gates) => return End::Refused(gates),
            };
            match engine.open(&plan).await {
                Ok((run, lease)) => {
                    self.edge.watch(true);
                    end(engine.execute(&run, lease, seen, stop).await)
                }
                Err(error) => End::Failed(error),
            }
        };
        let end = tokio::select! { end = work => end, () = mortal.died.cancelled() => End::Died };
        self.edge.watch(false);
        (end, mortal.appends())
    }

    /// A new program takes up what is open, once the dead one's lease has run out.
    pub async fn resume(&mut self, at: At, stop: &CancellationToken) -> Option<(End, u64)> {
        let run = ledger::open(&self.runs().await)?.run.clone();
        let mortal = Arc::new(Mortal::new(self.store.clone(), at));
        let engine = self.engine(mortal.clone());
        let work = async {
            let lease = loop {
                match engine.take().await {
                    Ok(lease) => break lease,
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            };
            self.edge.watch(true);
            end(engine.execute(&run, lease, Observation::default(), stop).await)
        };
        let end = tokio::select! { end = work => end, () = mortal.died.cancelled() => End::Died };
        self.edge.watch(false);
        Some((end, mortal.appends()))
    }

    /// Starts (refusals of the moment are asked again), and resumes until it is over.
    pub async fn to_the_end(&mut self, purpose: Purpose, mut at: impl FnMut() -> At) -> Finish {
        let stop = CancellationToken::new();
        for _ in 0..40 {
            match self.start(purpose, at(), &stop).await.0 {
                End::Finished(Finish::Held(_)) | End::Died if self.just_done(purpose).await => return Finish::Done,
                End::Finished(Finish::Held(_)) | End::Died => {}
                End::Finished(finish) => return finish,
                End::Refused(_) | End::Failed(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
            if ledger::open(&self.runs().await).is_some() {
                break;
            }
        }
        for _ in 0..40 {
            match self.resume(at(), &stop).await {
                None if self.just_done(purpose).await => return Finish::Done,
                None => break,
                Some((End::Finished(Finish::Held(_)) | End::Died | End::Failed(_), _)) => {}
                Some((End::Finished(finish), _)) => return finish,
                Some((End::Refused(_), _)) => unreachable!("a resumed run is not planned again"),
            }
        }
        let journal = self.journal().await;
        panic!("{purpose} did not come to an end; journal: {:#?}", &journal[journal.len().saturating_sub(12)..]);
    }

    /// The program died right after the last record of the run.
    async fn just_done(&self, purpose: Purpose) -> bool {
        let runs = self.runs().await;
        let ours = |r: &RunSummary| r.plan.request.purpose == purpose || r.plan.parent.is_some();
        runs.first().is_some_and(|r| r.ending == Some(Ending::Done) && ours(r))
    }

    pub async fn journal(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for run in self.runs().await.iter().rev() {
            for record in self.store.records(&run.run).await.unwrap() {
                lines.push(format!("{} {} {} {:?}", run.run, record.at, record.seq, record.event));
            }
        }
        lines
    }

    /// What must hold whatever happened.
    pub async fn check(&self) -> Result<(), String> {
        for run in self.runs().await {
            let records = self.store.records(&run.run).await.unwrap();
            chain::verify(&records).map_err(|seq| format!("the chain of {} breaks at {seq}", run.run))?;
            RunState::fold(&run.plan, &records).map_err(|e| e.to_string())?;
        }
        let sim = self.edge.sim();
        match sim.broken.first() {
            Some(broken) => Err(broken.0.clone()),
            None if sim.lost > 0 => Err(format!("{} requests lost", sim.lost)),
            None => Ok(()),
        }
    }

    /// The node is out, as a finished drain promises.
    pub fn check_out(&self) -> Result<(), String> {
        let sim = self.edge.sim();
        let node = &sim.nodes[NODE];
        let out = node.standby.as_deref() == Some("on") && node.owner.is_some() && node.unit == Unit::Stopped;
        if !out || node.extra_running {
            return Err(format!("not out: {node:?}"));
        }
        // A reload after the run's end is the sentinel's business, not the run's.
        Ok(())
    }

    /// The node is back, exactly as it was.
    pub fn check_back(&self, weight: u32) -> Result<(), String> {
        let sim = self.edge.sim();
        let node = &sim.nodes[NODE];
        if node.standby.is_some() || node.owner.is_some() || !node.extra_running || !sim.answers(NODE) {
            return Err(format!("not back: {node:?}"));
        }
        for lb in &sim.lbs {
            let server = &lb.servers[NODE];
            if server.admin != Admin::Ready || server.weight != weight {
                return Err(format!("not as before: {server:?}"));
            }
        }
        Ok(())
    }
}

fn end(result: Result<Vec<(tidegate::model::RunId, Finish)>, RunError>) -> End {
    match result {
        Ok(finished) => End::Finished(finished.last().map_or(Finish::Paused, |(_, finish)| finish.clone())),
        Err(error) => End::Failed(error),
    }
}

/// Runs one scenario on virtual time.
pub fn on_virtual_time<T>(scenario: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(scenario)
}

/// Drain and restore in a world that goes wrong as the seed says.
async fn one_seed(seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x7469_6465);
    let faults = Faults::random(&mut rng);
    let mut sim = Sim::new(seed, faults);
    let weight = sim.lbs[0].servers[NODE].weight;
    let mut settings = settings();
    if rng.u8(0..3) == 0 {
        // Clients with a cookie that come more seldom than the drain needs to settle.
        settings.services[0].sessions.affinity = cfg::Affinity::Cookie;
        sim.bound = (0..rng.usize(1..4)).map(|_| Bound::to(NODE, rng.u64(1_500..6_000))).collect();
    }
    let mut stage = Stage::new(sim, settings);
    let mut crashes = rng.u32(0..4);
    let mut at = move || {
        if crashes == 0 {
            return At::Never;
        }
        crashes -= 1;
        let n = rng.u64(1..25);
        if rng.bool() { At::Before(n) } else { At::After(n) }
    };
    let finish = stage.to_the_end(Purpose::Drain, &mut at).await;
    stage.check().await?;
    if finish != Finish::Done {
        return Err(format!("the drain ended as {finish:?}"));
    }
    stage.check_out()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let finish = stage.to_the_end(Purpose::Restore, &mut at).await;
    stage.check().await?;
    if finish != Finish::Done {
        return Err(format!("the restore ended as {finish:?}"));
    }
    stage.check_back(weight)
}

/// A drain that somebody aborts at some time, in a world that goes wrong: the node ends out or back, never between.
async fn one_aborted_seed(seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x6162_6f72);
    let sim = Sim::new(seed, Faults::random(&mut rng));
    let weight = sim.lbs[0].servers[NODE].weight;
    let mut stage = Stage::new(sim, settings());
    let (store, clock, after) = (stage.store.clone(), stage.edge.providers().clock, rng.u64(50..8_000));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let runs = store.runs(1).await.unwrap();
            if let Some(open) = runs.first().filter(|r| r.ending.is_none()) {
                let _ = store.request_abort(&open.run, "somebody", clock.now()).await;
                break;
            }
        }
    });
    let mut die = (rng.u8(0..3) == 0).then(|| At::After(rng.u64(1..20)));
    let finish = stage.to_the_end(Purpose::Drain, || die.take().unwrap_or(At::Never)).await;
    stage.check().await?;
    // What was already on its way when the program ended has arrived by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let undone = stage.runs().await.iter().any(|r| r.plan.parent.is_some());
    match (finish, undone) {
        (Finish::Done, true) => stage.check_back(weight),
        (Finish::Done, false) => stage.check_out(),
        (Finish::Aborted { undo: None, .. }, _) => stage.check_back(weight),
        (other, _) => Err(format!("it ended as {other:?}: {:#?} {:#?}", stage.journal().await, stage.edge.sim().log)),
    }
}

fn failure(seed: u64) -> Option<String> {
    let both = || on_virtual_time(one_seed(seed)).and_then(|()| on_virtual_time(one_aborted_seed(seed)));
    match std::panic::catch_unwind(both) {
        Ok(result) => result.err(),
        Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".into())),
    }
}

#[test]
fn thousands_of_seeds() {
    let only = std::env::var("TIDEGATE_SEED").ok().and_then(|s| s.parse().ok());
    let many: u64 = std::env::var("TIDEGATE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3000);
    let seeds: Vec<u64> = only.map_or_else(|| (1..=many).collect(), |seed| vec![seed]);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let failures: Vec<(u64, String)> = std::thread::scope(|scope| {
        let run = |part: Vec<u64>| {
            move || part.into_iter().filter_map(|seed| failure(seed).map(|why| (seed, why))).collect::<Vec<_>>()
        };
        let parts = (0..threads).map(|t| seeds.iter().skip(t).step_by(threads).copied().collect::<Vec<_>>());
        let handles: Vec<_> = parts.map(|part| scope.spawn(run(part))).collect();
        handles.into_iter().flat_map(|h| h.join().unwrap()).collect()
    });
    println!("{} seeds, {} failed", seeds.len(), failures.len());
    assert!(
        failures.is_empty(),
        "seeds that fail (TIDEGATE_SEED=N runs one): {:#?}",
        &failures[..failures.len().min(10)]
    );
}
