//! `cargo xtask bench load`: what a stall of two seconds looks like to Tidegate's client and to a closed loop, wrk.
//!
//! Each has a server of its own that does the same: it answers at once, holds every answer back for two seconds, and
//! answers on. Both clients run at the same time. A closed loop sends nothing while it waits, so of all its
//! measurements hardly one is slow. wrk knows that, and makes up measurements that it never took when it prints its
//! percentiles (as many as its own mean interval says fit into a wait); so a script in it tells what it measured, and the
//! report shows both.

mod report;
mod server;
mod wrk;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::Child;
use crate::packages::{self, Need, need};
use server::Stalling;

pub use report::{Latency, LoadReport, Wrk};

/// The peer.
pub const NEEDED: Need = need("wrk", "wrk", "the load client is held against a closed loop");

/// For how long answers are held back.
const STALL: Duration = Duration::from_secs(2);
/// How long each client runs, in whole seconds.
const RUN: Duration = Duration::from_secs(6);
/// Requests a second of the open loop.
const RATE: u32 = 200;
/// More than a run lasts, with all that may still be under way.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures with this `tidegate`, and with wrk where it is installed.
pub fn load(tidegate: &Path) -> Result<LoadReport> {
    let (ours, theirs) = (Stalling::start(STALL)?, Stalling::start(STALL)?);
    let peer = packages::is_there(NEEDED.program).then(|| wrk::start(theirs.address())).transpose()?;
    let mut command = Command::new(tidegate);
    command.args(["load", "--json", "--url", &format!("http://{}/", ours.address()), "--rate", &RATE.to_string()]);
    command.args(["--duration", &format!("{}s", RUN.as_secs()), "--timeout", "10s", "--keep-alive", "100"]);
    let finished = Child::start(&mut command, Stdio::null())?.finish(LIMIT)?;
    ensure!(finished.status.success(), "tidegate load ended with {}: {}", finished.status, finished.stderr);
    let last = finished.stdout.lines().last().context("tidegate load printed no report")?;
    let told: Value = serde_json::from_str(last).context("the report is no JSON")?;
    let ms = |name: &str| told["latency"][name].as_f64().with_context(|| format!("no latency.{name} in the report"));
    let count = |name: &str| told[name].as_u64().with_context(|| format!("no {name} in the report"));
    ensure!(count("failed")? == 0, "{} requests failed", count("failed")?);
    let latency = Latency {
        requests: count("requests")?,
        p50_ms: ms("p50_ms")?,
        p90_ms: ms("p90_ms")?,
        p99_ms: ms("p99_ms")?,
        max_ms: ms("max_ms")?,
    };
    Ok(LoadReport::of(STALL, latency, peer.map(wrk::finish).transpose()?))
}
