//! `cargo xtask lab playbooks` and `cargo xtask lab drills`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::harness::use_program;
use xtask::lab::{Lab, Options, tidegate};
use xtask::plays::{self, Shelf};

#[derive(Args)]
pub(crate) struct Plays {
    /// Use the lab of that name that is up, and leave it; without it, one is made for the occasion
    #[arg(long, value_name = "PREFIX")]
    attach: Option<String>,
    /// The name of the lab that is made
    #[arg(long, default_value = "tgp", conflicts_with = "attach")]
    prefix: String,
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// The result as one line of JSON, the last one of stdout
    #[arg(long)]
    json: bool,
}

impl Plays {
    #[allow(clippy::print_stdout, reason = "the result is this command's data")]
    pub(super) fn run(self, shelf: Shelf) -> Result<ExitCode> {
        // What a play does depends on the cluster's time-outs, not on the compiler's effort.
        use_program(tidegate("debug")?);
        let report = match &self.attach {
            Some(prefix) => plays::run(&Lab::attach(prefix)?, shelf, &self.cases)?,
            None => {
                let lab = Lab::up(Options { prefix: self.prefix.clone(), routes: true, ..Options::default() })?;
                let report = plays::run(&lab, shelf, &self.cases);
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
