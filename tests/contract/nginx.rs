//! A real NGINX, and what it really does: the facts that the provider relies on.

use std::{
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tidegate::{
    config::settings::Place,
    model::{Admission, Desired, Exact, Health},
    provider::{
        ProviderError, RouteProvider,
        access::{Access, local::LocalAccess},
        route::{
            Tools,
            instances::Seat,
            nginx::{Instance, Nginx, Settings},
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::{
    backend::Backend,
    process::{Process, free_port, program},
    renamed::Renamed,
    route::{apply, eventually, fails_in_time, instance, member, view},
};

const LIMIT: Duration = Duration::from_secs(10);

type Route = Arc<dyn RouteProvider>;

/// NGINX with two upstreams of the same two members, each with an include of its own.
pub struct Edge {
    directory: TempDir,
    process: Process,
    nodes: [Backend; 2],
    front: u16,
}

impl Edge {
    /// Starts it with `main` at the top of its configuration.
    pub async fn start(main: &str) -> Option<Self> {
        let nginx = program("/usr/sbin/nginx")?;
        let directory = tempfile::tempdir().expect("a directory");
        let nodes = [Backend::start().await, Backend::start().await];
        let front = free_port();
        let at = directory.path().display();
        let config = format!(
            "{main}\npid {at}/nginx.pid;\nerror_log {at}/error.log notice;\nworker_processes 2;\n{}\
             events {{ worker_connections 256; }}\nhttp {{\n access_log off;\n client_body_temp_path {at}/t1;\n \
             proxy_temp_path {at}/t2;\n fastcgi_temp_path {at}/t3;\n uwsgi_temp_path {at}/t4;\n scgi_temp_path {at}/t5;\n \
             upstream app {{ include {at}/app.conf; }}\n upstream other {{ include {at}/other.conf; }}\n \
             server {{\n  listen 127.0.0.1:{front};\n  include {at}/extra*;\n  proxy_http_version 1.1;\n  \
             proxy_set_header Connection \"\";\n  proxy_read_timeout 1h;\n  location / {{ proxy_pass http://app; }}\n  \
             location /other/ {{ proxy_pass http://other/; }}\n }}\n}}\n",
            if rustix::process::geteuid().is_root() { "user root;\n" } else { "" }
        );
        let edge_file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
        edge_file("nginx.conf", &config);
        let members = format!(
            "# The members of app.\nserver 127.0.0.1:{} weight=100; # one\r\n\tserver 127.0.0.1:{}  weight=50 max_fails=3 ;\n\
             keepalive 8;\n",
            nodes[0].port, nodes[1].port
        );
        edge_file("app.conf", &members);
        edge_file("other.conf", &members);
        // Files of the same hundredth of a second could be younger than the workers.
        sleep(Duration::from_millis(50)).await;
        let mut command = Command::new(nginx);
        command.args(arguments(&directory)).args(["-g", "daemon off;"]);
        let process = Process::start(&mut command, &directory.path().join("log"));
        let edge = Self { directory, process, nodes, front };
        let route = edge.route();
        eventually(&route, "node-01", "serving", |m| m.admission == Admission::Serving).await;
        Some(edge)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).expect("a file")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("a file");
    }

    /// The members as they are named in the include.
    fn servers(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect()
    }

    /// A provider, as one program has it.
    pub fn nginx(&self, include: &str, host: Option<&str>, access: Arc<dyn Access>) -> Nginx {
        let path = |name: &str| self.at(name).display().to_string();
        let seat = Seat { name: instance(), host: host.map(str::to_owned), source: Vec::new(), node: None };
        let command = [vec!["/usr/sbin/nginx".to_owned()], arguments(&self.directory)].concat();
        let one = Instance { seat, include: None, pid: path("nginx.pid"), command, sudo: false };
        let settings = Settings { include: path(include), server: "{node}".into(), instances: vec![one] };
        let place = |server: String| Place { node: server.as_str().into(), address: None, ssh: server, outside: false };
        let places: Vec<Place> = self.servers().into_iter().map(place).collect();
        let tools = Tools { access, local: Arc::new(LocalAccess::new()), limit: LIMIT };
        Nginx::new(format!("web/nginx:{include}").as_str().into(), &settings, &places, &tools)
    }

    /// The route through the first include.
    pub fn route(&self) -> Route {
        Renamed::route(Arc::new(self.nginx("app.conf", None, Arc::new(LocalAccess::new()))), &self.servers())
    }

    /// The same over SSH.
    pub fn route_over(&self, host: &str, access: Arc<dyn Access>) -> Route {
        Renamed::route(Arc::new(self.nginx("app.conf", Some(host), access)), &self.servers())
    }

    /// The route through the second include.
    fn other(&self) -> Route {
        Renamed::route(Arc::new(self.nginx("other.conf", None, Arc::new(LocalAccess::new()))), &self.servers())
    }

    /// What an operator does by hand, and not in the same hundredth of a second in which the file was written.
    async fn reload(&self) {
        sleep(Duration::from_millis(100)).await;
        self.process.signal(Signal::HUP);
    }

    fn reloads(&self) -> usize {
        self.read("error.log").matches("SIGHUP").count()
    }

    /// A client with one request under way.
    async fn client(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.front)).await.expect("the frontend");
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

    /// Clients held by each member until one of `node-01` is there; gives both.
    async fn held(&self) -> [TcpStream; 2] {
        let route = self.route();
        let mut clients = Vec::new();
        for (server, other) in [("node-01", "node-02"), ("node-02", "node-01")] {
            let before = view(&route).await.members[other].exact.clone();
            route.apply(&instance(), other, &Desired::Drained).await.expect("drained");
            clients.push(self.client("/hold").await);
            eventually(&route, server, "busy", |m| m.sessions >= 1).await;
            route.apply(&instance(), other, &Desired::Exactly { exact: before }).await.expect("back");
        }
        clients.try_into().expect("two clients")
    }
}

fn arguments(directory: &TempDir) -> Vec<String> {
    let at = |name: &str| directory.path().join(name).display().to_string();
    vec!["-p".into(), at(""), "-c".into(), at("nginx.conf"), "-e".into(), at("error.log")]
}

async fn exact(route: &Route, server: &str) -> Desired {
    Desired::Exactly { exact: member(route, server).await.exact }
}

#[tokio::test]
async fn a_drain_and_a_restore_cost_no_request_and_leave_the_file_as_it_was() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let before = edge.read("app.conf");
    std::fs::set_permissions(edge.at("app.conf"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("a mode");
    edge.reload().await;
    eventually(&route, "node-01", "loaded", |_| true).await;
    let back = exact(&route, "node-01").await;
    let edge = Arc::new(edge);
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
    apply(&route, &Desired::Drained).await;
    let drained = edge.read("app.conf");
    assert!(drained.contains("weight=100 down; # one # set by tidegate"), "{drained}");
    assert_eq!(edge.read(".app.conf.tidegate-before"), before, "the backup");
    apply(&route, &Desired::Serving { weight: 10 }).await;
    apply(&route, &back).await;
    assert_eq!(edge.read("app.conf"), before);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(edge.at("app.conf")).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o640);
    let seen = clients.await.expect("clients");
    let failed: Vec<_> = seen.iter().filter(|s| s.as_deref() != Ok("200")).collect();
    assert!(failed.is_empty() && seen.len() > 50, "{} of {} failed: {:?}", failed.len(), seen.len(), failed.first());
    eprintln!("{} requests during a drain, a ramp and a restore, none failed", seen.len());
}

#[tokio::test]
async fn a_refused_configuration_leaves_everything_as_it_was() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let (before, reloads) = (edge.read("app.conf"), edge.reloads());
    let seen = view(&route).await;
    edge.write("extra", "nosuchdirective on;\n");
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(
        matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("unknown directive \"nosuchdirective\"")),
        "{refused:?}"
    );
    assert_eq!((edge.read("app.conf"), edge.reloads()), (before.clone(), reloads));
    assert_eq!(view(&route).await, seen, "known, and the same, though the file was written in between");
    std::fs::remove_file(edge.at("extra")).expect("mended");
    apply(&route, &Desired::Drained).await;
    assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
}

#[tokio::test]
async fn what_only_the_reload_finds_out_is_put_back_too() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let before = edge.read("app.conf");
    // An address that is taken passes `nginx -t`, and stops the reload.
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    edge.write("extra", &format!("listen {};\n", taken.local_addr().expect("an address")));
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(
        matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("Address already in use")),
        "{refused:?}"
    );
    assert_eq!(edge.read("app.conf"), before);
    assert_eq!(member(&route, "node-01").await.admission, Admission::Serving);
}

#[tokio::test]
async fn changes_at_the_same_time_share_a_reload() {
    let Some(edge) = Edge::start("").await else { return };
    let (route, other) = (edge.route(), edge.other());
    let (before, reloads) = ((edge.read("app.conf"), edge.read("other.conf")), edge.reloads());
    let back = (exact(&route, "node-01").await, exact(&other, "node-01").await);
    let name = instance();
    let both = tokio::join!(
        route.apply(&name, "node-01", &Desired::Drained),
        other.apply(&name, "node-01", &Desired::Drained)
    );
    assert_eq!(both, (Ok(()), Ok(())));
    assert_eq!(edge.reloads(), reloads + 1);
    for route in [&route, &other] {
        assert_eq!(member(route, "node-01").await.admission, Admission::Draining);
    }
    // One that NGINX refuses does not take the other along.
    let mut bad = back.0.clone();
    if let Desired::Exactly { exact: Exact(line) } = &mut bad {
        *line = json!({ "line": format!("server {} nosuch=1;", edge.servers()[0]) });
    }
    let both = tokio::join!(route.apply(&name, "node-01", &bad), other.apply(&name, "node-01", &back.1));
    assert!(matches!(&both.0, Err(ProviderError::Refused(why)) if why.contains("invalid parameter")), "{both:?}");
    assert_eq!(both.1, Ok(()));
    assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
    assert_eq!(member(&other, "node-01").await.admission, Admission::Serving);
    apply(&route, &back.0).await;
    assert_eq!((edge.read("app.conf"), edge.read("other.conf")), before);
}

#[tokio::test]
async fn what_is_written_and_not_loaded_is_unknown() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let generation = view(&route).await.generation;
    edge.write("app.conf", &edge.read("app.conf").replace("weight=100", "weight=100 down"));
    let unknown = route.observe(&instance()).await;
    assert!(matches!(&unknown, Err(ProviderError::Unexpected(why)) if why.contains("newer than NGINX's workers")));
    // With a time of long ago, as rsync would leave it, it is not loaded either.
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options()
        .append(true)
        .open(edge.at("app.conf"))
        .expect("it")
        .set_modified(long_ago)
        .expect("a time");
    assert!(route.observe(&instance()).await.is_err());
    edge.reload().await;
    let seen = eventually(&route, "node-01", "draining", |m| m.admission == Admission::Draining).await;
    assert_eq!((seen.health, seen.weight), (Health::Unchecked, 100));
    assert_eq!(view(&route).await.generation, generation, "a reload is no new NGINX");
}

#[tokio::test]
async fn a_restart_is_another_generation_and_a_stopped_one_is_unreachable() {
    let Some(mut edge) = Edge::start("").await else { return };
    let route = edge.route();
    apply(&route, &Desired::Drained).await;
    let before = view(&route).await;
    edge.process.signal(Signal::TERM);
    let began = Instant::now();
    while edge.at("nginx.pid").exists() {
        assert!(began.elapsed() < LIMIT, "NGINX does not end");
        sleep(Duration::from_millis(10)).await;
    }
    fails_in_time(Arc::clone(&route), LIMIT).await;
    assert!(matches!(route.observe(&instance()).await, Err(ProviderError::Unreachable(_))));
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(arguments(&edge.directory)).args(["-g", "daemon off;"]);
    edge.process = Process::start(&mut command, &edge.at("log"));
    let seen = eventually(&route, "node-01", "draining still", |m| m.admission == Admission::Draining).await;
    assert_eq!(seen.exact, before.members["node-01"].exact);
    assert_ne!(view(&route).await.generation, before.generation);
}

#[tokio::test]
async fn another_hand_is_not_overwritten() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let back = exact(&route, "node-01").await;
    apply(&route, &Desired::Drained).await;
    let theirs = edge.read("app.conf").replace("weight=100", "weight=90");
    edge.write("app.conf", &theirs);
    edge.reload().await;
    eventually(&route, "node-01", "loaded", |m| m.weight == 90).await;
    for desired in [back, Desired::Serving { weight: 10 }] {
        let refused = route.apply(&instance(), "node-01", &desired).await;
        assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("another hand")), "{refused:?}");
    }
    assert_eq!(edge.read("app.conf"), theirs);
    // The other member is nobody else's.
    route.apply(&instance(), "node-02", &Desired::Serving { weight: 7 }).await.expect("served");
}

#[tokio::test]
async fn the_last_server_is_not_drained() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    // Both at the same moment: one of them is the last.
    let name = instance();
    let both = tokio::join!(
        route.apply(&name, "node-01", &Desired::Drained),
        route.apply(&name, "node-02", &Desired::Drained)
    );
    assert_eq!([both.0.is_ok(), both.1.is_ok()].iter().filter(|ok| **ok).count(), 1, "{both:?}");
    let refused = both.0.err().or(both.1.err());
    assert!(matches!(&refused, Some(ProviderError::Refused(why)) if why.contains("last server")), "{refused:?}");
}

#[tokio::test]
async fn old_workers_count_until_their_connections_are_cut_and_idle_ones_do_not() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let [mut one, mut two] = edge.held().await;
    for _ in 0..6 {
        assert_eq!(edge.status().await.as_deref(), Ok("200"));
    }
    assert!(member(&route, "node-01").await.sessions >= 2, "one is held, and NGINX keeps idle ones");
    apply(&route, &Desired::Drained).await;
    let seen = member(&route, "node-01").await;
    assert_eq!((seen.admission, seen.sessions), (Admission::Draining, 1), "the reload closed the idle ones");
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: cutting connections takes root");
        return;
    }
    route.close_connections(&instance(), "node-01").await.expect("closed");
    assert_eq!(member(&route, "node-01").await.sessions, 0);
    let mut answer = Vec::new();
    one.read_to_end(&mut answer).await.expect("an end, or an error of NGINX's");
    // The other one is in an old worker too, and is not touched.
    let two_ended = tokio::time::timeout(Duration::from_millis(300), two.read(&mut [0; 16])).await;
    assert!(two_ended.is_err(), "the other member's client was cut as well");
    assert!(member(&route, "node-02").await.sessions >= 1);
}

#[tokio::test]
async fn a_change_given_up_at_any_moment_leaves_what_was_tested() {
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    let back = exact(&route, "node-01").await;
    for millis in [5, 25, 50, 100, 150, 200, 300] {
        for desired in [&Desired::Drained, &back] {
            let limit = Duration::from_millis(millis);
            let _ = tokio::time::timeout(limit, route.apply(&instance(), "node-01", desired)).await;
        }
    }
    let servers = edge.servers();
    let seen = eventually(&route, "node-01", "known", |_| true).await;
    assert!(seen.exact.0["line"].as_str().is_some_and(|line| line.contains(&servers[0])), "{seen:?}");
    apply(&route, &back).await;
    assert_eq!(exact(&route, "node-01").await, back);
    assert!(!edge.at(".app.conf.tidegate-new").exists(), "a candidate was left behind");
}

#[tokio::test]
async fn a_reload_tells_what_it_costs() {
    let Some(edge) = Edge::start("worker_shutdown_timeout 30s;").await else { return };
    let route = edge.route();
    let client = edge.client("/hold").await;
    let began = Instant::now();
    loop {
        let warnings = view(&route).await.warnings;
        let said = warnings.iter().any(|w| w.contains("after 30s") && w.contains(": 1 connections are open"));
        if said {
            break;
        }
        assert!(began.elapsed() < LIMIT, "{warnings:?}");
        sleep(Duration::from_millis(50)).await;
    }
    drop(client);
    let Some(edge) = Edge::start("").await else { return };
    let route = edge.route();
    assert_eq!(view(&route).await.warnings, Vec::<String>::new());
    let _client = edge.client("/hold").await;
    eventually(&route, "node-01", "busy somewhere", |_| true).await;
    let began = Instant::now();
    while !view(&route).await.warnings.iter().any(|w| w.contains("leaves 1 open connections to old workers")) {
        assert!(began.elapsed() < LIMIT, "no word of the connection that is open");
        sleep(Duration::from_millis(50)).await;
    }
}
