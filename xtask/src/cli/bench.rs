//! `cargo xtask bench …`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use xtask::bench::{self, Report};
use xtask::lab::{self, Lab};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Drain and restore a node under load: pcs alone, Ansible, Tidegate, and the cluster's own floor
    Drain(Drain),
    /// Probe 2,000 targets each second beside HAProxy's checks and blackbox_exporter: processor time and memory
    Probe(Probe),
}

#[derive(Args)]
pub(crate) struct Probe {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
    /// Measure this program in the network namespace that this process is in
    #[arg(long, value_name = "TIDEGATE", hide = true)]
    inside: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Drain {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
    /// Rounds of each way
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// The name of the lab that is brought up, and removed afterwards
    #[arg(long, default_value = "tgb")]
    prefix: String,
    /// Use this lab, which is up already, and leave it up
    #[arg(long, value_name = "PREFIX", conflicts_with = "prefix")]
    attach: Option<String>,
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Drain(drain) => drain.run(),
            Self::Probe(probe) => probe.run(),
        }
    }
}

impl Probe {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    fn run(self) -> Result<ExitCode> {
        if let Some(tidegate) = &self.inside {
            println!("{}", serde_json::to_string(&bench::probe_inside(tidegate)?)?);
            return Ok(ExitCode::SUCCESS);
        }
        let report = bench::probe()?;
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Drain {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    fn run(self) -> Result<ExitCode> {
        let report = self.measure()?;
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn measure(&self) -> Result<Report> {
        let options = bench::Options { rounds: self.rounds.into(), rate: self.rate };
        if let Some(prefix) = &self.attach {
            return bench::drain(&Lab::attach(prefix)?, &options);
        }
        let lab = Lab::up(lab::Options { prefix: self.prefix.clone(), ..lab::Options::default() })?;
        let report = bench::drain(&lab, &options);
        // The lab goes whatever came of the benchmark, whose error says more than one of the removal.
        let down = Lab::down(&self.prefix);
        let report = report?;
        down?;
        Ok(report)
    }
}
