//! The shipped examples load, and say what their comments claim.

use std::{collections::BTreeMap, time::Duration};

use tidegate::{
    config::{self, settings::*},
    model::RouteId,
    provider::route::haproxy,
};

use super::{SMALL, load, repository};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn lb(number: u8) -> haproxy::Instance {
    let host = format!("lb-0{number}");
    let ssh = |path: &str| Endpoint::Ssh { host: host.clone(), path: path.into() };
    haproxy::Instance {
        name: host.as_str().into(),
        socket: ssh("/run/haproxy/admin.sock"),
        master: Some(ssh("/run/haproxy/master.sock")),
        source: vec![[10, 0, 0, 20 + number].into()],
        node: None,
    }
}

fn three_nodes() -> Settings {
    let node = |n: u8| {
        let address = Some([10, 0, 0, 10 + n].into());
        (format!("node-0{n}").as_str().into(), Node { address, ssh: None, outside: false })
    };
    Settings {
        cluster: Cluster {
            name: "production".into(),
            access: Access::Ssh { user: Some("tidegate".into()), config: None },
            members: Vec::new(),
        },
        journal: Journal { path: config::DEFAULT_JOURNAL.into() },
        run: Run::default(),
        guard: config::settings::Guard::default(),
        review: config::settings::Review::default(),
        nodes: BTreeMap::from([node(1), node(2), node(3)]),
        services: vec![Service {
            name: "app".into(),
            unit: "app.service".into(),
            extra_units: Vec::new(),
            clone: CloneSettings { clone_max: Some(3), ..CloneSettings::of("app_service") },
            min_ready: 2,
            ready: Ready::new(8080, Probe::Http(Http::default())),
            sessions: Sessions { affinity: Affinity::None, state: SessionState::External },
            connections: Connections {
                settle: secs(2),
                deadline: secs(600),
                on_deadline: OnDeadline::Hold,
                max_age: None,
            },
            objective: Objective { failover: Some(secs(15)), max_error_ratio: 0.001, max_skew: Some(1.25) },
            archives: Vec::new(),
        }],
        entrypoints: vec![Entrypoint {
            name: "web".into(),
            service: "app".into(),
            address: "app.example.com".into(),
            port: Some(443),
            protocol: Protocol::Https,
            tls: Some(Tls::Terminate),
            client_identity: Some(ClientIdentity::XForwardedFor),
            routes: vec![Route {
                id: RouteId::new("web/haproxy:app"),
                tier: 20,
                ramp: vec![50, 100],
                dwell: secs(30),
                nodes: None,
                watch: secs(1),
                via: Via::Haproxy(haproxy::Settings {
                    backend: "app".into(),
                    server: "{node}".into(),
                    instances: vec![lb(1), lb(2)],
                    config_file: Some("/etc/haproxy/haproxy.cfg".into()),
                }),
            }],
        }],
    }
}

#[test]
fn three_nodes_behind_two_load_balancers() {
    let settings = config::load(&repository("config/app-three-nodes.toml")).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(settings, three_nodes());
}

#[test]
fn jetty_on_all_nodes() {
    let settings = config::load(&repository("config/jetty.toml")).unwrap_or_else(|r| panic!("{r}"));
    let service = &settings.services[0];
    assert_eq!(service.unit.as_str(), "jetty9.service");
    assert_eq!(service.clone.resource, "jetty_service");
    assert_eq!(service.clone.monitor_interval, secs(30));
    assert_eq!(service.clone.clone_max, None);
    assert_eq!(service.sessions.state, SessionState::External);
    assert_eq!(settings.cluster.members.len(), 3);
    let Via::Haproxy(haproxy) = &settings.entrypoints[0].routes[0].via else { panic!("another kind of route") };
    assert_eq!(haproxy.instances.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["lb-01", "lb-02"]);
    assert_eq!(settings.entrypoints[0].routes[0].ramp, [10, 50, 100]);
}

#[test]
fn a_name_in_front_of_two_load_balancers() {
    let settings = config::load(&repository("config/dns-in-front.toml")).unwrap_or_else(|r| panic!("{r}"));
    let [dns, haproxy] = &settings.entrypoints[0].routes[..] else { panic!("two routes") };
    assert_eq!((dns.id.as_str(), dns.tier, haproxy.tier), ("web/dns:app.example.com", 10, 20));
    let Via::Dns(name) = &dns.via else { panic!("another kind of route") };
    assert_eq!((name.name.as_str(), name.zone.as_str()), ("app.example.com.", "example.com."));
    assert_eq!((name.ttl, name.ttl_during_maintenance), (Some(300), Some(30)));
    let topology = settings.topology(&settings.cluster.members);
    let [dns, haproxy] = &topology.routes[..] else { panic!("two routes") };
    assert_eq!(dns.servers.keys().map(|n| n.as_str()).collect::<Vec<_>>(), ["lb-01", "lb-02"]);
    assert_eq!(haproxy.servers.len(), 3);
    assert!(dns.instances.values().all(|instance| instance.blind));
}

#[test]
fn a_prefix_on_every_node() {
    let settings = config::load(&repository("config/anycast.toml")).unwrap_or_else(|r| panic!("{r}"));
    let route = &settings.entrypoints[0].routes[0];
    assert_eq!((route.id.as_str(), route.tier, route.watch), ("web/bgp:192.0.2.80/32", 10, secs(5)));
    let Via::Bgp(bgp) = &route.via else { panic!("another kind of route") };
    assert_eq!(bgp.graceful_shutdown, Some(secs(10)));
    let places = settings.places(&["node-01".into(), "node-02".into(), "node-03".into()]);
    let instances = route.via.instances(&places);
    let driven: Vec<&str> =
        instances.iter().filter(|(_, s)| s.role.is_driven()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(driven, ["node-01", "node-02", "node-03"]);
    assert!(instances.contains_key("router-01") && instances.contains_key("router-02"));
}

#[test]
fn what_is_not_said_has_its_default() {
    let settings = load(&[SMALL]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(settings.cluster.access, Access::Local);
    assert_eq!(settings.run, Run::default());
    assert_eq!(settings.journal.path.to_str(), Some(config::DEFAULT_JOURNAL));
    let service = &settings.services[0];
    assert_eq!(service.clone.resource, "app_service");
    assert_eq!((service.clone.monitor_interval, service.clone.clone_node_max), (secs(30), 1));
    let ready = Ready::new(8080, Probe::Http(Http::default()));
    assert_eq!((ready.timeout, ready.interval, ready.unhealthy, ready.healthy), (secs(2), secs(5), 2, 3));
    assert_eq!(service.ready, ready);
    let connections =
        Connections { settle: secs(2), deadline: secs(600), on_deadline: OnDeadline::Hold, max_age: None };
    assert_eq!(service.connections, connections);
    let route = &settings.entrypoints[0].routes[0];
    assert_eq!(
        (route.id.as_str(), route.tier, &route.ramp[..], route.dwell),
        ("web/haproxy:app", 20, &[100][..], secs(5))
    );
    let Via::Haproxy(haproxy) = &route.via else { panic!("another kind of route") };
    assert_eq!((haproxy.server.as_str(), haproxy.instances[0].name.as_str()), ("{node}", "local"));
}

/// What the lab writes for its clusters: fast probes, whose time limit is longer than their interval.
#[test]
fn a_configuration_for_tests_may_be_in_a_hurry() {
    let text = r#"
[cluster]
name = "lab"
access = { via = "ssh", user = "root", config = "/run/lab/ssh_config" }
[journal]
path = "/run/lab/journal.db"
[run]
poll = "50ms"
lease = "5s"
[[node]]
name = "node-01"
address = "10.77.0.11"
[[node]]
name = "node-02"
address = "10.77.0.12"
[[service]]
name = "app"
unit = "app.service"
clone = { resource = "app_service", monitor-interval = "30s", clone-max = 2, clone-node-max = 1 }
min-ready = 1
ready = { protocol = "http", port = 8080, path = "/ready", status = 200, timeout = "2s", interval = "200ms", unhealthy = 2, healthy = 3 }
connections = { settle = "200ms", deadline = "10m", on-deadline = "hold" }
[[entrypoint]]
name = "web"
service = "app"
address = "10.77.0.21:8080"
protocol = "http"
[[entrypoint.route]]
via = "haproxy"
backend = "app"
server = "{node}"
ramp = ["50%", "100%"]
dwell = "200ms"
instances = [
    { name = "lb-01", socket = "unix:/run/lab/lb-01/admin.sock", source = ["10.77.0.21"] },
    { name = "lb-02", socket = "unix:/run/lab/lb-02/admin.sock", source = ["10.77.0.22"] },
]
"#;
    let settings = load(&[text]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(settings.services[0].ready.interval, Duration::from_millis(200));
}
