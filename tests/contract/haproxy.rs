//! A real HAProxy, and what it really does: the facts that the provider relies on.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use tempfile::TempDir;
use tidegate::{
    config::settings::Endpoint,
    model::{Admission, Desired, Health},
    provider::{
        ProviderError, RouteProvider,
        access::{Access, local::LocalAccess},
        route::haproxy::{Haproxy, Instance, Settings},
    },
    traffic::{
        residual::{LbShare, residual},
        sockets::Sockets,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    time::{Instant, sleep},
};

use crate::{
    backend::Backend,
    process::{Process, free_port, program},
    route::{apply, eventually, fails_in_time, instance, keeps_the_contract, member, view},
};

pub const LIMIT: Duration = Duration::from_secs(5);

/// HAProxy with two checked members, an admin socket (UNIX and TCP), an operator's, and a master's.
pub struct Proxy {
    directory: TempDir,
    pub process: Process,
    pub node_01: Backend,
    _node_02: Backend,
    tcp: u16,
    pub front: u16,
}

impl Proxy {
    /// Starts it with `extra` at the end of its configuration, and waits until both members are up.
    pub async fn start(extra: &str) -> Option<Self> {
        let haproxy = program("/usr/sbin/haproxy")?;
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().display().to_string();
        let (node_01, node_02) = (Backend::start().await, Backend::start().await);
        let (tcp, front) = (free_port(), free_port());
        let config = format!(
            "global\n stats socket {at}/admin.sock mode 600 level admin\n \
             stats socket ipv4@127.0.0.1:{tcp} level admin\n stats socket {at}/operator.sock level operator\n\
             defaults\n mode http\n timeout connect 1s\n timeout client 60s\n timeout server 60s\n retries 0\n\
             frontend front\n bind 127.0.0.1:{front}\n default_backend app\n\
             backend app\n option httpchk GET /ready\n default-server inter 200ms fall 2 rise 2\n \
             cookie SRV insert indirect nocache\n timeout tunnel 1m\n \
             server node-01 127.0.0.1:{} check weight 100 cookie n1\n \
             server node-02 127.0.0.1:{} check weight 50 cookie n2\n{extra}\n",
            node_01.port, node_02.port
        );
        std::fs::write(directory.path().join("haproxy.cfg"), config).expect("a configuration");
        let mut command = Command::new(haproxy);
        command.args(["-W", "-S", &format!("{at}/master.sock"), "-f", &format!("{at}/haproxy.cfg")]);
        let process = Process::start(&mut command, &directory.path().join("log"));
        let proxy = Self { directory, process, node_01, _node_02: node_02, tcp, front };
        proxy.wait_until_up().await;
        Some(proxy)
    }

    async fn wait_until_up(&self) {
        let route = self.route(self.unix());
        let began = Instant::now();
        loop {
            match route.observe(&instance()).await {
                Ok(view) if view.members.values().filter(|m| m.health == Health::Passing).count() >= 2 => return,
                _ if began.elapsed() < Duration::from_secs(5) => sleep(Duration::from_millis(20)).await,
                seen => panic!("not up: {seen:?}\n{}", self.log()),
            }
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn unix(&self) -> Endpoint {
        Endpoint::Unix { path: self.at("admin.sock") }
    }

    pub fn tcp(&self) -> Endpoint {
        Endpoint::Tcp { address: format!("127.0.0.1:{}", self.tcp) }
    }

    pub fn ssh(&self, host: &str) -> Endpoint {
        Endpoint::Ssh { host: host.into(), path: self.at("admin.sock") }
    }

    pub fn route(&self, socket: Endpoint) -> Haproxy {
        haproxy(socket, None, Arc::new(LocalAccess::new()), LIMIT)
    }

    pub fn route_over(&self, socket: Endpoint, access: Arc<dyn Access>) -> Haproxy {
        haproxy(socket, None, access, LIMIT)
    }

    pub fn route_with_master(&self) -> Haproxy {
        let master = Endpoint::Unix { path: self.at("master.sock") };
        haproxy(self.unix(), Some(master), Arc::new(LocalAccess::new()), LIMIT)
    }

    /// What an operator would do by hand.
    pub async fn command(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(self.at("admin.sock")).await.expect("the socket");
        stream.write_all(format!("{line}\n").as_bytes()).await.expect("a command");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    /// A client with one request under way.
    pub async fn client(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.front)).await.expect("the frontend");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: app\r\n\r\n").as_bytes()).await.expect("a request");
        stream
    }

    /// A client with a request that `node-01` holds.
    async fn held_by_node_01(&self) -> TcpStream {
        self.command("set server app/node-02 state drain").await;
        let client = self.client("/hold").await;
        let route: Arc<dyn RouteProvider> = Arc::new(self.route(self.unix()));
        eventually(&route, "node-01", "busy", |m| m.sessions == 1).await;
        self.command("set server app/node-02 state ready").await;
        client
    }
}

pub fn haproxy(socket: Endpoint, master: Option<Endpoint>, access: Arc<dyn Access>, limit: Duration) -> Haproxy {
    let instance = Instance { name: instance(), socket, master, source: Vec::new(), node: None };
    let settings =
        Settings { backend: "app".into(), server: "{node}".into(), instances: vec![instance], config_file: None };
    Haproxy::new("web/haproxy:app".into(), settings, access, limit)
}

#[tokio::test]
async fn a_server_never_leaves_maintenance_without_a_check() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    proxy.command("set server app/node-01 state maint").await;
    let before = member(&route, "node-01").await;
    assert_eq!(before.admission, Admission::Out);

    // A drain leaves maintenance alone, and the receipt puts maintenance back.
    apply(&route, &Desired::Drained).await;
    assert_eq!(member(&route, "node-01").await.exact, before.exact);

    // The trap: by hand, the server counts as up before anything was checked.
    proxy.node_01.set_ready(false);
    proxy.command("set server app/node-01 state ready").await;
    assert!(member(&route, "node-01").await.takes_clients(), "HAProxy became careful: simplify the provider");

    proxy.command("set server app/node-01 state maint").await;
    for desired in [Desired::Serving { weight: 7 }, Desired::FreshCheck] {
        apply(&route, &desired).await;
        for _ in 0..10 {
            let seen = member(&route, "node-01").await;
            assert!(!seen.takes_clients(), "{desired:?}: clients before a check: {seen:?}");
            assert!(matches!(seen.health, Health::Failing { .. }), "{seen:?}");
            sleep(Duration::from_millis(50)).await;
        }
        proxy.command("set server app/node-01 state maint").await;
    }
    apply(&route, &Desired::Serving { weight: 7 }).await;
    proxy.node_01.set_ready(true);
    let seen = eventually(&route, "node-01", "taking clients", |m| m.takes_clients()).await;
    assert_eq!(seen.weight, 7);
    apply(&route, &Desired::Exactly { exact: before.exact.clone() }).await;
    assert_eq!(member(&route, "node-01").await.exact, before.exact);
}

#[tokio::test]
async fn a_draining_server_that_fails_its_checks_still_reads_as_draining() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    apply(&route, &Desired::Drained).await;
    proxy.node_01.set_ready(false);
    let down = Health::Failing { reason: "DOWN, last check: L7STS 503 Service Unavailable".into() };
    let seen = eventually(&route, "node-01", "down", |m| m.health == down).await;
    assert_eq!(seen.admission, Admission::Draining);
    // Failing already: a fresh check has nothing to void, and none of its own to wait for.
    apply(&route, &Desired::FreshCheck).await;
    proxy.node_01.set_ready(true);
    let seen = eventually(&route, "node-01", "passing", |m| m.health == Health::Passing).await;
    assert_eq!(seen.admission, Admission::Draining);
}

#[tokio::test]
async fn a_change_resets_the_time_since_the_last_one() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    sleep(Duration::from_millis(2100)).await;
    assert!(member(&route, "node-01").await.since_change >= Some(Duration::from_secs(2)));
    apply(&route, &Desired::FreshCheck).await;
    assert!(member(&route, "node-01").await.since_change <= Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn inherited_and_unresolved_states_are_told_from_forced_ones() {
    let extra = "backend follower\n server node-01 127.0.0.1:1 track app/node-01\n server node-02 127.0.0.1:1\n\
                 backend odd\n server node-01 nosuch.invalid:80 init-addr none check\n \
                 server node-02 127.0.0.1:1 disabled\n";
    let Some(proxy) = Proxy::start(extra).await else { return };
    let of = |backend: &str| -> Arc<dyn RouteProvider> {
        let instance =
            Instance { name: instance(), socket: proxy.unix(), master: None, source: Vec::new(), node: None };
        let settings =
            Settings { backend: backend.into(), server: "{node}".into(), instances: vec![instance], config_file: None };
        Arc::new(Haproxy::new("r".into(), settings, Arc::new(LocalAccess::new()), LIMIT))
    };
    let (app, follower, odd) = (of("app"), of("follower"), of("odd"));

    assert_eq!(member(&follower, "node-01").await.health, Health::Passing);
    assert_eq!(member(&follower, "node-02").await.health, Health::Unchecked);
    let refused = follower.apply(&instance(), "node-01", &Desired::FreshCheck).await;
    assert!(matches!(refused, Err(ProviderError::Refused(why)) if why.contains("app/node-01")));
    let before = member(&follower, "node-01").await;
    app.apply(&instance(), "node-01", &Desired::Drained).await.expect("drained");
    let inherited = member(&follower, "node-01").await;
    assert_eq!((inherited.admission, &inherited.exact), (Admission::Draining, &before.exact));
    proxy.command("set server app/node-01 state maint").await;
    assert_eq!(member(&follower, "node-01").await.admission, Admission::Out);

    assert_eq!(member(&odd, "node-01").await.admission, Admission::Out, "a server without an address");
    assert_eq!(member(&odd, "node-02").await.admission, Admission::Out, "disabled in the configuration");
    proxy.command("set server odd/node-02 state ready").await;
    let ready = member(&odd, "node-02").await;
    assert_eq!(ready.admission, Admission::Serving, "the bit that stays is no maintenance: {ready:?}");
    assert!(
        matches!(of("nosuch").observe(&instance()).await, Err(ProviderError::Unexpected(why)) if why.contains("no backend"))
    );
}

#[tokio::test]
async fn an_idle_pool_is_told_from_sessions_and_explains_its_sockets() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    let node: tidegate::model::NodeName = "here".into();
    let sockets = Sockets::new(Arc::new(LocalAccess::new()), Default::default(), LIMIT);
    proxy.command("set server app/node-02 state maint").await;
    let before = member(&route, "node-01").await;

    let mut client = proxy.client("/").await;
    let mut answer = [0; 64];
    assert!(client.read(&mut answer).await.expect("an answer") > 0);
    drop(client);
    apply(&route, &Desired::Drained).await;
    let idle = eventually(&route, "node-01", "idle", |m| m.sessions == 0 && m.idle == 1).await;
    assert_eq!(idle.requests_total, before.requests_total + 1);
    let (was, is) = (before.counters, idle.counters);
    assert_eq!(is.requests, was.requests.map(|n| n + 1));
    assert_eq!(is.connections, was.connections.map(|n| n + 1));
    assert_eq!(is.choices, was.choices.map(|n| n + 1), "no cookie bound the client");
    assert!(is.connections.is_some() && is.choices.is_some(), "{is:?}");

    let share = |m: &tidegate::model::MemberView| LbShare {
        instance: instance(),
        source: vec![[127, 0, 0, 1].into()],
        sessions: m.sessions,
        idle: m.idle,
    };
    // A check may be on the wire at any time; the pool is there all the time.
    let mut totals = Vec::new();
    for _ in 0..5 {
        let seen =
            tidegate::provider::NodeTraffic::sockets(&sockets, &node, proxy.node_01.port).await.expect("sockets");
        assert!(!seen.peers.is_empty(), "the pool is closed");
        totals.push(residual(&seen, &[share(&idle)]).total);
        sleep(Duration::from_millis(30)).await;
    }
    assert!(totals.contains(&0), "a pool counts as traffic: {totals:?}");

    // Somebody who goes around the load balancer is seen.
    let around = TcpStream::connect(("127.0.0.1", proxy.node_01.port)).await.expect("a connection");
    let seen = tidegate::provider::NodeTraffic::sockets(&sockets, &node, proxy.node_01.port).await.expect("sockets");
    assert!(residual(&seen, &[share(&idle)]).total >= 1);
    drop(around);
}

#[tokio::test]
async fn sessions_count_until_they_are_cut() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    let client = proxy.held_by_node_01().await;
    apply(&route, &Desired::Drained).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(member(&route, "node-01").await.sessions, 1, "a drain cuts nobody");
    route.close_connections(&instance(), "node-01").await.expect("closed");
    eventually(&route, "node-01", "empty", |m| m.sessions == 0).await;
    drop(client);
}

#[tokio::test]
async fn a_reload_forgets_the_drain_and_its_old_worker_still_counts() {
    let Some(mut proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route_with_master());
    let client = proxy.held_by_node_01().await;
    apply(&route, &Desired::Drained).await;
    let before = view(&route).await;

    proxy.process.signal(rustix::process::Signal::USR2);
    let began = Instant::now();
    let after = loop {
        // While the workers change there may be no answer, but never a wrong one.
        match route.observe(&instance()).await {
            Ok(view) if view.generation != before.generation => break view,
            Ok(view) => assert_eq!(view.members["node-01"].sessions, 1),
            Err(_) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(5), "no reload");
        sleep(Duration::from_millis(5)).await;
    };
    let seen = &after.members["node-01"];
    assert_eq!(seen.sessions, 1, "the old worker's session is lost from sight");
    assert_eq!(seen.admission, Admission::Serving, "the drain outlived a reload: is there a state file?");

    // Without the master the old worker cannot be seen.
    let blind: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    assert_eq!(member(&blind, "node-01").await.sessions, 0);

    apply(&route, &Desired::Drained).await;
    route.close_connections(&instance(), "node-01").await.expect("closed");
    eventually(&route, "node-01", "empty", |m| m.sessions == 0).await;
    drop(client);

    // A master that cannot be read leaves everything unknown.
    proxy.process.kill();
    assert!(route.observe(&instance()).await.is_err());
}

#[tokio::test]
async fn an_operators_socket_is_warned_of_and_refuses() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(Endpoint::Unix { path: proxy.at("operator.sock") }));
    let warnings = view(&route).await.warnings;
    assert!(warnings.iter().any(|w| w.contains("level operator")), "{warnings:?}");
    let refused = route.apply(&instance(), "node-01", &Desired::Drained).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("level admin")), "{refused:?}");
    assert_eq!(member(&route, "node-01").await.admission, Admission::Serving);
    let admin: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    assert!(view(&admin).await.warnings.is_empty());
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error_in_time() {
    let limit = Duration::from_millis(500);
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_address = silent.local_addr().expect("an address").to_string();
    let endpoints = [
        Endpoint::Unix { path: "/nonexistent/admin.sock".into() },
        Endpoint::Tcp { address: format!("127.0.0.1:{}", free_port()) },
        Endpoint::Tcp { address: silent_address },
    ];
    for socket in endpoints {
        fails_in_time(Arc::new(haproxy(socket, None, Arc::new(LocalAccess::new()), limit)), limit).await;
    }
}

#[tokio::test]
async fn an_unreadable_master_leaves_everything_unknown() {
    let Some(proxy) = Proxy::start("").await else { return };
    let master = Some(Endpoint::Unix { path: proxy.at("no-master.sock") });
    let route = haproxy(proxy.unix(), master, Arc::new(LocalAccess::new()), LIMIT);
    assert!(matches!(route.observe(&instance()).await, Err(ProviderError::Unreachable(_))));
    keeps_the_contract(Arc::new(proxy.route(proxy.unix()))).await;
}
