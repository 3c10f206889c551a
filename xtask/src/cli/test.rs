//! `cargo xtask test` and `cargo xtask tidy`.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use xtask::{
    test::{self, Stage},
    tidy,
};

/// Which checks.
#[derive(Args)]
pub(crate) struct Test {
    /// Only this stage; may be given more than once
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Leave out the tests on a real cluster
    #[arg(long)]
    skip_lab: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let chosen = |s: &Stage| self.only.is_empty() || self.only.contains(s);
        let skipped = |s: &Stage| self.skip_lab && *s == Stage::Lab;
        let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|s| chosen(s) && !skipped(s)).collect();
        let summary = test::run(&root()?, &stages);
        // A closed stdout must not turn a verdict into an error of its own.
        let _ = io::stdout().lock().write_all(test::show(&summary).as_bytes());
        Ok(if summary.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

pub(crate) fn tidy() -> Result<ExitCode> {
    let findings = tidy::check(&root()?)?;
    tidy::show(&findings);
    Ok(if findings.iter().any(tidy::Finding::is_error) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The repository: the folder above this package, as cargo says it now, or said it when this was built.
fn root() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Ok(Path::new(&package).parent().context("xtask is not inside its repository")?.to_owned())
}
