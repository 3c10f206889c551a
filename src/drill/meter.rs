//! What is measured while a drill is played: the load and what came of it, every route that leads to what is broken, and how
//! many nodes are ready. It begins before the first step and ends after the last.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    abort::Moment,
    alarms::Alarms,
    load::{self, Live, LoadPlan, LoadReport, Target, observed, remote},
    report::{Series, Traffic, connections},
    watch::{Record, Subject, Watcher},
};
use crate::{
    config::Settings,
    model::Topology,
    playbook::model::{Drill, Load},
    provider::{World, access::Access},
};

/// Requests under way at once, at most.
const MAX_IN_FLIGHT: usize = 2048;
/// Time between two looks at the load balancers' counters.
const LOOK: Duration = Duration::from_secs(1);
/// The program on hosts that send load.
pub const PROGRAM: &str = "tidegate";

/// What was counted, with what only a load of our own knows.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Requests and failures.
    pub traffic: Traffic,
    /// What else was measured over time.
    pub series: Series,
    /// When the last request that failed was due; none where none failed, or where nobody sent requests of our own.
    pub failing_until: Option<jiff::Timestamp>,
    /// Whether failures have a time to the request.
    pub exact: bool,
    /// Whether nothing was missed: counters that begin anew take with them what they had counted.
    pub complete: bool,
}

/// All that measures.
pub struct Meter {
    live: Live,
    cancel: CancellationToken,
    task: JoinHandle<Result<Counted, String>>,
    /// What the load found, once it is over.
    found: Option<Result<Counted, String>>,
    watcher: Watcher,
    over: Duration,
    alarms: Option<Alarms>,
}

/// Where load comes from.
pub struct Reach {
    /// The real systems.
    pub world: World,
    /// What is where.
    pub topology: Arc<Topology>,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The way to hosts that send load.
    pub access: Arc<dyn Access>,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// A target that is none, alerts that cannot be asked for where they may end the drill.
    pub async fn start(reach: &Reach, drill: &Drill, subject: &Subject) -> Result<Self, String> {
        let (live, cancel) = (Live::new(), CancellationToken::new());
        let alarms = match drill.abort.alerts {
            true => Some(Alarms::listen(reach.world.alerts.as_ref(), &cancel).await?),
            false => None,
        };
        let task = start(reach, &drill.load, cancel.clone(), live.clone())?;
        let watcher = Watcher::start(&reach.world, &reach.settings, &reach.topology, subject, &cancel);
        if let Err(why) = watcher.all_seen().await {
            cancel.cancel();
            // Nothing is sent any more when this is said; what was counted is of no use.
            let _ = task.await;
            return Err(format!("{why}; nothing was broken"));
        }
        Ok(Self { live, cancel, task, found: None, watcher, over: drill.abort.over, alarms })
    }

    /// What is so now.
    pub fn moment(&self) -> Moment {
        let recent = self.live.recent(self.over.max(Duration::from_secs(1)));
        let ready = self.watcher.now().borrow().ready;
        let (alerts, unsaid) = self.alarms.as_ref().map(Alarms::now).unwrap_or_default();
        Moment { recent: Some((recent.requests, recent.failed)), ready, alerts, unsaid }
    }

    /// Why the load ended by itself, where it did: then nothing is measured any more.
    pub async fn over(&mut self) -> Option<String> {
        if self.found.is_none() && self.task.is_finished() {
            self.found = Some(counted_by(&mut self.task).await);
        }
        match self.found.as_ref()? {
            Ok(_) => Some("the load ended before the drill: its longest time (`at-most`) was over".into()),
            Err(why) => Some(format!("the load ended before the drill: {why}")),
        }
    }

    /// Ends the measuring.
    pub async fn finish(mut self) -> (Result<Counted, String>, Record) {
        self.cancel.cancel();
        let counted = match self.found.take() {
            Some(found) => found,
            None => counted_by(&mut self.task).await,
        };
        (counted, self.watcher.finish().await)
    }
}

async fn counted_by(task: &mut JoinHandle<Result<Counted, String>>) -> Result<Counted, String> {
    task.await.unwrap_or_else(|error| Err(format!("the load broke: {error}")))
}

fn start(
    reach: &Reach,
    load: &Load,
    cancel: CancellationToken,
    live: Live,
) -> Result<JoinHandle<Result<Counted, String>>, String> {
    Ok(match load {
        Load::Observe => {
            let (world, topology, limit) =
                (reach.world.clone(), reach.topology.clone(), reach.settings.run.call_timeout);
            tokio::spawn(async move {
                let watch = observed::Watch { every: LOOK, limit };
                let seen = observed::watch(&world, &topology, watch, cancel, live).await.map_err(|e| e.to_string())?;
                Ok(Counted {
                    traffic: Traffic::from(&seen),
                    series: Series { connections: connections(seen.started_at, &seen.timeline), ..Series::default() },
                    failing_until: None,
                    exact: false,
                    complete: seen.gaps.is_empty() && seen.more_gaps == 0,
                })
            })
        }
        Load::Client { hosts, .. } => {
            let plan = plan(load)?;
            let (access, hosts) = (reach.access.clone(), hosts.clone());
            tokio::spawn(async move {
                if hosts.is_empty() {
                    return Ok(counted(&load::run(plan, cancel, live).await));
                }
                let senders = remote::Senders { hosts, program: PROGRAM.into() };
                let report = remote::run(&access, &senders, &plan, cancel, live).await.map_err(|e| e.to_string())?;
                Ok(counted(&report))
            })
        }
    })
}

/// The load as the client sends it.
fn plan(load: &Load) -> Result<LoadPlan, String> {
    let Load::Client { urls, rate, timeout, keep_alive, lookup, connection_age, at_most, .. } = load else {
        return Err("nothing is sent".into());
    };
    let targets: Result<Vec<Target>, _> = urls.iter().map(|url| url.parse::<Target>()).collect();
    let plan = LoadPlan::new(targets.map_err(|error| error.to_string())?, *rate, *at_most);
    Ok(LoadPlan {
        keep_alive_share: *keep_alive,
        max_connection_age: *connection_age,
        lookup: *lookup,
        timeout: *timeout,
        max_in_flight: MAX_IN_FLIGHT,
        ..plan
    })
}

fn counted(report: &LoadReport) -> Counted {
    Counted {
        // That the drill ends its load is how it is meant: `at-most` is a limit.
        traffic: Traffic { interrupted: false, ..Traffic::from(report) },
        series: Series { connections: connections(report.started_at, &report.timeline), ..Series::default() },
        failing_until: report.failing_until,
        exact: true,
        complete: true,
    }
}
