//! One round: a node is drained and restored while clients send, and every request that they lose is counted.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::way::Way;
use super::{calm, seconds};
use crate::harness::{Load, LoadSpec};
use crate::lab::Lab;

/// Load before the drain and after the restore, so that failures at the edges are seen.
const EDGE: Duration = Duration::from_secs(1);
/// The maintenance between drain and restore. Long enough for HAProxy to find a dead server in the naive way.
const MAINTENANCE: Duration = Duration::from_secs(5);

/// What one round found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Round {
    /// Seconds of the whole command that drains.
    pub(super) drain_s: f64,
    /// Seconds of the whole command that restores.
    pub(super) restore_s: f64,
    /// Seconds from the start of the restore until both load balancers sent to the node as before.
    pub(super) serving_s: f64,
    /// Requests in the round.
    pub(super) requests: u64,
    /// Requests that failed.
    pub(super) failed: u64,
    /// The slowest answer, in milliseconds.
    pub(super) slowest_ms: f64,
}

/// Runs one round on a calm lab, and leaves it calm.
pub(super) fn run(lab: &Lab, way: Way<'_>, rate: u32) -> Result<Round> {
    let name = way.name();
    let load = Load::start(lab, LoadSpec { rate, ..LoadSpec::default() })?;
    sleep(EDGE);
    let drain = way.drain().with_context(|| format!("{name}: the drain"))?;
    sleep(MAINTENANCE);
    let back = Instant::now();
    let restore = way.restore().with_context(|| format!("{name}: the restore"))?;
    let serving = calm::wait(lab, back).with_context(|| format!("{name}: after the restore"))?;
    sleep(EDGE);
    let result = load.finish()?;
    for failure in result.failures.iter().take(3) {
        eprintln!("bench: {name}: {} {}: {} ({})", failure.at, failure.target, failure.kind, failure.detail);
    }
    let round = Round {
        drain_s: seconds(drain),
        restore_s: seconds(restore),
        serving_s: seconds(serving),
        requests: result.requests,
        failed: result.failed,
        slowest_ms: result.latency.max_ms,
    };
    eprintln!(
        "bench: {name}: drained in {:.2} s, restored in {:.2} s, serving after {:.1} s; {} of {} requests failed",
        round.drain_s, round.restore_s, round.serving_s, round.failed, round.requests
    );
    Ok(round)
}
