//! What was sighted of a fault, and the times that come of it, as values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Health, InstanceName, InstanceView, MemberView, NodeName, RouteId};

/// One instance of a route that leads to what is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
}

/// What a way does with new clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", content = "why", rename_all = "kebab-case")]
pub enum Standing {
    /// Sends them there, and knows of nothing.
    Sends,
    /// Knows that something is wrong, and sends them there still.
    Doubts,
    /// Sends nobody there.
    Out,
    /// It does not say.
    Silent(String),
}

/// One thing that was seen to be so from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sighting", rename_all = "kebab-case")]
pub enum Sighting {
    /// What a way does with new clients.
    Way {
        /// The way.
        way: Way,
        /// What it does.
        standing: Standing,
    },
    /// Whom an instance sends clients to; `None` where it does not answer.
    Instance {
        /// The instance.
        way: Way,
        /// The members, by the route's own names.
        sends: Option<BTreeSet<String>>,
    },
    /// The guard told it of a loss.
    Told {
        /// The way.
        way: Way,
    },
    /// Whether the service is ready on a node; `None` where nobody knows.
    Ready {
        /// The node.
        node: NodeName,
        /// Whether it is.
        ready: Option<bool>,
    },
    /// Whether the cluster counts a node as usable; `None` where it does not say.
    Member {
        /// The node.
        node: NodeName,
        /// Whether it does.
        usable: Option<bool>,
    },
}

/// A sighting and its moment: when the answer came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub sighting: Sighting,
}

/// A time, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Took {
    /// Seconds.
    Seconds(f64),
    /// It cannot be told, or did not happen.
    Unknown(String),
}

/// What came of a fault, in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// From the fault until the first way knew, or was told, or what was broken no longer answered.
    pub detection: Took,
    /// What showed it first.
    pub noticed: Option<String>,
    /// From the fault until every way sent nobody there.
    pub removal: Took,
    /// From the fault's end until the node was ready, every way sent clients there that had done so before, and what was
    /// broken itself sent clients to whom it had sent them before.
    pub recovery: Took,
    /// From when that counts, where it is not the fault's end.
    pub counted: Option<String>,
    /// From the fault until the cluster knew.
    pub cluster: Took,
    /// From the fault until this way sent nobody there.
    pub ways: BTreeMap<String, Took>,
}

impl Standing {
    /// What a member's state means for new clients. A member that is gone gets none: names and prefixes are withdrawn so.
    pub fn of(member: Option<&MemberView>) -> Self {
        match member {
            None => Self::Out,
            Some(m) if !m.gets_clients() => Self::Out,
            Some(m) if m.still_chosen || matches!(m.health, Health::Failing { .. }) => Self::Doubts,
            Some(_) => Self::Sends,
        }
    }
}

impl Sighting {
    /// What a look at an instance makes of it.
    pub fn instance(way: Way, seen: Option<&InstanceView>) -> Self {
        let chosen = |(name, member): (&String, &MemberView)| member.gets_clients().then(|| name.clone());
        Self::Instance { way, sends: seen.map(|view| view.members.iter().filter_map(chosen).collect()) }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.route, self.instance)
    }
}

impl Took {
    pub(super) fn between(from: Timestamp, to: Timestamp) -> Self {
        Self::Seconds(to.duration_since(from).as_secs_f64().max(0.0))
    }

    /// Seconds, where they are known.
    pub fn seconds(&self) -> Option<f64> {
        match self {
            Self::Seconds(seconds) => Some(*seconds),
            Self::Unknown(_) => None,
        }
    }
}
