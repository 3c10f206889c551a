//! `cargo xtask bench drain`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::{bench, lab};

use super::super::occasion::{Occasion, Told};

/// How to measure drains.
#[derive(Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    told: Told,
    /// Rounds of each way
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    #[command(flatten)]
    occasion: Occasion,
}

impl Drain {
    pub(super) fn run(self) -> Result<ExitCode> {
        let options = bench::Options { rounds: self.rounds.into(), rate: self.rate };
        let made = lab::Options { prefix: "tgb".into(), ..lab::Options::default() };
        let report = self.occasion.on(made, |lab| bench::drain(lab, &options))?;
        self.told.result(&report, &report.to_string(), report.passed())
    }
}
