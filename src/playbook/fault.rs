//! What an unplanned drill breaks, as values. How it is done and undone is `crate::drill::fault`.

use serde::{Deserialize, Serialize};

use crate::model::{InstanceName, NodeName, ServiceName, UnitName};

/// One real fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The service's unit is killed with SIGKILL.
    UnitKilled {
        /// The service.
        service: ServiceName,
    },
    /// Its processes are stopped with SIGSTOP: the port is open, and nobody answers.
    ServiceHung {
        /// The service.
        service: ServiceName,
    },
    /// `/ready` says no while the port answers: a program of the operator's turns it off, another one on.
    NotReady {
        /// Turns it off.
        off: Vec<String>,
        /// Turns it on again.
        on: Vec<String>,
    },
    /// `pacemakerd` is killed with SIGKILL.
    PacemakerKilled,
    /// The cluster fences the node: `stonith_admin --reboot` from another member.
    NodeFenced,
    /// Its power is cut through the fence device, and given back by it.
    PowerCut,
    /// The link is down: the cluster's and the clients'.
    LinkCut {
        /// The interface; that of the node's address where there is none.
        interface: Option<String>,
    },
    /// What the node sends does not arrive; what is sent to it does.
    OneWayPartition,
    /// A file system is full.
    DiskFull {
        /// A directory on it.
        path: String,
    },
    /// A load balancer's process is killed, and kept from starting.
    BalancerLost {
        /// Its unit.
        unit: UnitName,
    },
    /// A secondary name server is stopped.
    SecondaryLost {
        /// Its unit.
        unit: UnitName,
    },
    /// An announcer is stopped.
    AnnouncerLost {
        /// Its unit.
        unit: UnitName,
    },
}

/// Where a fault is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A node of the cluster.
    Node(NodeName),
    /// Another machine, by the name that SSH knows; the instance of the routes that it is, where it is one.
    Host {
        /// The host.
        host: String,
        /// The instance.
        instance: Option<InstanceName>,
    },
}

impl Fault {
    /// Its word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::UnitKilled { .. } => "unit-killed",
            Self::ServiceHung { .. } => "service-hung",
            Self::NotReady { .. } => "not-ready",
            Self::PacemakerKilled => "pacemaker-killed",
            Self::NodeFenced => "node-fenced",
            Self::PowerCut => "power-cut",
            Self::LinkCut { .. } => "link-cut",
            Self::OneWayPartition => "one-way-partition",
            Self::DiskFull { .. } => "disk-full",
            Self::BalancerLost { .. } => "balancer-lost",
            Self::SecondaryLost { .. } => "secondary-lost",
            Self::AnnouncerLost { .. } => "announcer-lost",
        }
    }

    /// Whether a fence device does it: some time within its command, which takes seconds.
    pub fn is_by_device(&self) -> bool {
        matches!(self, Self::NodeFenced | Self::PowerCut)
    }

    /// Whether nothing keeps it going once it was done: who recovers from it does so at once.
    pub fn is_momentary(&self) -> bool {
        matches!(self, Self::UnitKilled { .. } | Self::PacemakerKilled | Self::NodeFenced)
    }

    /// Whether the node itself is lost to the cluster: then its loss must be bearable before it is played.
    pub fn takes_node(&self) -> bool {
        !matches!(self, Self::BalancerLost { .. } | Self::SecondaryLost { .. } | Self::AnnouncerLost { .. })
    }
}
