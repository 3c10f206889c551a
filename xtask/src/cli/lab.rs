//! `cargo xtask lab …`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use xtask::lab::{Lab, Layout, Options, supervise};

/// What can be done with a lab.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Boot the lab; the first time builds the machines' file system
    Up(Up),
    /// Remove the lab and everything it started, whatever state it is in
    Down(Which),
    /// Run a command on a host of the lab (node-1…, lb-1…, control, client)
    Exec(Exec),
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
pub(crate) struct Supervise {
    #[command(flatten)]
    which: Which,
    #[arg(long)]
    rootfs: PathBuf,
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
            Self::Supervise(supervise) => supervise.run(),
        }
    }
}

impl Up {
    fn run(self) -> Result<ExitCode> {
        let started = Instant::now();
        let mut options = Options {
            prefix: self.which.prefix,
            jetty: self.jetty,
            ..Options::default()
        };
        options.haproxy.state_file = self.state_file;
        options.haproxy.inter = self.inter;
        let lab = Lab::up(options)?;
        eprintln!(
            "lab: up in {:.1?}; everything of it is in {}",
            started.elapsed(),
            lab.dir().display()
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Exec {
    fn run(self) -> Result<ExitCode> {
        let lab = Lab::attach(&self.which.prefix)?;
        let (program, arguments) = self.line.split_first().context("no command to run")?;
        let status = lab
            .command_in(&self.host, program)?
            .args(arguments)
            .status()
            .context("could not run nsenter")?;
        // A command that died from a signal has no code; shells say 128 and more.
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(255);
        Ok(ExitCode::from(code))
    }
}

impl Supervise {
    fn run(self) -> Result<ExitCode> {
        supervise(&Layout::new(&self.which.prefix)?, &self.rootfs)?;
        Ok(ExitCode::SUCCESS)
    }
}
