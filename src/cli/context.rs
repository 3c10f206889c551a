//! From the configuration to everything that a command works with: the journal, the providers, and one look at the
//! real systems. Whatever takes time is begun at once and side by side.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use futures_util::future::join_all;
use tokio::try_join;

use super::{
    exit::{Code, Failure, Result},
    report::Reading,
    world::{ClonesWorld, Ways, members},
};
use crate::{
    config::{self, Settings},
    health::Target,
    journal::{Journal, JournalError, Notebook, Plays, RunSummary, sqlite::SqliteJournal},
    model::{
        Leave, NodeName, Observation, Receipt, RunId, Topology,
        topology::{InstanceShape, Role},
    },
    plan::{
        Plan, Purpose, Request,
        gates::{self, Gate},
        ledger, planner,
    },
    play::Machines,
    provider::{World, access::Access, unit::files::Files},
    run::{observer::Observer, wants::Wants},
};

/// Runs that are looked through for open and outstanding ones; older ones are found by the cluster's mark.
pub(super) const RUNS_READ: usize = 1000;

/// What every command needs that does more than read the configuration.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) settings: Arc<Settings>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) notebook: Arc<dyn Notebook>,
    pub(super) plays: Arc<dyn Plays>,
    ways: Ways,
}

/// One look at the real systems, and what the journal says at the same time.
#[derive(Clone)]
pub(super) struct Survey {
    pub(super) world: World,
    pub(super) topology: Arc<Topology>,
    pub(super) seen: Observation,
    pub(super) runs: Vec<RunSummary>,
}

/// The configuration, or every problem of it.
pub(super) fn settings(path: &Path) -> Result<Arc<Settings>> {
    config::load(path).map(Arc::new).map_err(|report| {
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        Failure::usage(format!("the configuration is wrong; nothing was touched\n\n{}", report.render(colour)))
            .detail("problems", serde_json::json!(report.problems()))
    })
}

/// The journal of these settings.
pub(super) async fn journal(settings: &Settings) -> Result<Arc<dyn Journal>> {
    Ok(Arc::new(SqliteJournal::open(&settings.journal.path).await?))
}

impl Context {
    /// Reads the configuration, begins to connect, opens the journal.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        Self::with(settings(path)?).await
    }

    /// As [`Self::open`], with a configuration that is read already.
    pub(super) async fn with(settings: Arc<Settings>) -> Result<Self> {
        let ways = Ways::new(&settings).map_err(|e| Failure::new(Code::Failed, e.to_string()))?;
        ways.warm(&settings);
        let journal = Arc::new(SqliteJournal::open(&settings.journal.path).await?);
        Ok(Self { settings, notebook: journal.clone(), plays: journal.clone(), journal, ways })
    }

    /// Every service on every node, as a target of probes; or every file that such a probe needs and that cannot be read.
    pub(super) fn targets(&self, topology: &Topology) -> Result<Vec<Target>> {
        let (mut targets, mut failures) = (Vec::new(), BTreeSet::new());
        for target in self.ways.targets(&self.settings, &topology.nodes) {
            match target {
                Ok(target) => targets.push(target),
                Err(failure) => drop(failures.insert(failure.to_string())),
            }
        }
        if failures.is_empty() {
            return Ok(targets);
        }
        Err(Failure::usage(failures.into_iter().collect::<Vec<_>>().join("\n")))
    }

    /// The providers of the clone manager, for these members.
    pub(super) fn clones(&self, members: &[NodeName]) -> ClonesWorld {
        self.ways.clones(&self.settings, members)
    }

    /// The members' machines, for the programs and files of a playbook.
    pub(super) fn machines(&self, members: &[NodeName]) -> Machines {
        self.ways.machines(&self.settings, members)
    }

    /// The way to machines that are no members.
    pub(super) fn others(&self) -> Arc<dyn Access> {
        self.ways.ssh()
    }

    /// The members' disks.
    pub(super) fn files(&self, topology: &Topology) -> Files {
        self.ways.files(&self.settings, &topology.nodes)
    }

    /// Looks at what is wanted of the cluster's members, once.
    pub(super) async fn survey(&self, wants: impl FnOnce(&Topology) -> Wants) -> Result<Survey> {
        let (looked, runs) = try_join!(async { Ok(self.look(wants).await) }, async {
            self.journal.runs(RUNS_READ).await.map_err(Failure::from)
        })?;
        let (world, topology, seen) = looked;
        Ok(Survey { world, topology, seen, runs })
    }

    async fn look(&self, wants: impl FnOnce(&Topology) -> Wants) -> (World, Arc<Topology>, Observation) {
        let mut members = members(&self.settings);
        let mut world = self.ways.world(&self.settings, &members);
        let mut seen = Observation::default();
        if members.is_empty() {
            let mut observer = Observer::new(world, self.settings.clone());
            members = observer.members().await;
            seen = observer.seen().clone();
            world = self.ways.world(&self.settings, &members);
        }
        let mut topology = self.settings.topology(&members);
        discover(&world, &mut topology).await;
        let topology = Arc::new(topology);
        let mut wants = wants(&topology);
        if wants.rehearsal.is_some() {
            wants.sockets.extend(gates::by_sockets(&self.settings, &topology));
        }
        if seen.cluster.value().is_some() {
            // Asked a moment ago, to learn who the members are.
            wants.cluster = None;
        }
        let mut observer = Observer::new(world.clone(), self.settings.clone()).starting_from(seen);
        observer.refresh(&topology, &wants).await;
        (world, topology, observer.seen().clone())
    }

    /// The drain that holds the node out, where there is one.
    pub(super) async fn outstanding(&self, survey: &Survey, node: &NodeName) -> Result<Option<Outstanding>> {
        let run = match ledger::outstanding(&survey.runs, node) {
            Some(run) => run,
            None => match self.marked(survey, node).await? {
                Some(run) => run,
                None => return Ok(None),
            },
        };
        let reading = Reading::of(&*self.journal, &run).await?;
        let leave = reading.plan().request.leave.clone();
        Ok(Some(Outstanding { run, receipts: reading.state.receipts, leave }))
    }

    /// The drain whose mark the node carries in the cluster, where this journal has it.
    async fn marked(&self, survey: &Survey, node: &NodeName) -> Result<Option<RunId>> {
        let member = survey.seen.cluster.value().and_then(|c| c.nodes.get(node));
        let Some(owner) = member.and_then(|m| m.owner.as_ref()) else { return Ok(None) };
        match self.journal.run(&owner.run).await {
            Ok(summary) if summary.plan.request.purpose == Purpose::Drain => Ok(Some(summary.run)),
            Ok(_) | Err(JournalError::NoSuchRun(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Every gate of a request, answered, and the plan where all of them pass.
    pub(super) async fn decide(&self, request: &Request, survey: &Survey) -> Result<(Vec<Gate>, Option<Plan>)> {
        let outstanding = self.origin(request, survey).await?;
        let request = &match &outstanding {
            // A node comes back in the way in which it left.
            Some(out) if request.purpose == Purpose::Restore => Request { leave: out.leave.clone(), ..request.clone() },
            _ => request.clone(),
        };
        let basis = self.basis(survey, outstanding.as_ref());
        Ok((planner::verdict(request, &basis), planner::plan(request, &basis).ok()))
    }

    /// The plan of the run by which somebody must stand in before this drain, where anybody must; or every reason
    /// against it.
    pub(super) async fn first(&self, request: &Request, survey: &Survey) -> Result<Option<Plan>> {
        match planner::first(request, &self.basis(survey, None)) {
            Some(first) => self.plan(&first, survey).await.map(Some),
            None => Ok(None),
        }
    }

    fn basis<'a>(&'a self, survey: &'a Survey, outstanding: Option<&'a Outstanding>) -> planner::Basis<'a> {
        planner::Basis {
            settings: &self.settings,
            topology: &survey.topology,
            seen: &survey.seen,
            open_run: ledger::open(&survey.runs).map(|r| &r.run),
            outstanding: outstanding.map(|out| (&out.run, out.receipts.as_slice())),
            now: survey.world.clock.now(),
        }
    }

    /// The run whose receipts a request puts back: the drain of the node, or what made it stand in.
    async fn origin(&self, request: &Request, survey: &Survey) -> Result<Option<Outstanding>> {
        if request.purpose != Purpose::Retire {
            return self.outstanding(survey, &request.node).await;
        }
        let same = |came: &&RunSummary| came.plan.node() == &request.node && came.plan.request.leave == request.leave;
        let Some(came) = ledger::standing_in(&survey.runs).into_iter().find(same) else { return Ok(None) };
        let reading = Reading::of(&*self.journal, &came.run).await?;
        let (run, leave) = (came.run.clone(), request.leave.clone());
        Ok(Some(Outstanding { run, receipts: reading.state.receipts, leave }))
    }

    /// The plan, or every reason against it.
    pub(super) async fn plan(&self, request: &Request, survey: &Survey) -> Result<Plan> {
        let (verdict, plan) = self.decide(request, survey).await?;
        let refused = || verdict.iter().filter(|g| !g.passes()).cloned().collect::<Vec<_>>();
        plan.ok_or_else(|| Failure::refused(request.purpose, &request.node, &refused()))
    }
}

/// A drain that nobody has restored yet.
pub(super) struct Outstanding {
    run: RunId,
    receipts: Vec<Receipt>,
    leave: Leave,
}

/// Adds the instances that only the real systems know. What cannot be asked for them is one that will not answer.
async fn discover(world: &World, topology: &mut Topology) {
    let asked = topology.routes.iter_mut().map(|route| async {
        let found = match world.route(&route.id) {
            Ok(provider) => provider.discover().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => route.instances.extend(found),
            Err(_) => drop(
                route
                    .instances
                    .insert(UNDISCOVERED.into(), InstanceShape { role: Role::Follower, ..InstanceShape::default() }),
            ),
        }
    });
    join_all(asked).await;
}

/// Stands for the instances of a route that could not be asked for. Nobody answers by this name.
const UNDISCOVERED: &str = "undiscovered";

/// What the gates and the plan of a request read: the node's own facts, and everybody's readiness.
pub(super) fn wants(request: &Request, topology: &Topology) -> Wants {
    let (purpose, node) = (request.purpose, &request.node);
    let everything = Wants::everything(topology);
    let only = |nodes: &std::collections::BTreeSet<NodeName>| nodes.iter().filter(|n| *n == node).cloned().collect();
    Wants {
        sockets: only(&everything.sockets),
        units: only(&everything.units),
        ready: if purpose.leaves() { everything.ready } else { only(&everything.ready) },
        ..everything
    }
    .rehearsing(request, topology)
}
