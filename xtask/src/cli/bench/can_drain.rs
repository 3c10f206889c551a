//! `cargo xtask bench can-drain`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::{bench, harness, lab};

use super::super::occasion::{Occasion, Told};

/// How to measure verdicts.
#[derive(Args)]
pub(crate) struct CanDrain {
    #[command(flatten)]
    told: Told,
    /// Verdicts each way
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// This build of Tidegate, and not the release build
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    #[command(flatten)]
    occasion: Occasion,
}

impl CanDrain {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(program) = &self.program {
            harness::use_program(program);
        }
        let made = lab::Options { prefix: "tgc".into(), ..lab::Options::default() };
        let report = self.occasion.on(made, |lab| bench::verdict(lab, self.rounds.into()))?;
        self.told.result(&report, &report.to_string(), report.passed())
    }
}
