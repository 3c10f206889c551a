//! What the cluster manager says of itself: membership, standby and its owner, clone instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NodeName, RunId, action::Ownership, rehearsal::Resource};

/// One reading of the cluster, all of it from the same moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The version of the cluster manager, where it says one.
    #[serde(skip)]
    pub version: Option<String>,
    /// The designated controller, where one is elected.
    pub dc: Option<NodeName>,
    /// Whether the partition that answered has quorum.
    pub quorate: bool,
    /// Whether the whole cluster is in maintenance mode.
    pub maintenance_mode: bool,
    /// Whether fencing is enabled.
    pub fencing: bool,
    /// Whether a transition is under way: actions decided, not all of them finished.
    pub transition: bool,
    /// Members by name.
    pub nodes: BTreeMap<NodeName, Member>,
    /// Instances of cloned resources, as the cluster records them.
    pub instances: Vec<CloneInstance>,
    /// Every resource of the cluster, where the manager lists them: what a rehearsal is compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// `clone-max` of each cloned primitive, where its clone sets it and one change of it means one thing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clone_max: BTreeMap<String, String>,
    /// Nodes that a run of ours has banned for a clone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bans: Vec<Ban>,
    /// Nodes on which the cluster must not touch a clone's unit: it is not adopted there yet, or was released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

/// A node on which the cluster neither starts, stops nor looks for a clone's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The cloned primitive.
    pub resource: String,
    /// The node.
    pub node: NodeName,
}

/// A node that is banned for a clone, by a run's own location constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The cloned primitive.
    pub resource: String,
    /// The node.
    pub node: NodeName,
    /// The run whose ban it is.
    pub run: RunId,
}

/// One cluster member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Part of the membership.
    pub online: bool,
    /// In standby, for whatever reason.
    pub standby: bool,
    /// The `standby` node attribute exactly as it is stored; `None` where there is none.
    pub standby_attribute: Option<String>,
    /// In node maintenance.
    pub maintenance: bool,
    /// The `maintenance` node attribute exactly as it is stored; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_attribute: Option<String>,
    /// Joining, not yet usable.
    pub pending: bool,
    /// To be fenced.
    pub unclean: bool,
    /// Whose standby it is, where Tidegate wrote its mark.
    pub owner: Option<Ownership>,
    /// Its other permanent attributes: what playbooks select nodes by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Member {
    /// Online and able to run instances.
    pub fn usable(&self) -> bool {
        self.online && !self.standby && !self.maintenance && !self.pending && !self.unclean
    }
}

/// The role of a clone instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Running.
    Started,
    /// Not running.
    Stopped,
    /// Anything else that the cluster may report (promoted, unpromoted, …).
    Other,
}

/// One instance of a cloned resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloneInstance {
    /// The cloned primitive (`app_service`).
    pub resource: String,
    /// Where it is, where it is anywhere.
    pub node: Option<NodeName>,
    /// The recorded role.
    pub role: Role,
    /// Whether the cluster counts it as active.
    pub active: bool,
    /// An operation that is still under way (`Starting`, `Stopping`, …).
    pub pending: Option<String>,
    /// Its last operation failed.
    pub failed: bool,
    /// It may not be moved or stopped because a stop failed.
    pub blocked: bool,
    /// The cluster manages it.
    pub managed: bool,
}

impl CloneInstance {
    /// Started for good: active, and no operation pending. Right after unstandby an instance counts as
    /// running while its start is still under way, so `active` alone is not enough.
    pub fn started(&self) -> bool {
        self.role == Role::Started && self.active && self.pending.is_none() && !self.failed
    }
}

impl ClusterView {
    /// Whether the cluster may not touch the clone's unit on the node.
    pub fn withholds(&self, resource: &str, node: &NodeName) -> bool {
        self.withheld.iter().any(|w| w.resource == resource && w.node == *node)
    }

    /// The run that has banned the node for a cloned primitive.
    pub fn ban<'a>(&'a self, resource: &str, node: &NodeName) -> Option<&'a RunId> {
        self.bans.iter().find(|ban| ban.resource == resource && ban.node == *node).map(|ban| &ban.run)
    }

    /// The instances of `resource` on `node`.
    pub fn instances_on<'a>(
        &'a self,
        resource: &'a str,
        node: &'a NodeName,
    ) -> impl Iterator<Item = &'a CloneInstance> {
        self.instances.iter().filter(move |i| i.resource == resource && i.node.as_ref() == Some(node))
    }
}
