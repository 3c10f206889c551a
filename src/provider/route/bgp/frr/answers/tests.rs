//! bgpd 8.4.4's own words.

use serde_json::json;

use super::*;

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

const OWN: &str = r#"{
  "prefix":"192.0.2.81/32", "version":2, "advertisedTo":{ "127.0.0.1":{ } },
  "paths":[ { "origin":"IGP", "weight":32768, "valid":true, "sourced":true, "local":true,
    "bestpath":{ "overall":true },
    "community":{ "string":"65002:80 graceful-shutdown", "list":[ "65002:80", "gracefulShutdown" ] },
    "nexthops":[ { "ip":"0.0.0.0", "hostname":"f1", "afi":"ipv4", "used":true } ],
    "peer":{ "peerId":"0.0.0.0", "routerId":"10.0.0.2" } } ]
}
"#;

const SUMMARY: &str = r#"{
  "routerId":"10.0.0.2", "as":65002, "vrfName":"default",
  "peers":{ "127.0.0.1":{ "remoteAs":65000, "state":"Established" }, "127.0.0.2":{ "state":"Active" } },
  "totalPeers":2
}
"#;

const RUNNING: &str = "Building configuration...\n\nCurrent configuration:\n!\nfrr version 8.4.4\nhostname f1\n!\n\
    router bgp 65002 vrf blue\n !\n address-family ipv4 unicast\n  network 192.0.2.80/32 route-map BLUE\n \
    exit-address-family\nexit\n!\nrouter bgp 65002\n bgp router-id 10.0.0.2\n no bgp network import-check\n \
    neighbor 127.0.0.1 remote-as 65000\n !\n address-family ipv4 unicast\n  network 192.0.2.8/32\n  \
    network 192.0.2.80/32 route-map ANYCAST\n  neighbor 127.0.0.1 activate\n exit-address-family\n !\n \
    address-family ipv6 unicast\n  network 2001:db8::80/128\n exit-address-family\nexit\n!\n\
    route-map ANYCAST permit 10\n set community 65002:80\nexit\n!\nroute-map GSHUT permit 10\n \
    set community graceful-shutdown additive\nexit\n!\nend\n";

#[test]
fn one_call_answers_several_questions() {
    let output = format!("{OWN}{SUMMARY}{RUNNING}");
    let ([about, summary], rest) = documents(&output).expect("two documents");
    assert_eq!(about["version"], 2);
    assert_eq!(sessions(&summary), Ok((1, vec!["127.0.0.2".to_owned()])));
    assert!(configured(rest, prefix("192.0.2.80/32")).is_ok());
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let none = "{\n  \"warning\":\"Default BGP instance not found\"\n}\n{}\n";
    assert_eq!(documents::<2>(none), Err("Default BGP instance not found".into()));
    assert!(documents::<2>("{ }\n").is_err());
    assert!(documents::<1>("% Unknown command: show bogus\n").is_err());
    assert!(documents::<1>("").is_err());
}

#[test]
fn its_own_path_is_told_from_those_that_it_hears() {
    let (paths, told) = paths(&serde_json::from_str(OWN).expect("JSON")).expect("paths");
    assert_eq!(told, 1);
    assert_eq!(paths.len(), 1);
    assert!(paths[0].own && paths[0].marked);
    let heard = json!({ "paths": [{
        "nexthops": [{ "ip": "10.0.0.1" }], "peer": { "peerId": "10.0.0.254", "routerId": "10.0.0.254" },
        "originatorId": "10.9.9.9", "community": { "string": "no-export" } }] });
    let (paths, told) = super::paths(&heard).expect("paths");
    let speakers = ["10.0.0.1", "10.0.0.254", "10.9.9.9"].map(|ip| ip.parse().expect("an address")).to_vec();
    assert_eq!((paths, told), (vec![Path { speakers, marked: false, own: false }], 0));
}

#[test]
fn no_such_prefix_is_an_empty_answer_and_nothing_else_is() {
    assert_eq!(paths(&json!({})), Ok((Vec::new(), 0)));
    for answer in [json!([]), json!("x"), json!({ "prefix": "192.0.2.80/32" }), json!({ "paths": [{}] })] {
        assert!(paths(&answer).is_err(), "{answer}");
    }
    assert_eq!(sessions(&json!({})), Ok((0, Vec::new())));
    assert!(sessions(&json!({ "routerId": "10.0.0.2" })).is_err());
}

#[test]
fn the_statement_is_that_of_the_default_router_and_of_this_prefix() {
    let found = |text: &str| configured(RUNNING, prefix(text)).expect("a router");
    let v4 = found("192.0.2.80/32");
    assert_eq!(v4.router, "router bgp 65002");
    assert_eq!(v4.statement.as_deref(), Some("network 192.0.2.80/32 route-map ANYCAST"));
    assert_eq!(v4.route_maps, ["ANYCAST", "GSHUT"]);
    assert_eq!(found("2001:db8::80/128").statement.as_deref(), Some("network 2001:db8::80/128"));
    assert_eq!(found("192.0.2.0/24").statement, None);
}

#[test]
fn half_a_configuration_is_none() {
    let cut = RUNNING.split("!\nend").next().expect("the beginning");
    assert!(configured(cut, prefix("192.0.2.80/32")).expect_err("cut short").contains("cut short"));
    let without = "Building configuration...\n!\nfrr version 8.4.4\n!\nend\n";
    assert!(configured(without, prefix("192.0.2.80/32")).expect_err("no router").contains("no `router bgp`"));
}
