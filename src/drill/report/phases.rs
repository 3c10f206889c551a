//! What was done when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{InstanceName, NodeName, RouteId, RunId};

/// One step of a run or a play on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name: the plan's or the playbook's.
    pub name: String,
    /// On which node; `None` where it is about none.
    pub node: Option<NodeName>,
    /// When it began.
    pub from: Timestamp,
    /// When it was proven or given up; `None` where it is not over.
    pub until: Option<Timestamp>,
    /// The run that it belongs to, where it is not the evidence's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How soon each change was read back.
    #[serde(default)]
    pub acknowledgements: Vec<Acknowledgement>,
}

/// One change to one real system, and how soon it was read back from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The change, in words.
    pub what: String,
    /// The route, where it is one's.
    pub route: Option<RouteId>,
    /// The instance of the route.
    pub instance: Option<InstanceName>,
    /// Seconds from the intent to its acknowledgement; `None` where it was not acknowledged.
    pub seconds: Option<f64>,
    /// How often it was tried.
    pub tries: u32,
}

impl Phase {
    /// Seconds that it took; `None` where it is not over.
    pub fn took_s(&self) -> Option<f64> {
        self.until.map(|until| between_s(self.from, until))
    }
}

/// Seconds between two times, to the millisecond; 0 where the second is not later.
pub(super) fn between_s(from: Timestamp, until: Timestamp) -> f64 {
    let seconds = crate::model::observed::age(until, from).as_secs_f64();
    (seconds * 1000.0).round() / 1000.0
}
