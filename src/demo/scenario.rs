//! The play in five acts: load, the node leaves, it is out, it comes back, load again.
//!
//! With mode drain, the second and fourth act are a plan each, executed exactly as in production; only the journal
//! is in memory. With mode naive they are what `pcs node standby` and `unstandby` do.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    edge::{Edge, Setting},
    runs::Runs,
    stage::Stage,
    verdict::{DemoVerdict, Mode, Shares},
    world::DemoWorld,
};
use crate::{
    drill::load::{self, LoadPlan, LoadReport, Slow},
    journal::JournalError,
    model::{MemberView, NodeName},
    plan::{Purpose, gates::Gate},
    provider::ProviderError,
    run::{
        executor::{Finish, RunError},
        state::Misfit,
    },
};

const NODE: &str = "node-2";
/// Longest time of the whole play.
const LIMIT: Duration = Duration::from_secs(28);

/// Why the demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No port, no socket.
    #[error("the embedded world cannot start: {0}")]
    World(#[from] std::io::Error),
    /// A gate of the plan does not pass.
    #[error("the {purpose} was refused: {}", .gates.iter().map(|g| g.detail.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Drain or restore.
        purpose: Purpose,
        /// The gates that do not pass.
        gates: Vec<Gate>,
    },
    /// The run did not end as it should.
    #[error("the {purpose} ended otherwise: {finish:?}")]
    Unfinished {
        /// Drain or restore.
        purpose: Purpose,
        /// How it ended.
        finish: Option<Finish>,
    },
    /// The run broke down.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal in memory broke down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal in memory says something impossible.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The embedded cluster said no.
    #[error(transparent)]
    Cluster(#[from] ProviderError),
    /// The load ended by itself.
    #[error("the load broke down: {0}")]
    Load(String),
    /// It took too long.
    #[error("it did not end within {:.0} s: is this machine very busy?", .0.as_secs_f64())]
    TooLong(Duration),
}

pub(super) type Result<T> = std::result::Result<T, DemoError>;

/// How the play is cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Requests a second.
    pub(super) rate_per_s: u32,
    /// Load before, between and after.
    pub(super) act: Duration,
    /// Fewer would prove nothing: the last act goes on until so many are sent.
    pub(super) min_requests: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self { rate_per_s: 600, act: Duration::from_secs(2), min_requests: 5000 }
    }
}

/// Plays.
pub(super) async fn play(world: &DemoWorld, mode: Mode, script: Script, stage: &Stage) -> Result<DemoVerdict> {
    let end_load = CancellationToken::new();
    // Also where the play fails, or is dropped.
    let _ends = end_load.clone().drop_guard();
    let load = tokio::spawn(load::run(load_plan(world, script), end_load.clone(), stage.live.clone()));
    let mut verdict =
        timeout(LIMIT, acts(world, mode, script, stage)).await.map_err(|_| DemoError::TooLong(LIMIT))??;
    end_load.cancel();
    let report: LoadReport = load.await.map_err(|e| DemoError::Load(e.to_string()))?;
    verdict.take_report(&report);
    verdict.took_s = stage.elapsed_s();
    verdict.round();
    Ok(verdict)
}

fn load_plan(world: &DemoWorld, script: Script) -> LoadPlan {
    LoadPlan {
        slow: Some(Slow { every: 20, path: "/slow?ms=300-800".to_owned() }),
        ..LoadPlan::new(world.entries.clone(), script.rate_per_s, LIMIT)
    }
}

async fn acts(world: &DemoWorld, mode: Mode, script: Script, stage: &Stage) -> Result<DemoVerdict> {
    let node = NodeName::new(NODE);
    let before = settings_of(world);
    let players = Players { world, stage, node: node.clone(), runs: Runs::new(world, stage) };
    let mut shares = Shares::default();

    stage.phase(format!(
        "{} nodes behind {} load balancers; {} requests/s, half of them on new connections, one of 20 slow",
        world.members.len(),
        world.edges.len(),
        script.rate_per_s
    ));
    sleep(script.act).await;
    shares.before = stage.live.snapshot().shares();

    let slow_in_flight = stage.live.snapshot().slow_in_flight;
    let sessions_at_start = world.edges.iter().map(|e| member_count(e, |m| m.sessions)).sum();
    stage.phase(format!("{node} is to leave, with {sessions_at_start} requests under way on it"));
    let leaving = Instant::now();
    let idle_after_drain = players.leave(mode).await?;
    let drain_s = leaving.elapsed().as_secs_f64();

    stage.phase(format!("{node} is out after {drain_s:.1} s, {}: time to patch and reboot it", lost(stage)));
    sleep(script.act).await;
    shares.out = stage.live.snapshot().shares();

    stage.phase(format!("{node} is to come back, {}", lost(stage)));
    let returning = Instant::now();
    players.come_back(mode).await?;
    let restore_s = returning.elapsed().as_secs_f64();

    stage.phase(format!("{node} is back after {restore_s:.1} s, {}", lost(stage)));
    sleep(script.act).await;
    while stage.live.snapshot().sent < script.min_requests {
        sleep(Duration::from_millis(50)).await;
    }
    shares.after = stage.live.snapshot().shares();
    Ok(DemoVerdict {
        mode,
        node: NODE.to_owned(),
        requests: 0,
        failed: 0,
        by_failure: Default::default(),
        drain_s,
        restore_s,
        took_s: 0.0,
        shares,
        slow_in_flight,
        sessions_at_start,
        idle_after_drain,
        restored: settings_of(world) == before,
        p50_ms: 0.0,
        p99_ms: 0.0,
    })
}

fn lost(stage: &Stage) -> String {
    match stage.live.snapshot().failed {
        0 => "no request failed so far".to_owned(),
        n => format!("{n} requests failed so far"),
    }
}

fn settings_of(world: &DemoWorld) -> Vec<Option<Setting>> {
    let of = |edge: &Edge| world.members.iter().map(|n| edge.setting(n.as_str()).ok()).collect::<Vec<_>>();
    world.edges.iter().flat_map(of).collect()
}

fn member_count(edge: &Edge, count: impl Fn(&MemberView) -> u64) -> u64 {
    edge.view().members.get(NODE).map_or(0, count)
}

struct Players<'a> {
    world: &'a DemoWorld,
    stage: &'a Stage,
    node: NodeName,
    runs: Runs,
}

impl Players<'_> {
    /// The second act; gives back how many idle connections were left behind, where somebody looked.
    async fn leave(&self, mode: Mode) -> Result<Option<u64>> {
        if mode == Mode::Naive {
            self.stage.event(format!("  pcs node standby {}", self.node));
            self.world.cluster.standby_by_hand(&self.node)?;
            self.until_cluster("the stop on record", |started| !started).await?;
            return Ok(None);
        }
        self.runs.request(Purpose::Drain, &self.node).await?;
        Ok(self.runs.idle_after_drain())
    }

    /// The fourth act.
    async fn come_back(&self, mode: Mode) -> Result<()> {
        if mode == Mode::Naive {
            self.stage.event(format!("  pcs node unstandby {}", self.node));
            self.world.cluster.unstandby_by_hand(&self.node)?;
            return self.until_cluster("the start on record", |started| started).await;
        }
        self.runs.request(Purpose::Restore, &self.node).await
    }

    async fn until_cluster(&self, what: &str, so: impl Fn(bool) -> bool) -> Result<()> {
        let resource = &self.world.settings.services[0].clone.resource;
        loop {
            let view = self.world.world.cluster.observe().await?;
            if !view.transition && so(view.instances_on(resource, &self.node).any(|i| i.started())) {
                return Ok(());
            }
            self.stage.waiting_for(what);
            sleep(Duration::from_millis(20)).await;
        }
    }
}
