//! A real Envoy, and what it really does: the facts that the provider relies on.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::{
    config::settings::{Endpoint, Place},
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
    route::{apply, eventually, fails_in_time, instance, member, view},
};

const LIMIT: Duration = Duration::from_secs(10);
const CHECKED: &str = r#"[{"timeout": "1s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 2,
    "healthy_threshold": 1, "http_health_check": {"path": "/ready"}}]"#;

type Route = Arc<dyn RouteProvider>;

/// Envoy with one listener for HTTP, one for plain TCP, and one cluster.
pub struct Mesh {
    directory: TempDir,
    process: Process,
    nodes: Vec<Backend>,
    front: u16,
    plain: u16,
    admin: u16,
}

/// Envoys on one machine share memory by a number, which must differ.
static BASE: AtomicU16 = AtomicU16::new(0);

fn start(directory: &TempDir) -> Option<Process> {
    let envoy = match xtask::envoy::envoy() {
        Ok(envoy) => envoy,
        Err(error) => {
            eprintln!("NOT RUN: {error:#}");
            return None;
        }
    };
    let base = (std::process::id() % 30_000) * 16 + u32::from(BASE.fetch_add(1, Ordering::Relaxed) % 16);
    let mut command = Command::new(envoy);
    command.arg("-c").arg(directory.path().join("envoy.json")).args(["-l", "warning", "--concurrency", "2"]);
    Some(Process::start(command.args(["--base-id", &base.to_string()]), &directory.path().join("log")))
}

impl Mesh {
    /// Starts it with so many members, and with this beside the rest of the cluster.
    pub async fn start(members: usize, cluster: &Value) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut nodes = Vec::new();
        for _ in 0..members {
            nodes.push(Backend::start().await);
        }
        let (front, plain, admin) = (free_port(), free_port(), free_port());
        std::fs::create_dir(directory.path().join("eds")).expect("a folder");
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("eds/app.json"), endpoints(&nodes)).expect("a file");
        let config = bootstrap(&directory, [front, plain, admin], cluster);
        std::fs::write(at("envoy.json"), config.to_string()).expect("a file");
        let process = start(&directory)?;
        let mesh = Self { directory, process, nodes, front, plain, admin };
        eventually(&mesh.route(), "node-01", "serving", |m| m.admission == Admission::Serving).await;
        Some(mesh)
    }

    /// The usual one.
    pub async fn of_two() -> Option<Self> {
        Self::start(2, &json!({})).await
    }

    /// One that checks its members.
    pub async fn checking() -> Option<Self> {
        let checks: Value = serde_json::from_str(CHECKED).expect("JSON");
        let mesh = Self::start(2, &json!({ "health_checks": checks })).await?;
        for server in ["node-01", "node-02"] {
            eventually(&mesh.route(), server, "healthy", |m| m.health == Health::Passing).await;
        }
        Some(mesh)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("eds/app.json")
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.file()).expect("the file")
    }

    /// As an operator's tool would do it.
    fn replace(&self, text: &str) {
        let new = self.directory.path().join("eds/theirs");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(new, self.file()).expect("renamed");
    }

    /// A provider, as one program has it.
    fn envoy(&self, host: Option<&str>, access: Arc<dyn Access>, limit: Duration) -> Route {
        let seat = Seat { name: instance(), host: host.map(str::to_owned), source: Vec::new(), node: None };
        let admin = Endpoint::Tcp { address: format!("127.0.0.1:{}", self.admin) };
        let one = Instance { seat, admin, eds_file: None, sudo: false };
        let eds_file = self.file().display().to_string();
        let settings = Settings { cluster: "app".into(), eds_file, server: "{node}".into(), instances: vec![one] };
        let place = |n: usize| {
            let node = format!("node-{:02}", n + 1);
            Place { node: node.as_str().into(), address: None, ssh: node, outside: false }
        };
        let places: Vec<Place> = (0..self.nodes.len()).map(place).collect();
        let tools = Tools { access, local: Arc::new(LocalAccess::new()), limit };
        Arc::new(Envoy::new("web/envoy:app".into(), &settings, &places, &tools))
    }

    pub fn route(&self) -> Route {
        self.envoy(None, Arc::new(LocalAccess::new()), LIMIT)
    }

    /// The same over SSH.
    pub fn route_over(&self, host: &str, access: Arc<dyn Access>) -> Route {
        self.envoy(Some(host), access, LIMIT)
    }

    async fn client(&self, port: u16, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the frontend");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: app\r\n\r\n").as_bytes()).await.expect("a request");
        stream
    }

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

/// Written unlike a program would, so that what is put back can be told from what is made anew.
fn endpoints(nodes: &[Backend]) -> String {
    let one = |(n, node): (usize, &Backend)| {
        format!(
            "  {{\"endpoint\" : {{\"address\": {{\"socket_address\": {{\"address\": \"127.0.0.1\", \"port_value\": {}}}}}, \
             \"hostname\": \"node-{:02}\"}},\n   \"load_balancing_weight\":  {}}}",
            node.port,
            n + 1,
            100 - n
        )
    };
    let all: Vec<String> = nodes.iter().enumerate().map(one).collect();
    format!(
        "{{\"version_info\": \"7\",\n\"resources\": [{{\"@type\": \
         \"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment\",\n \"cluster_name\": \"app\", \
         \"endpoints\": [{{\"lb_endpoints\": [\n{}\n ]}}]}}]}}\n",
        all.join(",\n")
    )
}

fn bootstrap(directory: &TempDir, [front, plain, admin]: [u16; 3], cluster: &Value) -> Value {
    let address = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let router = json!({ "name": "router", "typed_config": { "@type": kind("http.router.v3.Router") } });
    let http = json!({
        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "in",
        "route_config": { "virtual_hosts": [{ "name": "app", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "app", "timeout": "3600s" } }
        ] }] },
        "http_filters": [router],
    });
    let tcp = json!({ "@type": kind("network.tcp_proxy.v3.TcpProxy"), "stat_prefix": "tcp", "cluster": "app" });
    let listener = |name: &str, port: u16, filter: Value| {
        json!({ "name": name, "address": address(port),
            "filter_chains": [{ "filters": [{ "name": name, "typed_config": filter }] }] })
    };
    let folder = directory.path().join("eds");
    let source = json!({ "path": folder.join("app.json"), "watched_directory": { "path": folder } });
    let mut app = json!({ "name": "app", "type": "EDS", "connect_timeout": "1s",
        "eds_cluster_config": { "eds_config": { "path_config_source": source } } });
    for (name, value) in cluster.as_object().expect("an object") {
        app[name] = value.clone();
    }
    json!({
        "node": { "id": "lb-01", "cluster": "test" },
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": [listener("http", front, http), listener("tcp", plain, tcp)], "clusters": [app] },
    })
}

#[tokio::test]
async fn a_drain_and_a_restore_cost_no_request_and_leave_the_file_as_it_was() {
    let Some(mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    let before = mesh.read();
    std::fs::set_permissions(mesh.file(), std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("a mode");
    let back = Desired::Exactly { exact: member(&route, "node-01").await.exact };
    let mesh = Arc::new(mesh);
    let clients = {
        let mesh = Arc::clone(&mesh);
        let began = Instant::now();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while began.elapsed() < Duration::from_secs(2) {
                seen.push(mesh.status().await);
            }
            seen
        })
    };
    sleep(Duration::from_millis(200)).await;
    apply(&route, &Desired::Drained).await;
    let drained = member(&route, "node-01").await;
    assert!(mesh.read().contains("\"health_status\": \"DRAINING\""), "{}", mesh.read());
    sleep(Duration::from_millis(300)).await;
    let later = member(&route, "node-01").await;
    assert_eq!((later.admission, later.requests_total), (Admission::Draining, drained.requests_total));
    apply(&route, &Desired::Serving { weight: 10 }).await;
    apply(&route, &back).await;
    assert_eq!(mesh.read(), before);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(mesh.file()).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o640);
    let seen = clients.await.expect("clients");
    let failed: Vec<_> = seen.iter().filter(|s| s.as_deref() != Ok("200")).collect();
    assert!(failed.is_empty() && seen.len() > 50, "{} of {} failed: {:?}", failed.len(), seen.len(), failed.first());
    assert!(member(&route, "node-01").await.requests_total > drained.requests_total, "clients came back");
    eprintln!("{} requests during a drain, a ramp and a restore, none failed", seen.len());
}

#[tokio::test]
async fn the_panic_threshold_is_refused_with_its_numbers() {
    let checks: Value = serde_json::from_str(CHECKED).expect("JSON");
    let cluster =
        json!({ "health_checks": checks, "common_lb_config": { "healthy_panic_threshold": { "value": 60 } } });
    let Some(mesh) = Mesh::start(4, &cluster).await else { return };
    let route = mesh.route();
    for server in ["node-01", "node-02", "node-03", "node-04"] {
        eventually(&route, server, "healthy", |m| m.health == Health::Passing).await;
    }
    // Of the healthy, each can be drained: draining ones do not count.
    assert_eq!(member(&route, "node-01").await.refuses_drain, None);
    for node in &mesh.nodes[2..3] {
        node.set_ready(false);
    }
    eventually(&route, "node-03", "failing", |m| matches!(m.health, Health::Failing { .. })).await;
    // 3 of 4; without one of them 2 of 3, which is 66 %.
    apply(&route, &Desired::Drained).await;
    let left = member(&route, "node-02").await;
    let why = left.refuses_drain.expect("1 of 2 is below 60 %");
    assert!(why.contains("1 of 2 members available (50 %) is below its panic threshold of 60 %"), "{why}");
    let (before, refused) = (mesh.read(), route.apply(&instance(), "node-02", &Desired::Drained).await);
    assert!(matches!(&refused, Err(ProviderError::Refused(said)) if said.contains(&why)), "{refused:?}");
    assert_eq!(mesh.read(), before);
    // Another member fails, and Envoy panics: it says so, and the drained member is not out any more.
    mesh.nodes[3].set_ready(false);
    let seen = eventually(&route, "node-01", "in panic", |m| m.admission == Admission::Serving).await;
    assert!(seen.refuses_drain.is_some());
    let requests = seen.requests_total;
    for _ in 0..16 {
        mesh.status().await.expect("an answer");
    }
    assert!(member(&route, "node-01").await.requests_total > requests, "a panic sends requests to drained members");
    assert!(view(&route).await.warnings.iter().any(|w| w.contains("panic")));
}

#[tokio::test]
async fn the_last_member_is_not_drained() {
    let Some(mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    let name = instance();
    // Both at the same moment: one of them is the last.
    let (one, two) = tokio::join!(
        route.apply(&name, "node-01", &Desired::Drained),
        route.apply(&name, "node-02", &Desired::Drained)
    );
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(), 1, "{one:?} {two:?}");
    let refused = one.err().or(two.err());
    assert!(matches!(&refused, Some(ProviderError::Refused(why)) if why.contains("no other member")), "{refused:?}");
}

#[tokio::test]
async fn another_hand_is_not_overwritten() {
    let Some(mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    let back = Desired::Exactly { exact: member(&route, "node-01").await.exact };
    // Edits of another member at the same time as ours, again and again: none is lost.
    for weight in 2..22_u32 {
        let theirs = mesh.read().replace(
            &format!("\"load_balancing_weight\":  {}", if weight == 2 { 99 } else { weight - 1 }),
            &format!("\"load_balancing_weight\":  {weight}"),
        );
        let desired = if weight % 2 == 0 { Desired::Drained } else { back.clone() };
        let name = instance();
        let (ours, ()) = tokio::join!(route.apply(&name, "node-01", &desired), async { mesh.replace(&theirs) });
        ours.expect("done");
        assert!(mesh.read().contains(&format!("\"load_balancing_weight\":  {weight}")), "{}", mesh.read());
    }
    // Our member became another one in the meantime.
    apply(&route, &Desired::Drained).await;
    let theirs =
        mesh.read().replace("\"load_balancing_weight\":  100", "\"metadata\": {}, \"load_balancing_weight\":  100");
    mesh.replace(&theirs);
    let refused = route.apply(&instance(), "node-01", &back).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("another hand")), "{refused:?}");
    assert_eq!(mesh.read(), theirs);
}

#[tokio::test]
async fn a_file_that_envoy_does_not_take_over_acknowledges_nothing() {
    let Some(mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    // Written in place: no rename, so Envoy does not look.
    let drained = mesh.read().replacen(
        "\"load_balancing_weight\"",
        "\"health_status\": \"DRAINING\", \"load_balancing_weight\"",
        1,
    );
    std::fs::write(mesh.file(), drained).expect("written");
    let seen = member(&route, "node-01").await;
    assert_eq!(seen.admission, Admission::Serving, "the running one decides");
    assert!(view(&route).await.warnings.iter().any(|w| w.contains("has not taken over")));
    mesh.replace(&mesh.read());
    eventually(&route, "node-01", "draining", |m| m.admission == Admission::Draining).await;
    // And where only the file lets it in, nothing is known.
    std::fs::write(mesh.file(), mesh.read().replace("DRAINING", "HEALTHY")).expect("written");
    let unknown = route.observe(&instance()).await;
    assert!(matches!(&unknown, Err(ProviderError::Unexpected(why)) if why.contains("did not take")), "{unknown:?}");
}

#[tokio::test]
async fn a_restart_keeps_the_drain_and_an_envoy_that_is_gone_is_an_error() {
    let Some(mut mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    apply(&route, &Desired::Drained).await;
    let before = view(&route).await;
    mesh.process.kill();
    fails_in_time(Arc::clone(&route), LIMIT).await;
    mesh.process = start(&mesh.directory).expect("it was there before");
    let seen = eventually(&route, "node-01", "draining still", |m| m.admission == Admission::Draining).await;
    assert_eq!(seen.exact, before.members["node-01"].exact);
    assert_ne!(view(&route).await.generation, before.generation);
    // Stopped, it takes connections and says nothing.
    mesh.process.signal(rustix::process::Signal::STOP);
    let limit = Duration::from_millis(500);
    fails_in_time(mesh.envoy(None, Arc::new(LocalAccess::new()), limit), limit).await;
    mesh.process.signal(rustix::process::Signal::CONT);
}

#[tokio::test]
async fn held_requests_and_plain_connections_are_sessions_and_idle_ones_are_not() {
    let Some(mesh) = Mesh::of_two().await else { return };
    let route = mesh.route();
    route.apply(&instance(), "node-02", &Desired::Drained).await.expect("drained");
    eventually(&route, "node-02", "draining", |m| m.admission == Admission::Draining).await;
    assert_eq!(mesh.status().await.as_deref(), Ok("200"));
    let idle = eventually(&route, "node-01", "idle", |m| m.idle >= 1).await;
    assert_eq!(idle.sessions, 0);
    let mut held = mesh.client(mesh.front, "/hold").await;
    let mut plain = mesh.client(mesh.plain, "/hold").await;
    eventually(&route, "node-01", "busy with both", |m| m.sessions == 2).await;
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: cutting connections takes root");
        return;
    }
    route.apply(&instance(), "node-02", &Desired::Serving { weight: 50 }).await.expect("served");
    eventually(&route, "node-02", "serving", |m| m.admission == Admission::Serving).await;
    apply(&route, &Desired::Drained).await;
    assert_eq!(member(&route, "node-01").await.sessions, 2, "a drain cuts nothing");
    route.close_connections(&instance(), "node-01").await.expect("closed");
    let cut = eventually(&route, "node-01", "cut", |m| m.sessions == 0).await;
    assert_eq!(cut.idle, 0);
    let mut answer = [0; 256];
    assert!(held.read(&mut answer).await.is_ok(), "Envoy's own answer");
    assert!(matches!(plain.read(&mut answer).await, Ok(0) | Err(_)), "an end");
}

#[tokio::test]
async fn bound_clients_are_known_and_shut_out() {
    let bound = json!({ "common_lb_config": { "override_host_status": { "statuses": ["HEALTHY", "DRAINING"] } } });
    let Some(mesh) = Mesh::start(2, &bound).await else { return };
    let route = mesh.route();
    apply(&route, &Desired::Drained).await;
    let seen = member(&route, "node-01").await;
    assert!(seen.admits_bound && !seen.is_closed());
    apply(&route, &Desired::Closed).await;
    let seen = member(&route, "node-01").await;
    assert!(seen.is_closed() && seen.admission == Admission::Out, "{seen:?}");
}
