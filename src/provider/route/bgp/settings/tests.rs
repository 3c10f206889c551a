//! What is said of announcers and observers, and what contradicts itself.

use super::*;
use crate::{config, provider::route::Via};

const BEFORE: &str = r#"
[cluster]
name = "c"
members = ["node-01", "node-02"]
[run]
patience = "2m"
[[node]]
name = "node-01"
address = "10.0.0.11"
ssh = "one.example.com"
[[service]]
name = "app"
unit = "app.service"
min-ready = 1
ready = { port = 8080, path = "/ready" }
[[entrypoint]]
name = "web"
service = "app"
address = "192.0.2.80"
protocol = "tcp"
[[entrypoint.route]]
via = "bgp"
"#;

const BIRD: &str = r#"{ daemon = "bird", socket = "ssh://{ssh}/run/bird.ctl", protocol = "anycast" }"#;

fn load(route: &str) -> Result<(Settings, Vec<Place>), String> {
    let settings =
        config::load_fragments(vec![("t.toml".into(), format!("{BEFORE}{route}"))]).map_err(|r| r.to_string())?;
    let places = settings.places(&["node-01".into(), "node-02".into()]);
    match &settings.entrypoints[0].routes[0].via {
        Via::Bgp(bgp) => Ok((bgp.clone(), places)),
        _ => Err("another kind".into()),
    }
}

fn read(route: &str) -> (Settings, Vec<Place>) {
    load(route).unwrap_or_else(|report| panic!("{report}"))
}

/// What a report says, without its drawing of the source.
fn problem(route: &str) -> String {
    load(route).expect_err("a problem").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn announcing(of: &str) -> String {
    format!("prefix = \"192.0.2.80/32\"\nannouncers = [{of}]\n")
}

#[test]
fn one_announcer_stands_for_all_that_are_not_named() {
    let frr = r#"{ node = "node-02", daemon = "frr", host = "two", next-hop = "10.9.9.2" }"#;
    let (settings, places) = read(&announcing(&format!("{BIRD}, {frr}")));
    assert_eq!(settings.name(), "192.0.2.80/32");
    assert_eq!(settings.hosts(&places), ["one.example.com", "two"]);
    assert_eq!(settings.announcer(&"node-01".into()).and_then(|a| a.protocol.as_deref()), Some("anycast"));
    let folder = Daemon::Frr { host: Some("two".into()), vty_socket: "/var/run/frr".into() };
    assert_eq!(settings.announcer(&"node-02".into()).map(|a| &a.daemon), Some(&folder));
    assert_eq!(settings.speaker(&places[0]), Ok([10, 0, 0, 11].into()));
    assert_eq!(settings.speaker(&places[1]), Ok([10, 9, 9, 2].into()));
    let shapes = settings.instances(&places);
    assert_eq!(shapes.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["node-01", "node-02"]);
    assert!(shapes.values().all(|s| s.blind && s.role == Role::Driven && s.only.is_some()));
    assert_eq!(settings.drives().len(), 2);
}

#[test]
fn a_node_without_an_address_has_no_paths_that_could_be_told() {
    let (settings, places) = read(&announcing(BIRD));
    assert!(settings.speaker(&places[1]).expect_err("no address").contains("node-02 has no address"));
}

#[test]
fn observers_get_names_and_only_follow() {
    let observers = r#"observers = [
        { daemon = "frr", host = "rr-01" }, { daemon = "bird", socket = "ssh://rr-01/run/bird.ctl" },
        { name = "edge", daemon = "bird", socket = "unix:/run/bird.ctl" }, { daemon = "frr" }]"#;
    let (settings, places) = read(&(announcing(BIRD) + observers));
    let shapes = settings.instances(&places);
    let follows: Vec<&str> = shapes.iter().filter(|(_, s)| s.role == Role::Follower).map(|(n, _)| n.as_str()).collect();
    assert_eq!(follows, ["edge", "local", "rr-01", "rr-01-2"]);
    assert_eq!(settings.hosts(&places), ["one.example.com", "node-02", "rr-01", "rr-01"]);
}

#[test]
fn an_observer_s_sessions_are_named_and_only_those_may_be_closed() {
    let observers = r#"observers = [
        { name = "edge", daemon = "bird", socket = "unix:/run/bird.ctl", sessions = [{ node = "node-02", protocol = "two" }] },
        { daemon = "frr" }]"#;
    let (settings, places) = read(&(announcing(BIRD) + observers));
    assert_eq!(settings.observers[0].sessions, [(NodeName::new("node-02"), "two".to_owned())].into());
    let shapes = settings.instances(&places);
    assert_eq!(shapes["edge"].sessions, [NodeName::new("node-02")].into());
    assert!(shapes["edge"].role == Role::Follower && shapes["local"].sessions.is_empty());
}

#[test]
fn all_that_is_wrong_with_sessions_is_told_at_once() {
    let session = |node: &str, protocol: &str| format!("{{ node = \"{node}\", protocol = \"{protocol}\" }}");
    let observer = |sessions: &[String]| {
        let sessions = sessions.join(", ");
        format!("observers = [{{ daemon = \"bird\", socket = \"unix:/b.ctl\", sessions = [{sessions}] }}]")
    };
    let wrong =
        [session("node-1", "one"), session("node-02", "two"), session("node-02", "three"), session("node-01", "two")];
    let found = problem(&(announcing(BIRD) + &observer(&wrong)));
    for said in [
        "there is no node \"node-1\"",
        "did you mean \"node-01\"",
        "the session with \"node-02\" is named twice",
        "two is the session with \"node-02\" already",
    ] {
        assert!(found.contains(said), "{said}: {found}");
    }
    for (sessions, said) in [
        (observer(&[]), "at least"),
        (observer(&["{ node = \"node-01\" }".to_owned()]), "protocol"),
        (observer(&[session("node-01", "a'b")]), "expected a name in the daemon's configuration"),
        (
            format!("observers = [{{ daemon = \"frr\", sessions = [{}] }}]", session("node-01", "one")),
            "goes with daemon = \"bird\"",
        ),
    ] {
        let found = problem(&(announcing(BIRD) + &sessions));
        assert!(found.contains(said), "{said}: {found}");
    }
}

#[test]
fn what_marks_and_how_long_belong_together() {
    let marked = BIRD.replace(" }", ", graceful-protocol = \"gshut\" }");
    let grace = "graceful-shutdown = \"10s\"\n";
    assert!(read(&(announcing(&marked) + grace)).0.announcers[0].graceful.is_some());
    assert!(problem(&(announcing(BIRD) + grace)).contains("this announcer has no `graceful-protocol`"));
    assert!(problem(&announcing(&marked)).contains("nothing marks the prefix without `graceful-shutdown`"));
    let same = BIRD.replace(" }", ", graceful-protocol = \"anycast\" }");
    assert!(problem(&(announcing(&same) + grace)).contains("it is the protocol that announces the prefix"));
    assert!(problem(&(announcing(&marked) + "graceful-shutdown = \"3m\"\n")).contains("longer than a step may take"));
}

#[test]
fn contradictions_are_reported() {
    let unix = r#"{ daemon = "bird", socket = "unix:/run/bird.ctl", protocol = "anycast" }"#;
    for (route, said) in [
        (announcing(unix), "the same daemon for all of them"),
        (announcing(&format!("{BIRD}, {BIRD}")), "there is an announcer for every other node already"),
        (announcing(&unix.replace("{ ", "{ node = \"node-09\", ")), "there is no node \"node-09\""),
        (announcing(BIRD).replace("80/32", "80/24"), "bits set beyond its length"),
        (announcing(&BIRD.replace("anycast", "any'cast")), "expected a name in the daemon's configuration"),
        (announcing(&BIRD.replace("protocol", "vty-socket")), "goes with daemon = \"frr\""),
        (announcing(BIRD) + "observers = [{ daemon = \"frr\", host = \"{node}\" }]", "not another one for each node"),
        (announcing(BIRD) + "observers = [{ name = \"node-01\", daemon = \"frr\" }]", "is also the name of a node"),
    ] {
        let found = problem(&route);
        assert!(found.contains(said), "{said}: {found}");
    }
}
