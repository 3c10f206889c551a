//! `cargo xtask lab routes`, `lab playbooks` and `lab drills`: cases, all or some, on a lab with every route.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::harness::use_program;
use xtask::lab::{Options, tidegate};
use xtask::plays::{self, Shelf};
use xtask::routes;

use super::super::occasion::{Occasion, Told};

#[derive(Args)]
pub(crate) struct Cases {
    #[command(flatten)]
    occasion: Occasion,
    /// Only this case; may be given several times
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    #[command(flatten)]
    told: Told,
}

impl Cases {
    pub(super) fn routes(self) -> Result<ExitCode> {
        let report = self.occasion.on(options("tgr")?, |lab| routes::run(lab, &self.cases))?;
        let good = report.cases.iter().filter(|case| case.good()).count();
        let text = format!("routes: {good} of {} cases ended as promised\n", report.cases.len());
        self.told.result(&report, &text, good == report.cases.len())
    }

    pub(super) fn plays(self, shelf: Shelf) -> Result<ExitCode> {
        let report = self.occasion.on(options("tgp")?, |lab| plays::run(lab, shelf, &self.cases))?;
        self.told.result(&report, &report.table(), report.good())
    }
}

/// Order and exactness depend on the cluster's time-outs, not on the compiler's effort.
fn options(prefix: &str) -> Result<Options> {
    use_program(tidegate("debug")?);
    Ok(Options { prefix: prefix.into(), routes: true, ..Options::default() })
}
