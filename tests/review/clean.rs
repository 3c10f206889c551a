//! A set-up without a fault: a name that leads to two HAProxy, which lead to three nodes.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;
use tidegate::{
    config::{self, Settings},
    model::{
        Admission, BalancerView, InstanceView, MemberView, Observed, Topology,
        balancer::{BackTls, Check, Identity, Layer, Pace, Sticky},
    },
    review::{Answer, Facts, Finding, Found, Machine, Review, Unit, review},
};

pub const CONFIG: &str = r#"
[cluster]
name = "production"
access = { via = "ssh" }

[review]
planned-drill-max-age = "720h"
unplanned-drill-max-age = "2160h"

[[node]]
name = "node-01"
address = "10.0.0.11"
[[node]]
name = "node-02"
address = "10.0.0.12"
[[node]]
name = "node-03"
address = "10.0.0.13"
[[node]]
name = "lb-01"
address = "10.0.0.21"
outside = true
[[node]]
name = "lb-02"
address = "10.0.0.22"
outside = true

[[service]]
name = "app"
unit = "app.service"
min-ready = 2
ready = { protocol = "http", port = 8080, path = "/ready", status = 200, timeout = "2s", interval = "5s", unhealthy = 2, healthy = 3, grace = "10s" }
sessions = { affinity = "none", state = "external" }
connections = { settle = "2s", deadline = "10m", on-deadline = "hold" }
objective = { failover = "15s", max-error-ratio = 0.001, max-skew = 1.25 }
archives = ["/opt/app/app.jar"]

[[entrypoint]]
name = "web"
service = "app"
address = "app.example.com"
protocol = "https"
tls = "terminate"
client-identity = "x-forwarded-for"

[[entrypoint.route]]
via = "dns"
servers = ["10.0.0.53"]
zone = "example.com"
ttl = "30s"
key-file = "/etc/tidegate/example.key"
resolvers = ["10.0.0.2"]
nodes = ["lb-01", "lb-02"]

[[entrypoint.route]]
via = "haproxy"
backend = "app"
config-file = "/etc/haproxy/haproxy.cfg"
instances = [
    { name = "lb-01", socket = "ssh://lb-01/run/haproxy/admin.sock", source = ["10.0.0.21"] },
    { name = "lb-02", socket = "ssh://lb-02/run/haproxy/admin.sock", source = ["10.0.0.22"] },
]
"#;

pub const NAME: &str = "web/dns:app.example.com";
pub const BACKEND: &str = "web/haproxy:app";
pub const NODES: [&str; 3] = ["node-01", "node-02", "node-03"];

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

pub fn settings(text: &str) -> Settings {
    config::load_fragments(vec![("test.toml".into(), text.to_owned())]).expect("it loads")
}

/// What the servers of the zone add to the configuration: a secondary, where one was found.
pub fn topology(settings: &Settings, found: Option<&Found>) -> Topology {
    let members: Vec<_> = NODES.iter().map(|n| (*n).into()).collect();
    let mut topology = settings.topology(&members);
    let secondary = found.and_then(|f| f.seen.routes.get(NAME)).is_some_and(|i| i.contains_key("ns2.example.com"));
    for route in topology.routes.iter_mut().filter(|r| secondary && r.id.as_str() == NAME) {
        let mut follower = route.instances.values().next().cloned().unwrap_or_default();
        follower.role = tidegate::model::topology::Role::Follower;
        route.instances.insert("ns2.example.com".into(), follower);
    }
    topology
}

pub fn balancer() -> BalancerView {
    BalancerView {
        layer: Some(Layer::Requests),
        check: Some(Check::Request { path: Some("/ready".into()), port: None, passes: Some(vec![200..=200]) }),
        pace: Some(Pace { interval: seconds(5), after_failure: seconds(5), failures: 2, timeout: seconds(2) }),
        tells: Some([Identity::XForwardedFor].into()),
        accepts_proxy: Some(false),
        front_tls: Some(true),
        back_tls: Some(BackTls::Clear),
        sticky: Some(Sticky::No),
        quiet: Some(seconds(300)),
        lacks: String::new(),
    }
}

pub fn machine() -> Machine {
    let unit = Unit {
        content: BTreeMap::from([(PathBuf::from("/etc/systemd/system/app.service"), Ok(Some("a1".into())))]),
        file_state: "disabled".into(),
        stop_timeout: Some(seconds(90)),
        started_in: Some(seconds(6)),
    };
    Machine {
        units: BTreeMap::from([("app.service".into(), Some(unit))]),
        files: BTreeMap::from([(PathBuf::from("/opt/app/app.jar"), Ok(Some("b1".into())))]),
    }
}

fn zone() -> InstanceView {
    let member = MemberView { admission: Admission::Serving, weight: 1, linger: seconds(30), ..MemberView::default() };
    let members = ["lb-01", "lb-02"].map(|name| (name.to_owned(), member.clone()));
    InstanceView { members: members.into(), ..InstanceView::default() }
}

pub fn found() -> Found {
    let known = |value| Observed::Known { value, at: now() };
    let address = |a: &str| -> IpAddr { a.parse().expect("an address") };
    let mut found = Found {
        balancers: ["lb-01", "lb-02"].map(|lb| ((BACKEND.into(), lb.into()), Ok(Some(balancer())))).into(),
        names: BTreeMap::from([(
            "web".into(),
            vec![Answer {
                who: "this machine".into(),
                addresses: Ok([address("10.0.0.21"), address("10.0.0.22")].into()),
            }],
        )]),
        resolvers: BTreeMap::from([(
            NAME.into(),
            vec![("resolver 10.0.0.2".into(), Ok(["lb-01".to_owned(), "lb-02".to_owned()].into()))],
        )]),
        machines: NODES.map(|n| (n.into(), Ok(machine()))).into(),
        stop_timeouts: BTreeMap::from([("app_service".into(), Ok(seconds(100)))]),
        drilled: NODES.map(|n| (n.into(), now() - seconds(86_400))).into(),
        played: Some(now() - seconds(86_400)),
        ..Found::default()
    };
    let servers = ["10.0.0.53", "ns2.example.com"].map(|s| (s.into(), known(zone())));
    found.seen.routes.insert(NAME.into(), servers.into());
    found
}

pub fn reviewed(text: &str, found: Option<&Found>) -> Review {
    let settings = settings(text);
    let topology = topology(&settings, found);
    review(&Facts { settings: &settings, topology: &topology, found, now: now() })
}

pub fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {}: {}", f.code, f.about, f.what)).collect()
}

#[test]
fn a_clean_set_up_has_no_finding() {
    let all = reviewed(CONFIG, Some(&found()));
    assert_eq!(told(&all.findings), [""; 0]);
    assert!(all.not_asked.is_empty() && all.accepted.is_empty());
    let offline = reviewed(CONFIG, None);
    assert_eq!(told(&offline.findings), [""; 0]);
    assert!(offline.not_asked.contains(&"unit-differs") && !offline.not_asked.contains(&"single-balancer"));
}
