//! `cargo xtask bench can-drain`: how long a person waits for the verdict, over SSH from outside the cluster and on a member
//! of it.
//!
//! The whole command is timed, from its start to its end. Over SSH the first round opens the connections; the later ones find
//! them open, as somebody does who works through a cluster.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::report::median;
use super::{Priority, Target, calm, load_average, seconds};
use crate::harness::{Child, Tidegate, program};
use crate::lab::{Lab, RouteText, TidegateConfig};

/// The member on which it is asked locally, of itself: another machine's sockets are not to be seen there.
const MEMBER: &str = "node-1";
/// Where the program and its configuration are put there.
const FOLDER: &str = "/var/tmp/tidegate-bench";
/// Longest time of one command.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest verdict over SSH, in seconds.
const SSH_S: f64 = 1.5;
/// Longest verdict on a member, in seconds.
const LOCAL_S: f64 = 0.3;

/// What was measured, in seconds.
#[derive(Debug, Serialize)]
pub struct VerdictReport {
    /// The first verdict over SSH, which opens the connections.
    pub first_ssh_s: f64,
    /// Median of the later ones.
    pub ssh_s: f64,
    /// Median on a member.
    pub local_s: f64,
    /// Every single one.
    pub ssh: Vec<f64>,
    /// Every single one.
    pub local: Vec<f64>,
    /// The targets.
    pub targets: Vec<Target>,
    /// This machine's load average over a minute, at the start and at the end.
    pub load_average: [f64; 2],
}

/// Measures so many verdicts each way on a lab that is up and calm, and leaves nothing behind.
pub fn verdict(lab: &Lab, rounds: usize) -> Result<VerdictReport> {
    let before = load_average()?;
    let journal = lab.dir().join("bench-journal.db");
    let config = TidegateConfig { journal: Some(journal), ..TidegateConfig::default() };
    let tidegate = Tidegate::new(lab, lab.write_config("bench-verdict.toml", &config)?);
    let line = ["can-drain", MEMBER, "--json"];
    // Built before anything is timed.
    let file = program()?;
    install(lab, &file)?;
    let _priority = Priority::raise(lab);
    calm::wait(lab, Instant::now())?;
    taking_clients(lab)?;
    let first = timed(&mut tidegate.command(&line)?)?;
    let ssh: Vec<f64> = (0..rounds).map(|_| timed(&mut tidegate.command(&line)?)).collect::<Result<_>>()?;
    let here = || -> Result<Command> {
        let mut command = lab.command_in(MEMBER, &format!("{FOLDER}/tidegate"))?;
        command.args(["--config", &format!("{FOLDER}/tidegate.toml")]).args(line);
        Ok(command)
    };
    // The member's journal is made by the first one.
    timed(&mut here()?)?;
    let local: Vec<f64> = (0..rounds).map(|_| timed(&mut here()?)).collect::<Result<_>>()?;
    lab.exec(MEMBER, &["rm", "-r", FOLDER])?;
    let (ssh_s, local_s) = (median(&ssh), median(&local));
    let target = |what: &str, found: f64, limit: f64| Target {
        target: format!("{what} ({found:.2} s, at most {limit} s)"),
        met: found <= limit,
    };
    let targets = vec![target("over SSH", ssh_s, SSH_S), target("on a member", local_s, LOCAL_S)];
    Ok(VerdictReport {
        first_ssh_s: first,
        ssh_s,
        local_s,
        ssh,
        local,
        targets,
        load_average: [before, load_average()?],
    })
}

impl VerdictReport {
    /// Whether every target is met.
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.met)
    }
}

/// Waits until both load balancers send clients to every node: just after the lab is up, some checks are still to come.
fn taking_clients(lab: &Lab) -> Result<()> {
    let started = Instant::now();
    for lb in ["lb-1", "lb-2"] {
        while !lab.servers(lb)?.iter().filter(|s| s.backend == "app").all(|s| s.status == "UP") {
            ensure!(started.elapsed() < Duration::from_secs(30), "{lb} does not send clients to every node");
            sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Puts the program and a configuration with local access onto the member.
fn install(lab: &Lab, file: &Path) -> Result<()> {
    lab.shell(MEMBER, &format!("rm -rf {FOLDER}; mkdir -p {FOLDER}"))?;
    let bytes = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    write(lab, "tidegate", &bytes)?;
    lab.exec(MEMBER, &["chmod", "0755", &format!("{FOLDER}/tidegate")])?;
    let mut route = "via = \"haproxy\"\nbackend = \"app\"\nserver = \"{node}\"\ninstances = [\n".to_owned();
    for balancer in lab.balancer_names() {
        let address = lab.address(balancer)?;
        route +=
            &format!("  {{ name = \"{balancer}\", socket = \"tcp:{address}:9999\", source = [\"{address}\"] }},\n");
    }
    let entrance = Lab::usual_entrance()?;
    let config = TidegateConfig {
        local: true,
        journal: Some(format!("{FOLDER}/journal.db").into()),
        entrance: Some((entrance, vec![RouteText::Other(route + "]\n")])),
        ..TidegateConfig::default()
    };
    let text = lab.write_config("bench-local.toml", &config)?;
    write(lab, "tidegate.toml", &std::fs::read(text)?)
}

fn write(lab: &Lab, name: &str, bytes: &[u8]) -> Result<()> {
    let mut command = lab.command_in(MEMBER, "sh")?;
    command.args(["-euc", &format!("cat > {FOLDER}/{name}")]).stdin(Stdio::piped());
    let mut child = command.spawn().context("no shell on the member")?;
    child.stdin.take().context("no stdin")?.write_all(bytes)?;
    let status = child.wait()?;
    ensure!(status.success(), "{FOLDER}/{name} could not be written: {status}");
    Ok(())
}

/// One verdict, which must be yes.
fn timed(command: &mut Command) -> Result<f64> {
    let finished = Child::start(command, Stdio::null())?.finish(LIMIT)?;
    let said: Value = serde_json::from_str(finished.stdout.lines().last().unwrap_or_default())
        .with_context(|| format!("no verdict: {} {}", finished.stdout.trim(), finished.stderr.trim()))?;
    ensure!(said["verdict"] == "yes", "the lab is not in order: {said}");
    Ok(seconds(finished.took))
}

impl fmt::Display for VerdictReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "over SSH      {:.3} s (the first {:.3} s)", self.ssh_s, self.first_ssh_s)?;
        writeln!(out, "on a member   {:.3} s", self.local_s)?;
        writeln!(
            out,
            "medians of {}; load average {:.1} → {:.1}",
            self.ssh.len(),
            self.load_average[0],
            self.load_average[1]
        )?;
        for target in &self.targets {
            writeln!(out, "{}  {}", if target.met { "met " } else { "MISSED" }, target.target)?;
        }
        Ok(())
    }
}
