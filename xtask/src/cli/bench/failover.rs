//! `cargo xtask bench failover`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench::failover;
use xtask::lab::{self, Lab};

/// What to lose.
#[derive(Args)]
pub(crate) struct Failover {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
    /// Only this fault; may be given more than once
    #[arg(long, value_name = "FAULT")]
    fault: Vec<failover::Fault>,
    /// Only this entrypoint; may be given more than once
    #[arg(long, value_name = "ROUTE")]
    entrypoint: Vec<failover::Way>,
    /// The name of the lab that is brought up, and removed afterwards
    #[arg(long, default_value = "tgf")]
    prefix: String,
    /// Use this lab, which is up already with `--routes`, and leave it up
    #[arg(long, value_name = "PREFIX", conflicts_with = "prefix")]
    attach: Option<String>,
}

impl Failover {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
        let report = self.measure()?;
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn measure(&self) -> Result<failover::Report> {
        let options = failover::Options { faults: self.fault.clone(), ways: self.entrypoint.clone() };
        if let Some(prefix) = &self.attach {
            return failover::failover(&Lab::attach(prefix)?, &options);
        }
        let lab = Lab::up(lab::Options { prefix: self.prefix.clone(), routes: true, ..lab::Options::default() })?;
        let report = failover::failover(&lab, &options);
        let down = Lab::down(&self.prefix);
        let report = report?;
        down?;
        Ok(report)
    }
}
