//! What goes first, what follows, what is waited for: layout by layout.

use std::time::Duration;

use tidegate::{
    journal::Event,
    model::{Admission, Desired, Effect, topology::Role},
    plan::{Action, Plan, Purpose},
    provider::RouteProvider,
    run::executor::Finish,
};

use crate::stage::Stage;

const QUICK: &str = "connections = { settle = \"50ms\", deadline = \"3s\" }";
const BALANCER: &str = "[[entrypoint.route]]\nvia = \"haproxy\"\nbackend = \"app\"\n\
    instances = [{ name = \"lb-1\", socket = \"tcp:lb-1:1\" }, { name = \"lb-2\", socket = \"tcp:lb-2:1\" }]\n";
const NAMES: &str = "[[entrypoint.route]]\nvia = \"haproxy\"\nname = \"names\"\nbackend = \"names\"\ntier = 10\n\
    instances = [{ name = \"ns-1\", socket = \"tcp:ns-1:1\" }, { name = \"ns-2\", socket = \"tcp:ns-2:1\" }]\n";

fn titles(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|s| s.action.title()).collect()
}

/// The effects on routes, as they were accepted: `instance server want`.
fn changes(events: &[Event]) -> Vec<String> {
    let words = |effect: &Effect| match effect {
        Effect::Route { instance, server, desired, .. } => {
            let want = match desired {
                Desired::Drained => "drained",
                Desired::Closed => "closed",
                Desired::FreshCheck => "checked",
                Desired::Serving { .. } => "ramp",
                Desired::Exactly { .. } => "back",
            };
            Some(format!("{instance} {server} {want}"))
        }
        Effect::Standby { .. } => Some("standby".into()),
        Effect::Unstandby { .. } => Some("unstandby".into()),
        _ => None,
    };
    let accepted = |event: &Event| match event {
        Event::Accepted { effect, .. } => words(effect),
        _ => None,
    };
    events.iter().filter_map(accepted).collect()
}

#[tokio::test]
async fn the_outer_tier_leaves_first_and_comes_back_last() {
    let stage = Stage::new(QUICK, &format!("{BALANCER}{NAMES}"), |_| {});
    let (drain, finish) = stage.run(Purpose::Drain, "node-1").await;
    assert_eq!(finish, Finish::Done);
    let gone = changes(&stage.events(&drain).await);
    assert_eq!(
        gone,
        ["ns-1 node-1 drained", "ns-2 node-1 drained", "lb-1 node-1 drained", "lb-2 node-1 drained", "standby"]
    );
    let (restore, finish) = stage.run(Purpose::Restore, "node-1").await;
    assert_eq!(finish, Finish::Done);
    let back: Vec<String> = changes(&stage.events(&restore).await)
        .into_iter()
        .filter(|c| c.ends_with("back") || c == "unstandby")
        .collect();
    assert_eq!(back, ["unstandby", "lb-1 node-1 back", "lb-2 node-1 back", "ns-1 node-1 back", "ns-2 node-1 back"]);
}

#[tokio::test]
async fn a_follower_is_never_written_and_always_waited_for() {
    let stage = Stage::new(QUICK, NAMES, |topology| {
        let follower = topology.routes[0].instances.get_mut("ns-2").expect("an instance");
        follower.role = Role::Follower;
    });
    let version = |n: u32| move |view: &mut tidegate::model::InstanceView| view.version = Some(format!("serial {n}"));
    stage.edit("web/haproxy:names", "ns-1", version(8));
    stage.edit("web/haproxy:names", "ns-2", version(7));
    let follows = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(
            stage.told.has("ns-2 (web/haproxy:names) still shows node-1: it is at serial 7, the change at serial 8"),
            "{:?}",
            stage.told.lines()
        );
        stage.edit("web/haproxy:names", "ns-2", |view| {
            view.members.get_mut("node-1").expect("a member").admission = Admission::Draining;
        });
    };
    let ((drain, finish), ()) = tokio::join!(stage.run(Purpose::Drain, "node-1"), follows);
    assert_eq!(finish, Finish::Done);
    assert_eq!(changes(&stage.events(&drain).await), ["ns-1 node-1 drained", "standby"]);

    let plan = stage.plan(Purpose::Restore, "node-1").await.expect("a plan");
    let following =
        plan.steps.iter().any(|s| matches!(&s.action, Action::ReadmitRoutes { followers, .. } if followers.len() == 1));
    assert!(following, "{plan:?}");
}

/// What a server that is told of nothing shows: all that the other one shows, from now on.
async fn copy(stage: &Stage, route: &str) {
    let ahead = stage.routes[route].observe(&"ns-1".into()).await.expect("a view");
    stage.edit(route, "ns-2", |view| view.members = ahead.members);
}

async fn until_told(stage: &Stage, what: &str) {
    for _ in 0..300 {
        if stage.told.has(what) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never told: {what}; but {:?}", stage.told.lines());
}

/// It has the member, or has it no more, and answers with what was there before all the same.
#[tokio::test]
async fn a_mirror_follows_when_it_shows_the_same_and_not_when_it_shows_the_member() {
    let ramp = format!("{NAMES}ramp = [\"25%\", \"100%\"]\ndwell = \"100ms\"\n");
    let stage = Stage::new(QUICK, &ramp, |topology| {
        let follower = topology.routes[0].instances.get_mut("ns-2").expect("an instance");
        (follower.role, follower.mirrors) = (Role::Follower, true);
    });
    let route = "web/haproxy:names";
    let out = async {
        until_told(&stage, "ns-2 (web/haproxy:names) still shows node-1").await;
        copy(&stage, route).await;
        stage.edit(route, "ns-2", |view| {
            let other = view.members.get_mut("node-2").expect("a member");
            (other.weight, other.exact) = (60, tidegate::model::Exact(serde_json::json!("as it was")));
        });
        until_told(&stage, "ns-2 (web/haproxy:names) still answers with node-2 with weight 60, not 100").await;
        copy(&stage, route).await;
    };
    let ((drain, finish), ()) = tokio::join!(stage.run(Purpose::Drain, "node-1"), out);
    assert_eq!(finish, Finish::Done);
    assert_eq!(changes(&stage.events(&drain).await), ["ns-1 node-1 drained", "standby"]);

    let back = async {
        until_told(&stage, "ns-2 (web/haproxy:names) does not show node-1").await;
        copy(&stage, route).await;
        until_told(&stage, "ns-2 (web/haproxy:names) still answers with node-1 with weight 25, not 100").await;
        copy(&stage, route).await;
    };
    let ((restore, finish), ()) = tokio::join!(stage.run(Purpose::Restore, "node-1"), back);
    assert_eq!(finish, Finish::Done);
    let events = stage.events(&restore).await;
    let stages: Vec<usize> = events
        .iter()
        .filter_map(|e| if let Event::RampStage { stage, .. } = e { Some(*stage) } else { None })
        .collect();
    assert_eq!(stages, [0, 1]);
}

#[tokio::test]
async fn answers_that_are_remembered_are_waited_for() {
    let stage = Stage::new(QUICK, NAMES, |_| {});
    for name in ["ns-1", "ns-2"] {
        stage.edit("web/haproxy:names", name, |view| {
            view.members.values_mut().for_each(|m| m.linger = Duration::from_millis(900));
        });
    }
    let began = std::time::Instant::now();
    let (_, finish) = stage.run(Purpose::Drain, "node-1").await;
    assert_eq!(finish, Finish::Done);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(stage.told.has("may be remembered for"), "{:?}", stage.told.lines());
}

#[tokio::test]
async fn a_time_that_another_hand_made_longer_after_the_plan_is_waited_for() {
    let stage = Stage::new(QUICK, NAMES, |_| {});
    // The first change is refused: another hand is changing the TTL in that moment.
    stage.routes["web/haproxy:names"].refuse(1);
    let other_hand = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        for name in ["ns-1", "ns-2"] {
            stage.edit("web/haproxy:names", name, |view| {
                view.members.values_mut().for_each(|m| m.linger = Duration::from_millis(1500));
            });
        }
        std::time::Instant::now()
    };
    let ((_, finish), changed) = tokio::join!(stage.run(Purpose::Drain, "node-1"), other_hand);
    assert_eq!(finish, Finish::Done);
    assert!(changed.elapsed() >= Duration::from_millis(1500), "{:?}", changed.elapsed());
    assert!(stage.told.has("may be remembered for"), "{:?}", stage.told.lines());
}

/// What is put back is what was there when it was touched, and what the plan had seen is told.
#[tokio::test]
async fn a_member_that_another_hand_changed_after_the_plan_is_told_and_comes_back_as_it_was_then() {
    let stage = Stage::new(QUICK, NAMES, |_| {});
    let plan = stage.plan(Purpose::Drain, "node-1").await.expect("a plan");
    let route = "web/haproxy:names";
    let heavier = Desired::Serving { weight: 37 };
    stage.routes[route].apply(&"ns-2".into(), "node-1", &heavier).await.expect("changed");
    let (run, lease) = stage.engine.open(&plan).await.expect("a run");
    assert_eq!(stage.execute(&run, lease).await, Finish::Done);
    let told: Vec<String> = stage
        .events(&run)
        .await
        .iter()
        .filter(|e| matches!(e, Event::Changed { .. }))
        .map(|e| tidegate::observe::words::event(&plan, e).1)
        .collect();
    let expected =
        "node-1 at ns-2 (web/haproxy:names) changed since the plan: weight 100, now 37; a restore leaves it so";
    assert_eq!(told, [expected]);
    let (_, finish) = stage.run(Purpose::Restore, "node-1").await;
    assert_eq!(finish, Finish::Done);
    let back = stage.routes[route].observe(&"ns-2".into()).await.expect("a view").members["node-1"].clone();
    assert_eq!((back.admission, back.weight), (Admission::Serving, 37));
}

/// Silence is no proof where the node cannot speak; no policy of the deadline acts on it, and it says what is missing.
#[tokio::test]
async fn a_node_that_cannot_tell_who_comes_and_goes_is_waited_for_and_says_why() {
    let close = "connections = { settle = \"50ms\", deadline = \"300ms\", on-deadline = \"close\" }";
    let stage = Stage::new(close, NAMES, |topology| {
        topology.routes[0].instances.values_mut().for_each(|shape| shape.blind = true);
    });
    stage.traffic.mute(Some("`stdbuf` is not installed there: install coreutils"));
    let repaired = async {
        let told = "node-1 does not tell who comes to port 8080 and is gone again: `stdbuf` is not installed there: \
                    install coreutils";
        until_told(&stage, told).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        stage.traffic.mute(None);
        std::time::Instant::now()
    };
    let ((run, finish), at) = tokio::join!(stage.run(Purpose::Drain, "node-1"), repaired);
    assert!(finish == Finish::Done && at.elapsed() >= Duration::from_millis(50), "{finish:?}");
    let events = stage.events(&run).await;
    assert!(events.iter().any(|e| matches!(e, Event::Drained { .. })), "{events:?}");
    assert!(!events.iter().any(|e| matches!(e, Event::DeadlineReached { .. })), "{events:?}");
}

#[tokio::test]
async fn answers_remembered_beyond_the_deadline_hold_the_run() {
    let stage = Stage::new("connections = { settle = \"50ms\", deadline = \"500ms\" }", NAMES, |_| {});
    stage.edit("web/haproxy:names", "ns-1", |view| {
        view.members.values_mut().for_each(|m| m.linger = Duration::from_secs(3600));
    });
    let plan = stage.plan(Purpose::Drain, "node-1").await.expect("a plan");
    assert!(plan.warnings.iter().any(|w| w.contains("longer than the deadline")), "{:?}", plan.warnings);
    let (run, finish) = stage.run(Purpose::Drain, "node-1").await;
    assert!(matches!(&finish, Finish::Held(why) if why.contains("may still be remembered")), "{finish:?}");
    assert!(!changes(&stage.events(&run).await).contains(&"standby".to_owned()));
}

#[tokio::test]
async fn clients_leave_the_load_balancer_on_the_node_before_what_it_forwards_to_goes() {
    let routes = "[[entrypoint.route]]\nvia = \"haproxy\"\nbackend = \"app\"\n\
        instances = [{ name = \"lb-a\", socket = \"tcp:a:1\", node = \"node-1\" }, { name = \"lb-b\", socket = \"tcp:b:1\", node = \"node-2\" }]\n";
    let stage = Stage::new(QUICK, &format!("{routes}{NAMES}"), |topology| {
        topology.routes.iter_mut().filter(|r| r.tier == 10).for_each(|r| drop(r.servers.remove("node-3")));
    });
    let plan = stage.plan(Purpose::Drain, "node-1").await.expect("a plan");
    assert_eq!(
        titles(&plan),
        [
            "routing drained",
            "connections drained",
            "routing drained",
            "connections drained",
            "standby",
            "units stopped"
        ]
    );
    assert_eq!(titles(&stage.plan(Purpose::Drain, "node-3").await.expect("a plan")).len(), 4, "node-3 hosts none");
    // A client of the load balancer on the node: port 80 is the entrypoint's.
    let client = tidegate::model::SocketsView { peers: vec!["10.0.0.9:4000".parse().expect("an address")] };
    stage.traffic.set(&"node-1".into(), 80, client);
    let leaves = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(
            stage.told.has("node-1 still has 1 connection of app (load balancer, port 80)"),
            "{:?}",
            stage.told.lines()
        );
        stage.traffic.set(&"node-1".into(), 80, tidegate::model::SocketsView::default());
    };
    let ((run, finish), ()) = tokio::join!(stage.run(Purpose::Drain, "node-1"), leaves);
    assert_eq!(finish, Finish::Done);
    assert_eq!(
        changes(&stage.events(&run).await),
        ["ns-1 node-1 drained", "ns-2 node-1 drained", "lb-a node-1 drained", "lb-b node-1 drained", "standby"]
    );
}

#[tokio::test]
async fn a_host_outside_the_cluster_is_drained_from_its_routes_and_nothing_else() {
    let names = NAMES.replace("tier = 10\n", "tier = 10\nnodes = [\"lb-1\", \"lb-2\"]\n");
    let balancer = "[[entrypoint.route]]\nvia = \"haproxy\"\nbackend = \"app\"\n\
        instances = [{ name = \"lb-1\", socket = \"tcp:lb-1:1\", node = \"lb-1\" }, { name = \"lb-2\", socket = \"tcp:lb-2:1\", node = \"lb-2\" }]\n";
    let stage = Stage::new(QUICK, &format!("{names}{balancer}"), |_| {});
    let (drain, finish) = stage.run(Purpose::Drain, "lb-1").await;
    assert_eq!(finish, Finish::Done);
    assert_eq!(changes(&stage.events(&drain).await), ["ns-1 lb-1 drained", "ns-2 lb-1 drained"]);
    let again = stage.plan(Purpose::Drain, "lb-1").await.expect_err("it is out");
    assert!(again.iter().any(|g| g.code == "node-state" && g.detail.contains("already out")), "{again:?}");
    let last = stage.plan(Purpose::Drain, "lb-2").await.expect_err("it is the last");
    assert!(last.iter().any(|g| g.code == "last-route"), "{last:?}");
    // A node of the cluster is not concerned by the names of the load balancers.
    let plan = stage.plan(Purpose::Drain, "node-1").await.expect("a plan");
    assert_eq!(titles(&plan), ["routing drained", "connections drained", "standby", "units stopped"]);
    // It comes back only while its load balancer has somewhere to send clients.
    let (_, finish) = stage.run(Purpose::Restore, "lb-1").await;
    assert_eq!(finish, Finish::Done);
}

#[tokio::test]
async fn announcers_on_the_nodes_count_each_other() {
    let routes = NAMES.replace("name = \"ns-1\"", "name = \"a-1\"").replace("name = \"ns-2\"", "name = \"a-2\"");
    let stage = Stage::new(QUICK, &routes, |topology| {
        let route = &mut topology.routes[0];
        route.servers.remove("node-3");
        for (instance, node) in [("a-1", "node-1"), ("a-2", "node-2")] {
            let shape = route.instances.get_mut(instance).expect("an instance");
            (shape.only, shape.blind) = (Some(node.into()), true);
        }
    });
    let (drain, finish) = stage.run(Purpose::Drain, "node-1").await;
    assert_eq!(finish, Finish::Done);
    assert_eq!(changes(&stage.events(&drain).await), ["a-1 node-1 drained", "standby"]);
    let last = stage.plan(Purpose::Drain, "node-2").await.expect_err("the last announcer");
    assert!(last.iter().any(|g| g.code == "last-route"), "{last:?}");
}

#[tokio::test]
async fn bound_clients_are_sent_elsewhere_before_standby() {
    let service = "sessions = { affinity = \"cookie\" }\nconnections = { settle = \"200ms\", deadline = \"3s\" }";
    let stage = Stage::new(service, BALANCER, |_| {});
    for lb in ["lb-1", "lb-2"] {
        stage.edit("web/haproxy:app", lb, |view| view.members.values_mut().for_each(|m| m.admits_bound = true));
    }
    let comes_back = async {
        for n in 1..=5_u64 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stage.edit("web/haproxy:app", "lb-1", |view| {
                view.members.get_mut("node-1").expect("a member").requests_total = n;
            });
        }
        tokio::time::Instant::now()
    };
    let ((run, finish), last) = tokio::join!(stage.run(Purpose::Drain, "node-1"), comes_back);
    assert_eq!(finish, Finish::Done);
    assert!(last.elapsed() >= Duration::from_millis(150), "it waited on after the last request: {:?}", last.elapsed());
    assert_eq!(
        changes(&stage.events(&run).await),
        ["lb-1 node-1 drained", "lb-2 node-1 drained", "lb-1 node-1 closed", "lb-2 node-1 closed", "standby"]
    );
    let (restore, finish) = stage.run(Purpose::Restore, "node-1").await;
    assert_eq!(finish, Finish::Done);
    assert!(changes(&stage.events(&restore).await).iter().filter(|c| c.ends_with("back")).count() == 2);
}

#[tokio::test]
async fn what_would_fail_open_is_refused_and_held() {
    let stage = Stage::new(QUICK, BALANCER, |_| {});
    let panic = |view: &mut tidegate::model::InstanceView| {
        view.members.get_mut("node-1").expect("a member").refuses_drain =
            Some("1 of 3 hosts would be left, below 50 %".into());
    };
    stage.edit("web/haproxy:app", "lb-2", panic);
    let gates = stage.plan(Purpose::Drain, "node-1").await.expect_err("it is refused");
    assert!(gates.iter().any(|g| g.code == "fails-open" && g.detail.contains("below 50 %")), "{gates:?}");
}

#[tokio::test]
async fn a_refused_change_leaves_no_receipt_of_a_state_that_is_gone() {
    use tidegate::model::Before;
    let stage = Stage::new(QUICK, BALANCER, |_| {});
    // The first change is refused, because another hand is changing the weight in that moment.
    stage.routes["web/haproxy:app"].refuse(1);
    let other_hand = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        for lb in ["lb-1", "lb-2"] {
            stage.edit("web/haproxy:app", lb, |view| {
                let member = view.members.get_mut("node-1").expect("a member");
                member.weight = 70;
                member.exact.0["weight"] = 70.into();
            });
        }
    };
    let ((run, finish), ()) = tokio::join!(stage.run(Purpose::Drain, "node-1"), other_hand);
    assert_eq!(finish, Finish::Done);
    let weights = stage.state(&run).await.receipts.into_iter().filter_map(|r| match r.before {
        Before::Route { instance, weight, .. } => Some((instance.to_string(), weight)),
        _ => None,
    });
    let weights: Vec<(String, u32)> = weights.collect();
    assert!(weights.iter().any(|(_, weight)| *weight == 70), "the receipt is of what was there at last: {weights:?}");
    let twice: std::collections::BTreeSet<&String> = weights.iter().map(|(instance, _)| instance).collect();
    assert_eq!(twice.len(), weights.len(), "one receipt a thing");
}
