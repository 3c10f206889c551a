//! A cluster manager that behaves as Pacemaker does where a drain meets it.
//!
//! Standby only sets an attribute; each node's local executor notices, stops the unit, and the record of the stop
//! follows some time later, at the next look (Pacemaker looks at systemd every 2 s; here it is quicker). After
//! standby is taken away, the instance counts as running at once while its start is still pending.
//!
//! Standby asks nobody whether the node still has clients: neither does Pacemaker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::backend::Unit;
use crate::{
    model::{CloneInstance, ClusterView, Leave, Member, NodeName, Ownership, Rehearsal, Role, RunId},
    provider::{ClusterControl, ProviderError, Result},
    run::proof::StandbyPermit,
};

/// How quick the cluster manager is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From a decision to the unit's start or stop.
    pub act: Duration,
    /// Until the finished operation is on record.
    pub record: Duration,
}

/// A cluster manager; clones are the same one.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    resource: String,
    pace: Pace,
    nodes: Mutex<BTreeMap<NodeName, Node>>,
    changed: Notify,
}

struct Node {
    standby: Option<String>,
    owner: Option<Ownership>,
    record: Record,
}

/// What is on record of a node's instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Started,
    Starting,
    Stopping,
    Stopped,
    Failed,
}

impl Node {
    fn in_standby(&self) -> bool {
        self.standby.as_deref().is_some_and(|value| matches!(value, "on" | "true" | "yes" | "1"))
    }

    /// What the cluster has to do here next.
    fn due(&self) -> Option<Record> {
        match (self.in_standby(), self.record) {
            (true, Record::Started | Record::Failed) => Some(Record::Stopping),
            (false, Record::Stopped) => Some(Record::Starting),
            _ => None,
        }
    }
}

impl Cluster {
    /// A cluster of these nodes whose instances of `resource` all run. Each node's executor ends with `stop`.
    pub fn start(resource: &str, units: &BTreeMap<NodeName, Unit>, pace: Pace, stop: &CancellationToken) -> Self {
        let nodes = units
            .keys()
            .map(|name| (name.clone(), Node { standby: None, owner: None, record: Record::Started }))
            .collect();
        let cluster = Self(Arc::new(Inner {
            resource: resource.to_owned(),
            pace,
            nodes: Mutex::new(nodes),
            changed: Notify::new(),
        }));
        for (node, unit) in units {
            let executor = cluster.clone().execute(node.clone(), unit.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(executor));
        }
        cluster
    }

    /// Standby as an operator sets it with `pcs node standby`, with clients still on the node. This exists only
    /// here, to show what it does; a provider has no such way.
    pub(super) fn standby_by_hand(&self, node: &NodeName) -> Result<()> {
        self.with(node, |n| n.standby = Some("on".to_owned()))?;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// The other way of the operator, `pcs node unstandby`.
    pub(super) fn unstandby_by_hand(&self, node: &NodeName) -> Result<()> {
        self.with(node, |n| (n.standby, n.owner) = (None, None))?;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// One node's local executor: an operation at a time.
    async fn execute(self, node: NodeName, unit: Unit) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let due = self.with(&node, |n| {
                let due = n.due();
                n.record = due.unwrap_or(n.record);
                due
            });
            match due {
                Ok(Some(operation)) => self.operate(&node, &unit, operation).await,
                Ok(None) => changed.await,
                Err(_) => return,
            }
        }
    }

    async fn operate(&self, node: &NodeName, unit: &Unit, operation: Record) {
        sleep(self.0.pace.act).await;
        let result = if operation == Record::Stopping {
            unit.stop().await;
            Record::Stopped
        } else {
            unit.start().await.map_or(Record::Failed, |()| Record::Started)
        };
        sleep(self.0.pace.record).await;
        // The node was there a moment ago, and none is ever removed.
        let _ = self.with(node, |n| n.record = result);
    }

    fn with<T>(&self, node: &NodeName, f: impl FnOnce(&mut Node) -> T) -> Result<T> {
        let mut nodes = self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get_mut(node).map(f).ok_or_else(|| ProviderError::Refused(format!("node '{node}' is not in the cluster")))
    }

    fn view(&self) -> ClusterView {
        let nodes = self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        ClusterView {
            version: None,
            dc: nodes.keys().next().cloned(),
            quorate: true,
            maintenance_mode: false,
            fencing: true,
            transition: nodes
                .values()
                .any(|n| n.due().is_some() || matches!(n.record, Record::Starting | Record::Stopping)),
            nodes: nodes.iter().map(|(name, node)| (name.clone(), member(node))).collect(),
            instances: nodes.iter().map(|(name, node)| instance(&self.0.resource, name, node)).collect(),
            resources: Vec::new(),
            bans: Vec::new(),
            withheld: Vec::new(),
            clone_max: BTreeMap::new(),
        }
    }
}

fn member(node: &Node) -> Member {
    Member {
        online: true,
        standby: node.in_standby(),
        attributes: Default::default(),
        standby_attribute: node.standby.clone(),
        owner: node.owner.clone(),
        ..Member::default()
    }
}

/// A stopped instance of an anonymous clone is nowhere; one whose start is pending already counts as running.
fn instance(resource: &str, name: &NodeName, node: &Node) -> CloneInstance {
    let stopped = node.record == Record::Stopped;
    CloneInstance {
        resource: resource.to_owned(),
        node: (!stopped).then(|| name.clone()),
        role: if stopped { Role::Stopped } else { Role::Started },
        active: !stopped,
        pending: match node.record {
            Record::Starting => Some("Starting".to_owned()),
            Record::Stopping => Some("Stopping".to_owned()),
            _ => None,
        },
        failed: node.record == Record::Failed,
        blocked: false,
        managed: true,
    }
}

#[async_trait]
impl ClusterControl for Cluster {
    async fn observe(&self) -> Result<ClusterView> {
        Ok(self.view())
    }

    async fn rehearse(&self, node: &NodeName, _leave: &Leave) -> Result<Rehearsal> {
        Ok(Rehearsal::of_stops(&self.view(), node))
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<()> {
        if !leave.is_usual() {
            return Err(ProviderError::Refused("the demonstration knows standby only".to_owned()));
        }
        self.with(permit.node(), |n| match &n.owner {
            Some(other) if other.run != owner.run => {
                Err(ProviderError::Refused(format!("it is in standby for run {}", other.run)))
            }
            _ => {
                n.standby = Some("on".to_owned());
                n.owner = Some(owner.clone());
                Ok(())
            }
        })??;
        self.0.changed.notify_waiters();
        Ok(())
    }

    async fn unstandby(&self, node: &NodeName, owner: &RunId, _: &Leave, attribute: Option<&str>) -> Result<()> {
        self.with(node, |n| match &n.owner {
            Some(other) if &other.run != owner => {
                Err(ProviderError::Refused(format!("its standby belongs to run {}", other.run)))
            }
            None if n.standby.as_deref() != attribute => {
                Err(ProviderError::Refused("its standby bears no mark of ours".to_owned()))
            }
            _ => {
                n.standby = attribute.map(str::to_owned);
                n.owner = None;
                Ok(())
            }
        })??;
        self.0.changed.notify_waiters();
        Ok(())
    }
}
