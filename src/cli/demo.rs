//! `tidegate demo`: the drain, seen on an embedded cluster.

use std::{io::Write, process::ExitCode};

use crate::demo::{DemoArgs, DemoError, demo};

/// Plays the demo and prints its verdict: 0 where it went as promised (which is nothing, for `--naive`), else 1.
pub async fn command(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let verdict = demo(&args).await?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&verdict).map_err(std::io::Error::from)?)?;
    } else {
        write!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(if verdict.as_promised() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
