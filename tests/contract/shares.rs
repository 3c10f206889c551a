//! Shares and counters on a real HAProxy: what it counts is what was sent, and a reset leaves a gap and no spike.

use std::sync::Arc;

use jiff::Timestamp;
use tidegate::{
    model::{
        Observation, Observed, Topology,
        topology::{InstanceShape, RouteShape},
    },
    provider::RouteProvider,
    traffic::{
        share::{Counted, Traffic},
        window::Window,
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{haproxy::Proxy, route::instance};

const NODES: [&str; 2] = ["node-01", "node-02"];

struct Watched {
    proxy: Proxy,
    route: Arc<dyn RouteProvider>,
    topology: Topology,
    traffic: Traffic,
    second: i64,
}

impl Watched {
    /// One look, five seconds after the one before.
    async fn look(&mut self) -> Vec<Counted> {
        self.second += 5;
        let view = self.route.observe(&instance()).await.expect("a view");
        let seen = Observed::known(view, Timestamp::from_second(1_800_000_000 + self.second).expect("a time"));
        let routes = [(self.route.id().clone(), [(instance(), seen)].into())].into();
        self.traffic.fold(&self.topology, &Observation { routes, ..Observation::default() })
    }

    async fn send(&self, requests: usize) {
        for _ in 0..requests {
            let mut client = self.proxy.client("/").await;
            client.shutdown().await.expect("no more to say");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an answer");
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        }
    }
}

fn requests(counted: &[Counted]) -> Vec<(&str, u64)> {
    counted.iter().map(|c| (c.node.as_str(), c.grown.counted.requests.expect("counted"))).collect()
}

/// By round robin with weights 100 and 50, two of three requests are the first one's.
#[tokio::test]
async fn shares_of_a_real_haproxy() {
    let Some(proxy) = Proxy::start("").await else { return };
    let route: Arc<dyn RouteProvider> = Arc::new(proxy.route(proxy.unix()));
    let shape = RouteShape {
        id: route.id().clone(),
        entrypoint: "web".into(),
        service: "app".into(),
        tier: 0,
        port: None,
        instances: [(instance(), InstanceShape::default())].into(),
        servers: NODES.map(|node| (node.into(), node.to_owned())).into(),
    };
    let topology = Topology { nodes: NODES.map(Into::into).to_vec(), routes: vec![shape], ..Topology::default() };
    let mut watched = Watched { proxy, route, topology, traffic: Traffic::default(), second: 0 };
    assert!(watched.look().await.is_empty(), "a first look");
    watched.send(30).await;
    assert_eq!(requests(&watched.look().await), [("node-01", 20), ("node-02", 10)]);

    watched.proxy.command("clear counters all").await;
    watched.send(6).await;
    assert!(watched.look().await.is_empty(), "what came around a reset is not known");

    watched.proxy.command("set server app/node-02 state drain").await;
    watched.look().await;
    watched.send(15).await;
    assert_eq!(requests(&watched.look().await), [("node-01", 15), ("node-02", 0)]);

    let now = Timestamp::from_second(1_800_000_000 + watched.second).expect("a time");
    let judged = watched.traffic.judge(now).into_iter().find(|j| j.window == Window::Middle).expect("judged");
    assert_eq!(judged.verdict.samples, 45.0, "{judged:?}");
    let expected = judged.shares["node-01"].expected.expect("expected");
    assert!((expected - (20.0 + 15.0) / 45.0).abs() < 1e-9, "{judged:?}");
    assert_eq!(judged.shares["node-01"].measured, Some(35.0 / 45.0));
    assert!(!judged.verdict.exceeds(1.0), "so few are no skew");
}
