//! `tidegate drill`: what drills leave behind, and what every run does.

mod report;

use clap::Subcommand;

use super::{
    args::Global,
    exit::{Code, Result},
    out::Out,
};

#[derive(Debug, Subcommand)]
pub(super) enum Drill {
    /// Write the report of a run or a drill: Markdown, one HTML file, or JSON
    Report(report::ReportArgs),
}

/// Carries out what is asked of drills.
pub(super) async fn command(global: &Global, out: Out, asked: Drill) -> Result<Code> {
    match asked {
        Drill::Report(args) => report::command(global, out, &args).await,
    }
}
