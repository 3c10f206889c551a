//! The clone manager against Pacemaker's own tools on a CIB in a file: what it reads, what it writes, what it refuses to
//! overwrite, and what the scheduler makes of it.

use std::{sync::Arc, time::Duration};

use tidegate::{
    clone::{Change, Declaration, Found, Held, Place, Timeout, diff},
    model::NodeName,
    provider::{CloneControl, ProviderError, cluster::pacemaker::Pacemaker},
};

use crate::pacemaker::{Line, Tools};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// What the recorded cluster has.
fn declared() -> Declaration {
    let timeout = Some(Timeout { wanted: Duration::from_secs(30), enough: None });
    Declaration {
        service: "app".into(),
        resource: "app_service".into(),
        clone: "app_service-clone".into(),
        agent: "systemd:app".into(),
        monitor_interval: Duration::from_secs(30),
        stop_timeout: timeout,
        start_timeout: timeout,
        clone_max: Some(3),
        clone_node_max: 1,
        clone_min: None,
        interleave: true,
        withheld: Default::default(),
    }
}

async fn found(cluster: &Pacemaker) -> Found {
    cluster.found(&["app_service".to_owned()]).await.expect("a reading").remove(0)
}

async fn changes(cluster: &Pacemaker) -> Vec<Change> {
    diff(&declared(), &found(cluster).await)
}

async fn text(tools: &Arc<Tools>, scope: &str) -> String {
    tools.call(&["cibadmin", "--query", "--scope", scope]).await.stdout
}

/// Neither the clone nor its operations' history.
async fn without_clone(tools: &Arc<Tools>) {
    let line = ["cibadmin", "--delete", "--scope", "resources", "--xml-text", "<clone id='app_service-clone'/>"];
    assert_eq!(tools.call(&line).await.code, Some(0));
    let history = ["cibadmin", "--delete-all", "--force", "--xpath", "//lrm_resource[@id='app_service']"];
    assert_eq!(tools.call(&history).await.code, Some(0));
}

fn refusal(error: ProviderError) -> String {
    match error {
        ProviderError::Refused(why) => why,
        other => panic!("a refusal was expected: {other}"),
    }
}

#[tokio::test]
async fn what_is_as_declared_needs_no_change() {
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    assert_eq!(changes(&cluster).await, []);
    let before = found(&cluster).await;
    cluster.make(&[]).await.expect("nothing");
    assert_eq!(found(&cluster).await, before, "the version too");
    assert_eq!(before.obstacles, Vec::<String>::new());
}

#[tokio::test]
async fn a_clone_is_created_at_once_and_its_undo_leaves_nothing() {
    let Some(tools) = Tools::with("clean") else { return };
    without_clone(&tools).await;
    let (resources, constraints) = (text(&tools, "resources").await, text(&tools, "constraints").await);
    let cluster = tools.pacemaker();
    let wanted = declared().withheld_from(["node-2".into()]);
    let made = diff(&wanted, &found(&cluster).await);
    assert!(matches!(made.as_slice(), [Change::Create { .. }]), "{made:?}");

    let rehearsal = cluster.rehearse_changes(&made).await.expect("a rehearsal");
    let mut started: Vec<String> = rehearsal.moves.iter().map(ToString::to_string).collect();
    started.sort();
    assert_eq!(
        started,
        ["start app_service on node-1", "start app_service on node-3"],
        "withheld from the first moment"
    );

    cluster.make(&made).await.expect("created");
    let now = found(&cluster).await;
    assert_eq!(now.withheld, wanted.withheld);
    assert_eq!(diff(&wanted, &now), []);
    assert!(tools.call(&["crm_verify", "--live-check"]).await.code == Some(0), "Pacemaker finds no fault");
    cluster.make(&made).await.expect("made already");
    assert_eq!(found(&cluster).await.version, now.version, "made once");

    let admitted = diff(&declared(), &now);
    assert!(matches!(admitted.as_slice(), [Change::Admit { .. }]), "{admitted:?}");
    cluster.make(&admitted).await.expect("admitted");
    assert_eq!(found(&cluster).await.withheld.len(), 0);
    let refused = cluster.make(&[made[0].inverse()]).await;
    assert!(refused.is_ok(), "a constraint that is gone already is no change of somebody else: {refused:?}");
    assert_eq!((text(&tools, "resources").await, text(&tools, "constraints").await), (resources, constraints));
}

#[tokio::test]
async fn each_drift_is_one_change_and_its_undo_is_exact() {
    let drifts: [(Line, &str); 7] = [
        (
            &["cibadmin", "--modify", "--xml-text", "<op id='app_service-monitor-interval-30s' interval='10s'/>"],
            "app_service: monitor interval 10s → 30s",
        ),
        (
            &["cibadmin", "--delete", "--xml-text", "<op id='app_service-monitor-interval-30s'/>"],
            "app_service: monitor interval unset → 30s",
        ),
        (
            &["crm_resource", "-r", "app_service-clone", "-m", "-p", "clone-max", "-v", "2"],
            "app_service: clone-max 2 → 3",
        ),
        (
            &["crm_resource", "-r", "app_service-clone", "-m", "-d", "interleave"],
            "app_service: interleave unset → true",
        ),
        (
            &["cibadmin", "--delete", "--xml-text", "<meta_attributes id='app_service-clone-meta_attributes'/>"],
            "app_service: clone-max unset → 3, app_service: interleave unset → true",
        ),
        (
            &["cibadmin", "--delete", "--xml-text", "<op id='app_service-stop-interval-0s'/>"],
            "app_service: stop timeout unset → 30s",
        ),
        (
            &["cibadmin", "--modify", "--xml-text", "<op id='app_service-start-interval-0s' timeout='20s'/>"],
            "app_service: start timeout 20s → 30s",
        ),
    ];
    for (drift, said) in drifts {
        let Some(tools) = Tools::with("clean") else { return };
        assert_eq!(tools.call(drift).await.code, Some(0), "{drift:?}");
        let drifted = text(&tools, "resources").await;
        let cluster = tools.pacemaker();
        let wanted = changes(&cluster).await;
        let words: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(words.join(", "), said);
        cluster.make(&wanted).await.expect("made");
        assert_eq!(changes(&cluster).await, [], "{said}");
        let undo: Vec<Change> = wanted.iter().rev().map(Change::inverse).collect();
        cluster.make(&undo).await.expect("undone");
        assert_eq!(text(&tools, "resources").await, drifted, "{said}: word for word");
    }
}

#[tokio::test]
async fn what_means_the_same_is_no_drift() {
    let same: [Line; 3] = [
        &["cibadmin", "--modify", "--xml-text", "<op id='app_service-monitor-interval-30s' interval='30000ms'/>"],
        &["crm_resource", "-r", "app_service-clone", "-m", "-p", "interleave", "-v", "1"],
        &["crm_resource", "-r", "app_service-clone", "-m", "-d", "clone-node-max"],
    ];
    for line in same {
        let Some(tools) = Tools::with("clean") else { return };
        assert_eq!(tools.call(line).await.code, Some(0), "{line:?}");
        assert_eq!(changes(&tools.pacemaker()).await, [], "{line:?}");
    }
}

#[tokio::test]
async fn nobody_elses_edit_is_overwritten() {
    let Some(tools) = Tools::with("clean") else { return };
    let drift = ["crm_resource", "-r", "app_service-clone", "-m", "-p", "clone-max", "-v", "2"];
    assert_eq!(tools.call(&drift).await.code, Some(0));
    let cluster = tools.pacemaker();
    let wanted = changes(&cluster).await;

    // Somebody sets the same value in between: it stays, and we say so.
    tools.meanwhile(&["crm_resource", "-r", "app_service-clone", "-m", "-p", "clone-max", "-v", "1"]);
    let said = refusal(cluster.make(&wanted).await.expect_err("somebody was there"));
    assert!(said.contains("clone-max of app_service-clone is 1 and no longer 2"), "{said}");

    // Something else: both are there.
    let wanted = changes(&cluster).await;
    tools.meanwhile(&["crm_resource", "-r", "app_service-clone", "-m", "-p", "resource-stickiness", "-v", "7"]);
    cluster.make(&wanted).await.expect("made");
    assert_eq!(changes(&cluster).await, []);
    assert!(text(&tools, "resources").await.contains(r#"name="resource-stickiness" value="7""#));
}

#[tokio::test]
async fn a_clone_that_was_changed_or_is_referred_to_is_not_deleted() {
    let create = Change::Create { declaration: Box::new(declared()) };
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    let order = "<rsc_order id='later' first='app_service-clone' then='power'/>";
    let line = ["cibadmin", "--create", "--scope", "constraints", "--xml-text", order];
    assert_eq!(tools.call(&line).await.code, Some(0));
    let said = refusal(cluster.make(&[create.inverse()]).await.expect_err("it is referred to"));
    assert!(said.contains("later"), "{said}");
    assert_eq!(tools.call(&["cibadmin", "--delete", "--xml-text", order]).await.code, Some(0));
    let line = ["crm_resource", "-r", "app_service-clone", "-m", "-p", "priority", "-v", "3"];
    assert_eq!(tools.call(&line).await.code, Some(0));
    let said = refusal(cluster.make(&[create.inverse()]).await.expect_err("it was changed"));
    assert!(said.contains("changed since"), "{said}");
}

#[tokio::test]
async fn constraints_are_seen_and_the_scheduler_heeds_them() {
    let Some(tools) = Tools::with("clean") else { return };
    without_clone(&tools).await;
    let cluster = tools.pacemaker();
    cluster.make(&changes(&cluster).await).await.expect("created");
    let constraints = [
        "<rsc_location id='ban' rsc='app_service-clone' node='node-3' score='-INFINITY'/>",
        "<rsc_location id='pattern' rsc-pattern='^app_' node='node-1' score='100'/>",
        "<rsc_order id='order'><resource_set id='order-1'><resource_ref id='power'/><resource_ref id='app_service-clone'/></resource_set></rsc_order>",
        "<rsc_location id='other' rsc='power' node='node-3' score='-INFINITY'/>",
    ];
    for xml in constraints {
        let line = ["cibadmin", "--create", "--scope", "constraints", "--xml-text", xml];
        assert_eq!(tools.call(&line).await.code, Some(0), "{xml}");
    }
    let seen = found(&cluster).await;
    let ids: Vec<&str> = seen.constraints.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["ban", "pattern", "order"]);
    assert_eq!(seen.banned().into_iter().collect::<Vec<_>>(), [&NodeName::new("node-3")]);
    let rehearsal = cluster.rehearse_changes(&[]).await.expect("a rehearsal");
    let after: Vec<&str> = rehearsal
        .after
        .iter()
        .filter(|r| r.id == "app_service" && r.active)
        .filter_map(|r| r.node.as_ref().map(|n| n.as_str()))
        .collect();
    assert_eq!(after, NODES[..2]);
}

#[tokio::test]
async fn what_no_single_change_sets_is_told_and_left_alone() {
    let Some(tools) = Tools::with("clean") else { return };
    let second = "<clone id='app_service-clone'><meta_attributes id='second'><nvpair id='second-max' name='clone-max' value='1'/></meta_attributes></clone>";
    let line = ["cibadmin", "--modify", "--allow-create", "--scope", "resources", "--xml-text", second];
    assert_eq!(tools.call(&line).await.code, Some(0));
    let cluster = tools.pacemaker();
    let seen = found(&cluster).await;
    let setting = seen.clone.as_ref().and_then(|c| c.setting(&Place::meta("clone-max"))).expect("a setting");
    assert_eq!(setting.held, Held::Nothing);
    assert!(setting.entangled.as_deref().is_some_and(|why| why.contains("more than one place")), "{setting:?}");
    assert_eq!(diff(&declared(), &seen), []);
}

#[tokio::test]
async fn what_is_no_clone_stands_in_the_way() {
    let Some(tools) = Tools::with("clean") else { return };
    without_clone(&tools).await;
    let xml = "<primitive id='app_service' class='systemd' type='app'/>";
    let line = ["cibadmin", "--create", "--scope", "resources", "--xml-text", xml];
    assert_eq!(tools.call(&line).await.code, Some(0));
    let cluster = tools.pacemaker();
    let seen = found(&cluster).await;
    assert!(seen.obstacles.iter().any(|o| o.contains("is no clone")), "{seen:?}");
    assert_eq!(diff(&declared(), &seen), []);
    let create = Change::Create { declaration: Box::new(declared()) };
    refusal(cluster.make(&[create]).await.expect_err("the id is in use"));
}
