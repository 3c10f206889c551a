//! `cargo xtask bench drain`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench::{self, Report};
use xtask::lab::{self, Lab};

/// How to measure drains.
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

impl Drain {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
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
