//! Prometheus's own tool on what is exported live, and on the rules.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::stage::repository;
use super::{Outcome, Stage};
use crate::harness::Child;

/// It has nothing to say.
pub(super) fn agree(stage: &Stage<'_>, outcome: &mut Outcome) -> Result<()> {
    let metrics = stage.metrics()?;
    outcome.wrong.extend(objections(&["check", "metrics"], "", &metrics)?);
    outcome.wrong.extend(objections(&["check", "rules", "--lint-fatal"], "config/prometheus/rules", "")?);
    outcome.wrong.extend(objections(&["test", "rules"], "config/prometheus/tests", "")?);
    Ok(())
}

/// What it says where it does not agree: also a piece of advice that it exits well with. `folder`: whose files it reads.
fn objections(arguments: &[&str], folder: &str, input: &str) -> Result<Option<String>> {
    let mut command = Command::new("promtool");
    command.args(arguments);
    if !folder.is_empty() {
        for entry in fs::read_dir(repository(folder)).with_context(|| folder.to_owned())? {
            command.arg(entry?.path());
        }
    }
    let mut child = Child::start(&mut command, Stdio::piped())?;
    let mut stdin = child.stdin().context("promtool has no stdin")?;
    // What it does not read it objects to, by its exit code.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let said = child.finish(Duration::from_secs(30))?;
    let clean = said.status.success() && said.stderr.trim().is_empty();
    Ok((!clean).then(|| format!("promtool {}: {} {}", arguments.join(" "), said.stdout.trim(), said.stderr.trim())))
}
