//! Three nodes, a service, and routes as a test wants them, with a journal in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tidegate::{
    config::{self, Settings},
    journal::{Event, Journal, memory::MemoryJournal},
    model::{
        CloneInstance, ClusterView, InstanceName, InstanceView, Leave, Member, NodeName, Observation, Ownership,
        Rehearsal, Role, RunId, Topology, UnitName, UnitView,
    },
    plan::{
        Plan, Purpose, Request,
        gates::Gate,
        ledger,
        planner::{self, Basis},
    },
    provider::{
        Clock, ClusterControl, ProviderError, SystemClock, UnitControl, World,
        null::{NullCluster, NullProber, NullRoute, NullTraffic, NullUnits},
    },
    run::{
        executor::{Engine, Finish, Watcher},
        observer::Observer,
        proof::StandbyPermit,
        state::RunState,
        waiting::Waiting,
        wants::Wants,
    },
};
use tokio_util::sync::CancellationToken;

pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The parts that every test shares; `{routes}` is the test's own.
const BASE: &str = r#"
[cluster]
name = "stage"
members = ["node-1", "node-2", "node-3"]

[run]
poll = "10ms"
patience = "6s"

[[node]]
name = "lb-1"
outside = true

[[node]]
name = "lb-2"
outside = true

[[service]]
name = "app"
unit = "app.service"
min-ready = 2
ready = { port = 8080, interval = "50ms", healthy = 2 }
{service}

[[entrypoint]]
name = "web"
service = "app"
address = "app.example.com"
protocol = "http"
"#;

/// The moving parts, and an engine over them.
pub struct Stage {
    pub routes: BTreeMap<String, Arc<NullRoute>>,
    pub traffic: Arc<NullTraffic>,
    pub journal: Arc<MemoryJournal>,
    pub engine: Engine,
    pub told: Arc<Told>,
}

/// Every wait that was told, in order, without repetitions in a row.
#[derive(Default)]
pub struct Told(Mutex<Vec<String>>);

impl Told {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn has(&self, part: &str) -> bool {
        self.lines().iter().any(|line| line.contains(part))
    }
}

impl Watcher for Told {
    fn waiting(&self, _run: &RunId, _plan: &Plan, _state: &RunState, waits: &[Waiting], _seen: &Observation) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for wait in waits.iter().map(ToString::to_string) {
            if lines.last() != Some(&wait) {
                lines.push(wait);
            }
        }
    }
}

impl Stage {
    /// With these keys of the service and these `[[entrypoint.route]]` tables. Each route is driven by a null route whose
    /// instances and members are those of the topology, after `shape` had its way with that.
    pub fn new(service: &str, routes: &str, shape: impl FnOnce(&mut Topology)) -> Self {
        let text = format!("{}{routes}", BASE.replace("{service}", service));
        let settings = config::load_fragments(vec![("stage.toml".into(), text)]).unwrap_or_else(|r| panic!("{r}"));
        let members: Vec<NodeName> = NODES.iter().map(|n| NodeName::new(*n)).collect();
        let mut topology = settings.topology(&members);
        shape(&mut topology);
        let routes: BTreeMap<String, Arc<NullRoute>> =
            topology.routes.iter().map(|r| (r.id.to_string(), Arc::new(null_route(r)))).collect();
        let traffic = Arc::new(NullTraffic::default());
        let cluster = Arc::new(Together::new(&members));
        let world = World {
            routes: routes.values().map(|r| Arc::clone(r) as _).collect(),
            cluster: cluster.clone(),
            units: cluster,
            traffic: Arc::clone(&traffic) as _,
            prober: Arc::new(NullProber::default()),
            alerts: None,
            clock: Arc::new(SystemClock),
        };
        let journal = Arc::new(MemoryJournal::default());
        let told = Arc::new(Told::default());
        let engine = Engine {
            world,
            journal: journal.clone(),
            settings: Arc::new(settings),
            topology: Arc::new(topology),
            watcher: told.clone(),
            holder: "test@stage:1/1".into(),
        };
        Self { routes, traffic, journal, engine, told }
    }

    pub fn edit(&self, route: &str, instance: &str, change: impl FnOnce(&mut InstanceView)) {
        self.routes[route].edit(&InstanceName::new(instance), change);
    }

    pub fn settings(&self) -> &Settings {
        &self.engine.settings
    }

    pub async fn plan(&self, purpose: Purpose, node: &str) -> Result<Plan, Vec<Gate>> {
        self.plan_leaving(purpose, node, Leave::default()).await
    }

    /// As [`Self::plan`], with another way out of the cluster.
    pub async fn plan_leaving(&self, purpose: Purpose, node: &str, leave: Leave) -> Result<Plan, Vec<Gate>> {
        let request = Request {
            purpose,
            node: node.into(),
            operator: "ann".into(),
            reason: "test".into(),
            overrides: Vec::new(),
            leave,
        };
        let topology = &self.engine.topology;
        let mut observer = Observer::new(self.engine.world.clone(), self.engine.settings.clone());
        observer.refresh(topology, &Wants::everything(topology).rehearsing(&request, topology)).await;
        let seen = observer.seen().clone();
        let runs = self.journal.runs(100).await.expect("the runs");
        let outstanding = ledger::outstanding(&runs, &NodeName::new(node));
        let receipts = match &outstanding {
            Some(run) => self.state(run).await.receipts,
            None => Vec::new(),
        };
        let basis = Basis {
            settings: self.settings(),
            topology: &self.engine.topology,
            seen: &seen,
            open_run: ledger::open(&runs).map(|r| &r.run),
            outstanding: outstanding.as_ref().map(|run| (run, receipts.as_slice())),
            now: SystemClock.now(),
        };
        planner::plan(&request, &basis)
    }

    /// Plans and executes, to its end.
    pub async fn run(&self, purpose: Purpose, node: &str) -> (RunId, Finish) {
        let plan = self.plan(purpose, node).await.unwrap_or_else(|gates| panic!("{gates:?}"));
        let (run, lease) = self.engine.open(&plan).await.expect("a run");
        let finished = self.execute(&run, lease).await;
        (run, finished)
    }

    pub async fn execute(&self, run: &RunId, lease: tidegate::journal::Lease) -> Finish {
        let stop = CancellationToken::new();
        let done = self.engine.execute(run, lease, Observation::default(), &stop);
        let finished = tokio::time::timeout(Duration::from_secs(20), done).await.expect("in time").expect("executed");
        finished.into_iter().next().expect("one run").1
    }

    pub async fn state(&self, run: &RunId) -> RunState {
        let plan = self.journal.run(run).await.expect("the run").plan;
        RunState::fold(&plan, &self.journal.records(run).await.expect("its records")).expect("it fits")
    }

    pub async fn events(&self, run: &RunId) -> Vec<Event> {
        self.journal.records(run).await.expect("its records").into_iter().map(|r| r.event).collect()
    }
}

fn null_route(route: &tidegate::model::topology::RouteShape) -> NullRoute {
    let instances: Vec<InstanceName> = route.instances.keys().cloned().collect();
    let members: Vec<(&str, u32)> = route.servers.values().map(|s| (s.as_str(), 100)).collect();
    let null = NullRoute::new(route.id.clone(), &instances, &members);
    for (instance, shape) in &route.instances {
        if let Some(only) = shape.only.as_ref().and_then(|only| route.servers.get(only)) {
            null.edit(instance, |view| view.members.retain(|name, _| name == only));
        }
    }
    null
}

fn cluster() -> ClusterView {
    let member = |name: &str| (NodeName::new(name), Member { online: true, ..Member::default() });
    let instance = |name: &str| CloneInstance {
        resource: "app_service".into(),
        node: Some(name.into()),
        role: Role::Started,
        active: true,
        pending: None,
        failed: false,
        blocked: false,
        managed: true,
    };
    ClusterView {
        quorate: true,
        fencing: true,
        nodes: NODES.iter().map(|n| member(n)).collect(),
        instances: NODES.iter().map(|n| instance(n)).collect(),
        ..ClusterView::default()
    }
}

/// A cluster that really stops and starts its units.
struct Together {
    cluster: NullCluster,
    units: NullUnits,
}

impl Together {
    fn new(members: &[NodeName]) -> Self {
        let units = members.iter().map(|n| (n.clone(), UnitName::new("app.service"), true));
        Self { cluster: NullCluster::new(cluster()), units: NullUnits::new(units) }
    }
}

#[async_trait]
impl ClusterControl for Together {
    async fn observe(&self) -> Result<ClusterView, ProviderError> {
        self.cluster.observe().await
    }

    async fn rehearse(&self, node: &NodeName, leave: &Leave) -> Result<Rehearsal, ProviderError> {
        self.cluster.rehearse(node, leave).await
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<(), ProviderError> {
        let node = permit.node().clone();
        self.cluster.standby(permit, owner, leave).await?;
        if leave.stops_units() {
            self.units.set(&node, &UnitName::new("app.service"), false);
        }
        Ok(())
    }

    async fn unstandby(
        &self,
        node: &NodeName,
        owner: &RunId,
        leave: &Leave,
        attribute: Option<&str>,
    ) -> Result<(), ProviderError> {
        self.cluster.unstandby(node, owner, leave, attribute).await?;
        self.units.set(node, &UnitName::new("app.service"), true);
        Ok(())
    }
}

#[async_trait]
impl UnitControl for Together {
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView, ProviderError> {
        UnitControl::observe(&self.units, node, unit).await
    }

    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<(), ProviderError> {
        self.units.stop(node, unit).await
    }

    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<(), ProviderError> {
        self.units.start(node, unit).await
    }
}
