//! What a service's clone should be.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    place::{Place, written},
    unit::UnitFile,
};
use crate::{
    config::settings::Service,
    model::{NodeName, ServiceName},
};

/// What a time-out of an operation has beyond the unit's own, where the configuration names none: systemd needs a
/// moment to kill what its own time-out ends, and Pacemaker asks it for the result every two seconds.
pub const MARGIN: Duration = Duration::from_secs(15);

/// A service's clone as it should be in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The service.
    pub service: ServiceName,
    /// The primitive's id.
    pub resource: String,
    /// The clone's id, where it is created.
    pub clone: String,
    /// The agent: `systemd:` and the unit's name without `.service`.
    pub agent: String,
    /// Time between two monitor operations.
    pub monitor_interval: Duration,
    /// The stop operation's time-out; `None` where the unit never ends a stop, which the gates refuse.
    pub stop_timeout: Option<Timeout>,
    /// The start operation's time-out; `None` where the unit has none and nothing is configured.
    pub start_timeout: Option<Timeout>,
    /// Instances in all; `None` leaves it alone.
    pub clone_max: Option<u32>,
    /// Instances a node.
    pub clone_node_max: u32,
    /// Instances that others, ordered after the clone, wait for; `None` leaves it alone.
    pub clone_min: Option<u32>,
    /// Whether those wait only for the instance on their own node.
    pub interleave: bool,
    /// Nodes on which the cluster must not touch the unit yet, not even look at it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub withheld: BTreeSet<NodeName>,
}

/// A time-out of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// What is written.
    pub wanted: Duration,
    /// A longer one than this stays as it is; `None` where exactly `wanted` is configured.
    pub enough: Option<Duration>,
}

/// One value that is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where.
    pub place: Place,
    /// What.
    pub value: String,
    /// Where it is a time: one that is at least this stays.
    pub enough: Option<Duration>,
}

impl Declaration {
    /// The clone of a service whose unit is in these files on its nodes. Nothing is withheld.
    pub fn new<'a>(service: &Service, units: impl IntoIterator<Item = &'a UnitFile>) -> Self {
        let units: Vec<&UnitFile> = units.into_iter().collect();
        // The slowest node decides.
        let longest = |of: fn(&UnitFile) -> Option<Duration>| {
            units.iter().map(|u| of(u)).try_fold(Duration::ZERO, |longest, one| Some(longest.max(one?)))
        };
        let timeout = |configured: Option<Duration>, own: Option<Duration>| match (configured, own) {
            (Some(wanted), _) => Some(Timeout { wanted, enough: None }),
            (None, Some(own)) => Some(Timeout { wanted: own + MARGIN, enough: Some(own) }),
            (None, None) => None,
        };
        let settings = &service.clone;
        Self {
            service: service.name.clone(),
            resource: settings.resource.clone(),
            clone: format!("{}-clone", settings.resource),
            agent: agent(service.unit.as_str()),
            monitor_interval: settings.monitor_interval,
            stop_timeout: timeout(settings.stop_timeout, longest(|u| u.stop_timeout)),
            start_timeout: timeout(settings.start_timeout, longest(|u| u.start_timeout)),
            clone_max: settings.clone_max,
            clone_node_max: settings.clone_node_max,
            clone_min: settings.clone_min,
            interleave: settings.interleave,
            withheld: BTreeSet::new(),
        }
    }

    /// The same, withheld from these nodes.
    pub fn withheld_from(mut self, nodes: impl IntoIterator<Item = NodeName>) -> Self {
        self.withheld = nodes.into_iter().collect();
        self
    }

    /// Every value that is declared, in the order in which it is shown and written.
    pub fn values(&self) -> Vec<Wanted> {
        let plain = |place, value: String| Wanted { place, value, enough: None };
        let timeout = |operation: &str, timeout: &Option<Timeout>| {
            timeout.map(|t| Wanted {
                place: Place::operation(operation, "timeout"),
                value: written(t.wanted),
                enough: t.enough,
            })
        };
        let meta = |name: &str, value: Option<String>| value.map(|value| plain(Place::meta(name), value));
        [
            Some(plain(Place::operation("monitor", "interval"), written(self.monitor_interval))),
            timeout("start", &self.start_timeout),
            timeout("stop", &self.stop_timeout),
            meta("clone-max", self.clone_max.map(|n| n.to_string())),
            meta("clone-node-max", Some(self.clone_node_max.to_string())),
            meta("clone-min", self.clone_min.map(|n| n.to_string())),
            meta("interleave", Some(self.interleave.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The commands that a person would type for the same.
    pub fn pcs(&self) -> Vec<String> {
        let (mut operations, mut meta) = (String::new(), String::new());
        for Wanted { place, value, .. } in self.values() {
            match place {
                Place::Operation { operation, attribute } => operations += &format!(" {operation} {attribute}={value}"),
                Place::Meta { name } => meta += &format!(" {name}={value}"),
            }
        }
        // In one command, pcs 0.11 takes what follows `clone meta` for the primitive's, where it has no effect.
        let create = format!("pcs resource create {} {} op{operations}", self.resource, self.agent);
        let clone = format!("pcs resource clone {} meta{meta}", self.resource);
        let withheld = self.withheld.iter().map(|node| withhold(&self.resource, &self.clone, node));
        [create, clone].into_iter().chain(withheld).collect()
    }
}

/// The id of the constraint that keeps the cluster's hands off a node: ours, and nobody else's.
pub fn withhold_id(resource: &str, node: &NodeName) -> String {
    format!("tidegate-withhold-{resource}-{node}")
}

/// The command that a person would type for that constraint.
pub(super) fn withhold(resource: &str, clone: &str, node: &NodeName) -> String {
    let id = withhold_id(resource, node);
    format!("pcs constraint location add {id} {clone} {node} -INFINITY resource-discovery=never")
}

/// A unit as Pacemaker names its agent. A unit that is no service keeps its suffix.
fn agent(unit: &str) -> String {
    format!("systemd:{}", unit.strip_suffix(".service").unwrap_or(unit))
}
