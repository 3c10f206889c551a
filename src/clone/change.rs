//! One change: what it leads away from and to, how a person reads it, and its inverse.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    declaration::{Declaration, withhold, withhold_id},
    place::{Held, Place},
    unit::Enablement,
};
use crate::model::{NodeName, UnitName};

/// The smallest thing that is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The primitive, the clone around it and the constraints of withheld nodes, all at once.
    Create {
        /// As it is declared.
        declaration: Box<Declaration>,
    },
    /// All of that goes, where it is exactly as it was created.
    Delete {
        /// As it was created.
        declaration: Box<Declaration>,
    },
    /// One value.
    Set {
        /// The clone's id.
        clone: String,
        /// The primitive's.
        resource: String,
        /// Where.
        place: Place,
        /// What is there.
        from: Held,
        /// What shall be there.
        to: Held,
    },
    /// The cluster is to keep its hands off a node: no instance there, and no look at the unit.
    Withhold {
        /// The clone's id.
        clone: String,
        /// The primitive's.
        resource: String,
        /// The node.
        node: NodeName,
    },
    /// The cluster may run it there.
    Admit {
        /// The clone's id.
        clone: String,
        /// The primitive's.
        resource: String,
        /// The node.
        node: NodeName,
    },
    /// Whether a unit starts at boot.
    Boot {
        /// The node.
        node: NodeName,
        /// The unit.
        unit: UnitName,
        /// As it is.
        from: Enablement,
        /// As it shall be.
        to: Enablement,
    },
}

impl Change {
    /// Whether the cluster's configuration holds it; else it is a node's.
    pub fn is_of_cluster(&self) -> bool {
        !matches!(self, Self::Boot { .. })
    }

    /// What takes it back, exactly.
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Create { declaration } => Self::Delete { declaration },
            Self::Delete { declaration } => Self::Create { declaration },
            Self::Set { clone, resource, place, from, to } => Self::Set { clone, resource, place, from: to, to: from },
            Self::Withhold { clone, resource, node } => Self::Admit { clone, resource, node },
            Self::Admit { clone, resource, node } => Self::Withhold { clone, resource, node },
            Self::Boot { node, unit, from, to } => Self::Boot { node, unit, from: to, to: from },
        }
    }

    /// The commands that a person would type for the same; none where there is none.
    pub fn pcs(&self) -> Vec<String> {
        match self {
            Self::Create { declaration } => declaration.pcs(),
            Self::Delete { declaration } => vec![format!("pcs resource delete {}", declaration.resource)],
            Self::Set { clone, place: Place::Meta { name }, to, .. } => {
                vec![format!("pcs resource meta {clone} {name}={}", to.value().unwrap_or_default())]
            }
            Self::Set { resource, place: Place::Operation { operation, attribute }, to, .. } => match to.value() {
                Some(value) => vec![format!("pcs resource update {resource} op {operation} {attribute}={value}")],
                None => vec![format!("pcs resource op remove {resource} {operation}")],
            },
            Self::Withhold { clone, resource, node } => vec![withhold(resource, clone, node)],
            Self::Admit { resource, node, .. } => {
                vec![format!("pcs constraint delete {}", withhold_id(resource, node))]
            }
            Self::Boot { node, unit, to, .. } => {
                let verb = if to.at_boot() { "enable" } else { "disable" };
                vec![format!("systemctl {verb} {unit}   (on {node})")]
            }
        }
    }

    /// What it is about: a resource, or a unit on a node.
    pub fn about(&self) -> String {
        match self {
            Self::Create { declaration } | Self::Delete { declaration } => declaration.resource.clone(),
            Self::Set { resource, .. } | Self::Withhold { resource, .. } | Self::Admit { resource, .. } => {
                resource.clone()
            }
            Self::Boot { node, unit, .. } => format!("{unit} on {node}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { declaration: d } => write!(f, "{}: create as a clone of {}", d.resource, d.agent),
            Self::Delete { declaration: d } => write!(f, "{}: delete, and so stop it on every node", d.resource),
            Self::Set { resource, place, from, to, .. } => write!(f, "{resource}: {place} {from} → {to}"),
            Self::Withhold { resource, node, .. } => write!(f, "{resource}: withhold from {node}"),
            Self::Admit { resource, node, .. } => write!(f, "{resource}: admit to {node}"),
            Self::Boot { node, unit, from, to } => write!(f, "{unit} on {node}: {from} → {to} at boot"),
        }
    }
}
