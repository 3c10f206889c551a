//! What the cluster's configuration says of one service's clone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    constraint::Constraint,
    place::{Held, Place},
};
use crate::model::NodeName;

/// One reading of the configuration, of one primitive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The version of the configuration, as `admin_epoch.epoch`: it rises with every change of anything.
    pub version: String,
    /// The primitive's id, as it was asked for.
    pub resource: String,
    /// The clone around it; `None` where there is neither.
    pub clone: Option<FoundClone>,
    /// What stands in the way of a clone, for a person: the id is used by something else, for one.
    pub obstacles: Vec<String>,
    /// Every constraint that touches it.
    pub constraints: Vec<Constraint>,
    /// Nodes that Tidegate withholds from the cluster.
    pub withheld: BTreeSet<NodeName>,
}

/// A clone as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundClone {
    /// Its id.
    pub id: String,
    /// The primitive's agent (`systemd:app`).
    pub agent: String,
    /// Every value that can be declared.
    pub settings: Vec<Setting>,
    /// What keeps it from running although it is there (`target-role=Stopped`), in the configuration's own words.
    pub switched_off: Vec<String>,
    /// Values of a clone that are set on its primitive, where they have no effect (`clone-max=3`).
    pub misplaced: Vec<String>,
}

/// One value as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Where.
    pub place: Place,
    /// What.
    pub held: Held,
    /// What holds where nothing is said: a default of the cluster, or Pacemaker's own.
    pub otherwise: Option<String>,
    /// Why no single change sets it, where none does: it is set in two places, or a rule decides.
    pub entangled: Option<String>,
}

impl Setting {
    /// The value that is in force.
    pub fn effective(&self) -> Option<&str> {
        self.held.value().or(self.otherwise.as_deref())
    }
}

impl FoundClone {
    /// One value.
    pub fn setting(&self, place: &Place) -> Option<&Setting> {
        self.settings.iter().find(|s| &s.place == place)
    }
}

impl Found {
    /// Nodes that a constraint bans, whoever wrote it.
    pub fn banned(&self) -> BTreeSet<&NodeName> {
        self.constraints.iter().filter_map(|c| c.bans.as_ref()).collect()
    }
}

/// Every place that can be declared.
pub fn places() -> Vec<Place> {
    vec![
        Place::operation("monitor", "interval"),
        Place::operation("start", "timeout"),
        Place::operation("stop", "timeout"),
        Place::meta("clone-max"),
        Place::meta("clone-node-max"),
        Place::meta("clone-min"),
        Place::meta("interleave"),
    ]
}
