//! `cargo xtask bench probe`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench;

use super::super::occasion::Told;

/// How to measure probes.
#[derive(Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    told: Told,
    /// Measure this program in the network namespace that this process is in
    #[arg(long, value_name = "TIDEGATE", hide = true)]
    inside: Option<PathBuf>,
}

impl Probe {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(tidegate) = &self.inside {
            println!("{}", serde_json::to_string(&bench::probe_inside(tidegate)?)?);
            return Ok(ExitCode::SUCCESS);
        }
        let report = bench::probe()?;
        self.told.result(&report, &report.to_string(), report.passed())
    }
}
