//! A real Envoy, and what it really does: the facts that the provider relies on.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tidegate::{
    config::settings::Endpoint,
    model::{Admission, Desired, Health},
    provider::{
        ProviderError, RouteProvider,
        access::{Access, local::LocalAccess},
        route::{
            Tools,
            envoy::{Envoy, Instance, Settings},
            instances::Seat,
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    backend::Backend,
    process::{Process, free_port},
    renamed::Renamed,
    route::{apply, eventually, fails_in_time, instance, member, view},
};

const LIMIT: Duration = Duration::from_secs(5);

/// Active checks, for the end of a cluster.
pub const CHECKS: &str = "    health_checks:\n    - { timeout: 1s, interval: 0.1s, no_traffic_interval: 0.1s, \
                          unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: /ready } }";

type Route = Arc<dyn RouteProvider>;

/// The binary, fetched once for this machine.
fn binary() -> Option<PathBuf> {
    static BINARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let fetch = || xtask::envoy::envoy().inspect_err(|why| eprintln!("NOT RUN: no Envoy: {why:#}")).ok();
    BINARY.get_or_init(fetch).clone()
}

/// Envoy with a cluster of some members, the first one of weight 100, all others of weight 50.
pub struct Edge {
    directory: TempDir,
    processes: Vec<Process>,
    nodes: Vec<Backend>,
    front: u16,
    admin: u16,
}

impl Edge {
    /// Starts it for `count` members, with `more` lines in its cluster.
    pub async fn start(count: usize, more: &str) -> Option<Self> {
        Self::with(count, more, &["--disable-hot-restart"]).await
    }

    async fn with(count: usize, more: &str, options: &[&str]) -> Option<Self> {
        binary()?;
        let directory = tempfile::tempdir().expect("a directory");
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Backend::start().await);
        }
        let edge = Self { directory, processes: Vec::new(), nodes, front: free_port(), admin: free_port() };
        edge.write_config(more, &format!("socket_address: {{ address: 127.0.0.1, port_value: {} }}", edge.admin));
        let endpoint = |(i, node): (usize, &Backend)| {
            let weight = if i == 0 { 100 } else { 50 };
            format!(
                "        {{ \"endpoint\": {{ \"address\": {{ \"socket_address\": {{ \"address\": \"127.0.0.1\", \"port_value\": {} \
                 }} }} }},\n          \"load_balancing_weight\": {weight} }}",
                node.port
            )
        };
        let endpoints: Vec<String> = edge.nodes.iter().enumerate().map(endpoint).collect();
        std::fs::write(
            edge.at("eds.json"),
            format!(
                "{{\n  \"version_info\": \"a\",\n  \"resources\": [\n    {{ \"@type\": \
                 \"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment\", \"cluster_name\": \"app\",\n      \
                 \"endpoints\": [ {{ \"lb_endpoints\": [\n{}\n      ] }} ] }}\n  ]\n}}\n",
                endpoints.join(",\n")
            ),
        )
        .expect("a file");
        let mut edge = edge;
        edge.run(options);
        eventually(&edge.route(), "node-01", "taking clients", |m| m.takes_clients()).await;
        Some(edge)
    }

    fn write_config(&self, more: &str, admin: &str) {
        let (front, at) = (self.front, self.directory.path().display());
        let config = format!(
            r#"node: {{ id: edge, cluster: edge }}
admin: {{ address: {{ {admin} }} }}
static_resources:
  listeners:
  - name: front
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {front} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: app, timeout: 0s }} }} ] }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: app
    type: EDS
    connect_timeout: 1s
    eds_cluster_config: {{ eds_config: {{ resource_api_version: V3, path_config_source: {{ path: {at}/eds.json }} }} }}
{more}
"#
        );
        std::fs::write(self.at("envoy.yaml"), config).expect("a configuration");
    }

    fn run(&mut self, options: &[&str]) {
        let mut command = Command::new(binary().expect("it ran before"));
        command.arg("-c").arg(self.at("envoy.yaml")).args(["--concurrency", "1", "--log-level", "warn"]).args(options);
        self.processes.push(Process::start(&mut command, &self.at(&format!("log-{}", self.processes.len()))));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn eds(&self) -> String {
        std::fs::read_to_string(self.at("eds.json")).expect("the file")
    }

    /// What an operator does by hand.
    fn replace(&self, text: &str) {
        std::fs::write(self.at("by-hand"), text).expect("a file");
        std::fs::rename(self.at("by-hand"), self.at("eds.json")).expect("in its place");
    }

    /// The file with something at the end of one member's endpoint.
    fn edited(&self, member: usize, more: &str) -> String {
        let port = format!("\"port_value\": {} }} }} }},", self.nodes[member].port);
        self.eds().replacen(&port, &format!("{port} {more},"), 1)
    }

    /// The route, with the suite's names for its members.
    pub fn route(&self) -> Route {
        self.route_over(None, Arc::new(LocalAccess::new()))
    }

    pub fn route_over(&self, host: Option<&str>, access: Arc<dyn Access>) -> Route {
        self.route_by(Endpoint::Tcp { address: format!("127.0.0.1:{}", self.admin) }, host, access)
    }

    fn route_by(&self, admin: Endpoint, host: Option<&str>, access: Arc<dyn Access>) -> Route {
        let seat = Seat { name: instance(), host: host.map(str::to_owned), source: Vec::new(), node: None };
        let settings = Settings {
            cluster: "app".into(),
            eds: self.at("eds.json").display().to_string(),
            server: "{address}".into(),
            instances: vec![Instance { seat, eds: None, admin, sudo: false }],
        };
        let tools = Tools { access, local: Arc::new(LocalAccess::new()), limit: LIMIT };
        let route = Envoy::new("web/envoy:app".into(), &settings, &tools);
        let own: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        Renamed::route(Arc::new(route), &own)
    }

    async fn client(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.front)).await.expect("the listener");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: app\r\n\r\n").as_bytes()).await.expect("a request");
        stream
    }

    /// The status of one request, or what went wrong.
    async fn status(&self) -> Result<String, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.front)).await;
        let mut stream = stream.map_err(|e| e.to_string())?;
        let request = b"GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.map_err(|e| e.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(|e| e.to_string())?;
        answer.split(' ').nth(1).map(str::to_owned).ok_or_else(|| format!("no status in {answer:?}"))
    }
}

#[tokio::test]
async fn a_drain_and_a_restore_cost_no_request_and_leave_the_file_as_it_was() {
    let Some(edge) = Edge::start(2, "").await else { return };
    let edge = Arc::new(edge);
    let route = edge.route();
    let (file, before) = (edge.eds(), member(&route, "node-01").await);
    let clients = {
        let edge = Arc::clone(&edge);
        let began = Instant::now();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while began.elapsed() < Duration::from_secs(2) {
                seen.push(edge.status().await);
            }
            seen
        })
    };
    for weight in [10, 20, 50] {
        apply(&route, &Desired::Drained).await;
        assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
        sleep(Duration::from_millis(100)).await;
        apply(&route, &Desired::Serving { weight }).await;
        apply(&route, &Desired::Exactly { exact: before.exact.clone() }).await;
        assert_eq!(edge.eds(), file);
    }
    let seen = clients.await.expect("clients");
    let failed: Vec<_> = seen.iter().filter(|s| s.as_deref() != Ok("200")).collect();
    assert!(failed.is_empty() && seen.len() > 50, "{} of {} failed: {:?}", failed.len(), seen.len(), failed.first());
    eprintln!("{} requests while the file was replaced nine times, none failed", seen.len());
    assert!(edge.at(".eds.json.tidegate-before").exists() && !edge.at(".eds.json.tidegate-new").exists());
}

#[tokio::test]
async fn requests_are_sessions_and_the_pool_is_idle() {
    let Some(edge) = Edge::start(2, "").await else { return };
    let route = edge.route();
    route.apply(&instance(), "node-02", &Desired::Drained).await.expect("drained");
    let mut held = edge.client("/hold").await;
    for _ in 0..2 {
        assert_eq!(edge.status().await.as_deref(), Ok("200"));
    }
    let back = Desired::Serving { weight: 50 };
    route.apply(&instance(), "node-02", &back).await.expect("back");
    apply(&route, &Desired::Drained).await;
    let seen = eventually(&route, "node-01", "busy", |m| m.sessions == 1 && m.idle == 1).await;
    assert_eq!((seen.admission, seen.requests_total, seen.errors_total), (Admission::Draining, 3, 0));
    let counted = seen.counters;
    assert_eq!((counted.requests, counted.failed_requests, counted.connect_failures), (Some(3), Some(0), Some(0)));
    assert!(counted.connections.is_some_and(|n| n >= 2), "{counted:?}");
    assert_eq!((counted.choices, counted.answers_5xx, counted.latency), (None, None, None), "it does not count those");
    let mut other = edge.client("/hold").await;
    eventually(&route, "node-02", "busy", |m| m.sessions == 1).await;
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: cutting connections takes root");
        return;
    }
    route.close_connections(&instance(), "node-01").await.expect("closed");
    eventually(&route, "node-01", "empty", |m| m.sessions == 0 && m.idle == 0).await;
    let mut answer = [0; 12];
    held.read_exact(&mut answer).await.expect("Envoy's answer");
    assert_eq!(&answer, b"HTTP/1.1 503");
    let ended = tokio::time::timeout(Duration::from_millis(300), other.read(&mut answer)).await;
    assert!(ended.is_err(), "the other member's client was cut as well");
}

#[tokio::test]
async fn a_drain_below_the_panic_threshold_is_refused_since_envoy_would_fail_open() {
    let Some(edge) = Edge::start(4, "").await else { return };
    let route = edge.route();
    assert!(view(&route).await.members.values().all(|m| m.refuses_drain.is_none()), "one of four may go");
    edge.replace(&edge.edited(2, "\"health_status\": \"UNHEALTHY\""));
    edge.replace(&edge.edited(3, "\"health_status\": \"UNHEALTHY\""));
    eventually(&route, "node-04", "unhealthy", |m| matches!(m.health, Health::Failing { .. })).await;
    let (file, why) = (edge.eds(), member(&route, "node-01").await.refuses_drain);
    assert!(why.as_ref().is_some_and(|w| w.contains("1 of 3 hosts") && w.contains("below 50 %")), "{why:?}");
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(w)) if w.contains("1 of 3 hosts")), "{refused:?}");
    assert_eq!(edge.eds(), file);

    // By hand it can be done, and that is what happens: requests on a drained host.
    edge.replace(&edge.edited(0, "\"health_status\": \"DRAINING\""));
    let began = Instant::now();
    while !view(&route).await.warnings.iter().any(|w| w.contains("it is in panic")) {
        assert!(began.elapsed() < LIMIT, "{:?}", view(&route).await.warnings);
        sleep(Duration::from_millis(20)).await;
    }
    let before = member(&route, "node-01").await;
    assert_eq!(before.admission, Admission::Serving, "what it does, not what it is called");
    for _ in 0..20 {
        assert_eq!(edge.status().await.as_deref(), Ok("200"));
    }
    assert!(member(&route, "node-01").await.requests_total > before.requests_total, "Envoy became careful");
}

#[tokio::test]
async fn a_threshold_of_the_cluster_counts() {
    let more = "    common_lb_config: { healthy_panic_threshold: { value: 90 } }";
    let Some(edge) = Edge::start(4, more).await else { return };
    let route = edge.route();
    // Three of four, overrated by 1.4, are everything: no panic at any threshold.
    edge.replace(&edge.edited(3, "\"health_status\": \"UNHEALTHY\""));
    eventually(&route, "node-04", "unhealthy", |m| matches!(m.health, Health::Failing { .. })).await;
    let why = member(&route, "node-01").await.refuses_drain;
    assert!(why.as_ref().is_some_and(|w| w.contains("2 of 3 hosts") && w.contains("below 90 %")), "{why:?}");
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_envoy_refuses_is_put_back() {
    let Some(edge) = Edge::start(2, "").await else { return };
    let route = edge.route();
    let broken = edge.edited(1, "\"metadata\": 1");
    edge.replace(&broken);
    let began = Instant::now();
    while !view(&route).await.warnings.iter().any(|w| w.contains("did not take 1 updates")) {
        assert!(began.elapsed() < LIMIT, "Envoy took what is no metadata");
        sleep(Duration::from_millis(20)).await;
    }
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("It is as it was")), "{refused:?}");
    assert_eq!(edge.eds(), broken);
    assert_eq!(member(&route, "node-01").await.admission, Admission::Serving);
}

#[tokio::test]
async fn what_is_written_counts_only_where_envoy_runs_it() {
    let Some(edge) = Edge::start(2, "").await else { return };
    let route = edge.route();
    let before = member(&route, "node-01").await;
    // Written in place, and not moved there: Envoy does not notice.
    std::fs::write(edge.at("eds.json"), edge.edited(0, "\"health_status\": \"DRAINING\"")).expect("a file");
    sleep(Duration::from_millis(200)).await;
    let written = member(&route, "node-01").await;
    assert_eq!(written.admission, Admission::Serving);
    assert_ne!(written.exact, before.exact);
    apply(&route, &Desired::Drained).await;
    let drained = member(&route, "node-01").await;
    assert_eq!(drained.admission, Admission::Draining);
    assert_ne!(drained.exact, written.exact, "the same file, and another Envoy");
    apply(&route, &Desired::Exactly { exact: before.exact.clone() }).await;
    assert_eq!(member(&route, "node-01").await.exact, before.exact);
}

#[tokio::test]
async fn another_hand_is_not_overwritten() {
    let Some(edge) = Edge::start(2, "").await else { return };
    let route = edge.route();
    let back = Desired::Exactly { exact: member(&route, "node-01").await.exact };
    apply(&route, &Desired::Drained).await;
    edge.replace(&edge.edited(0, "\"metadata\": {}"));
    let theirs = edge.eds();
    let refused = route.apply(&instance(), "node-01", &back).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("another hand")), "{refused:?}");
    assert_eq!(edge.eds(), theirs);
    // A link would be replaced unseen by Envoy, so it is left alone.
    std::fs::rename(edge.at("eds.json"), edge.at("real.json")).expect("moved");
    std::os::unix::fs::symlink(edge.at("real.json"), edge.at("eds.json")).expect("a link");
    let refused = route.apply(&instance(), "node-01", &Desired::Serving { weight: 3 }).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("is a link")), "{refused:?}");
}

#[tokio::test]
async fn active_checks_are_told_also_while_a_host_drains() {
    let Some(edge) = Edge::start(2, CHECKS).await else { return };
    let route = edge.route();
    eventually(&route, "node-01", "passing", |m| m.health == Health::Passing).await;
    eventually(&route, "node-02", "passing", |m| m.health == Health::Passing).await;
    apply(&route, &Desired::Drained).await;
    edge.nodes[0].set_ready(false);
    let failing = |h: &Health| matches!(h, Health::Failing { reason } if reason.contains("failed active health check"));
    let seen = eventually(&route, "node-01", "failing", |m| failing(&m.health)).await;
    assert_eq!(seen.admission, Admission::Draining);
    edge.nodes[0].set_ready(true);
    let seen = eventually(&route, "node-01", "passing", |m| m.health == Health::Passing).await;
    assert_eq!(seen.admission, Admission::Draining);
}

#[tokio::test]
async fn a_restart_is_another_generation_and_a_stopped_one_is_unreachable() {
    let Some(mut edge) = Edge::start(2, "").await else { return };
    let route = edge.route();
    apply(&route, &Desired::Drained).await;
    let before = view(&route).await;
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(view(&route).await.generation, before.generation, "a second later it is still the same");
    edge.processes.clear();
    fails_in_time(Arc::clone(&route), LIMIT).await;
    assert!(matches!(route.observe(&instance()).await, Err(ProviderError::Unreachable(_))));
    edge.run(&["--disable-hot-restart"]);
    eventually(&route, "node-01", "draining still", |m| m.admission == Admission::Draining).await;
    assert_ne!(view(&route).await.generation, before.generation);
}

#[tokio::test]
async fn the_process_before_a_hot_restart_still_counts() {
    let id = 1000 + u32::from(free_port());
    let options =
        |epoch: &'static str| vec!["--restart-epoch", epoch, "--parent-shutdown-time-s", "60", "--drain-time-s", "50"];
    let id = id.to_string();
    let base = ["--base-id", &id];
    let Some(mut edge) = Edge::with(2, "", &[options("0"), base.to_vec()].concat()).await else { return };
    let route = edge.route();
    route.apply(&instance(), "node-02", &Desired::Drained).await.expect("drained");
    let held = edge.client("/hold").await;
    eventually(&route, "node-01", "busy", |m| m.sessions == 1).await;
    let generation = view(&route).await.generation;
    edge.run(&[options("1"), base.to_vec()].concat());
    let began = Instant::now();
    loop {
        match route.observe(&instance()).await {
            Ok(view) if view.generation != generation => {
                assert_eq!(view.members["node-01"].sessions, 1, "the old process's connection is lost from sight");
                break;
            }
            Ok(view) => assert_eq!(view.members["node-01"].sessions, 1),
            Err(_) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no hot restart");
        sleep(Duration::from_millis(50)).await;
    }
    drop(held);
    eventually(&route, "node-01", "empty", |m| m.sessions == 0).await;
    edge.processes.iter().for_each(|process| process.signal(Signal::TERM));
}

#[tokio::test]
async fn an_admin_interface_on_a_unix_socket() {
    let Some(mut edge) = Edge::start(2, "").await else { return };
    edge.processes.clear();
    let socket = edge.at("admin.sock");
    edge.write_config("", &format!("pipe: {{ path: {} }}", socket.display()));
    edge.run(&["--disable-hot-restart"]);
    let route = edge.route_by(Endpoint::Unix { path: socket }, None, Arc::new(LocalAccess::new()));
    eventually(&route, "node-01", "taking clients", |m| m.takes_clients()).await;
    apply(&route, &Desired::Drained).await;
    assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
}
