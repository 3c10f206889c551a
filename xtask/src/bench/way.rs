//! The ways to drain and restore a node, each as people run it, timed from the outside.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::NODE;
use super::ansible::Ansible;
use crate::harness::{Child, Tidegate};
use crate::lab::Lab;

/// How long a command of `pcs` may take.
const PCS_LIMIT: Duration = Duration::from_secs(120);

/// A way to take the node out and to bring it back.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// `pcs node standby --wait` alone, typed on a node: without a login, so its time is the command's own.
    Naive(&'a Lab),
    /// Ansible's playbooks, from the control namespace.
    Ansible(&'a Ansible<'a>),
    /// Tidegate, from the control namespace.
    Tidegate(&'a Tidegate<'a>),
}

impl Way<'_> {
    /// As the report calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Naive(_) => "naive",
            Self::Ansible(_) => "ansible",
            Self::Tidegate(_) => "tidegate",
        }
    }

    /// Takes the node out; how long the whole command took.
    pub(super) fn drain(self) -> Result<Duration> {
        match self {
            Self::Naive(lab) => pcs(lab, "standby"),
            Self::Ansible(ansible) => Ok(ansible.play("drain.yml", NODE)?.took),
            Self::Tidegate(tidegate) => run(tidegate, &["drain", NODE, "--yes", "--reason", "bench", "--json"]),
        }
    }

    /// Brings the node back; how long the whole command took.
    pub(super) fn restore(self) -> Result<Duration> {
        match self {
            Self::Naive(lab) => pcs(lab, "unstandby"),
            Self::Ansible(ansible) => Ok(ansible.play("restore.yml", NODE)?.took),
            Self::Tidegate(tidegate) => run(tidegate, &["restore", NODE, "--yes", "--json"]),
        }
    }
}

fn pcs(lab: &Lab, action: &str) -> Result<Duration> {
    let mut command = lab.command_in("node-1", "pcs")?;
    command.args(["node", action, NODE, "--wait"]);
    let finished = Child::start(&mut command, Stdio::null())?.finish(PCS_LIMIT)?;
    if !finished.status.success() {
        bail!("pcs node {action} ended with {}: {}", finished.status, finished.stderr.trim());
    }
    Ok(finished.took)
}

/// A command of Tidegate that must end with `"result": "done"`: anything else is no measurement.
fn run(tidegate: &Tidegate<'_>, arguments: &[&str]) -> Result<Duration> {
    let finished = tidegate.run(arguments)?;
    let shown = || format!("tidegate {}: {}{}", arguments.join(" "), finished.stdout, finished.stderr);
    if !finished.status.success() {
        bail!("{} ended with {}", shown(), finished.status);
    }
    let last = finished.stdout.lines().last().unwrap_or_default();
    let value: Value = serde_json::from_str(last).with_context(shown)?;
    if value.get("result").and_then(Value::as_str) != Some("done") {
        bail!("{} is not done", shown());
    }
    Ok(finished.took)
}
