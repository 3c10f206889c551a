//! What BIRD does when other hands are at work, and when it does not answer.

use std::{path::PathBuf, time::Duration};

use tidegate::{
    model::{Admission, Desired, Health},
    provider::{ProviderError, RouteProvider},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::stage::{Stage, V6, apply, by_bird, member, route, route_over, view};

const NODE: &str = "node-01";

fn refused(result: Result<(), ProviderError>) -> String {
    match result {
        Err(ProviderError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_an_operator_disabled_is_not_enabled() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    let before = member(&route, NODE, NODE).await;
    stage.bird.birdc("disable anycast \"fibre works, ask Kim\"").await;
    let seen = view(&route, NODE).await;
    assert_eq!(seen.members[NODE].admission, Admission::Draining);
    assert!(seen.warnings.iter().any(|w| w.contains("fibre works, ask Kim")), "{:?}", seen.warnings);
    // It is out already, and whose doing that is stays written there.
    apply(&route, NODE, &Desired::Drained).await.expect("nothing to do");
    let why = refused(apply(&route, NODE, &Desired::Exactly { exact: before.exact.clone() }).await);
    assert!(why.contains("fibre works, ask Kim") && why.contains("enabled"), "{why}");
    refused(apply(&route, NODE, &Desired::Serving { weight: 1 }).await);
    let theirs = member(&route, NODE, NODE).await;
    assert_eq!(theirs.exact, seen.members[NODE].exact);
    apply(&route, NODE, &Desired::Exactly { exact: theirs.exact }).await.expect("it is so already");
}

#[tokio::test]
async fn what_an_operator_enabled_is_seen_with_the_same_generation() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    let drained = view(&route, NODE).await;
    stage.bird.birdc("enable anycast").await;
    let again = view(&route, NODE).await;
    assert_eq!(again.members[NODE].admission, Admission::Serving);
    assert_eq!(again.generation, drained.generation, "a person did it");
}

#[tokio::test]
async fn a_change_since_the_last_look_is_not_overwritten() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    member(&route, NODE, NODE).await;
    stage.bird.birdc("enable anycast").await;
    let why = refused(apply(&route, NODE, &Desired::Drained).await);
    assert!(why.contains("another hand"), "{why}");
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Serving, "nothing was changed");
    // Looked at, it is known, and the decision is made on it.
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Draining);
}

#[tokio::test]
async fn a_restart_and_a_reconfiguration_forget_the_drain_and_show_as_new_generations() {
    let Some(mut stage) = Stage::start().await else { return };
    let route = stage.route();
    for restart in [false, true] {
        apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
        let drained = view(&route, NODE).await;
        assert_eq!(drained.members[NODE].admission, Admission::Draining);
        if restart {
            stage.bird.restart().await;
        } else {
            stage.bird.birdc("configure").await;
        }
        let after = view(&route, NODE).await;
        assert_eq!(after.members[NODE].admission, Admission::Serving, "BIRD has forgotten");
        assert_ne!(after.generation, drained.generation, "and it was no person");
    }
    // A moment later: no session stands yet, so nobody hears it, and it is no announcer that clients can use.
    let health = member(&route, NODE, NODE).await.health;
    assert!(matches!(health, Health::Failing { ref reason } if reason.contains("no BGP session")), "{health:?}");
}

#[tokio::test]
async fn a_prefix_that_another_protocol_keeps_alive_is_not_drained() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    stage.bird.birdc("enable spare").await;
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal of its own");
    let seen = member(&route, NODE, NODE).await;
    assert_eq!(seen.admission, Admission::Serving, "the router still has the path");
    assert!(seen.refuses_drain.expect("a reason").contains("spare"));
    assert!(refused(apply(&route, NODE, &Desired::Drained).await).contains("spare"));
    stage.bird.birdc("disable spare").await;
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Draining);
}

#[tokio::test]
async fn a_mark_without_the_community_is_never_followed_by_a_withdrawal() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.marking(Duration::from_secs(1));
    settings.announcers[0].graceful = Some("spare".into());
    let route = route(&settings);
    apply(&route, NODE, &Desired::Drained).await.expect("a mark, as far as BIRD is concerned");
    for _ in 0..2 {
        let said = apply(&route, NODE, &Desired::Drained).await;
        let Err(ProviderError::Unexpected(why)) = said else { panic!("{said:?}") };
        assert!(why.contains("upstream") && why.contains("65535:0"), "{why}");
        sleep(Duration::from_secs(1)).await;
    }
    assert!(stage.paths().await.contains("[node_01 "));
}

#[tokio::test]
async fn the_other_family_is_withdrawn_alike() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.prefix = V6.parse().expect("a prefix");
    settings.announcers[0].protocol = Some("anycast6".into());
    let route = route(&settings);
    let before = member(&route, NODE, NODE).await;
    assert_eq!((before.admission, &before.health), (Admission::Serving, &Health::Unchecked));
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Draining);
    assert!(stage.paths().await.contains("[node_01 "), "the prefix of IPv4 is another one");
    apply(&route, NODE, &Desired::Exactly { exact: before.exact.clone() }).await.expect("an announcement");
    assert_eq!(member(&route, NODE, NODE).await.exact, before.exact);
}

#[tokio::test]
async fn an_unknown_protocol_is_an_error_in_bird_s_words_or_plainer() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.announcers[0].protocol = Some("no-such".into());
    let route = route(&settings);
    let seen = route.observe(&NODE.into()).await;
    let Err(ProviderError::Unexpected(why)) = &seen else { panic!("{seen:?}") };
    assert!(why.contains("BIRD has no protocol no-such"), "{why}");
    assert!(apply(&route, NODE, &Desired::Drained).await.is_err());
}

/// A socket that hands every session to BIRD with `restrict` said first, as `birdc -r` does.
pub(super) async fn restricted(bird: PathBuf) -> (tempfile::TempDir, PathBuf, JoinSet<()>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("restricted");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut sessions = JoinSet::new();
    sessions.spawn(async move {
        let mut all = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let bird = bird.clone();
            all.spawn(async move {
                let mut real = BufReader::new(UnixStream::connect(bird).await.expect("BIRD"));
                let mut greeting = String::new();
                real.read_line(&mut greeting).await.expect("a greeting");
                real.get_mut().write_all(b"restrict\n").await.expect("a command");
                let mut said = String::new();
                real.read_line(&mut said).await.expect("an answer");
                assert_eq!(said, "0016 Access restricted\n");
                client.write_all(greeting.as_bytes()).await.expect("a client");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut real).await;
            });
        }
    });
    (directory, path, sessions)
}

#[tokio::test]
async fn a_restricted_socket_shows_everything_and_changes_nothing() {
    let Some(stage) = Stage::start().await else { return };
    let (_directory, path, _sessions) = restricted(stage.bird.socket()).await;
    let mut settings = stage.settings();
    settings.announcers[0] = by_bird(NODE, &format!("unix:{}", path.display()));
    let route = route(&settings);
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Serving);
    let why = refused(apply(&route, NODE, &Desired::Drained).await);
    assert!(why.contains("restricted") && why.contains("8007"), "{why}");
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Serving);
}

#[tokio::test]
async fn a_dead_or_silent_socket_is_an_error_in_time() {
    let Some(mut stage) = Stage::start().await else { return };
    let limit = Duration::from_millis(500);
    let directory = tempfile::tempdir().expect("a directory");
    let silent = directory.path().join("silent");
    let _listener = UnixListener::bind(&silent).expect("a socket");
    stage.bird.kill();
    let dead = [stage.bird.socket(), "/nonexistent/bird.ctl".into(), silent];
    for path in dead {
        let mut settings = stage.settings();
        settings.announcers[0] = by_bird(NODE, &format!("unix:{}", path.display()));
        let route =
            route_over(&settings, std::sync::Arc::new(tidegate::provider::access::local::LocalAccess::new()), limit);
        let began = Instant::now();
        assert!(route.observe(&NODE.into()).await.is_err(), "{}", path.display());
        assert!(apply(&route, NODE, &Desired::Drained).await.is_err());
        assert!(began.elapsed() < limit * 5, "{:?}", began.elapsed());
    }
}
