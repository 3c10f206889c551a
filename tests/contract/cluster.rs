//! What every cluster manager and every unit manager promises.

use tidegate::{
    model::{CloneInstance, ClusterView, Leave, Member, NodeName, Ownership, Role, RunId, UnitName},
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
        cluster.standby(StandbyPermit::for_tests(node.clone()), &ours, &Leave::Standby).await.expect(round);
        let held = member(cluster, node).await;
        assert!(held.standby && !held.usable(), "{round}: {held:?}");
        assert_eq!(held.owner.as_ref(), Some(&ours), "{round}: the mark is written with the standby");
    }

    let refused = cluster.unstandby(node, &theirs.run, &Leave::Standby, attribute).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "somebody else's standby was undone: {refused:?}");
    assert_eq!(member(cluster, node).await.owner, Some(ours.clone()));

    for round in ["once", "twice"] {
        cluster.unstandby(node, &ours.run, &Leave::Standby, attribute).await.expect(round);
        let back = member(cluster, node).await;
        assert_eq!((back.standby, back.standby_attribute.as_deref(), back.owner), (false, attribute, None), "{round}");
    }

    let nowhere = NodeName::new("node-99");
    assert!(cluster.standby(StandbyPermit::for_tests(nowhere.clone()), &ours, &Leave::Standby).await.is_err());
    assert!(cluster.unstandby(&nowhere, &ours.run, &Leave::Standby, None).await.is_err());
    maintenance_keeps_the_contract(cluster, node).await;
    bans_keep_the_contract(cluster, node).await;
}

async fn maintenance_keeps_the_contract(cluster: &dyn ClusterControl, node: &NodeName) {
    let ours = owner("drain-3");
    let before = member(cluster, node).await;
    for round in ["once", "twice"] {
        cluster.standby(StandbyPermit::for_tests(node.clone()), &ours, &Leave::Maintenance).await.expect(round);
        let held = member(cluster, node).await;
        assert!(held.maintenance && !held.standby && held.owner.as_ref() == Some(&ours), "{round}: {held:?}");
    }
    let attribute = before.maintenance_attribute.as_deref();
    let refused = cluster.unstandby(node, &owner("drain-4").run, &Leave::Maintenance, attribute).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    for round in ["once", "twice"] {
        cluster.unstandby(node, &ours.run, &Leave::Maintenance, attribute).await.expect(round);
        assert_eq!(member(cluster, node).await, before, "{round}");
    }
}

async fn bans_keep_the_contract(cluster: &dyn ClusterControl, node: &NodeName) {
    let view = cluster.observe().await.expect("a view of the cluster");
    let resource = view.instances.first().expect("a clone").resource.clone();
    let leave = Leave::Ban { service: "app".into(), resource: resource.clone() };
    let ours = owner("drain-5");
    let run = async || cluster.observe().await.expect("a view").ban(&resource, node).cloned();
    for round in ["once", "twice"] {
        cluster.standby(StandbyPermit::for_tests(node.clone()), &ours, &leave).await.expect(round);
        assert_eq!(run().await.as_ref(), Some(&ours.run), "{round}");
    }
    let now = member(cluster, node).await;
    assert!(now.usable() && now.owner.is_none(), "a ban is of one service, not of the node: {now:?}");
    // A ban has its run's name: another run has none to take away.
    cluster.unstandby(node, &owner("drain-6").run, &leave, None).await.expect("nothing to do");
    assert_eq!(run().await.as_ref(), Some(&ours.run));
    for round in ["once", "twice"] {
        cluster.unstandby(node, &ours.run, &leave, None).await.expect(round);
        assert_eq!(run().await, None, "{round}");
    }
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
    cluster.standby(StandbyPermit::for_tests(node.clone()), &owner("drain-1"), &Leave::Standby).await.expect("standby");
    assert_eq!(started().await, 0);
    cluster.unstandby(&node, &RunId::new("drain-1"), &Leave::Standby, None).await.expect("unstandby");
    assert_eq!(started().await, 1);
}
