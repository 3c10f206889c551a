//! Receipts: what a step changed and the exact state before it, all that a restore needs.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Exact, InstanceName, RouteId, UnitName};

/// The exact state of one thing before Tidegate first touched it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// What it was.
    pub before: Before,
    /// When that was seen.
    pub at: Timestamp,
}

/// What was there before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Before {
    /// A member of a route, on one instance.
    Route {
        /// The route.
        route: RouteId,
        /// The instance that was read.
        instance: InstanceName,
        /// The member, by the route's own name.
        server: String,
        /// Its weight, for the ramp on the way back.
        weight: u32,
        /// Whether it took clients at all: one that did not is put back as it was, without a ramp.
        serving: bool,
        /// How long clients may remember the way to it, in that moment.
        #[serde(default, skip_serializing_if = "Duration::is_zero")]
        linger: Duration,
        /// Its state in the provider's terms.
        exact: Exact,
    },
    /// The node's standby attribute; `None` where there was none.
    Standby {
        /// The stored value.
        attribute: Option<String>,
    },
    /// How many instances a clone may have.
    Clone {
        /// The cloned primitive.
        resource: String,
        /// `clone-max` as it was.
        instances: String,
    },
    /// A unit outside the cluster.
    Unit {
        /// The unit.
        unit: UnitName,
        /// Whether it was running.
        active: bool,
    },
    /// Whether systemd starts a unit at boot.
    UnitFile {
        /// The unit.
        unit: UnitName,
        /// Whether it did.
        enabled: bool,
    },
}

impl Before {
    /// Two receipts of the same thing: only the first one counts.
    pub fn same_thing(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Route { route: a, instance: b, server: c, .. },
                Self::Route { route: x, instance: y, server: z, .. },
            ) => (a, b, c) == (x, y, z),
            (Self::Standby { .. }, Self::Standby { .. }) => true,
            (Self::Clone { resource: a, .. }, Self::Clone { resource: b, .. }) => a == b,
            (Self::Unit { unit: a, .. }, Self::Unit { unit: b, .. })
            | (Self::UnitFile { unit: a, .. }, Self::UnitFile { unit: b, .. }) => a == b,
            _ => false,
        }
    }
}
