//! `cargo xtask bench failover`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench::failover;
use xtask::lab;

use super::super::occasion::{Occasion, Told};

/// What to lose.
#[derive(Args)]
pub(crate) struct Failover {
    #[command(flatten)]
    told: Told,
    /// Only this fault; may be given more than once
    #[arg(long, value_name = "FAULT")]
    fault: Vec<failover::Fault>,
    /// Only this entrypoint; may be given more than once
    #[arg(long, value_name = "ROUTE")]
    entrypoint: Vec<failover::Way>,
    #[command(flatten)]
    occasion: Occasion,
}

impl Failover {
    pub(super) fn run(self) -> Result<ExitCode> {
        let options = failover::Options { faults: self.fault, ways: self.entrypoint };
        let made = lab::Options { prefix: "tgf".into(), routes: true, ..lab::Options::default() };
        let report = self.occasion.on(made, |lab| failover::failover(lab, &options))?;
        self.told.result(&report, &report.to_string(), report.passed())
    }
}
