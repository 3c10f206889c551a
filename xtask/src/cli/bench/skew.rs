//! `cargo xtask bench skew`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::super::occasion::Told;

/// How to simulate.
#[derive(Args)]
pub(crate) struct Skew {
    #[command(flatten)]
    told: Told,
}

impl Skew {
    /// The simulation is the product's own code, so it is the product's example that runs.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let mut command = xtask::cargo::cargo();
        command.args(["run", "--quiet", "--locked", "--package", "tidegate", "--example", "skew", "--"]);
        let status = command.args(self.told.json().then_some("--json")).status()?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
