//! One prefix, two nodes that announce it, and a router that hears them: BIRD on node-01 and FRR on node-02.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tidegate::{
    config::settings::Place,
    model::{Admission, Desired, InstanceName, InstanceView, MemberView, RouteId},
    provider::{
        ProviderError, Result, RouteProvider,
        access::{Access, local::LocalAccess},
        route::{
            Tools,
            bgp::{Announcer, Bgp, Daemon, Observer, Settings},
        },
    },
};
use tokio::time::{Instant, sleep};

use super::daemons::{Bird, Frr};
use crate::process::free_port;

pub const PREFIX: &str = "192.0.2.80/32";
pub const V6: &str = "2001:db8::80/128";
pub const LIMIT: Duration = Duration::from_secs(5);

/// The daemons, and where they are.
pub struct Stage {
    pub bird: Bird,
    pub frr: Frr,
    pub router: Bird,
}

impl Stage {
    /// Starts all three, and waits until the router has both paths. `None` where a daemon is not installed.
    pub async fn start() -> Option<Self> {
        let port = free_port();
        let router = Bird::start(&router(port)).await?;
        let bird = Bird::start(&announcer(port)).await?;
        let frr = Frr::start("127.0.0.12", port, &bgpd(port)).await?;
        let stage = Self { bird, frr, router };
        stage.wait(|paths| paths.contains("[node_01 ") && paths.contains("[node_02 ")).await;
        Some(stage)
    }

    /// Everything that the router has for the prefix.
    pub async fn paths(&self) -> String {
        self.router.birdc(&format!("show route {PREFIX} all")).await
    }

    /// Waits until the router's paths are so.
    pub async fn wait(&self, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let paths = self.paths().await;
            if holds(&paths) {
                return paths;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "the router still has: {paths}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Since when a node's session stands, as the router sees it. The test fails where it does not.
    pub async fn session(&self, protocol: &str) -> String {
        let said = self.router.birdc("show protocols").await;
        let row =
            said.lines().find(|l| l.trim_start().trim_start_matches("1002-").starts_with(protocol)).expect("a row");
        assert!(row.contains("Established"), "{said}");
        row.split_whitespace().nth(4).expect("a time").to_owned()
    }

    pub fn settings(&self) -> Settings {
        Settings {
            prefix: PREFIX.parse().expect("a prefix"),
            announcers: vec![by_bird("node-01", &unix(&self.bird)), by_frr("node-02", &self.frr.folder(), None)],
            graceful_shutdown: None,
            observers: vec![observer("router", Daemon::Bird { socket: unix(&self.router) })],
        }
    }

    pub fn route(&self) -> Arc<Bgp> {
        route(&self.settings())
    }

    /// The same with the mark, left for so long.
    pub fn marking(&self, grace: Duration) -> Settings {
        let mut settings = self.settings();
        settings.graceful_shutdown = Some(grace);
        for announcer in &mut settings.announcers {
            let name = if announcer.protocol.is_some() { "gshut" } else { "GSHUT" };
            announcer.graceful = Some(name.into());
        }
        settings
    }
}

pub fn unix(bird: &Bird) -> String {
    format!("unix:{}", bird.socket().display())
}

/// One of whose sessions none may be closed.
pub fn observer(name: &str, daemon: Daemon) -> Observer {
    Observer { name: name.into(), daemon, sessions: BTreeMap::new() }
}

pub fn by_bird(node: &str, socket: &str) -> Announcer {
    Announcer {
        node: Some(node.into()),
        next_hop: "{address}".into(),
        daemon: Daemon::Bird { socket: socket.into() },
        protocol: Some("anycast".into()),
        graceful: None,
    }
}

pub fn by_frr(node: &str, folder: &Path, host: Option<&str>) -> Announcer {
    Announcer {
        node: Some(node.into()),
        next_hop: "{address}".into(),
        daemon: Daemon::Frr { host: host.map(str::to_owned), vty_socket: folder.display().to_string() },
        protocol: None,
        graceful: None,
    }
}

pub fn route(settings: &Settings) -> Arc<Bgp> {
    route_over(settings, Arc::new(LocalAccess::new()), LIMIT)
}

pub fn route_over(settings: &Settings, access: Arc<dyn Access>, limit: Duration) -> Arc<Bgp> {
    let tools = Tools { access, local: Arc::new(LocalAccess::new()), limit };
    Arc::new(Bgp::new(RouteId::new("web/bgp:anycast"), settings, &places(), &tools))
}

pub fn places() -> Vec<Place> {
    let place = |n: u8| Place {
        node: format!("node-0{n}").as_str().into(),
        address: Some(format!("127.0.0.1{n}").parse().expect("an address")),
        ssh: format!("node-0{n}"),
        outside: false,
    };
    vec![place(1), place(2)]
}

pub async fn view(route: &Bgp, instance: &str) -> InstanceView {
    route.observe(&instance.into()).await.unwrap_or_else(|e| panic!("{instance}: {e}"))
}

pub async fn member(route: &Bgp, instance: &str, server: &str) -> MemberView {
    view(route, instance).await.members.remove(server).expect("a member")
}

/// Sets the node's own announcer.
pub async fn apply(route: &Bgp, node: &str, desired: &Desired) -> Result<()> {
    route.apply(&node.into(), node, desired).await
}

/// Waits until an observer shows a node so.
pub async fn shows(route: &Bgp, observer: &str, node: &str, admission: Admission) -> InstanceView {
    let began = Instant::now();
    loop {
        let view = view(route, observer).await;
        if view.members[node].admission == admission {
            return view;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{observer} still shows {node} as {view:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The nodes' announcers as if they were one instance `lb-01`, which is what the suite asks for.
pub struct AsOne(pub Arc<Bgp>);

#[async_trait]
impl RouteProvider for AsOne {
    fn id(&self) -> &RouteId {
        self.0.id()
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        if instance.as_str() != "lb-01" {
            return self.0.observe(instance).await;
        }
        let mut one = self.0.observe(&"node-01".into()).await?;
        one.members.extend(self.0.observe(&"node-02".into()).await?.members);
        Ok(one)
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        self.0.apply(&own(instance, server)?, server, desired).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.0.close_connections(&own(instance, server)?, server).await
    }
}

fn own(instance: &InstanceName, server: &str) -> Result<InstanceName> {
    match instance.as_str() {
        "lb-01" => Ok(server.into()),
        other => Err(ProviderError::Refused(format!("no instance {other}"))),
    }
}

fn router(port: u16) -> String {
    let peer = |n: u8| {
        format!(
            "protocol bgp node_0{n} {{ local 127.0.0.1 port {port} as 65000; neighbor 127.0.0.1{n} port {port} as 6500{n};\
             \n passive; strict bind; multihop;\n ipv4 {{ import all; export none; }}; ipv6 {{ import all; export none; }}; }}\n"
        )
    };
    format!("log stderr all;\nrouter id 10.0.0.254;\nprotocol device {{ }}\n{}{}", peer(1), peer(2))
}

/// BIRD on node-01: the prefix, and a second protocol that marks it.
fn announcer(port: u16) -> String {
    format!(
        "log stderr all;\nrouter id 10.0.0.1;\nprotocol device {{ }}\n\
         protocol static anycast {{ ipv4; route {PREFIX} blackhole; }}\n\
         protocol static anycast6 {{ ipv6; route {V6} blackhole; }}\n\
         protocol static gshut {{ disabled;\n ipv4 {{ preference 190; import filter {{ bgp_community.add((65535, 0)); accept; }}; }};\
         \n route {PREFIX} blackhole; }}\n\
         protocol static spare {{ disabled; ipv4 {{ preference 100; }}; route {PREFIX} blackhole; }}\n\
         protocol bgp upstream {{ local 127.0.0.11 port {port} as 65001; neighbor 127.0.0.1 port {port} as 65000;\n \
         strict bind; multihop; connect delay time 1; connect retry time 1; error wait time 1, 2;\n \
         ipv4 {{ import none; export where source = RTS_STATIC; next hop self; }};\n \
         ipv6 {{ import none; export where source = RTS_STATIC; next hop address 2001:db8::11; }}; }}\n"
    )
}

/// FRR on node-02: the prefix with a route-map of its own, and one that marks it.
fn bgpd(port: u16) -> String {
    format!(
        "hostname node-02\nlog stdout\nbgp route-map delay-timer 1\nrouter bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n \
         no bgp network import-check\n neighbor 127.0.0.1 remote-as 65000\n neighbor 127.0.0.1 port {port}\n \
         neighbor 127.0.0.1 update-source 127.0.0.12\n neighbor 127.0.0.1 ebgp-multihop 3\n \
         neighbor 127.0.0.1 disable-connected-check\n neighbor 127.0.0.1 timers connect 1\n \
         address-family ipv4 unicast\n  network {PREFIX} route-map ANYCAST\n exit-address-family\n \
         address-family ipv6 unicast\n  network {V6}\n  neighbor 127.0.0.1 activate\n exit-address-family\nexit\n\
         route-map ANYCAST permit 10\n set community 65002:80\nexit\n\
         route-map GSHUT permit 10\n set community 65002:80 graceful-shutdown\nexit\n"
    )
}
