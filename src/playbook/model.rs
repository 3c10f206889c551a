//! A playbook as values: expanded, typed, in range.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    fault::{Fault, Place},
};
use crate::{
    drill::objective::Objectives,
    model::{NodeName, ServiceName},
};

/// One playbook, with its inputs filled in. `{node}` is all that is left open in its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence.
    pub about: String,
    /// SHA-256 (hex) of every file that it was read from, and of the inputs: what ran is what was reviewed.
    pub digest: String,
    /// What was put in, by name, as text.
    pub inputs: BTreeMap<String, String>,
    /// The nodes; none where the playbook has no `[nodes]`, and then all of its steps are in `before`.
    pub nodes: Selection,
    /// Whether its nodes are out already when it begins.
    #[serde(default)]
    pub begins_out: bool,
    /// Whether its nodes stay out when it ends.
    #[serde(default)]
    pub leaves_out: bool,
    /// Once, before the first node.
    pub before: Vec<Step>,
    /// On each node.
    pub steps: Vec<Step>,
    /// Once, after the last node, where all went well.
    pub after: Vec<Step>,
    /// Once, at the end, whatever happened.
    pub clean_up: Vec<Step>,
    /// What makes it a drill.
    pub drill: Option<Drill>,
}

/// Which nodes, in which order, how many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Which.
    pub who: Who,
    /// Left out, whatever selects them.
    pub except: Vec<NodeName>,
    /// In which order.
    pub order: Order,
    /// Nodes of one wave: as many may be out at once.
    pub max_unavailable: u32,
    /// What happens when a step fails.
    pub on_failure: OnFailure,
}

/// Which nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// All members of the cluster.
    All,
    /// These.
    Names(Vec<NodeName>),
    /// Those with this node attribute in the cluster; a site is the attribute `site`.
    Attribute {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As they are listed; by name where nothing lists them.
    #[default]
    Listed,
    /// By name.
    Name,
    /// By name, the last first.
    Reverse,
}

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The node stays as it is, and a person is told.
    #[default]
    Hold,
    /// The node is brought back, and nothing else is begun.
    Restore,
    /// The other nodes of the wave are finished, the node stays as it is, and no further wave is begun.
    StopAfterWave,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name: unique in its list.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// What must hold before it. What does not hold is a failure of the step, and nothing is done.
    pub require: Vec<Condition>,
    /// What must hold after it.
    pub ensure: Vec<Condition>,
    /// What happens when it fails, where that is not the playbook's own.
    pub on_failure: Option<OnFailure>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Asks every gate of a drain of the node; each must pass.
    Gate,
    /// Takes the node out: routing, connections, cluster.
    Drain {
        /// Only this service.
        service: Option<ServiceName>,
    },
    /// Brings it back.
    Restore,
    /// Runs a program. On the node, or on this machine.
    Run {
        /// The program and its arguments; no shell reads them.
        command: Vec<String>,
        /// Where.
        on: Where,
        /// Its time.
        timeout: Duration,
        /// The exit codes that are good.
        expect: Vec<i32>,
        /// Bytes of its output that are kept, from the end.
        keep: usize,
    },
    /// Copies a file of this machine to the node: written beside the old one, and put in its place at once.
    Copy {
        /// Here.
        from: PathBuf,
        /// There; an absolute path.
        to: String,
        /// Its mode.
        mode: u32,
        /// Its time.
        timeout: Duration,
    },
    /// Reboots the node, and waits for a new boot id, a way in, membership and quorum. Only of a node that is out.
    Reboot {
        /// Its time.
        timeout: Duration,
    },
    /// Waits until this holds.
    WaitUntil {
        /// What.
        condition: Condition,
        /// For so long without a break.
        hold: Duration,
        /// At most so long.
        timeout: Duration,
    },
    /// Waits for a person's approval: `tidegate playbook approve`.
    Pause {
        /// What the person is asked.
        message: String,
        /// At most so long; then it is a failure.
        timeout: Duration,
    },
    /// This must hold now.
    Check {
        /// What.
        condition: Condition,
    },
    /// Tells somebody. A failure to do so is told, and stops nothing unless it is `required`.
    Notify {
        /// How.
        through: Through,
        /// What.
        message: String,
        /// Whether a failure of it is a failure of the step.
        required: bool,
        /// Its time.
        timeout: Duration,
    },
    /// Takes the service's unit over from systemd on all nodes: `tidegate clone adopt`.
    Adopt {
        /// The service.
        service: ServiceName,
    },
    /// Breaks something, for a drill. It is undone after `lasts`, and by a timer where it was done if nobody comes back.
    Fault {
        /// What.
        fault: Fault,
        /// Where; none is the step's node.
        place: Option<Place>,
        /// For how long.
        lasts: Duration,
    },
    /// Lets the load go on for so long, before or after what a drill does: something to compare with.
    Observe {
        /// For how long.
        lasts: Duration,
    },
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// On the step's node, over the access path.
    #[default]
    Node,
    /// On the coordinator's machine.
    Here,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// An HTTP POST of JSON to this URL.
    Webhook(String),
    /// A program of this machine, with JSON on its standard input.
    Command(Vec<String>),
}

/// What makes a playbook a drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// What is believed, in a sentence.
    pub hypothesis: String,
    /// The service whose objective it is.
    pub service: ServiceName,
    /// What must come out.
    pub objectives: Objectives,
    /// What is sent meanwhile.
    pub load: Load,
    /// What ends it early.
    pub abort: Abort,
}

/// What is sent while a drill is played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Load {
    /// Requests of our own, at a constant rate.
    Client {
        /// Where to: URLs, in turn.
        urls: Vec<String>,
        /// Requests a second.
        rate: u32,
        /// Time limit of one.
        timeout: Duration,
        /// Share on kept-alive connections, in percent.
        keep_alive: u8,
        /// When names are looked up.
        lookup: crate::drill::load::Lookup,
        /// Age from which a connection gets no further request.
        connection_age: Option<Duration>,
        /// Hosts from which it is sent; this machine where there is none.
        hosts: Vec<String>,
        /// The longest that it goes on, whatever happens.
        at_most: Duration,
    },
    /// Nothing: the traffic that is there is counted at the load balancers.
    Observe,
}

/// What ends a drill early: the fault is undone, and the clean-up is played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// Share of requests that fail, over `over`.
    pub error_ratio: Option<f64>,
    /// The time over which the share is taken.
    pub over: Duration,
    /// Fewer ready nodes than so many.
    pub ready_below: Option<u32>,
    /// Whether any alert that fires in the configured Prometheus ends it, apart from those that fired before.
    pub alerts: bool,
}

impl Playbook {
    /// Every step with the list that it is in, in the order in which they are played.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.before.iter().chain(&self.steps).chain(&self.after).chain(&self.clean_up)
    }

    /// The faults that it plays.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.all_steps().filter_map(|step| match &step.action {
            Action::Fault { fault, .. } => Some(fault),
            _ => None,
        })
    }

    /// Whether it breaks something: then it needs consent.
    pub fn is_unplanned(&self) -> bool {
        self.faults().next().is_some()
    }
}

impl Action {
    /// Its word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Drain { .. } => "drain",
            Self::Restore => "restore",
            Self::Run { .. } => "run",
            Self::Copy { .. } => "copy",
            Self::Reboot { .. } => "reboot",
            Self::WaitUntil { .. } => "wait-until",
            Self::Pause { .. } => "pause",
            Self::Check { .. } => "check",
            Self::Notify { .. } => "notify",
            Self::Adopt { .. } => "adopt",
            Self::Fault { .. } => "fault",
            Self::Observe { .. } => "observe",
        }
    }
}

impl std::fmt::Display for OnFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hold => "hold",
            Self::Restore => "restore",
            Self::StopAfterWave => "stop-after-wave",
        })
    }
}
