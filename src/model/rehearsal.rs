//! What the cluster manager says it would do if a node went into standby: its own scheduler's answer, for a copy of the
//! cluster as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{ClusterView, NodeName};

/// A rehearsal of one node's standby.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// What would be done because of it, in the scheduler's order.
    pub moves: Vec<Move>,
    /// What would be done anyway: the cluster is not at rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anyway: Vec<Move>,
    /// Every resource of the cluster as it is now.
    pub resources: Vec<Resource>,
    /// Every resource as it would be then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Resource>,
    /// The votes, where the membership layer tells them.
    pub votes: Option<Votes>,
}

/// One thing that the cluster would do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// What.
    pub verb: Verb,
    /// The resource, without an instance's number; for a fencing of a node, the node.
    pub resource: String,
    /// What kind of resource it is.
    pub kind: Kind,
    /// Where it is now.
    pub from: Option<NodeName>,
    /// Where it would be then.
    pub to: Option<NodeName>,
    /// Why, in the scheduler's own words.
    pub why: Option<String>,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It starts.
    Start,
    /// It stops.
    Stop,
    /// It stops in one place and starts in another.
    Move,
    /// It moves without being stopped.
    Migrate,
    /// It stops and starts where it is.
    Restart,
    /// It becomes the primary.
    Promote,
    /// It is the primary no more.
    Demote,
    /// A node is fenced.
    Fence,
    /// Something that this version does not know.
    Other,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Move => "move",
            Self::Migrate => "migrate",
            Self::Restart => "restart",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Fence => "fence",
            Self::Other => "change",
        })
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from == to => write!(f, " on {from}")?,
            (Some(from), Some(to)) => write!(f, " from {from} to {to}")?,
            (Some(node), None) | (None, Some(node)) => write!(f, " on {node}")?,
            (None, None) => {}
        }
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

/// What kind of resource it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An instance of a clone: others of it may go on elsewhere.
    Instance,
    /// A fencing device: no client uses it.
    Fencing,
    /// There is one of it in the cluster: an address, a database.
    Single,
    /// A node.
    Node,
}

/// One resource of the cluster, in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// Its id, without an instance's number.
    pub id: String,
    /// What kind it is.
    pub kind: Kind,
    /// Where it is, where it is anywhere.
    pub node: Option<NodeName>,
    /// Whether the cluster counts it as active.
    pub active: bool,
    /// Its last operation failed.
    pub failed: bool,
    /// The cluster can do nothing more about it: a stop failed, and nothing is fenced.
    pub blocked: bool,
}

/// The votes of the membership layer (corosync's votequorum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// Votes that there are now, those of a quorum device with them.
    pub total: u32,
    /// Votes that are needed for quorum.
    pub needed: u32,
    /// Votes of the node that is to go.
    pub own: u32,
    /// Two nodes, either of which keeps quorum alone (`two_node`).
    pub two_node: bool,
    /// After all nodes were down nobody has quorum until all have met again (`wait_for_all`, which `two_node` brings along).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_all: bool,
    /// A quorum device votes too.
    pub device: bool,
}

impl Votes {
    /// Votes that are left once the node is down.
    pub fn left(&self) -> u32 {
        self.total.saturating_sub(self.own)
    }

    /// Whether the others keep quorum then.
    pub fn suffice(&self) -> bool {
        self.left() >= self.needed || self.two_node && self.left() > 0
    }
}

impl Rehearsal {
    /// What is elsewhere than it was rehearsed to be. Fencing devices do not count: no client notices them.
    pub fn differences(&self, now: &[Resource]) -> Vec<String> {
        let (expected, found) = (places(&self.after), places(now));
        let ids: BTreeSet<&str> = expected.keys().chain(found.keys()).copied().collect();
        let none = BTreeSet::new();
        let differs = |id: &&str| expected.get(id).unwrap_or(&none) != found.get(id).unwrap_or(&none);
        let tell = |id: &str| {
            let (was, is) = (expected.get(id).unwrap_or(&none), found.get(id).unwrap_or(&none));
            format!("{id} was to be on {}, and is on {}", listed(was), listed(is))
        };
        ids.into_iter().filter(differs).map(tell).collect()
    }

    /// The rehearsal of a manager that stops what runs on the node and does nothing else; its fencing works.
    pub fn of_stops(cluster: &ClusterView, node: &NodeName) -> Self {
        let (online, own) = (cluster.nodes.values().filter(|m| m.online).count(), 1);
        let votes = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let stops = cluster.instances.iter().filter(|i| i.node.as_ref() == Some(node) && i.active).map(|i| Move {
            verb: Verb::Stop,
            resource: i.resource.clone(),
            kind: Kind::Instance,
            from: Some(node.clone()),
            to: None,
            why: Some("node availability".into()),
        });
        let fencing = Resource {
            id: "fencing".into(),
            kind: Kind::Fencing,
            node: cluster.nodes.keys().next().cloned(),
            active: true,
            failed: false,
            blocked: false,
        };
        let needed = votes(cluster.nodes.len()) / 2 + 1;
        Self {
            moves: stops.collect(),
            anyway: Vec::new(),
            resources: vec![fencing],
            after: Vec::new(),
            votes: Some(Votes {
                total: votes(online),
                needed,
                own,
                two_node: false,
                wait_for_all: false,
                device: false,
            }),
        }
    }
}

/// Where each resource is active.
fn places(resources: &[Resource]) -> BTreeMap<&str, BTreeSet<&NodeName>> {
    let mut places: BTreeMap<&str, BTreeSet<&NodeName>> = BTreeMap::new();
    for resource in resources.iter().filter(|r| r.active && r.kind != Kind::Fencing) {
        places.entry(&resource.id).or_default().extend(&resource.node);
    }
    places
}

fn listed(nodes: &BTreeSet<&NodeName>) -> String {
    match nodes.is_empty() {
        true => "no node".to_owned(),
        false => nodes.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_elsewhere_than_rehearsed_is_named() {
        let at = |id: &str, node: &str, kind| Resource {
            id: id.into(),
            kind,
            node: Some(node.into()),
            active: true,
            failed: false,
            blocked: false,
        };
        let after = vec![at("app", "b", Kind::Instance), at("vip", "b", Kind::Single), at("power", "b", Kind::Fencing)];
        let rehearsal = Rehearsal { after, ..Rehearsal::default() };
        let same = [at("vip", "b", Kind::Single), at("app", "b", Kind::Instance), at("power", "c", Kind::Fencing)];
        assert!(rehearsal.differences(&same).is_empty());
        let other = [at("vip", "c", Kind::Single), at("db", "c", Kind::Single)];
        assert_eq!(
            rehearsal.differences(&other),
            [
                "app was to be on b, and is on no node",
                "db was to be on no node, and is on c",
                "vip was to be on b, and is on c"
            ]
        );
    }

    #[test]
    fn the_votes_that_are_left_decide() {
        let votes = Votes { total: 3, needed: 2, own: 1, two_node: false, wait_for_all: false, device: false };
        assert!(votes.suffice());
        assert!(!Votes { total: 2, ..votes }.suffice(), "at the limit");
        assert!(!Votes { own: 2, ..votes }.suffice(), "a node with two votes");
        assert!(Votes { total: 2, needed: 1, two_node: true, ..votes }.suffice());
        assert!(!Votes { total: 1, needed: 1, two_node: true, ..votes }.suffice());
    }

    #[test]
    fn a_move_reads_as_a_sentence() {
        let of = |from: Option<&str>, to: Option<&str>, why: Option<&str>| Move {
            verb: Verb::Move,
            resource: "vip".into(),
            kind: Kind::Single,
            from: from.map(NodeName::new),
            to: to.map(NodeName::new),
            why: why.map(str::to_owned),
        };
        assert_eq!(of(Some("a"), Some("b"), None).to_string(), "move vip from a to b");
        assert_eq!(of(Some("a"), None, Some("node availability")).to_string(), "move vip on a (node availability)");
    }
}
