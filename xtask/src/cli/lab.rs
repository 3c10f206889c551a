//! `cargo xtask lab …`.

mod alerts;
mod cases;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use xtask::crash;
use xtask::lab::{Lab, Layout, Options, supervise, tidegate};
use xtask::plays::Shelf;

use super::occasion::{Occasion, Told};

/// What can be done with a lab.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Boot the lab; the first time builds the machines' file system
    Up(Up),
    /// Remove the lab and everything it started, whatever state it is in
    Down(Which),
    /// Run a command on a host of the lab (node-1…, lb-1…, control, client)
    Exec(Exec),
    /// Show machines, cluster and load balancers
    Status(Status),
    /// Bring the lab back to its clean starting state, in seconds
    Reset(Which),
    /// Cut (off) or give (on) a machine's power
    Power(Power),
    /// Add or remove Jetty as a second service on all nodes
    Jetty(Jetty),
    /// Send load from the client namespace with the release build of `tidegate load`
    Load(Load),
    /// Kill Tidegate at points of a drain and a restore under load, resume it, and see that nothing is lost
    Crash(Crash),
    /// Drain and restore a node by every route and stack of routes under load; see that nothing is lost or left changed
    Routes(cases::Cases),
    /// Play what alerts are about under load, with a Prometheus that scrapes; see that they fire, and end
    Alerts(alerts::Alerts),
    /// Play every shipped playbook under load; see that no request fails
    Playbooks(cases::Cases),
    /// Play every shipped drill; see what each measures beside its objectives
    Drills(cases::Cases),
    /// The lab's power supply; started by `up`
    #[command(hide = true)]
    Supervise(Supervise),
}

/// Which lab.
#[derive(Args)]
pub(crate) struct Which {
    /// The lab's name; labs with different names can be up at the same time
    #[arg(long, default_value = "tg")]
    prefix: String,
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    which: Which,
    /// Run Jetty on all nodes as a second service
    #[arg(long)]
    jetty: bool,
    /// Add every other way of distribution: DNS, anycast with BIRD and FRR, NGINX, Envoy, HAProxy on the nodes
    #[arg(long)]
    routes: bool,
    /// Let HAProxy keep its runtime state over a reload
    #[arg(long)]
    state_file: bool,
    /// Time between two of HAProxy's health checks
    #[arg(long, default_value = "5s")]
    inter: String,
}

#[derive(Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    which: Which,
    /// Where to run it
    host: String,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    line: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    which: Which,
    /// As JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnOff {
    On,
    Off,
}

#[derive(Args)]
pub(crate) struct Power {
    #[command(flatten)]
    which: Which,
    state: OnOff,
    machine: String,
}

#[derive(Args)]
pub(crate) struct Jetty {
    #[command(flatten)]
    which: Which,
    state: OnOff,
}

#[derive(Args)]
pub(crate) struct Load {
    #[command(flatten)]
    which: Which,
    /// Arguments of `tidegate load`, such as --rate 300 --duration 20s; without --url, both load balancers
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Crash {
    #[command(flatten)]
    occasion: Occasion,
    /// Points of the drain, and as many of the restore
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    points: u32,
    #[command(flatten)]
    told: Told,
}

#[derive(Args)]
pub(crate) struct Supervise {
    #[command(flatten)]
    which: Which,
    #[arg(long)]
    rootfs: PathBuf,
    #[arg(long)]
    routes: bool,
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Up(up) => up.run(),
            Self::Down(which) => {
                let started = Instant::now();
                Lab::down(&which.prefix)?;
                eprintln!("lab: removed in {:.1?}", started.elapsed());
                Ok(ExitCode::SUCCESS)
            }
            Self::Exec(exec) => exec.run(),
            Self::Status(status) => status.run(),
            Self::Reset(which) => {
                let started = Instant::now();
                Lab::attach(&which.prefix)?.reset()?;
                eprintln!("lab: reset in {:.1?}", started.elapsed());
                Ok(ExitCode::SUCCESS)
            }
            Self::Power(power) => {
                let lab = Lab::attach(&power.which.prefix)?;
                match power.state {
                    OnOff::On => lab.power_on(&power.machine)?,
                    OnOff::Off => lab.power_off(&power.machine)?,
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Jetty(jetty) => {
                let mut lab = Lab::attach(&jetty.which.prefix)?;
                lab.set_jetty(matches!(jetty.state, OnOff::On))?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Load(load) => load.run(),
            Self::Crash(crash) => crash.run(),
            Self::Routes(cases) => cases.routes(),
            Self::Alerts(alerts) => alerts.run(),
            Self::Playbooks(cases) => cases.plays(Shelf::Playbooks),
            Self::Drills(cases) => cases.plays(Shelf::Drills),
            Self::Supervise(supervise) => supervise.run(),
        }
    }
}

impl Up {
    fn run(self) -> Result<ExitCode> {
        let started = Instant::now();
        let mut options =
            Options { prefix: self.which.prefix, jetty: self.jetty, routes: self.routes, ..Options::default() };
        options.haproxy.state_file = self.state_file;
        options.haproxy.inter = self.inter;
        let lab = Lab::up(options)?;
        eprintln!("lab: up in {:.1?}; everything of it is in {}", started.elapsed(), lab.dir().display());
        Ok(ExitCode::SUCCESS)
    }
}

impl Exec {
    fn run(self) -> Result<ExitCode> {
        let lab = Lab::attach(&self.which.prefix)?;
        let (program, arguments) = self.line.split_first().context("no command to run")?;
        let status = lab.command_in(&self.host, program)?.args(arguments).status().context("could not run nsenter")?;
        // A command that died from a signal has no code; shells say 128 and more.
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
        Ok(ExitCode::from(code))
    }
}

impl Status {
    #[allow(clippy::print_stdout, reason = "the status is this command's data")]
    fn run(self) -> Result<ExitCode> {
        let status = Lab::attach(&self.which.prefix)?.status()?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else {
            print!("{status}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Load {
    fn run(self) -> Result<ExitCode> {
        let lab = Lab::attach(&self.which.prefix)?;
        let mut command = lab.command_in("client", &tidegate("release")?.display().to_string())?;
        command.args(["load", "--json"]);
        if !self.arguments.iter().any(|argument| argument.starts_with("--url")) {
            for balancer in lab.balancer_names() {
                command.args(["--url", &format!("http://{}/", lab.address(balancer)?)]);
            }
        }
        // Nothing is left to do here afterwards, so the load generator takes this process's place.
        Err(command.args(&self.arguments).exec()).context("could not run nsenter")
    }
}

impl Crash {
    fn run(self) -> Result<ExitCode> {
        let options = Options { prefix: "tgk".into(), ..Options::default() };
        let report = self.occasion.on(options, |lab| {
            lab.reset()?;
            crash::run(lab, self.points as usize)
        })?;
        let text = format!(
            "crash: {} of {} points ended as promised; {} of {} requests failed\n",
            report.resumed, report.points, report.failed_requests, report.requests
        );
        self.told.result(&report, &text, report.resumed == report.points && report.failed_requests == 0)
    }
}

impl Supervise {
    fn run(self) -> Result<ExitCode> {
        supervise(&Layout::new(&self.which.prefix)?, &self.rootfs, self.routes)?;
        Ok(ExitCode::SUCCESS)
    }
}
