//! `cargo xtask lab alerts`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::alerts::{self, Extent};
use xtask::harness::use_program;
use xtask::lab::{Lab, Options, tidegate};

#[derive(Args)]
pub(crate) struct Alerts {
    /// Use the lab of that name that is up, and leave it; without it, one is made for the occasion
    #[arg(long, value_name = "PREFIX")]
    attach: Option<String>,
    /// The name of the lab that is made
    #[arg(long, default_value = "tga", conflicts_with = "attach")]
    prefix: String,
    /// Only what needs no window of five minutes to fill
    #[arg(long)]
    quick: bool,
    /// The result as one line of JSON, the last one of stdout
    #[arg(long)]
    json: bool,
}

impl Alerts {
    #[allow(clippy::print_stdout, reason = "the result is this command's data")]
    pub(super) fn run(self) -> Result<ExitCode> {
        // Whether an alert fires does not depend on the compiler's effort.
        use_program(tidegate("debug")?);
        let extent = if self.quick { Extent::Quick } else { Extent::Whole };
        let report = match &self.attach {
            Some(prefix) => alerts::run(&Lab::attach(prefix)?, extent)?,
            None => {
                let lab = Lab::up(Options { prefix: self.prefix.clone(), routes: true, ..Options::default() })?;
                let report = alerts::run(&lab, extent);
                Lab::down(&self.prefix)?;
                report?
            }
        };
        if self.json {
            eprint!("{}", report.table());
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print!("{}", report.table());
        }
        Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
