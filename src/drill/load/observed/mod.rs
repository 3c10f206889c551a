//! Production's own traffic instead of load of ours: what the load balancers count for each node.
//!
//! They are asked again and again; what came in between two looks is spread over the seconds in between. Counters begin
//! again when a process does, at a reload or when somebody clears them: what happened around that is not known, so it is
//! left out and told as a gap, and so is the time in which an instance did not answer. It never shows as a spike, and
//! never as silence.
//!
//! A request that passes several load balancers, one behind the other, is counted at the innermost that counts. Errors
//! are those between load balancer and node, and the node's own answers of 5xx.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Live, Second, Told};
use crate::{
    model::{InstanceName, InstanceView, RouteId, Topology, topology::RouteShape},
    provider::{ProviderError, Result, World},
};

mod tally;

use tally::Tally;

/// What to watch.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Between two looks.
    pub every: Duration,
    /// Time limit of one look at one instance.
    pub limit: Duration,
}

/// What the load balancers counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedTraffic {
    /// When it was looked at first.
    pub started_at: Timestamp,
    /// When it was looked at last.
    pub ended_at: Timestamp,
    /// Requests (or connections, where no requests are seen) sent to nodes.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Share of them that failed.
    pub error_ratio: f64,
    /// Requests that did not fail, by node.
    pub by_node: BTreeMap<String, u64>,
    /// Second by second. Latencies are not told: the load balancers know no percentiles.
    pub timeline: Vec<Second>,
    /// Where it is not known what was sent: the first 200 of them.
    pub gaps: Vec<Gap>,
    /// Gaps that are not listed any more.
    pub more_gaps: u64,
}

/// Time in which it is not known what one instance sent where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
    /// From the last look that could be used, or the start.
    pub from: Timestamp,
    /// To the look that showed it.
    pub until: Timestamp,
    /// What was wrong.
    pub why: String,
}

/// Watches until `cancel` fires; `live` shows the sums meanwhile. An error where nothing counts at the first look: that is
/// not the same as nothing being sent.
pub async fn watch(
    world: &World,
    topology: &Topology,
    watch: Watch,
    cancel: CancellationToken,
    live: Live,
) -> Result<ObservedTraffic> {
    let mut ticks = interval(watch.every.max(Duration::from_millis(100)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tally = Tally::new(world.clock.now());
    let mut first = true;
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled(), if !first => return Ok(tally.finish(world.clock.now())),
            _ = ticks.tick() => {}
        }
        let looks = looks(world, topology, watch.limit).await;
        if first && !looks.iter().any(|(_, _, seen, _)| seen.as_ref().is_ok_and(counts)) {
            let why = looks.iter().find_map(|(.., seen, _)| seen.as_ref().err().cloned());
            let none = || ProviderError::Refused("no load balancer counts what it sends to the nodes".into());
            return Err(why.unwrap_or_else(none));
        }
        first = false;
        let told = tally.take(topology, looks);
        live.absorb("", &Told { since: told, oldest_ms: 0.0 });
    }
}

type Seen<'a> = (&'a RouteShape, &'a InstanceName, Result<InstanceView>, Timestamp);

async fn looks<'a>(world: &World, topology: &'a Topology, limit: Duration) -> Vec<Seen<'a>> {
    let all =
        topology.routes.iter().flat_map(|route| route.instances.iter().map(move |(name, shape)| (route, name, shape)));
    join_all(all.filter(|(.., shape)| !shape.blind).map(|(route, name, _)| async move {
        let seen = match world.route(&route.id) {
            Ok(provider) => {
                let provider = Arc::clone(provider);
                timeout(limit, provider.observe(name)).await.unwrap_or(Err(ProviderError::TimedOut(limit)))
            }
            Err(error) => Err(error),
        };
        (route, name, seen, world.clock.now())
    }))
    .await
}

fn counts(view: &InstanceView) -> bool {
    view.members.values().any(|member| member.counters.traffic().is_some())
}
