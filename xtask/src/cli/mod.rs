//! The command line of `cargo xtask`.

mod bench;
mod lab;
mod occasion;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tidegate's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Every check: formatting, lints, house rules, tests, documentation, the lab
    Test(test::Test),
    /// The house rules alone: layers, sizes, links, words
    Tidy,
    /// A real cluster on this machine: three Pacemaker nodes behind two HAProxy (needs root, Debian)
    #[command(subcommand)]
    Lab(lab::Command),
    /// Measure against what people do today, and against what the cluster itself needs (needs root, Debian)
    #[command(subcommand)]
    Bench(bench::Command),
}

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.task {
            Task::Test(test) => test.run(),
            Task::Tidy => test::tidy(),
            Task::Lab(command) => command.run(),
            Task::Bench(command) => command.run(),
        }
    }
}
