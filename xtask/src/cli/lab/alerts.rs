//! `cargo xtask lab alerts`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use xtask::alerts::{self, Extent};
use xtask::harness::use_program;
use xtask::lab::{Options, tidegate};

use super::super::occasion::{Occasion, Told};

#[derive(Args)]
pub(crate) struct Alerts {
    #[command(flatten)]
    occasion: Occasion,
    /// Only what needs no window of five minutes to fill
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    told: Told,
}

impl Alerts {
    pub(super) fn run(self) -> Result<ExitCode> {
        // Whether an alert fires does not depend on the compiler's effort.
        use_program(tidegate("debug")?);
        let extent = if self.quick { Extent::Quick } else { Extent::Whole };
        let options = Options { prefix: "tga".into(), routes: true, ..Options::default() };
        let report = self.occasion.on(options, |lab| alerts::run(lab, extent))?;
        self.told.result(&report, &report.table(), report.good())
    }
}
