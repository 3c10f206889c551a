//! `cargo xtask bench can-drain`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench::{self, VerdictReport};
use xtask::harness;
use xtask::lab::{self, Lab};

/// How to measure verdicts.
#[derive(Args)]
pub(crate) struct CanDrain {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
    /// Verdicts each way
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// This build of Tidegate, and not the release build
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The name of the lab that is brought up, and removed afterwards
    #[arg(long, default_value = "tgc")]
    prefix: String,
    /// Use this lab, which is up already, and leave it up
    #[arg(long, value_name = "PREFIX", conflicts_with = "prefix")]
    attach: Option<String>,
}

impl CanDrain {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
        let report = self.measure()?;
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn measure(&self) -> Result<VerdictReport> {
        if let Some(program) = &self.program {
            harness::use_program(program);
        }
        if let Some(prefix) = &self.attach {
            return bench::verdict(&Lab::attach(prefix)?, self.rounds.into());
        }
        let lab = Lab::up(lab::Options { prefix: self.prefix.clone(), ..lab::Options::default() })?;
        let report = bench::verdict(&lab, self.rounds.into());
        // The lab goes whatever came of the benchmark, whose error says more than one of the removal.
        let down = Lab::down(&self.prefix);
        let report = report?;
        down?;
        Ok(report)
    }
}
