//! A real BIRD, a real bgpd and a router between them: what is withdrawn is gone there, and what was comes back.

mod bird;
mod daemons;
mod frr;
mod observers;
mod sessions;
mod stage;

use std::{sync::Arc, time::Duration};

use tidegate::{
    model::{Admission, Desired, Health, topology::Role},
    provider::{
        access::{Access, local::LocalAccess},
        route::{Via, bgp::Bgp},
    },
};
use tokio::time::sleep;

use crate::{
    route::{Promises, keeps},
    ssh::Sshd,
};
use stage::{AsOne, LIMIT, Stage, apply, by_bird, by_frr, member, places, route, route_over, shows, unix};

/// A prefix is announced or it is not: there is no weight.
const PROMISES: Promises = Promises { weights: false, keeps_weight: true };

/// Over SSH or on this machine, the first of the two being the one that the suite changes.
async fn contract(first_is_bird: bool, over_ssh: bool) {
    let Some(stage) = Stage::start().await else { return };
    let sshd = if over_ssh { Sshd::start().await } else { None };
    let access: Arc<dyn Access> = match &sshd {
        Some(sshd) => sshd.access(),
        None if over_ssh => return,
        None => Arc::new(LocalAccess::new()),
    };
    let bird = |node: &str| match over_ssh {
        true => by_bird(node, &format!("ssh://{node}{}", stage.bird.socket().display())),
        false => by_bird(node, &unix(&stage.bird)),
    };
    let frr = |node: &str| by_frr(node, &stage.frr.folder(), over_ssh.then_some(node));
    let mut settings = stage.settings();
    settings.announcers = match first_is_bird {
        true => vec![bird("node-01"), frr("node-02")],
        false => vec![frr("node-01"), bird("node-02")],
    };
    keeps(Arc::new(AsOne(route_over(&settings, access, LIMIT))), PROMISES).await;
}

#[tokio::test]
async fn bird_keeps_the_contract() {
    contract(true, false).await;
}

#[tokio::test]
async fn frr_keeps_the_contract() {
    contract(false, false).await;
}

#[tokio::test]
async fn bird_over_ssh_keeps_the_contract() {
    contract(true, true).await;
}

#[tokio::test]
async fn frr_over_ssh_keeps_the_contract() {
    contract(false, true).await;
}

#[tokio::test]
async fn a_node_s_announcer_has_that_node_and_an_observer_has_all() {
    let Some(stage) = Stage::start().await else { return };
    let via = Via::Bgp(stage.settings());
    let shapes = via.instances(&places());
    assert_eq!(shapes["node-01"].only, Some("node-01".into()));
    assert_eq!((shapes["router"].role, &shapes["router"].only), (Role::Follower, &None));
    assert!(shapes.values().all(|shape| shape.blind));
    let route = stage.route();
    assert_eq!(stage::view(&route, "node-01").await.members.keys().collect::<Vec<_>>(), ["node-01"]);
    assert_eq!(stage::view(&route, "router").await.members.keys().collect::<Vec<_>>(), ["node-01", "node-02"]);
    // What is told to one announcer, or to an observer, is told to nobody else.
    assert!(apply(&route, "node-01", &Desired::Closed).await.is_ok());
    assert_eq!(member(&route, "node-02", "node-02").await.admission, Admission::Serving);
    assert!(route_apply_elsewhere(&route).await);
}

async fn route_apply_elsewhere(route: &Bgp) -> bool {
    use tidegate::provider::RouteProvider;
    let other = route.apply(&"node-01".into(), "node-02", &Desired::Drained).await;
    let observer = route.apply(&"router".into(), "node-02", &Desired::Drained).await;
    other.is_err() && observer.is_err()
}

/// One node, through the whole way out and back in.
async fn out_and_back(node: &str, protocol: &str) {
    let Some(stage) = Stage::start().await else { return };
    let other = if node == "node-01" { "node-02" } else { "node-01" };
    let route = stage.route();
    let (before, paths) = (member(&route, node, node).await, stage.paths().await);
    let session = stage.session(protocol).await;
    assert_eq!((before.admission, &before.health), (Admission::Serving, &Health::Unchecked));
    apply(&route, node, &Desired::Drained).await.expect("a withdrawal");
    let drained = shows(&route, node, node, Admission::Draining).await.members[node].clone();
    assert_eq!((drained.admission, &drained.health), (Admission::Draining, &Health::Unchecked));
    let seen = shows(&route, "router", node, Admission::Draining).await;
    assert_eq!(seen.members[other].admission, Admission::Serving, "{seen:?}");
    assert!(!stage.paths().await.contains(&format!("[{protocol} ")));
    assert_eq!(stage.session(protocol).await, session, "the session is the same one");
    let back = Desired::Exactly { exact: before.exact.clone() };
    apply(&route, node, &back).await.expect("an announcement");
    shows(&route, node, node, Admission::Serving).await;
    assert_eq!(member(&route, node, node).await.exact, before.exact);
    shows(&route, "router", node, Admission::Serving).await;
    assert_eq!(stage.session(protocol).await, session);
    assert_eq!(attributes(&stage.paths().await), attributes(&paths), "with the same attributes as before");
}

/// What the router holds, without times and without which of the two is better (the older one).
fn attributes(paths: &str) -> Vec<String> {
    let plain = |l: &str| l.split(['[', '*']).next().unwrap_or_default().trim_start_matches("1007-").trim().to_owned();
    let mut all: Vec<String> = paths.lines().filter(|l| l.contains("BGP.")).map(plain).collect();
    all.sort();
    all
}

#[tokio::test]
async fn what_bird_withdraws_is_gone_at_the_router_and_comes_back_as_it_was() {
    out_and_back("node-01", "node_01").await;
}

#[tokio::test]
async fn what_frr_withdraws_is_gone_at_the_router_and_comes_back_as_it_was() {
    out_and_back("node-02", "node_02").await;
}

/// Marked first: the router hears of the community, and never of a withdrawal in between.
async fn marked_and_withdrawn(node: &str, protocol: &str) {
    // Long enough that a busy machine still asks too early in between.
    let grace = Duration::from_secs(3);
    let Some(stage) = Stage::start().await else { return };
    let route = route(&stage.marking(grace));
    let before = member(&route, node, node).await;
    let withdrawals = withdrawals(&stage, protocol).await;
    apply(&route, node, &Desired::Drained).await.expect("a mark");
    let paths = stage.wait(|paths| own(paths, protocol).contains("(65535,0)")).await;
    assert!(own(&paths, protocol).contains("(65535,0)"), "{paths}");
    let marked = stage::view(&route, node).await;
    assert_eq!(marked.members[node].admission, Admission::Serving, "a marked prefix is still announced");
    assert_ne!(marked.members[node].exact, before.exact);
    assert!(marked.warnings.iter().any(|w| w.contains("marked with 65535:0")), "{:?}", marked.warnings);
    let seen = stage::view(&route, "router").await;
    assert_eq!(seen.members[node].admission, Admission::Serving);
    assert!(seen.version.expect("what it hears").contains("(65535:0)"));
    // Asked again too early, it only waits on.
    apply(&route, node, &Desired::Drained).await.expect("patience");
    assert_eq!(member(&route, node, node).await.admission, Admission::Serving);
    assert_eq!(self::withdrawals(&stage, protocol).await, withdrawals, "the mark is one update");
    sleep(grace).await;
    apply(&route, node, &Desired::Drained).await.expect("a withdrawal");
    shows(&route, node, node, Admission::Draining).await;
    shows(&route, "router", node, Admission::Draining).await;
    apply(&route, node, &Desired::Exactly { exact: before.exact.clone() }).await.expect("an announcement");
    shows(&route, node, node, Admission::Serving).await;
    assert_eq!(member(&route, node, node).await.exact, before.exact);
    let paths = stage.wait(|paths| paths.contains(&format!("[{protocol} "))).await;
    assert!(!own(&paths, protocol).contains("(65535,0)"), "{paths}");
}

/// The lines of one path.
fn own(paths: &str, protocol: &str) -> String {
    let from = paths.split(&format!("[{protocol} ")).nth(1).unwrap_or_default();
    from.split("1007-").next().unwrap_or_default().to_owned()
}

/// How many withdrawals the router has heard from a node.
async fn withdrawals(stage: &Stage, protocol: &str) -> Vec<String> {
    let said = stage.router.birdc(&format!("show protocols all {protocol}")).await;
    said.lines().filter(|l| l.contains("Import withdraws")).map(str::to_owned).collect()
}

#[tokio::test]
async fn bird_marks_before_it_withdraws() {
    marked_and_withdrawn("node-01", "node_01").await;
}

#[tokio::test]
async fn frr_marks_before_it_withdraws() {
    marked_and_withdrawn("node-02", "node_02").await;
}

/// A restore in the middle of the wait takes the mark away again; a new process waits for the mark anew.
#[tokio::test]
async fn a_mark_is_taken_back_and_outlives_the_process_that_made_it() {
    let Some(stage) = Stage::start().await else { return };
    let settings = stage.marking(Duration::from_secs(1));
    for (node, protocol) in [("node-01", "node_01"), ("node-02", "node_02")] {
        let first = route(&settings);
        let before = member(&first, node, node).await;
        apply(&first, node, &Desired::Drained).await.expect("a mark");
        stage.wait(|paths| own(paths, protocol).contains("(65535,0)")).await;
        drop(first);
        let second = route(&settings);
        sleep(Duration::from_secs(1)).await;
        apply(&second, node, &Desired::Drained).await.expect("patience");
        assert_eq!(member(&second, node, node).await.admission, Admission::Serving, "it has waited for no mark yet");
        let third = route(&settings);
        apply(&third, node, &Desired::Exactly { exact: before.exact.clone() }).await.expect("an announcement");
        assert_eq!(member(&third, node, node).await.exact, before.exact);
        stage
            .wait(|paths| !own(paths, protocol).contains("(65535,0)") && paths.contains(&format!("[{protocol} ")))
            .await;
    }
}
