//! Adoption and release: a service's unit goes from systemd's hands into the cluster's, or back, a node at a time.
//!
//! Each node is a drain of that one service and a restore, with the change of keeper between them: two ordinary runs, with
//! their receipts, gates and journal. Nothing else is remembered. What comes next follows from the cluster (on which nodes
//! it may not touch the unit) and from the journal (which drain is outstanding), so an adoption that was killed anywhere
//! goes on by being asked for again.

use std::fmt;

use serde::Serialize;

use crate::{
    journal::RunSummary,
    model::{ClusterView, Leave, NodeName, RunId, topology::ServiceShape},
    plan::ledger,
};

/// Which way the unit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From systemd to the cluster.
    Adopt,
    /// From the cluster to systemd.
    Release,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Adopt => "adopt",
            Self::Release => "release",
        })
    }
}

impl Direction {
    /// How a node leaves so that this service's unit can change its keeper.
    pub fn leave(self, service: &ServiceShape) -> Leave {
        let (name, resource, unit) = (service.name.clone(), service.resource.clone(), service.unit.clone());
        match self {
            Self::Adopt => Leave::Adopt { service: name, resource, unit },
            Self::Release => Leave::Release { service: name, resource, unit },
        }
    }

    /// Whether the unit on the node is where it is to go.
    fn is_over(self, cluster: &ClusterView, service: &ServiceShape, node: &NodeName) -> bool {
        cluster.withholds(&service.resource, node) == (self == Self::Release)
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A run of it is open: go on with that.
    Resume(RunId),
    /// Take this node out.
    Drain(NodeName),
    /// Bring this node back, with its unit in the other hands.
    Restore(NodeName),
    /// Every node is done.
    Done,
}

/// What comes next for these nodes, in their order; or why nothing can.
///
/// # Errors
/// Another run is open, or a node is out for another reason.
pub fn next(
    direction: Direction,
    service: &ServiceShape,
    nodes: &[NodeName],
    cluster: &ClusterView,
    runs: &[RunSummary],
) -> Result<Next, String> {
    let leave = direction.leave(service);
    if let Some(open) = ledger::open(runs) {
        return match open.plan.request.leave == leave {
            true => Ok(Next::Resume(open.run.clone())),
            false => Err(format!("run {} is open; one run at a time", open.run)),
        };
    }
    let mut first = None;
    for node in nodes {
        match ledger::outstanding(runs, node) {
            // Whoever is out already comes back before the next one leaves.
            Some(run) if runs.iter().any(|r| r.run == run && r.plan.request.leave == leave) => {
                return Ok(Next::Restore(node.clone()));
            }
            Some(run) => return Err(format!("{node} is out: {run}; `tidegate restore {node}` brings it back")),
            None if first.is_none() && !direction.is_over(cluster, service, node) => first = Some(node),
            None => {}
        }
    }
    Ok(first.map_or(Next::Done, |node| Next::Drain(node.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cluster::Withheld;

    fn service() -> ServiceShape {
        ServiceShape {
            name: "app".into(),
            resource: "app_service".into(),
            port: 80,
            unit: "app.service".into(),
            extra_units: Vec::new(),
        }
    }

    fn withheld(nodes: &[&str]) -> ClusterView {
        let withheld = nodes.iter().map(|n| Withheld { resource: "app_service".into(), node: NodeName::new(*n) });
        ClusterView { withheld: withheld.collect(), ..ClusterView::default() }
    }

    #[test]
    fn nodes_follow_one_another_both_ways() {
        let nodes = ["n1", "n2"].map(NodeName::new);
        let go = |direction, view: &ClusterView| next(direction, &service(), &nodes, view, &[]);
        assert_eq!(go(Direction::Adopt, &withheld(&["n1", "n2"])), Ok(Next::Drain("n1".into())));
        assert_eq!(go(Direction::Adopt, &withheld(&["n2"])), Ok(Next::Drain("n2".into())));
        assert_eq!(go(Direction::Adopt, &withheld(&[])), Ok(Next::Done));
        assert_eq!(go(Direction::Release, &withheld(&[])), Ok(Next::Drain("n1".into())));
        assert_eq!(go(Direction::Release, &withheld(&["n1", "n2"])), Ok(Next::Done));
    }
}
