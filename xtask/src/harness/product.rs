//! The product as an operator runs it: the real program, in the control namespace, with a configuration file.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::child::{Child, Finished};
use crate::lab::Lab;

/// Tidegate on a lab.
#[derive(Clone, Debug)]
pub struct Tidegate<'a> {
    lab: &'a Lab,
    config: PathBuf,
    limit: Duration,
}

impl<'a> Tidegate<'a> {
    /// With this configuration ([`Lab::write_config`] makes one), and two minutes for each command.
    pub fn new(lab: &'a Lab, config: impl Into<PathBuf>) -> Self {
        Self { lab, config: config.into(), limit: Duration::from_secs(120) }
    }

    /// With another time limit for each command.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// `tidegate --config … ARGUMENTS` in the control namespace, ready to be run. Builds the binary first where
    /// that was not done.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.lab.command_in("control", &super::program()?.display().to_string())?;
        command.arg("--config").arg(&self.config).args(arguments);
        Ok(command)
    }

    /// The program's file.
    pub fn program(&self) -> Result<PathBuf> {
        super::program()
    }

    /// Runs it to its end. Past its time limit it is ended, and that is an error.
    ///
    /// Hands back its exit code (-1 where a signal ended it), the last line of its stdout as JSON (`null` where it
    /// printed nothing), and its stderr.
    pub fn json(&self, arguments: &[&str]) -> Result<(i32, Value, String)> {
        let finished = self.run(arguments)?;
        let value = match finished.stdout.lines().last() {
            Some(line) => serde_json::from_str(line).with_context(|| {
                format!("tidegate {} printed no JSON but {line:?}; {}", arguments.join(" "), finished.stderr.trim())
            })?,
            None => Value::Null,
        };
        Ok((finished.status.code().unwrap_or(-1), value, finished.stderr))
    }

    /// Runs it to its end and hands back all it said, with the time it took. Past its time limit it is ended, and
    /// that is an error.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        Child::start(&mut self.command(arguments)?, Stdio::null())?.finish(self.limit)
    }
}
