//! systemd, over each node's system bus.
//!
//! A unit is loaded before it is looked at, because a unit that nobody uses is not in systemd's memory and has no
//! properties; those that matter are then read in one call, so that they are of one moment, and never from a cache.
//! A unit that does not exist also reads as `inactive`; here it is an error, or a typing mistake in the
//! configuration would look like a stopped service.
//!
//! `StopUnit` and `StartUnit` only queue a job. How it ended is told by the signal `JobRemoved`, once, and possibly
//! before the reply that names the job. So the signal is matched, and listened to, before the call is made.
//! The mode is `replace`: a contrary job that waits gives way, and a job of the same kind is joined, which makes a
//! repeated call wait for the first one's job.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::{sync::Notify, time::timeout};
use zbus::{OwnedObjectPath, OwnedVariant, proxy::CacheProperties};

use self::bus::{
    JobRemovedStream, ManagerProxy, PropertiesChangedStream, PropertiesProxy, already_subscribed, changed, unanswered,
};
use crate::{
    model::{NodeName, UnitName, UnitView},
    provider::{ProviderError, Result, UnitControl, access::Access},
};

mod bus;
mod files;
#[cfg(test)]
mod tests;

/// Other jobs' ends that are kept while the reply with our job's name is on its way.
const ENDS_KEPT: usize = 1024;

/// Longest wait for a job unless [`Systemd::jobs_within`] says otherwise.
const JOB_LIMIT: Duration = Duration::from_secs(600);

/// systemd on the nodes.
pub struct Systemd {
    access: Arc<dyn Access>,
    hosts: BTreeMap<NodeName, String>,
    limit: Duration,
    job_limit: Duration,
}

/// What is wanted of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
}

/// A unit as systemd shows it.
struct Unit {
    load: String,
    view: UnitView,
}

impl Systemd {
    /// Drives the units of these nodes, each with the host that `access` knows it by. Every question ends within
    /// `limit`; a job takes as long as its unit does (see [`Self::jobs_within`]).
    pub fn new(access: Arc<dyn Access>, hosts: BTreeMap<NodeName, String>, limit: Duration) -> Self {
        Self { access, hosts, limit, job_limit: JOB_LIMIT }
    }

    /// Waits at most this long for a job to end; 10 minutes unless set. The job itself goes on.
    pub fn jobs_within(mut self, limit: Duration) -> Self {
        self.job_limit = limit;
        self
    }

    async fn bus(&self, node: &NodeName) -> Result<zbus::Connection> {
        let host = self
            .hosts
            .get(node)
            .ok_or_else(|| ProviderError::Unreachable(format!("{node} is not a node whose systemd is known")))?;
        self.access.system_bus(host).await
    }

    /// Brings a unit where it should be and waits for the job's end.
    async fn job(&self, node: &NodeName, name: &UnitName, verb: Verb) -> Result<()> {
        let context = format!("{verb} {name} on {node}");
        let prepare = async {
            let bus = self.bus(node).await?;
            if verb.is_done(&look(&bus, node, name).await?, &context)? {
                return Ok(None);
            }
            let manager = manager(&bus).await.map_err(|e| unanswered(&context, &e))?;
            match manager.subscribe().await {
                Err(error) if !already_subscribed(&error) => return Err(unanswered(&context, &error)),
                _ => {}
            }
            let ends = manager.receive_job_removed().await.map_err(|e| unanswered(&context, &e))?;
            Ok(Some((bus, manager, ends)))
        };
        let Some((bus, manager, mut ends)) = self.in_time(prepare).await? else { return Ok(()) };
        let (job, end) = self.in_time(queue(&manager, &mut ends, name, verb, &context)).await?;
        let result = match end {
            Some(result) => result,
            None => timeout(self.job_limit, end_of(&mut ends, &job, &context))
                .await
                .map_err(|_| ProviderError::TimedOut(self.job_limit))??,
        };
        if result == "done" {
            return Ok(());
        }
        let state = match self.in_time(look(&bus, node, name)).await {
            Ok(unit) => format!("the unit is {} ({})", unit.view.active, unit.view.sub),
            Err(error) => format!("the unit's state is unknown: {error}"),
        };
        let said = format!("{context}: the job ended as '{result}', and {state}");
        Err(match result.as_str() {
            // These jobs never ran.
            "dependency" | "skipped" | "invalid" | "assert" | "unsupported" => ProviderError::Refused(said),
            _ => ProviderError::Unexpected(said),
        })
    }

    async fn in_time<T>(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.limit, question).await.map_err(|_| ProviderError::TimedOut(self.limit))?
    }
}

#[async_trait]
impl UnitControl for Systemd {
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView> {
        self.in_time(async { Ok(look(&self.bus(node).await?, node, unit).await?.view) }).await
    }

    async fn hints(&self, node: &NodeName, unit: &UnitName, told: &Notify) -> Result<()> {
        let context = format!("{unit} on {node}");
        let mut changes = self.in_time(async { changes(&self.bus(node).await?, unit, &context).await }).await?;
        while changes.next().await.is_some() {
            told.notify_one();
        }
        Err(ProviderError::Unreachable(format!("{context}: the connection broke")))
    }

    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.job(node, unit, Verb::Stop).await
    }

    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.job(node, unit, Verb::Start).await
    }
}

impl Verb {
    /// Whether there is nothing to do, or an error where there is nothing that can be done.
    fn is_done(self, unit: &Unit, context: &str) -> Result<bool> {
        match self {
            Self::Stop => Ok(matches!(unit.view.active.as_str(), "inactive" | "failed")),
            Self::Start if unit.view.is_active() => Ok(true),
            Self::Start if unit.load != "loaded" => {
                Err(ProviderError::Refused(format!("{context}: the unit's file is {}", unit.load)))
            }
            Self::Start => Ok(false),
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Stop => "stop",
        })
    }
}

async fn manager(bus: &zbus::Connection) -> zbus::Result<ManagerProxy<'static>> {
    ManagerProxy::builder(bus).cache_properties(CacheProperties::No).build().await
}

async fn look(bus: &zbus::Connection, node: &NodeName, name: &UnitName) -> Result<Unit> {
    let context = format!("{name} on {node}");
    let properties = properties(bus, name).await.map_err(|e| unanswered(&context, &e))?;
    let text = |property: &str| {
        let value = properties.get(property).and_then(|v| v.downcast_ref::<&str>().ok());
        value.map(str::to_owned).ok_or_else(|| ProviderError::Unexpected(format!("{context}: no property {property}")))
    };
    let load = text("LoadState")?;
    let view = UnitView { active: text("ActiveState")?, sub: text("SubState")?, file_state: text("UnitFileState")? };
    // The file of a unit that runs may be gone; a unit of which there is neither is none.
    if load == "not-found" && view.is_inactive() {
        return Err(ProviderError::Refused(format!("there is no unit {name} on {node}")));
    }
    Ok(Unit { load, view })
}

async fn properties(bus: &zbus::Connection, name: &UnitName) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let path = manager(bus).await?.load_unit(name.as_str()).await?;
    let unit = PropertiesProxy::builder(bus).path(path).cache_properties(CacheProperties::No).build().await?;
    unit.get_all("org.freedesktop.systemd1.Unit").await
}

/// The unit's own signals, from now on.
async fn changes(bus: &zbus::Connection, name: &UnitName, context: &str) -> Result<PropertiesChangedStream> {
    let follow = async {
        let manager = manager(bus).await?;
        match manager.subscribe().await {
            Err(error) if !already_subscribed(&error) => return Err(error),
            _ => {}
        }
        let path = manager.load_unit(name.as_str()).await?;
        let unit = PropertiesProxy::builder(bus).path(path).cache_properties(CacheProperties::No).build().await?;
        unit.receive_properties_changed().await
    };
    follow.await.map_err(|e| unanswered(context, &e))
}

/// Queues the job, and listens while its name is on the way: its name, and its result where it has already ended.
async fn queue(
    manager: &ManagerProxy<'_>,
    ends: &mut JobRemovedStream,
    name: &UnitName,
    verb: Verb,
    context: &str,
) -> Result<(OwnedObjectPath, Option<String>)> {
    let call = async {
        match verb {
            Verb::Start => manager.start_unit(name.as_str(), "replace").await,
            Verb::Stop => manager.stop_unit(name.as_str(), "replace").await,
        }
    };
    tokio::pin!(call);
    let mut seen: VecDeque<(OwnedObjectPath, String)> = VecDeque::new();
    let job = loop {
        tokio::select! {
            biased;
            end = next_end(ends, context) => {
                if seen.len() == ENDS_KEPT {
                    seen.pop_front();
                }
                seen.push_back(end?);
            }
            job = &mut call => break job.map_err(|e| changed(context, &e))?,
        }
    };
    let result = seen.into_iter().find(|(path, _)| *path == job).map(|(_, result)| result);
    Ok((job, result))
}

/// How one job ended.
async fn end_of(ends: &mut JobRemovedStream, job: &OwnedObjectPath, context: &str) -> Result<String> {
    loop {
        let (path, result) = next_end(ends, context).await?;
        if path == *job {
            return Ok(result);
        }
    }
}

async fn next_end(ends: &mut JobRemovedStream, context: &str) -> Result<(OwnedObjectPath, String)> {
    let Some(signal) = ends.next().await else {
        return Err(ProviderError::Unexpected(format!("{context}: the connection broke, and the job may go on")));
    };
    let args = signal.args().map_err(|e| ProviderError::Unexpected(format!("{context}: JobRemoved: {e}")))?;
    Ok((args.job().clone(), args.result().clone()))
}
