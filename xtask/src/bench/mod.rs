//! `cargo xtask bench drain`: what a drain costs, against what people do today and against what the cluster itself needs.
//!
//! On a real cluster, under load from the clients' side, in one run: the naive way (`pcs` alone, which loses requests),
//! Ansible's playbooks, Tidegate; and beside them the floor, Pacemaker's own time to stop an instance. Each way is
//! timed from the outside, as the whole command that a person waits for.

mod ansible;
mod calm;
pub mod failover;
mod floor;
pub mod load;
mod priority;
mod probe;
mod report;
mod round;
mod verdict;
mod way;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::harness::Tidegate;
use crate::lab::{Lab, TidegateConfig};
use ansible::Ansible;
use priority::Priority;
use way::Way;

pub use load::load;
pub use probe::{Report as ProbeReport, inside as probe_inside, probe};
pub use report::{Measured, Report, Target};
pub use verdict::{VerdictReport, verdict};

/// The node that is drained. Not the first one, from which the cluster is asked.
const NODE: &str = "node-2";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds of each way.
    pub rounds: usize,
    /// Requests a second.
    pub rate: u32,
}

/// Measures on a lab that is up and calm, and leaves it so, whatever comes of it.
pub fn drain(lab: &Lab, options: &Options) -> Result<Report> {
    let report = measure(lab, options);
    if report.is_err()
        && let Err(error) = lab.reset()
    {
        eprintln!("bench: the lab is left as it was when the benchmark failed: {error:#}");
    }
    report
}

fn measure(lab: &Lab, options: &Options) -> Result<Report> {
    let load_before = load_average()?;
    let journal = lab.dir().join("bench-journal.db");
    let config = TidegateConfig { journal: Some(journal), ..TidegateConfig::default() };
    let tidegate = Tidegate::new(lab, lab.write_config("bench.toml", &config)?);
    // Everything is built and installed before the first measurement.
    let tidegate_version = tidegate.run(&["--version"])?.stdout.trim().to_owned();
    let ansible = Ansible::install(lab)?;
    let _priority = Priority::raise(lab);
    calm::wait(lab, Instant::now())?;

    let mut measured = Measured::default();
    for _ in 0..options.rounds {
        measured.naive.push(round::run(lab, Way::Naive(lab), options.rate)?);
    }
    // One way after the other: each one's first round opens its SSH connections, the later ones find them open, as
    // somebody does who works through a cluster.
    for _ in 0..options.rounds {
        measured.ansible.push(round::run(lab, Way::Ansible(&ansible), options.rate)?);
    }
    for _ in 0..options.rounds {
        // Beside the rounds that are measured against it, so that a busy minute of this machine hits both.
        measured.floor_s.push(floor::measure(lab)?);
        floor::undo(lab)?;
        calm::wait(lab, Instant::now())?;
        measured.tidegate.push(round::run(lab, Way::Tidegate(&tidegate), options.rate)?);
    }
    let versions = versions(lab, &ansible, tidegate_version)?;
    Ok(Report::of(measured, versions, [load_before, load_average()?]))
}

fn versions(lab: &Lab, ansible: &Ansible<'_>, tidegate: String) -> Result<BTreeMap<&'static str, String>> {
    let first = |host: &str, line: &str| -> Result<String> {
        Ok(lab.shell(host, line)?.lines().next().unwrap_or_default().to_owned())
    };
    Ok(BTreeMap::from([
        ("tidegate", tidegate),
        ("ansible", ansible.version()?),
        ("pacemaker", first("node-1", "pacemakerd --version")?),
        ("pcs", first("node-1", "pcs --version")?),
        ("haproxy", first("lb-1", "haproxy -v")?),
    ]))
}

/// This machine's load over the last minute.
fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("could not read the load average")?;
    text.split(' ').next().and_then(|word| word.parse().ok()).context("the load average is not a number")
}

/// To the millisecond: the looks at a process are further apart than that.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
