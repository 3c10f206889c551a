//! `cargo xtask bench probe`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::bench;

/// How to measure probes.
#[derive(Args)]
pub(crate) struct Probe {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
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
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
