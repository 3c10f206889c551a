//! What is lost, how, and when the cluster itself knows.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result};

use super::NODE;
use crate::{harness::Child, lab::Lab};

/// Prints the time at which a surviving node's cluster no longer has the node.
const DETECT: &str = r#"until crm_mon --one-shot --output-as=xml 2>/dev/null |
    grep -q "<node name=\"$1\" [^>]*online=\"false\""; do sleep 0.02; done; date +%s.%N"#;

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// Every process of the unit is killed.
    UnitKilled,
    /// Every process of the unit is stopped: it is there, and answers nobody.
    Hung,
    /// The node's power is cut.
    Power,
    /// The node's network cable is pulled.
    Link,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::UnitKilled, Self::Hung, Self::Power, Self::Link];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::UnitKilled => "unit-killed",
            Self::Hung => "hung",
            Self::Power => "power",
            Self::Link => "link",
        }
    }

    pub(super) fn strike(self, lab: &Lab) -> Result<()> {
        match self {
            Self::UnitKilled => lab.kill_unit(NODE, "app.service"),
            Self::Hung => lab.pause_unit(NODE, "app.service"),
            Self::Power => lab.power_off(NODE),
            Self::Link => lab.link_down(NODE),
        }
    }

    /// Whether the cluster loses the node with it.
    pub(super) fn loses_the_node(self) -> bool {
        matches!(self, Self::Power | Self::Link)
    }

    /// How long it is watched: longer than a load balancer needs to find out by itself.
    pub(super) fn observed(self, checks: bool) -> Duration {
        Duration::from_secs(match self {
            Self::UnitKilled | Self::Hung if !checks => 15,
            Self::UnitKilled => 15,
            Self::Hung => 22,
            Self::Power | Self::Link => 25,
        })
    }
}

/// Watches for the cluster's own word that the node is lost.
pub(super) struct Detection(Child);

pub(super) fn detection(lab: &Lab) -> Result<Detection> {
    let mut command = lab.command_in("node-1", "timeout")?;
    command.args(["60", "sh", "-c", DETECT, "sh", NODE]);
    Ok(Detection(Child::start(&mut command, Stdio::null())?))
}

impl Detection {
    /// Seconds since `began` at which it was known.
    pub(super) fn finish(self, began: f64) -> Result<f64> {
        let finished = self.0.finish(Duration::from_secs(65))?;
        let at: f64 = finished.stdout.trim().parse().context("the cluster did not lose the node within a minute")?;
        Ok(at - began)
    }
}
