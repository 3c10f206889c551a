//! What every cluster manager and every unit manager promises.

use tidegate::{
    model::{CloneInstance, ClusterView, Member, NodeName, Ownership, Role, RunId, UnitName},
    provider::{
        ClusterControl, ProviderError, UnitControl,
        null::{NullCluster, NullUnits},
    },
    run::proof::StandbyPermit,
};

pub fn owner(run: &str) -> Ownership {
    Ownership { run: RunId::new(run), operator: "alice".into(), reason: "kernel update".into() }
}

async fn member(cluster: &dyn ClusterControl, node: &NodeName) -> Member {
    let view = cluster.observe().await.expect("a view of the cluster");
    view.nodes.get(node).cloned().expect("the node")
}

/// `node` must be online, out of standby and without a mark; it is left so.
pub async fn keeps_the_contract(cluster: &dyn ClusterControl, node: &NodeName) {
    let before = member(cluster, node).await;
    assert!(before.usable() && before.owner.is_none(), "the suite begins with a usable node: {before:?}");
    let (ours, theirs) = (owner("drain-1"), owner("drain-2"));
    let attribute = before.standby_attribute.as_deref();

    for round in ["once", "twice"] {
        cluster.standby(StandbyPermit::for_tests(node.clone()), &ours).await.expect(round);
        let held = member(cluster, node).await;
        assert!(held.standby && !held.usable(), "{round}: {held:?}");
        assert_eq!(held.owner.as_ref(), Some(&ours), "{round}: the mark is written with the standby");
    }

    let refused = cluster.unstandby(node, &theirs.run, attribute).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "somebody else's standby was undone: {refused:?}");
    assert_eq!(member(cluster, node).await.owner, Some(ours.clone()));

    for round in ["once", "twice"] {
        cluster.unstandby(node, &ours.run, attribute).await.expect(round);
        let back = member(cluster, node).await;
        assert_eq!((back.standby, back.standby_attribute.as_deref(), back.owner), (false, attribute, None), "{round}");
    }

    let nowhere = NodeName::new("node-99");
    assert!(cluster.standby(StandbyPermit::for_tests(nowhere.clone()), &ours).await.is_err());
    assert!(cluster.unstandby(&nowhere, &ours.run, None).await.is_err());
}

/// `unit` on `node` must be running; it is left so.
pub async fn units_keep_the_contract(units: &dyn UnitControl, node: &NodeName, unit: &UnitName) {
    assert!(units.observe(node, unit).await.expect("the unit").is_active(), "the suite begins with a running unit");
    for round in ["once", "twice"] {
        units.stop(node, unit).await.expect(round);
        assert!(units.observe(node, unit).await.expect("the unit").is_inactive(), "{round}");
    }
    for round in ["once", "twice"] {
        units.start(node, unit).await.expect(round);
        assert!(units.observe(node, unit).await.expect("the unit").is_active(), "{round}");
    }
    assert!(units.start(node, &"no-such.service".into()).await.is_err());
}

pub fn null_cluster() -> NullCluster {
    let nodes: Vec<NodeName> = ["node-01", "node-02"].map(NodeName::from).to_vec();
    let instance = |node: &NodeName| CloneInstance {
        resource: "app_service".into(),
        node: Some(node.clone()),
        role: Role::Started,
        active: true,
        pending: None,
        failed: false,
        blocked: false,
        managed: true,
    };
    NullCluster::new(ClusterView {
        quorate: true,
        instances: nodes.iter().map(instance).collect(),
        nodes: nodes.into_iter().map(|node| (node, Member { online: true, ..Member::default() })).collect(),
        ..ClusterView::default()
    })
}

pub fn null_units() -> NullUnits {
    NullUnits::new([("node-01".into(), "batch.service".into(), true)])
}

#[tokio::test]
async fn what_ran_on_a_node_in_standby_runs_again_after_it() {
    let cluster = null_cluster();
    let node = NodeName::new("node-01");
    let started = async || {
        let view = cluster.observe().await.expect("a view");
        view.instances_on("app_service", &node).filter(|i| i.started()).count()
    };
    assert_eq!(started().await, 1);
    cluster.standby(StandbyPermit::for_tests(node.clone()), &owner("drain-1")).await.expect("standby");
    assert_eq!(started().await, 0);
    cluster.unstandby(&node, &RunId::new("drain-1"), None).await.expect("unstandby");
    assert_eq!(started().await, 1);
}
