//! Constraints that touch a clone. They are a person's: listed, taken into account, never changed.

use serde::{Deserialize, Serialize};

use crate::model::NodeName;

/// What a constraint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstraintKind {
    /// Where it may be.
    Location,
    /// Beside what it may be.
    Colocation,
    /// Before or after what it starts.
    Order,
    /// Which ticket it needs.
    Ticket,
}

/// One constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub kind: ConstraintKind,
    /// What it says, in words.
    pub says: String,
    /// The node that it keeps the clone off, where that is all that it does.
    pub bans: Option<NodeName>,
    /// Whether it is one that Tidegate wrote to keep the cluster's hands off a node.
    pub ours: bool,
}

impl std::fmt::Display for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.says, self.id)
    }
}
