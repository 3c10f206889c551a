//! `cargo xtask test`: every check of the repository, in order, on any machine.
//!
//! A stage that fails does not stop the next: one run shows everything that is wrong. A stage that cannot run here
//! says so in the summary, with what it would take; it is never counted as passed.

mod child;
mod lab;
mod stages;
mod summary;
mod tally;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clap::ValueEnum;

pub use summary::{Summary, show};
pub use tally::Tally;

/// A part of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The formatting
    Fmt,
    /// Clippy, with every warning an error
    Clippy,
    /// The house rules: layers, sizes, links, words
    Tidy,
    /// Licences, bans and sources of the dependencies (needs cargo-deny)
    Deny,
    /// Unit, integration, simulation and contract tests
    Tests,
    /// The examples in the documentation, as tests
    DocTests,
    /// The documentation builds, and its links resolve
    Docs,
    /// The tests on a real cluster (needs root and Linux namespaces)
    Lab,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 8] =
        [Self::Fmt, Self::Clippy, Self::Tidy, Self::Deny, Self::Tests, Self::DocTests, Self::Docs, Self::Lab];

    /// Its name, as `--only` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Tidy => "tidy",
            Self::Deny => "deny",
            Self::Tests => "tests",
            Self::DocTests => "doc-tests",
            Self::Docs => "docs",
            Self::Lab => "lab",
        }
    }
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong.
    Failed(String),
    /// It could not run here.
    NotRun(String),
}

/// A stage that is over.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// The tests that it ran.
    pub tests: Tally,
    /// Its time.
    pub took: Duration,
    /// What is missing on this machine, and so was not tested, though tests of it count as passed.
    pub untested: Option<String>,
}

/// Runs these stages in the repository at `root`, each one whatever became of those before it.
pub fn run(root: &Path, stages: &[Stage]) -> Summary {
    let mut reports = Vec::with_capacity(stages.len());
    for stage in stages {
        summary::begin(*stage);
        let started = Instant::now();
        let done = stages::run(root, *stage);
        let stages::Done { outcome, tests, untested } = done;
        let report = Report { stage: *stage, outcome, tests, took: started.elapsed(), untested };
        summary::end(&report);
        reports.push(report);
    }
    Summary { reports }
}
