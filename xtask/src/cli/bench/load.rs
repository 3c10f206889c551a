//! `cargo xtask bench load`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::{bench, lab, packages};

/// How to compare the load clients.
#[derive(Args)]
pub(crate) struct Load {
    /// The report as one line of JSON, the last of stdout
    #[arg(long)]
    json: bool,
}

impl Load {
    #[allow(clippy::print_stdout, reason = "the report is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
        packages::ensure(&[bench::load::NEEDED])?;
        let report = bench::load(&lab::tidegate("release")?)?;
        eprint!("\n{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
