//! `cargo xtask bench …`: a file for each.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

mod can_drain;
mod drain;
mod failover;
mod load;
mod probe;
mod skew;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Ask for the verdict on a node, over SSH and on a member: seconds
    CanDrain(can_drain::CanDrain),
    /// Drain and restore a node under load: pcs alone, Ansible, Tidegate, and the cluster's own floor
    Drain(drain::Drain),
    /// Lose units, nodes and links under load, with the routes' own means alone and with the guard
    Failover(failover::Failover),
    /// A server that stalls, as Tidegate's load client and wrk see it
    Load(load::Load),
    /// Probe 2,000 targets each second beside HAProxy's checks and blackbox_exporter: processor time and memory
    Probe(probe::Probe),
    /// How often the test of shares alarms and misses, by simulation: the table of docs/skew.md
    Skew(skew::Skew),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::CanDrain(can_drain) => can_drain.run(),
            Self::Drain(drain) => drain.run(),
            Self::Failover(failover) => failover.run(),
            Self::Load(load) => load.run(),
            Self::Probe(probe) => probe.run(),
            Self::Skew(skew) => skew.run(),
        }
    }
}
