//! Connections that do not leave, at a real HAProxy: who is listed and with what, who is cut and who is not, and what
//! becomes of clients that are bound to a server by a cookie.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tidegate::{
    model::{Admission, Desired, Health, Straggler},
    provider::{ProviderError, RouteProvider, access::local::LocalAccess},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    haproxy::{LIMIT, Proxy, haproxy},
    route::{apply, eventually, instance, member, view},
};

type Route = Arc<dyn RouteProvider>;

/// A connection that left HTTP behind, as a WebSocket does.
struct Tunnel(TcpStream);

impl Tunnel {
    /// Through the proxy to `node-01`, by its cookie.
    async fn open(proxy: &Proxy) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.front)).await.expect("the frontend");
        let head =
            "GET /tunnel HTTP/1.1\r\nhost: app\r\nconnection: upgrade\r\nupgrade: echo\r\ncookie: SRV=n1\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("a request");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// So many bytes there and back.
    async fn talk(&mut self, bytes: usize) {
        self.0.write_all(&vec![7; bytes]).await.expect("written");
        self.0.read_exact(&mut vec![0; bytes]).await.expect("and back");
    }

    /// Whether it was cut: the stream ends.
    async fn is_cut(&mut self) -> bool {
        let mut nothing = [0; 1];
        matches!(timeout(Duration::from_millis(500), self.0.read(&mut nothing)).await, Ok(Ok(0) | Err(_)))
    }
}

async fn tunnels(proxy: &Proxy, count: usize) -> Vec<Tunnel> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(Tunnel::open(proxy).await);
    }
    all
}

async fn list(route: &Route) -> Vec<Straggler> {
    let listed = route.stragglers(&instance(), "node-01").await.expect("an answer").expect("a list");
    assert_eq!(listed.count, listed.oldest.len() as u64);
    listed.oldest
}

fn of<'a>(list: &'a [Straggler], tunnel: &Tunnel) -> &'a Straggler {
    let peer = tunnel.address().to_string();
    list.iter().find(|s| s.peer == peer).unwrap_or_else(|| panic!("{peer} is not in {list:#?}"))
}

/// One request with this cookie: the status, and the cookie that the client has then.
async fn request(proxy: &Proxy, cookie: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.front)).await.expect("the frontend");
    let head = format!("GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\ncookie: SRV={cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: SRV="));
    let now = set.and_then(|set| set.split(';').next()).unwrap_or(cookie).to_owned();
    (answer.lines().next().unwrap_or_default().to_owned(), now)
}

#[tokio::test]
async fn whoever_stays_is_listed_with_age_and_bytes() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Route = Arc::new(proxy.route_with_master());
    assert!(list(&route).await.is_empty());
    let mut tunnels = tunnels(&proxy, 3).await;
    let held = proxy.client("/hold").await;
    apply(&route, &Desired::Drained).await;
    tunnels[1].talk(50_000).await;
    sleep(Duration::from_millis(2_100)).await;

    let seen = list(&route).await;
    let on_node_01 = member(&route, "node-01").await.sessions;
    assert_eq!(seen.len() as u64, on_node_01, "the list and the count are of the same sessions");
    assert!(seen.iter().all(|s| s.through == Some(instance())));
    for tunnel in &tunnels {
        let one = of(&seen, tunnel);
        assert!(one.age >= Some(Duration::from_secs(1)) && one.age < Some(Duration::from_secs(20)), "{one:?}");
        let (received, sent) = (one.received.expect("bytes in"), one.sent.expect("bytes out"));
        let talked = tunnel.address() == tunnels[1].address();
        assert_eq!((received >= 50_000, sent >= 50_000), (talked, talked), "{one:?}");
        assert!(received > 0 && sent > 0, "a head at least: {one:?}");
    }
    let elsewhere = route.stragglers(&instance(), "node-02").await.expect("an answer").expect("a list");
    assert_eq!(seen.len() as u64 + elsewhere.count, 4, "the held request is on either");
    drop(held);
}

#[tokio::test]
async fn exactly_one_is_cut() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Route = Arc::new(proxy.route_with_master());
    let mut tunnels = tunnels(&proxy, 3).await;
    let seen = list(&route).await;
    let id = of(&seen, &tunnels[1]).id.clone();
    let close = |server: &'static str, id: String| {
        let route = route.clone();
        async move { route.close_one(&instance(), server, &id).await }
    };

    // Its address in another process, or with another client, is another session; so is one on another server.
    let (pid, rest) = id.split_once('/').expect("a process");
    let other_pid = pid.parse::<u64>().expect("a number") + 1;
    assert_eq!(close("node-01", format!("{other_pid}/{rest}")).await, Ok(()));
    assert_eq!(close("node-01", format!("{id}1")).await, Ok(()));
    assert_eq!(close("node-02", id.clone()).await, Ok(()));
    for tunnel in &mut tunnels {
        tunnel.talk(10).await;
    }
    for odd in ["", "x", "1/2/3", "1/0x12;shutdown sessions server app/node-01/a"] {
        let refused = close("node-01", odd.to_owned()).await;
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{odd}: {refused:?}");
    }

    assert_eq!(close("node-01", id.clone()).await, Ok(()));
    assert!(tunnels[1].is_cut().await, "it is still there");
    tunnels[0].talk(10).await;
    tunnels[2].talk(10).await;
    assert_eq!(close("node-01", id).await, Ok(()), "what is gone is gone");
    assert_eq!(list(&route).await.len(), 2);
    // And the policy for all of them.
    route.close_connections(&instance(), "node-01").await.expect("closed");
    assert!(tunnels[0].is_cut().await && tunnels[2].is_cut().await);
    assert!(list(&route).await.is_empty());
}

#[tokio::test]
async fn an_old_workers_sessions_are_listed_and_cut_one_by_one() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Route = Arc::new(proxy.route_with_master());
    let mut tunnels = tunnels(&proxy, 2).await;
    tunnels[0].talk(3_000).await;
    let before = view(&route).await.generation;
    proxy.process.signal(rustix::process::Signal::USR2);
    let began = Instant::now();
    while route.observe(&instance()).await.map_or(true, |view| view.generation == before) {
        assert!(began.elapsed() < Duration::from_secs(5), "no reload");
        sleep(Duration::from_millis(20)).await;
    }
    tunnels.push(Tunnel::open(&proxy).await);

    let seen = list(&route).await;
    assert_eq!(seen.len(), 3, "{seen:#?}");
    let old = of(&seen, &tunnels[0]);
    assert!(old.received >= Some(3_000), "an old worker tells the bytes as well: {old:?}");
    let pid = |s: &Straggler| s.id.split('/').next().map(str::to_owned);
    assert_ne!(pid(old), pid(of(&seen, &tunnels[2])));
    let blind: Route = Arc::new(proxy.route(proxy.unix()));
    assert_eq!(list(&blind).await.len(), 1, "without the master only the current worker is seen");

    route.close_one(&instance(), "node-01", &old.id).await.expect("cut");
    assert!(tunnels[0].is_cut().await, "it is still there");
    tunnels[1].talk(10).await;
    tunnels[2].talk(10).await;
}

#[tokio::test]
async fn all_are_counted_where_not_all_are_listed() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Route = Arc::new(proxy.route(proxy.unix()));
    let first = Tunnel::open(&proxy).await;
    sleep(Duration::from_millis(1_100)).await;
    let many = tunnels(&proxy, 219).await;
    let listed = route.stragglers(&instance(), "node-01").await.expect("an answer").expect("a list");
    assert_eq!((listed.count, listed.oldest.len()), (220, 200));
    assert_eq!(listed.oldest[0].peer, first.address().to_string(), "the oldest comes first");
    assert!(listed.oldest[0].received.is_some(), "and with its bytes");
    assert!(listed.oldest[199].received.is_none(), "which are not asked of everybody");
    drop((first, many));
}

#[tokio::test]
async fn a_socket_that_may_not_cut_says_so() {
    let Some(proxy) = Proxy::start("").await else { return };
    let admin: Route = Arc::new(proxy.route(proxy.unix()));
    let mut tunnel = Tunnel::open(&proxy).await;
    let id = list(&admin).await[0].id.clone();
    let path = proxy.at("operator.sock");
    let operator =
        haproxy(tidegate::config::settings::Endpoint::Unix { path }, None, Arc::new(LocalAccess::new()), LIMIT);
    let refused = operator.close_one(&instance(), "node-01", &id).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("level admin")), "{refused:?}");
    tunnel.talk(10).await;
}

/// A drain lets clients in that are bound to the server. No session of theirs may ever be seen, but their requests are
/// counted; closed, the server sends them elsewhere, and nobody is refused on the way there and back.
#[tokio::test]
async fn bound_clients_are_counted_then_sent_elsewhere_then_back_behind_a_check() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Route = Arc::new(proxy.route(proxy.unix()));
    let before = member(&route, "node-01").await;
    let mut tunnel = Tunnel::open(&proxy).await;
    apply(&route, &Desired::Drained).await;
    let drained = member(&route, "node-01").await;
    assert!(drained.admits_bound && !drained.is_closed());

    for n in 1..=5 {
        assert_eq!(request(&proxy, "n1").await, ("HTTP/1.1 200 OK".into(), "n1".into()));
        let seen = eventually(&route, "node-01", "without the request", |m| m.sessions == 1).await;
        assert_eq!(seen.requests_total, drained.requests_total + n, "each request of a bound client counts");
    }

    apply(&route, &Desired::Closed).await;
    let closed = member(&route, "node-01").await;
    assert!(closed.is_closed() && closed.admission == Admission::Out);
    for _ in 0..5 {
        assert_eq!(request(&proxy, "n1").await, ("HTTP/1.1 200 OK".into(), "n2".into()), "sent elsewhere, for good");
    }
    assert_eq!(member(&route, "node-01").await.requests_total, closed.requests_total);
    tunnel.talk(10).await;

    // The way back: nothing is checked in maintenance, so the check is asked for anew, and admits nobody by itself.
    assert!(matches!(closed.health, Health::Failing { .. }), "maintenance checks nothing: {closed:?}");
    proxy.node_01.set_ready(false);
    apply(&route, &Desired::FreshCheck).await;
    let asked = member(&route, "node-01").await;
    assert_eq!(asked.admission, Admission::Draining);
    assert!(matches!(asked.health, Health::Failing { .. }), "{asked:?}");
    assert_eq!(request(&proxy, "n1").await, ("HTTP/1.1 200 OK".into(), "n2".into()), "not before a check passed");
    sleep(Duration::from_millis(600)).await;
    assert!(matches!(member(&route, "node-01").await.health, Health::Failing { .. }));
    proxy.node_01.set_ready(true);
    eventually(&route, "node-01", "checked", |m| m.health == Health::Passing).await;
    apply(&route, &Desired::Exactly { exact: before.exact.clone() }).await;
    let back = member(&route, "node-01").await;
    assert_eq!((back.admission, back.weight, &back.exact), (before.admission, before.weight, &before.exact));
    assert_eq!(request(&proxy, "n1").await, ("HTTP/1.1 200 OK".into(), "n1".into()));
}
