//! What bgpd does when other hands are at work, and when it does not answer.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use tidegate::{
    model::{Admission, Desired, Health},
    provider::{ProviderError, RouteProvider, access::local::LocalAccess},
};
use tokio::time::{Instant, sleep};

use super::{
    daemons::Frr,
    stage::{PREFIX, Stage, V6, apply, by_frr, member, route, route_over, view},
};
use crate::process::free_port;

const NODE: &str = "node-02";
const STATEMENT: &str = "network 192.0.2.80/32 route-map ANYCAST";

fn refused(result: Result<(), ProviderError>) -> String {
    match result {
        Err(ProviderError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_statement_comes_back_word_for_word_in_another_process_too() {
    let Some(stage) = Stage::start().await else { return };
    let before = stage.frr.networks();
    assert!(before.contains(&STATEMENT.to_owned()), "{before:?}");
    let first = stage.route();
    let receipt = member(&first, NODE, NODE).await.exact;
    apply(&first, NODE, &Desired::Drained).await.expect("a withdrawal");
    assert!(!stage.frr.networks().contains(&STATEMENT.to_owned()));
    drop(first);
    let second = stage.route();
    // Without the receipt nobody knows how it was announced, and nobody guesses.
    let why = refused(apply(&second, NODE, &Desired::Serving { weight: 1 }).await);
    assert!(why.contains("receipt"), "{why}");
    apply(&second, NODE, &Desired::Exactly { exact: receipt }).await.expect("an announcement");
    assert_eq!(stage.frr.networks(), before);
}

#[tokio::test]
async fn a_statement_that_another_hand_wrote_is_left_alone() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    let before = member(&route, NODE, NODE).await;
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    let drained = view(&route, NODE).await;
    stage.frr.configure(&[&format!("network {PREFIX} route-map GSHUT")]);
    let seen = view(&route, NODE).await;
    assert_eq!(seen.members[NODE].admission, Admission::Serving);
    assert_eq!(seen.generation, drained.generation, "a person did it");
    let why = refused(apply(&route, NODE, &Desired::Exactly { exact: before.exact }).await);
    assert!(why.contains("GSHUT") && why.contains("ANYCAST"), "{why}");
    assert!(stage.frr.networks().contains(&format!("network {PREFIX} route-map GSHUT")));
}

#[tokio::test]
async fn options_that_changed_since_the_last_look_are_not_overwritten() {
    let Some(stage) = Stage::start().await else { return };
    let route = stage.route();
    member(&route, NODE, NODE).await;
    stage.frr.configure(&[&format!("network {PREFIX}")]);
    let why = refused(apply(&route, NODE, &Desired::Drained).await);
    assert!(why.contains("another hand"), "{why}");
    assert!(stage.frr.networks().contains(&format!("network {PREFIX}")));
    let after = member(&route, NODE, NODE).await;
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    apply(&route, NODE, &Desired::Exactly { exact: after.exact }).await.expect("an announcement");
    assert!(stage.frr.networks().contains(&format!("network {PREFIX}")), "{:?}", stage.frr.networks());
}

#[tokio::test]
async fn a_restart_forgets_the_drain_and_shows_as_a_new_generation() {
    let Some(mut stage) = Stage::start().await else { return };
    let route = stage.route();
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    let drained = view(&route, NODE).await;
    assert_eq!(view(&route, NODE).await.generation, drained.generation);
    stage.frr.restart().await;
    let after = view(&route, NODE).await;
    assert_eq!(after.members[NODE].admission, Admission::Serving, "nothing was written to its file");
    assert_ne!(after.generation, drained.generation);
}

#[tokio::test]
async fn a_prefix_is_not_marked_by_a_route_map_that_is_not_there() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.marking(Duration::from_secs(1));
    settings.announcers[1].graceful = Some("NO-SUCH".into());
    let route = route(&settings);
    let seen = view(&route, NODE).await;
    assert!(seen.warnings.iter().any(|w| w.contains("NO-SUCH")), "{:?}", seen.warnings);
    assert!(refused(apply(&route, NODE, &Desired::Drained).await).contains("NO-SUCH"));
    assert!(stage.frr.networks().contains(&STATEMENT.to_owned()));
}

#[tokio::test]
async fn a_mark_without_the_community_is_never_followed_by_a_withdrawal() {
    let Some(stage) = Stage::start().await else { return };
    stage.frr.vtysh(&["configure terminal", "route-map OTHER permit 10", "set community 65002:81"]);
    let mut settings = stage.marking(Duration::from_secs(1));
    settings.announcers[1].graceful = Some("OTHER".into());
    let route = route(&settings);
    apply(&route, NODE, &Desired::Drained).await.expect("a mark, as far as bgpd is concerned");
    sleep(Duration::from_secs(1)).await;
    let said = apply(&route, NODE, &Desired::Drained).await;
    assert!(matches!(&said, Err(ProviderError::Unexpected(why)) if why.contains("65535:0")), "{said:?}");
    assert!(stage.frr.networks().contains(&format!("network {PREFIX} route-map OTHER")));
}

#[tokio::test]
async fn the_other_family_is_withdrawn_alike() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.prefix = V6.parse().expect("a prefix");
    let route = route(&settings);
    let before = member(&route, NODE, NODE).await;
    assert_eq!(before.admission, Admission::Serving);
    apply(&route, NODE, &Desired::Drained).await.expect("a withdrawal");
    super::shows(&route, NODE, NODE, Admission::Draining).await;
    assert_eq!(stage.frr.networks(), [STATEMENT], "the prefix of IPv4 is another one");
    apply(&route, NODE, &Desired::Exactly { exact: before.exact.clone() }).await.expect("an announcement");
    super::shows(&route, NODE, NODE, Admission::Serving).await;
    assert_eq!(member(&route, NODE, NODE).await.exact, before.exact);
}

/// bgpd answers, and vtysh calls it a success: with no BGP at all, an empty answer must not read as withdrawn.
#[tokio::test]
async fn a_bgpd_without_any_bgp_is_unknown_not_withdrawn() {
    let Some(empty) = Frr::start("127.0.0.12", free_port(), "hostname node-02\n").await else { return };
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.announcers[1] = by_frr(NODE, &empty.folder(), None);
    let route = route(&settings);
    let seen = route.observe(&NODE.into()).await;
    assert!(matches!(&seen, Err(ProviderError::Unexpected(why)) if why.contains("not found")), "{seen:?}");
    assert!(apply(&route, NODE, &Desired::Drained).await.is_err());
}

#[tokio::test]
async fn nobody_hears_a_prefix_without_a_session() {
    let Some(mut stage) = Stage::start().await else { return };
    stage.router.kill();
    let route = stage.route();
    let began = Instant::now();
    loop {
        let member = member(&route, NODE, NODE).await;
        match member.health {
            Health::Failing { ref reason } if reason.contains("no BGP session") => {
                return assert!(!member.takes_clients());
            }
            seen => assert!(began.elapsed() < Duration::from_secs(10), "{seen:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_dead_or_hung_bgpd_is_an_error_in_time() {
    let Some(mut stage) = Stage::start().await else { return };
    let limit = Duration::from_secs(1);
    let route = route_over(&stage.settings(), Arc::new(LocalAccess::new()), limit);
    stage.frr.signal(Signal::STOP);
    let began = Instant::now();
    assert_eq!(route.observe(&NODE.into()).await, Err(ProviderError::TimedOut(limit)));
    assert_eq!(apply(&route, NODE, &Desired::Drained).await, Err(ProviderError::TimedOut(limit)));
    assert!(began.elapsed() < limit * 4, "{:?}", began.elapsed());
    stage.frr.signal(Signal::CONT);
    assert_eq!(member(&route, NODE, NODE).await.admission, Admission::Serving, "and nothing was changed");
    stage.frr.kill();
    let seen = route.observe(&NODE.into()).await;
    assert!(matches!(&seen, Err(ProviderError::Unreachable(why)) if why.contains("does not run")), "{seen:?}");
    assert!(matches!(apply(&route, NODE, &Desired::Drained).await, Err(ProviderError::Unreachable(_))));
}
