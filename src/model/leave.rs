//! How a node leaves the cluster's work: as a whole, for one service only, or with everything left running.

use serde::{Deserialize, Serialize};

use super::{ServiceName, Topology, UnitName};

/// What the cluster is told once the clients are gone, and what a restore takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Leave {
    /// The node goes into standby until somebody takes it out.
    #[default]
    Standby,
    /// The node goes into standby until it restarts.
    StandbyUntilRestart,
    /// The cluster stops managing what runs on the node, and stops nothing.
    Maintenance,
    /// The node is banned for one service; everything else on it stays.
    Ban {
        /// The service.
        service: ServiceName,
        /// Its cloned primitive.
        resource: String,
    },
    /// The unit of one service, which systemd runs, is stopped and disabled; on the way back the cluster runs it.
    Adopt {
        /// The service.
        service: ServiceName,
        /// Its cloned primitive, which the cluster may not run on the node yet.
        resource: String,
        /// The unit.
        unit: UnitName,
    },
    /// The unit of one service, which the cluster runs, is stopped and left to nobody; on the way back systemd runs it.
    Release {
        /// The service.
        service: ServiceName,
        /// Its cloned primitive, which the cluster may not run on the node any more.
        resource: String,
        /// The unit.
        unit: UnitName,
    },
}

impl Leave {
    /// The usual way; it is left out of plans and journals.
    pub fn is_usual(&self) -> bool {
        *self == Self::Standby
    }

    /// Whether the node's units are stopped by it: all, or those of one service.
    pub fn stops_units(&self) -> bool {
        *self != Self::Maintenance
    }

    /// The one service that leaves, where it is not the whole node.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Ban { service, .. } | Self::Adopt { service, .. } | Self::Release { service, .. } => Some(service),
            Self::Standby | Self::StandbyUntilRestart | Self::Maintenance => None,
        }
    }

    /// Whether the unit goes from one keeper to another: until all of a service's have, some nodes run it under systemd
    /// and some under the cluster.
    pub fn changes_keeper(&self) -> bool {
        matches!(self, Self::Adopt { .. } | Self::Release { .. })
    }

    /// The part of the world that is concerned: everything, or one service with its routes.
    pub fn concerns(&self, topology: &Topology) -> Topology {
        let mut part = topology.clone();
        if let Some(service) = self.service() {
            part.services.retain(|s| s.name == *service);
            part.routes.retain(|r| r.service == *service);
        }
        part
    }

    /// The state that it leads to, after "it is": `in standby`, `banned for app`.
    pub fn state(&self) -> String {
        match self {
            Self::Standby => "in standby".into(),
            Self::StandbyUntilRestart => "in standby until it restarts".into(),
            Self::Maintenance => "in maintenance".into(),
            Self::Ban { service, .. } => format!("banned for {service}"),
            Self::Adopt { service, .. } => format!("without {service}, which the cluster is to run"),
            Self::Release { service, .. } => format!("without {service}, which systemd is to run"),
        }
    }

    /// What is done, as a noun in a sentence: `the standby`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Standby | Self::StandbyUntilRestart => "the standby",
            Self::Maintenance => "the maintenance",
            Self::Ban { .. } => "the ban",
            Self::Adopt { .. } => "the adoption",
            Self::Release { .. } => "the release",
        }
    }

    /// The name of the step in plans and progress.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Standby | Self::StandbyUntilRestart => "standby",
            Self::Maintenance => "maintenance",
            Self::Ban { .. } => "banned",
            Self::Adopt { .. } | Self::Release { .. } => "released by the cluster",
        }
    }

    /// The name of the step that takes it back.
    pub fn end_title(&self) -> &'static str {
        match self {
            Self::Standby | Self::StandbyUntilRestart => "out of standby",
            Self::Maintenance => "out of maintenance",
            Self::Ban { .. } => "allowed again",
            Self::Adopt { .. } | Self::Release { .. } => "taken over by the cluster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::topology::ServiceShape;

    #[test]
    fn one_service_concerns_only_itself() {
        let service = |name: &str| ServiceShape {
            name: ServiceName::new(name),
            resource: format!("{name}_service"),
            port: 80,
            unit: format!("{name}.service").as_str().into(),
            extra_units: Vec::new(),
        };
        let topology = Topology { services: vec![service("app"), service("web")], ..Topology::default() };
        let ban = Leave::Ban { service: "web".into(), resource: "web_service".into() };
        assert_eq!(ban.concerns(&topology).services, [service("web")]);
        assert_eq!(Leave::Maintenance.concerns(&topology), topology);
    }

    #[test]
    fn it_is_written_by_its_word() {
        let text = |leave: &Leave| serde_json::to_string(leave).unwrap_or_default();
        assert_eq!(text(&Leave::StandbyUntilRestart), r#"{"by":"standby-until-restart"}"#);
        let ban = Leave::Ban { service: "web".into(), resource: "web_service".into() };
        assert_eq!(serde_json::from_str::<Leave>(&text(&ban)).ok(), Some(ban));
    }
}
