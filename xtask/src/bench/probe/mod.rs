//! `cargo xtask bench probe`: what a readiness probe costs, beside HAProxy's own checks and blackbox_exporter.
//!
//! All three ask the same servers on loopback addresses, 2,000 targets once a second, a connection each, in one run and
//! one after the other (Tidegate and HAProxy in turns, so that a busy minute of this machine hits both). The run has a
//! network namespace of its own, which is gone with its last process. Probes are counted by the servers, the same way
//! for all; processor time is the kernel's own count of each process, user and system.
//!
//! HAProxy runs with one thread, where it is cheapest. blackbox_exporter is asked over HTTP for each probe, as
//! Prometheus asks it, so that is part of its cost.

mod asker;
mod report;
mod rival;
mod server;
mod usage;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::harness::Child;
use crate::packages::{self, Need, need};
use asker::Asker;
use server::Servers;
use usage::Usage;

pub use report::{Detection, Measured, Report};

/// Targets, each asked once a second.
const TARGETS: u32 = 2000;
/// Targets of the second part.
const MANY: u32 = 10_000;
/// Rounds of Tidegate and of HAProxy.
const ROUNDS: usize = 2;
/// From a process' start to the first count: every target was asked by then.
const WARM: Duration = Duration::from_secs(3);
/// Between the first count and the last.
const COUNTED: Duration = Duration::from_secs(10);
/// How long the whole run may take.
const LIMIT: Duration = Duration::from_secs(150);

const NEEDED: [Need; 3] = [
    Need { units: &["haproxy.service"], ..need("haproxy", "haproxy", "its checks are measured beside ours") },
    Need {
        units: &["prometheus-blackbox-exporter.service"],
        ..need("prometheus-blackbox-exporter", "prometheus-blackbox-exporter", "its probes are measured beside ours")
    },
    need("unshare", "util-linux", "the run has a network of its own"),
];

/// Measures, in a network namespace of its own.
pub fn probe() -> Result<Report> {
    ensure!(rustix::process::geteuid().is_root(), "a network namespace needs root: run it again with sudo");
    let missing = packages::ensure(&NEEDED)?;
    ensure!(missing.is_empty(), "the benchmark needs, from Debian: {}", packages::names(&missing));
    // Everything is built before the first measurement.
    let tidegate = crate::lab::tidegate("release")?;
    let this = std::env::current_exe().context("could not find this program's file")?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(this).args(["bench", "probe", "--inside"]).arg(tidegate);
    let finished = Child::start(&mut command, Stdio::null())?.finish(LIMIT)?;
    eprint!("{}", finished.stderr);
    match finished.stdout.lines().last() {
        Some(line) if finished.status.success() => serde_json::from_str(line).context("the measurement is no report"),
        _ => bail!("the measurement failed ({})", finished.status),
    }
}

/// Measures in the network namespace that this process is in.
pub fn inside(tidegate: &Path) -> Result<Report> {
    let lo = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("could not run ip")?;
    ensure!(lo.success(), "the loopback interface does not come up");
    let scratch = Scratch::new()?;
    let servers = Servers::start(MANY)?;
    let mut measured = Measured { load_average: [super::load_average()?, 0.0], ..Measured::default() };
    for _ in 0..ROUNDS {
        measured.tidegate.push(counted("tidegate", &servers, ours(tidegate, servers.port()), None)?);
        measured.haproxy.push(counted("haproxy", &servers, rival::haproxy(&scratch.0, servers.port())?, None)?);
    }
    let blackbox = rival::blackbox(&scratch.0)?;
    let asker = Asker { at: rival::BLACKBOX, port: servers.port(), targets: TARGETS };
    measured.blackbox.push(counted("blackbox", &servers, blackbox, Some(asker))?);
    measured.detection = detection(tidegate, &servers)?;
    measured.load_average[1] = super::load_average()?;
    Ok(Report::of(measured, rival::versions(tidegate)?))
}

fn ours(tidegate: &Path, port: u16) -> Command {
    let mut command = Command::new(tidegate);
    let seconds = (WARM + COUNTED).as_secs() + 30;
    command.args(["--json", "bench-probes", "--targets", &TARGETS.to_string(), "--port", &port.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    command
}

/// Runs one of them, and counts what its probes cost once it is warm.
fn counted(name: &str, servers: &Servers, mut command: Command, asker: Option<Asker>) -> Result<Usage> {
    servers.forget();
    let child = Child::start(&mut command, Stdio::null())?;
    let asking = asker.map(Asker::start);
    sleep(WARM);
    let before = usage::look(child.id(), servers.answered()).with_context(|| format!("{name} is not running"))?;
    sleep(COUNTED);
    let after = usage::look(child.id(), servers.answered()).with_context(|| format!("{name} ended too early"))?;
    if let Some(asking) = asking {
        asking.stop()?;
    }
    drop(child);
    let usage = after.since(&before);
    eprintln!("bench: {name}: {usage}");
    Ok(usage)
}

/// Ten thousand targets turn, each at its fourth probe: each must be told unhealthy after exactly two failures.
fn detection(tidegate: &Path, servers: &Servers) -> Result<Detection> {
    servers.forget();
    servers.fail_from(3);
    let mut command = Command::new(tidegate);
    command.args(["--json", "bench-probes", "--targets", &MANY.to_string(), "--port", &servers.port().to_string()]);
    command.args(["--interval", "2000", "--seconds", "14"]);
    let finished = Child::start(&mut command, Stdio::null())?.finish(Duration::from_secs(30))?;
    let last = finished.stdout.lines().last().context("the probes gave no account")?;
    let told: Value = serde_json::from_str(last).context("the probes' account is no JSON")?;
    let count = |name: &str| told.get(name).and_then(Value::as_u64).with_context(|| format!("no {name} in {told}"));
    let detection = Detection {
        targets: MANY.into(),
        turned: count("turned")?,
        exact: count("exact")?,
        probes: count("probes")?,
        timed_out: count("timed_out")?,
    };
    eprintln!("bench: detection: {detection}");
    Ok(detection)
}

/// A folder for configuration files, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("xtask-bench-probe-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("could not make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is a small folder among temporary ones.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
