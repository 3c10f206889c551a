//! Who is only asked: routers and route collectors. Their silence is never an acknowledgement.

use tidegate::{
    model::Admission,
    provider::{ProviderError, RouteProvider, route::bgp::Daemon},
};

use super::{
    daemons::{Bird, Frr},
    stage::{Stage, V6, observer, route, shows, unix, view},
};
use crate::process::free_port;

/// A bgpd with a session to the router, from which it hears both paths' best.
fn collector(port: u16) -> String {
    format!(
        "hostname collector\nrouter bgp 65100\n bgp router-id 10.0.0.100\n no bgp ebgp-requires-policy\n \
         neighbor 127.0.0.11 remote-as 65001\n neighbor 127.0.0.11 port {port}\n neighbor 127.0.0.11 passive\n \
         neighbor 127.0.0.11 ebgp-multihop 3\n neighbor 127.0.0.11 disable-connected-check\nexit\n"
    )
}

/// A BIRD on node-01's address that announces to the collector. bgpd takes no next hop in 127.0.0.0/8, so the path is
/// known by its peer here.
fn announcer(port: u16) -> String {
    format!(
        "log stderr all;\nrouter id 10.0.0.1;\nprotocol device {{ }}\n\
         protocol static anycast {{ ipv4; route 192.0.2.80/32 blackhole; }}\n\
         protocol bgp upstream {{ local 127.0.0.11 port {port} as 65001; neighbor 127.0.0.100 port {port} as 65100;\n \
         strict bind; multihop; connect delay time 1; connect retry time 1;\n \
         ipv4 {{ import none; export where source = RTS_STATIC; next hop address 198.51.100.11; }}; }}\n"
    )
}

#[tokio::test]
async fn a_collector_that_runs_frr_hears_the_path_come_and_go() {
    let port = free_port();
    let Some(collector) = Frr::start("127.0.0.100", port, &collector(port)).await else { return };
    let Some(bird) = Bird::start(&announcer(port)).await else { return };
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    let daemon = Daemon::Frr { host: None, vty_socket: collector.folder().display().to_string() };
    settings.observers.push(observer("collector", daemon));
    let route = route(&settings);
    // Until its session stands, it is unknown what it would hear.
    let began = tokio::time::Instant::now();
    while let Err(error) = route.observe(&"collector".into()).await {
        assert!(matches!(&error, ProviderError::Unexpected(why) if why.contains("no BGP session")), "{error}");
        assert!(began.elapsed() < std::time::Duration::from_secs(15), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    shows(&route, "collector", "node-01", Admission::Serving).await;
    bird.birdc("disable anycast").await;
    let gone = shows(&route, "collector", "node-01", Admission::Draining).await;
    assert_eq!(gone.version.as_deref(), Some("no path"));
    bird.birdc("enable anycast").await;
    let back = shows(&route, "collector", "node-01", Admission::Serving).await;
    assert_eq!(back.members["node-02"].admission, Admission::Draining, "which does not announce there");
}

#[tokio::test]
async fn an_observer_that_does_not_answer_is_unknown_never_gone() {
    let Some(mut stage) = Stage::start().await else { return };
    let route = stage.route();
    assert_eq!(view(&route, "router").await.members["node-01"].admission, Admission::Serving);
    let generation = view(&route, "router").await.generation;
    stage.router.kill();
    assert!(matches!(route.observe(&"router".into()).await, Err(ProviderError::Unreachable(_))));
    // Started anew it has no session yet: it has heard nobody, so it can say nothing.
    stage.router.restart().await;
    let seen = route.observe(&"router".into()).await;
    assert!(matches!(&seen, Err(ProviderError::Unexpected(why)) if why.contains("no BGP session")), "{seen:?}");
    stage.wait(|paths| paths.contains("[node_01 ") && paths.contains("[node_02 ")).await;
    assert_ne!(view(&route, "router").await.generation, generation);
}

#[tokio::test]
async fn an_observer_never_changes_anything() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.announcers.remove(0);
    settings.observers = vec![observer("node-01", Daemon::Bird { socket: unix(&stage.bird) })];
    let route = route(&settings);
    let refused = route.apply(&"node-01".into(), "node-02", &tidegate::model::Desired::Drained).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    assert!(stage.paths().await.contains("[node_02 "));
}

#[tokio::test]
async fn a_prefix_that_nobody_announces_is_no_path_at_a_router_that_lives() {
    let Some(stage) = Stage::start().await else { return };
    let mut settings = stage.settings();
    settings.prefix = "2001:db8:ffff::/48".parse().expect("a prefix");
    assert_ne!(V6, settings.prefix.to_string());
    let seen = view(&route(&settings), "router").await;
    assert_eq!(seen.version.as_deref(), Some("no path"));
    assert!(seen.members.values().all(|m| m.admission == Admission::Draining));
}
