//! `cargo xtask bench load`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::{bench, lab, packages};

use super::super::occasion::Told;

/// How to compare the load clients.
#[derive(Args)]
pub(crate) struct Load {
    #[command(flatten)]
    told: Told,
}

impl Load {
    pub(super) fn run(self) -> Result<ExitCode> {
        packages::ensure(&[bench::load::NEEDED])?;
        let report = bench::load(&lab::tidegate("release")?)?;
        self.told.result(&report, &report.to_string(), report.passed())
    }
}
