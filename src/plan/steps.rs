//! What a plan is made of.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gates::Override;
use crate::{
    config::settings::{Connections, OnDeadline},
    model::{Exact, Holder, Leave, NodeName, Rehearsal, RouteTarget, RunId, ServiceName, UnitName, topology::Listener},
};

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Drain or restore.
    pub purpose: Purpose,
    /// The node.
    pub node: NodeName,
    /// Who asks.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Gates that the operator answers for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// How the node leaves the cluster's work; on the way back, how it had left.
    #[serde(default, skip_serializing_if = "Leave::is_usual")]
    pub leave: Leave,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Take a node out of traffic and the cluster.
    Drain,
    /// Bring it back.
    Restore,
    /// Take the routes out again after a restore was given up; the cluster stays as it is.
    Withhold,
    /// Have one instance of a clone more, on this node, before another one leaves.
    StandIn,
    /// Let the instance that stood in go again.
    Retire,
}

impl Purpose {
    /// Whether the node's instance is stopped at its end, and its clients leave before that.
    pub fn leaves(self) -> bool {
        matches!(self, Self::Drain | Self::Retire)
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Drain => "drain",
            Self::Restore => "restore",
            Self::Withhold => "withhold",
            Self::StandIn => "stand-in",
            Self::Retire => "retire",
        })
    }
}

/// A plan. It never changes; a new intent is a new plan with this one's run as its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked.
    pub request: Request,
    /// The run that this plan continues or undoes.
    pub parent: Option<RunId>,
    /// The drain whose receipts put things back: set on every plan that is not a drain from scratch.
    pub origin: Option<RunId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// SHA-256 over what the plan was based on: request, topology, and the observed states that the gates read.
    /// Two plans with the same fingerprint were made of the same world.
    pub fingerprint: String,
    /// What is going to be drained, as the plan saw it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// What the cluster says it would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    /// The steps, in order. No step starts before the one before it is proven.
    pub steps: Vec<Step>,
    /// What a person should know before saying yes.
    pub warnings: Vec<String>,
}

/// One member as the plan saw it: what is there when it is touched may be another hand's doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The member.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// Its state.
    pub exact: Exact,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done or waited for.
    #[serde(flatten)]
    pub action: Action,
}

/// What a step does, and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Action {
    /// Take the node out of every instance of one tier; acknowledged when each reads back as drained.
    DrainRoutes {
        /// The tier.
        tier: u16,
        /// Every member on every instance.
        targets: Vec<RouteTarget>,
    },
    /// Wait until no residual traffic is left on the node.
    AwaitConnections {
        /// The policy of each service.
        services: Vec<ConnectionWait>,
    },
    /// Send away clients that are bound to the node, now that none is there: they would come back after standby.
    CloseRoutes {
        /// The members.
        targets: Vec<RouteTarget>,
    },
    /// Take the node out of the cluster's work, with our mark: standby, unless the request says otherwise.
    Standby {
        /// How.
        #[serde(default, skip_serializing_if = "Leave::is_usual")]
        leave: Leave,
    },
    /// Verify that the cluster stopped the units.
    VerifyStopped {
        /// The units.
        units: Vec<ClusterUnit>,
    },
    /// Allow a clone another number of instances.
    Resize {
        /// The cloned primitive.
        resource: String,
        /// `clone-max` as it is.
        from: String,
        /// `clone-max` as it should be.
        to: String,
    },
    /// Stop units outside the cluster, one after the other.
    StopUnits {
        /// The units, in order.
        units: Vec<UnitName>,
    },
    /// Have systemd start units at boot, or no longer.
    EnableUnits {
        /// The units.
        units: Vec<UnitName>,
        /// Whether they are started at boot.
        enabled: bool,
    },
    /// Make every load balancer ask for a check that passes from now on, so that none believes an old one.
    RequireFreshChecks {
        /// The members that will be readmitted.
        targets: Vec<RouteTarget>,
    },
    /// Start units outside the cluster again, one after the other.
    StartUnits {
        /// The units, in order.
        units: Vec<UnitName>,
    },
    /// Take our standby away.
    Unstandby {
        /// The standby attribute (or the one that was set instead) as it was before.
        attribute: Option<String>,
        /// How the node had left.
        #[serde(default, skip_serializing_if = "Leave::is_usual")]
        leave: Leave,
    },
    /// Verify that the cluster started the units.
    VerifyStarted {
        /// The units.
        units: Vec<ClusterUnit>,
    },
    /// Wait until the services answer as ready, as often in a row as configured.
    AwaitReady {
        /// The services.
        services: Vec<ReadyWait>,
    },
    /// Put the node back into one tier, exactly as it was, by the ramp.
    ReadmitRoutes {
        /// The tier.
        tier: u16,
        /// What to put back, and how.
        readmissions: Vec<Readmission>,
        /// Instances that are never written and must show it too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        followers: Vec<Following>,
    },
}

/// The wait for one service's connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionWait {
    /// The node.
    pub node: NodeName,
    /// What clients are connected to: the service, or a load balancer on the node.
    #[serde(flatten)]
    pub listener: Listener,
    /// Its port on the node.
    pub port: u16,
    /// Everything that sends clients to it.
    pub through: Vec<Through>,
    /// The policy.
    #[serde(flatten)]
    pub policy: Connections,
}

/// One way by which clients reach the node, and from where its connections come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    /// The member.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// The addresses from which the instance connects; empty where they are not known.
    pub source: Vec<IpAddr>,
    /// Whether it sees no connections: a name, a prefix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blind: bool,
    /// How long clients may still come that remember the way: a record's TTL, as it was when the plan was made.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub linger: Duration,
}

impl Through {
    /// This way as the holder of connections.
    pub fn holder(&self) -> Holder {
        Holder::Instance {
            route: self.target.route.clone(),
            instance: self.target.instance.clone(),
            server: self.target.server.clone(),
        }
    }
}

impl ConnectionWait {
    /// Whether clients may come that nobody counts, by a name or a prefix; and those that ended can be told from load
    /// balancers' connections (their health checks end as well).
    pub fn needs_ended(&self) -> bool {
        self.through.iter().any(|t| t.blind) && self.through.iter().all(|t| t.blind || !t.source.is_empty())
    }
}

/// An instance that is never written: what it must show again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// The member.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// Whether the member takes clients there when all is as before.
    pub serving: bool,
}

/// A unit under the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterUnit {
    /// The service.
    pub service: ServiceName,
    /// The cloned primitive.
    pub resource: String,
    /// The unit.
    pub unit: UnitName,
}

/// The wait for one service's readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyWait {
    /// The service.
    pub service: ServiceName,
    /// Successes in a row.
    pub healthy: u32,
    /// Time between two probes.
    pub interval: Duration,
}

/// The way back of one member on one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readmission {
    /// The member.
    #[serde(flatten)]
    pub target: RouteTarget,
    /// Whether it took clients before; if not, it is put back without a ramp and without waiting for checks.
    pub serving: bool,
    /// Whether it takes clients for the first time: then no state before is that of a member that does, and the last
    /// stage is its weight.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Its weight before.
    pub weight: u32,
    /// Its state before.
    pub exact: Exact,
    /// Shares of the weight, in percent, rising; the last stage is always `exact`.
    pub ramp: Vec<u8>,
    /// Time at each stage.
    pub dwell: Duration,
    /// Share of requests that may fail at a stage before it is taken back.
    pub max_error_ratio: f64,
}

impl Readmission {
    /// The weight of a stage: the share of the former weight, never rounded down to nothing.
    pub fn weight_at(&self, stage: usize) -> u32 {
        let percent = self.ramp.get(stage).copied().unwrap_or(100);
        (u64::from(self.weight) * u64::from(percent)).div_ceil(100).max(1).try_into().unwrap_or(self.weight)
    }

    /// The number of the stage at which everything is as before.
    pub fn last_stage(&self) -> usize {
        self.ramp.len().saturating_sub(1)
    }
}

impl Plan {
    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.request.node
    }

    /// The action of a step.
    pub fn action(&self, step: usize) -> Option<&Action> {
        self.steps.get(step).map(|s| &s.action)
    }

    /// Whether a route is drained before this wait that leads clients to what it waits for.
    pub fn drains_before(&self, wait: &ConnectionWait) -> bool {
        self.steps
            .iter()
            .take_while(|s| !matches!(&s.action, Action::AwaitConnections { services } if services.contains(wait)))
            .any(|s| match &s.action {
                Action::DrainRoutes { targets, .. } => targets.iter().any(|t| t.service == wait.listener.service),
                _ => false,
            })
    }

    /// Longest time that the waits for connections may take.
    pub fn connection_deadline(&self) -> Duration {
        self.steps
            .iter()
            .filter_map(|s| match &s.action {
                Action::AwaitConnections { services } => services.iter().map(|w| w.policy.deadline).max(),
                _ => None,
            })
            .sum()
    }
}

impl Action {
    /// The step in a few words, as plans and progress show it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::DrainRoutes { .. } => "routing drained",
            Self::AwaitConnections { .. } => "connections drained",
            Self::CloseRoutes { .. } => "bound clients sent elsewhere",
            Self::Standby { leave } => leave.title(),
            Self::Resize { .. } => "number of instances changed",
            Self::VerifyStopped { .. } => "units stopped",
            Self::StopUnits { .. } => "other units stopped",
            Self::EnableUnits { enabled: true, .. } => "enabled at boot",
            Self::EnableUnits { enabled: false, .. } => "disabled at boot",
            Self::RequireFreshChecks { .. } => "fresh checks required",
            Self::StartUnits { .. } => "other units started",
            Self::Unstandby { leave, .. } => leave.end_title(),
            Self::VerifyStarted { .. } => "units started",
            Self::AwaitReady { .. } => "ready",
            Self::ReadmitRoutes { .. } => "routing restored",
        }
    }
}

/// How a deadline policy reads in a sentence.
pub fn policy_words(policy: OnDeadline) -> &'static str {
    match policy {
        OnDeadline::Hold => "hold",
        OnDeadline::Close => "close what is left",
        OnDeadline::Abort => "abort and put everything back",
    }
}
