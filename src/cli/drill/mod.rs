//! `tidegate drill`: what drills leave behind, and what every run does.

mod rails;
mod report;
mod run;
mod undo;

use clap::Subcommand;

use super::{
    args::Global,
    exit::{Code, Result},
    out::Out,
};

#[derive(Debug, Subcommand)]
pub(super) enum Drill {
    /// Play a drill: load, what it breaks or drains, measurements, the report
    Run(run::Run),
    /// End a drill at once: what is broken is mended, what is out is brought back
    Stop(super::playbook::Ended),
    /// Find faults of ours that are still on machines, and end them
    Undo(undo::Undo),
    /// Write the report of a run or a drill: Markdown, one HTML file, or JSON
    Report(report::ReportArgs),
}

/// Carries out what is asked of drills.
pub(super) async fn command(global: &Global, out: Out, asked: Drill) -> Result<Code> {
    match asked {
        Drill::Run(args) => run::command(global, out, args).await,
        Drill::Stop(super::playbook::Ended { acted, timeout }) => {
            super::play::give_up(global, out, &acted.play, &acted.acting, timeout).await
        }
        Drill::Undo(args) => undo::command(global, out, args).await,
        Drill::Report(args) => report::command(global, out, &args).await,
    }
}
