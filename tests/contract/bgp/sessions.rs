//! A router's session with a node that answers no more: closed, and put back as it was.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use tidegate::{
    model::{Admission, Desired, Session},
    provider::{
        ProviderError, RouteProvider,
        route::bgp::{Bgp, Daemon, Settings},
    },
};
use tokio::time::{Instant, sleep};

use super::{
    bird::restricted,
    stage::{Stage, member, route, shows, view},
};

const NODE: &str = "node-02";

/// The stage's route, whose router may close these sessions.
fn with(stage: &Stage, sessions: &[(&str, &str)]) -> Settings {
    let mut settings = stage.settings();
    settings.observers[0].sessions = sessions.iter().map(|(node, name)| ((*node).into(), (*name).to_owned())).collect();
    settings
}

fn named(stage: &Stage) -> Arc<Bgp> {
    route(&with(stage, &[("node-01", "node_01"), (NODE, "node_02")]))
}

async fn session(route: &Bgp, node: &str) -> Session {
    route.session(&"router".into(), node).await.expect("a session")
}

async fn set(route: &Bgp, node: &str, desired: &Desired) -> Result<(), ProviderError> {
    route.set_session(&"router".into(), node, desired).await
}

async fn refused(route: &Bgp, node: &str, desired: &Desired) -> String {
    match set(route, node, desired).await {
        Err(ProviderError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_session_of_a_node_that_answers_nothing_is_closed_its_path_goes_at_once_and_it_is_put_back() {
    let Some(stage) = Stage::start().await else { return };
    let route = named(&stage);
    let before = session(&route, NODE).await;
    assert!(before.open && !before.ours, "{before:?}");
    // It is there and says nothing: its path would stay for the hold time of three minutes.
    stage.frr.signal(Signal::STOP);
    let began = Instant::now();
    set(&route, NODE, &Desired::Drained).await.expect("a closed session");
    let seen = shows(&route, "router", NODE, Admission::Draining).await;
    assert_eq!(seen.members["node-01"].admission, Admission::Serving);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let closed = session(&route, NODE).await;
    assert!(!closed.open && closed.ours, "{closed:?}");
    // Told again, and by a coordinator that knows nothing of it, it is so already.
    set(&named(&stage), NODE, &Desired::Drained).await.expect("nothing to do");
    stage.frr.signal(Signal::CONT);
    let back = Desired::Exactly { exact: before.exact.clone() };
    set(&named(&stage), NODE, &back).await.expect("an open session");
    set(&route, NODE, &back).await.expect("nothing to do");
    shows(&route, "router", NODE, Admission::Serving).await;
    assert_eq!(session(&route, NODE).await, before);
}

#[tokio::test]
async fn what_another_hand_closed_is_neither_closed_again_nor_opened() {
    let Some(stage) = Stage::start().await else { return };
    let route = named(&stage);
    let before = session(&route, NODE).await;
    stage.router.birdc("disable node_02 \"fibre works\"").await;
    shows(&route, "router", NODE, Admission::Draining).await;
    let theirs = session(&route, NODE).await;
    assert!(!theirs.open && !theirs.ours, "{theirs:?}");
    assert!(refused(&route, NODE, &Desired::Drained).await.contains("closed by another hand"));
    let why = refused(&route, NODE, &Desired::Exactly { exact: before.exact }).await;
    assert!(why.contains("fibre works"), "{why}");
    assert_eq!(session(&route, NODE).await, theirs);
}

/// Who closed it first is who closed it: the words of a second `disable` go nowhere.
#[tokio::test]
async fn a_second_hand_leaves_no_words() {
    let Some(stage) = Stage::start().await else { return };
    let route = named(&stage);
    set(&route, NODE, &Desired::Drained).await.expect("a closed session");
    let ours = session(&route, NODE).await;
    let said = stage.router.birdc("disable node_02 \"fibre works\"").await;
    assert!(said.contains("already disabled"), "{said}");
    assert_eq!(session(&route, NODE).await, ours);
}

#[tokio::test]
async fn the_session_of_a_healthy_node_is_not_closed_by_a_wrong_name() {
    let Some(stage) = Stage::start().await else { return };
    let (paths, swapped) = (stage.paths().await, with(&stage, &[("node-01", "node_02"), (NODE, "device1")]));
    let swapped = route(&swapped);
    let why = refused(&swapped, "node-01", &Desired::Drained).await;
    assert!(why.contains("a path of") && why.contains("too"), "{why}");
    let why = refused(&swapped, NODE, &Desired::Drained).await;
    assert!(why.contains("no BGP session"), "{why}");
    let unknown = route(&with(&stage, &[("node-01", "node_09")]));
    let error = unknown.session(&"router".into(), "node-01").await.expect_err("no such protocol");
    assert!(error.to_string().contains("BIRD has no protocol node_09"), "{error}");
    assert_eq!(stage.paths().await, paths);
    for node in ["node-01", NODE] {
        assert_eq!(member(&swapped, "router", node).await.admission, Admission::Serving);
    }
}

#[tokio::test]
async fn without_permission_nothing_is_closed() {
    let Some(stage) = Stage::start().await else { return };
    // Not named at all, named for another node only, no observer, and a socket that permits nothing.
    assert!(refused(&stage.route(), NODE, &Desired::Drained).await.contains("`sessions`"));
    let other = route(&with(&stage, &[("node-01", "node_01")]));
    assert!(refused(&other, NODE, &Desired::Drained).await.contains("`sessions`"));
    let announcer = other.set_session(&"node-01".into(), "node-01", &Desired::Drained).await;
    assert!(matches!(announcer, Err(ProviderError::Refused(_))), "{announcer:?}");
    let (_directory, path, _sessions) = restricted(stage.router.socket()).await;
    let mut settings = with(&stage, &[(NODE, "node_02")]);
    settings.observers[0].daemon = Daemon::Bird { socket: format!("unix:{}", path.display()) };
    let restricted = route(&settings);
    assert!(session(&restricted, NODE).await.open);
    assert!(refused(&restricted, NODE, &Desired::Drained).await.contains("restricted"));
    // FRR's are not closed.
    settings.observers[0].daemon = Daemon::Frr { host: None, vty_socket: stage.frr.folder().display().to_string() };
    assert!(refused(&route(&settings), NODE, &Desired::Drained).await.contains("not closed"));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(view(&other, "router").await.members[NODE].admission, Admission::Serving);
}

/// What BIRD's `configure` opened again is not closed any more, and there is nothing to put back.
#[tokio::test]
async fn a_reconfiguration_opens_it() {
    let Some(stage) = Stage::start().await else { return };
    let route = named(&stage);
    let before = session(&route, NODE).await;
    set(&route, NODE, &Desired::Drained).await.expect("a closed session");
    stage.router.birdc("configure").await;
    let began = Instant::now();
    while session(&route, NODE).await != before {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", session(&route, NODE).await);
        sleep(Duration::from_millis(50)).await;
    }
    set(&route, NODE, &Desired::Exactly { exact: before.exact }).await.expect("nothing to do");
}
