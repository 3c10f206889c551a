//! The embedded world does what the real one does, as far as a drain meets it.

use std::future::Future;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    drill::load::{self, FailureKind, Live, LoadPlan, LoadReport, Slow},
    model::{Admission, ClusterView, Desired, Exact, Leave, MemberView, NodeName, Ownership, Readiness, RunId},
    provider::ProviderError,
    run::proof::StandbyPermit,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn world() -> DemoWorld {
    let quick = Options {
        warm_up: ms(100),
        pace: cluster::Pace { act: ms(30), record: ms(80) },
        checks: edge::Checks { interval: ms(50), timeout: ms(500), rise: 2, fall: 2 },
        ..Options::default()
    };
    DemoWorld::start(quick).await.expect("the world starts")
}

fn owner(run: &str) -> Ownership {
    Ownership { run: run.into(), operator: "somebody".into(), reason: "a test".into() }
}

fn node(number: u8) -> NodeName {
    NodeName::new(format!("node-{number}"))
}

fn load(world: &DemoWorld, millis: u64) -> LoadPlan {
    let timeout = Duration::from_secs(3);
    LoadPlan { timeout, max_in_flight: 256, ..LoadPlan::new(world.entries.clone(), 200, ms(millis)) }
}

async fn send(plan: LoadPlan) -> LoadReport {
    load::run(plan, CancellationToken::new(), Live::new()).await
}

async fn member(world: &DemoWorld, edge: &str, server: &str) -> MemberView {
    let view = world.world.routes[0].observe(&edge.into()).await.expect("the edge answers");
    view.members[server].clone()
}

async fn apply(world: &DemoWorld, desired: Desired) {
    for edge in ["edge-1", "edge-2"] {
        world.world.routes[0].apply(&edge.into(), "node-2", &desired).await.expect("the edge accepts");
    }
}

/// Looks until it is so, for at most 3 s.
async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(3);
    while !look().await {
        assert!(Instant::now() < end, "never: {what}");
        sleep(ms(5)).await;
    }
}

async fn cluster(world: &DemoWorld) -> ClusterView {
    world.world.cluster.observe().await.expect("the cluster answers")
}

async fn started(world: &DemoWorld, on: &NodeName) -> bool {
    cluster(world).await.instances_on("app_service", on).any(|i| i.started())
}

async fn unit(world: &DemoWorld, on: &NodeName) -> String {
    world.world.units.observe(on, &"app.service".into()).await.expect("the unit is there").active
}

#[tokio::test]
async fn load_is_spread_evenly_and_nothing_fails() {
    let world = world().await;
    let report = send(load(&world, 600)).await;
    assert_eq!((report.requests, report.failed), (120, 0), "{:?}", report.failures);
    assert!(report.by_node.values().all(|n| (38..=42).contains(n)), "{:?}", report.by_node);
}

#[tokio::test]
async fn a_drained_node_gets_no_new_requests_and_finishes_those_it_has() {
    let world = world().await;
    let slow = LoadPlan { slow: Some(Slow { every: 1, path: "/slow?ms=400".into() }), ..load(&world, 200) };
    let slow = tokio::spawn(send(slow));
    sleep(ms(250)).await;
    apply(&world, Desired::Drained).await;
    let draining = member(&world, "edge-1", "node-2").await;
    assert_eq!(draining.admission, Admission::Draining);
    assert!(draining.sessions > 0, "{draining:?}");

    let report = send(load(&world, 300)).await;
    assert_eq!((report.failed, report.by_node.get("node-2")), (0, None), "{:?}", report.failures);
    let slow = slow.await.expect("it ends");
    assert_eq!(slow.failed, 0, "{:?}", slow.failures);
    assert!(slow.by_node["node-2"] > 5, "{:?}", slow.by_node);
    until("no session is left", || async { member(&world, "edge-1", "node-2").await.sessions == 0 }).await;
}

#[tokio::test]
async fn idle_pools_outlive_a_drain_and_explain_every_socket() {
    let world = world().await;
    send(load(&world, 300)).await;
    apply(&world, Desired::Drained).await;
    let port = world.settings.services[0].ready.port;
    // A health check that is just under way is a socket too; it is gone at the next look.
    until("all sockets are idle ones", || async {
        let peers = world.world.traffic.sockets(&node(2), port).await.expect("the node answers").peers;
        let mut explained = 0;
        for (edge, source) in [("edge-1", [127, 0, 0, 2]), ("edge-2", [127, 0, 0, 3])] {
            let view = member(&world, edge, "node-2").await;
            let from_here = peers.iter().filter(|p| p.ip() == IpAddr::from(source)).count() as u64;
            assert!(view.idle > 0, "{view:?}");
            explained += u64::from(view.sessions == 0 && view.idle == from_here);
        }
        explained == 2
    })
    .await;
}

#[tokio::test]
async fn killing_a_unit_under_load_fails_requests_until_the_checks_notice() {
    let world = world().await;
    let slow = Slow { every: 4, path: "/slow?ms=200".into() };
    let running = tokio::spawn(send(LoadPlan { slow: Some(slow), ..load(&world, 900) }));
    sleep(ms(400)).await;
    world.world.units.stop(&node(2), &"app.service".into()).await.expect("it stops");
    assert_eq!(unit(&world, &node(2)).await, "inactive");
    let report = running.await.expect("it ends");
    assert!(report.by_failure.get(&FailureKind::Status).is_some_and(|n| *n > 3), "{:?}", report.by_failure);
    assert!(report.failed < 60, "the edges find out: {:?}", report.by_failure);
    assert!(!member(&world, "edge-1", "node-2").await.takes_clients());
    assert!(member(&world, "edge-1", "node-2").await.errors_total > 0);
}

#[tokio::test]
async fn a_unit_is_not_ready_before_it_is_warm() {
    let world = world().await;
    let service = "app".into();
    let ready = async || world.world.prober.probe(&node(1), &service).await.expect("an answer");
    assert_eq!(ready().await, Readiness::Ready);
    world.world.units.stop(&node(1), &"app.service".into()).await.expect("it stops");
    assert!(matches!(ready().await, Readiness::NotReady { reason } if reason.contains("refused")));
    world.world.units.start(&node(1), &"app.service".into()).await.expect("it starts");
    assert_eq!(ready().await, Readiness::NotReady { reason: "status 503".into() });
    until("it is ready", || async { ready().await == Readiness::Ready }).await;
}

#[tokio::test]
async fn exactly_what_was_there_before_is_put_back() {
    let world = world().await;
    apply(&world, Desired::Serving { weight: 70 }).await;
    let before = member(&world, "edge-1", "node-2").await.exact;
    apply(&world, Desired::Drained).await;
    assert_eq!(member(&world, "edge-1", "node-2").await.weight, 70);
    apply(&world, Desired::Serving { weight: 7 }).await;
    apply(&world, Desired::Exactly { exact: before.clone() }).await;
    assert_eq!(member(&world, "edge-1", "node-2").await.exact, before);

    let nonsense = Desired::Exactly { exact: Exact(serde_json::json!({ "weight": 1 })) };
    let refused = world.world.routes[0].apply(&"edge-1".into(), "node-2", &nonsense).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    let nobody = world.world.routes[0].apply(&"edge-1".into(), "node-9", &Desired::Drained).await;
    assert_eq!(nobody, Err(ProviderError::Refused("No such server.".into())));
    assert_eq!(member(&world, "edge-1", "node-2").await.exact, before);
}

#[tokio::test]
async fn a_fresh_check_admits_nobody_until_it_has_passed() {
    let world = world().await;
    apply(&world, Desired::FreshCheck).await;
    apply(&world, Desired::Serving { weight: 100 }).await;
    assert!(!member(&world, "edge-1", "node-2").await.takes_clients());
    until("it takes clients", || async { member(&world, "edge-1", "node-2").await.takes_clients() }).await;
}

#[tokio::test]
async fn standby_stops_the_unit_and_the_record_follows() {
    let world = world().await;
    let run = RunId::new("run-1");
    world
        .world
        .cluster
        .standby(StandbyPermit::for_tests(node(2)), &owner("run-1"), &Leave::Standby)
        .await
        .expect("accepted");
    assert!(started(&world, &node(2)).await || cluster(&world).await.transition, "nothing stops at once");
    assert_eq!(cluster(&world).await.nodes[&node(2)].owner, Some(owner("run-1")));
    until("the unit is stopped", || async { unit(&world, &node(2)).await == "inactive" }).await;
    assert!(cluster(&world).await.instances_on("app_service", &node(2)).any(|i| i.active), "the record is late");
    until("the stop is on record", || async {
        let view = cluster(&world).await;
        view.instances_on("app_service", &node(2)).next().is_none() && !view.transition
    })
    .await;

    let other = world.world.cluster.unstandby(&node(2), &"run-2".into(), &Leave::Standby, None).await;
    assert!(matches!(other, Err(ProviderError::Refused(_))), "{other:?}");
    world.world.cluster.unstandby(&node(2), &run, &Leave::Standby, None).await.expect("accepted");
    until("its start is pending", || async {
        cluster(&world).await.instances_on("app_service", &node(2)).any(|i| i.active && i.pending.is_some())
    })
    .await;
    assert!(!started(&world, &node(2)).await);
    until("it is started", || async { started(&world, &node(2)).await }).await;
    assert_eq!(unit(&world, &node(2)).await, "active");
    assert!(!cluster(&world).await.nodes[&node(2)].standby);
}

#[tokio::test]
async fn a_change_of_mind_ends_where_it_was_asked_to() {
    let world = world().await;
    world.cluster.standby_by_hand(&node(3)).expect("accepted");
    sleep(ms(10)).await;
    world.cluster.unstandby_by_hand(&node(3)).expect("accepted");
    until("it is started again", || async {
        !cluster(&world).await.transition && started(&world, &node(3)).await && unit(&world, &node(3)).await == "active"
    })
    .await;
}

#[tokio::test]
async fn nothing_listens_after_the_shutdown() {
    let world = world().await;
    let (entry, unit) = (world.edges[0].entry(), world.units[&node(1)].address());
    world.shutdown();
    until("all ports are closed", || async {
        http_get(None, entry, "/", ms(200)).await.is_err() && http_get(None, unit, "/", ms(200)).await.is_err()
    })
    .await;
}

async fn play(mode: Mode) -> (DemoVerdict, Vec<String>) {
    let world = world().await;
    let stage = Stage::new();
    let script = Script { rate_per_s: 200, act: ms(500), min_requests: 0 };
    let verdict = scenario::play(&world, mode, script, &stage).await.expect("it is played to its end");
    (verdict, stage.take_events().into_iter().map(|(_, what)| what.trim().to_owned()).collect())
}

#[tokio::test]
async fn a_drain_by_the_real_run_loses_nothing() {
    let (verdict, events) = play(Mode::Drain).await;
    assert!(verdict.as_promised() && verdict.failed == 0 && verdict.requests > 300, "{verdict:?}");
    assert!(verdict.sessions_at_start > 0 && verdict.idle_after_drain.is_some_and(|n| n > 0), "{verdict:?}");
    assert!(verdict.shares.before["node-2"] > 0.2 && !verdict.shares.out.contains_key("node-2"), "{verdict:?}");
    let place = |what: &str| events.iter().position(|e| e == what).unwrap_or_else(|| panic!("no '{what}': {events:?}"));
    let order = ["✓ routing drained", "✓ connections drained", "✓ standby", "✓ units stopped", "✓ ready"].map(place);
    assert!(order.is_sorted(), "{events:?}");
}

#[tokio::test]
async fn standby_alone_loses_requests() {
    let (verdict, _) = play(Mode::Naive).await;
    assert!(verdict.failed > 0 && verdict.idle_after_drain.is_none(), "{verdict:?}");
    assert!(verdict.as_promised(), "nothing was promised, and nothing is left changed: {verdict:?}");
}
