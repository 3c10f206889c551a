//! A watcher on providers that answer at once, on virtual time.

use super::*;
use crate::{
    config,
    model::{
        ClusterView, Health, InstanceName, RouteId,
        cluster::Member,
        topology::{InstanceShape, RouteShape},
    },
    provider::{
        SystemClock,
        null::{NullCluster, NullProber, NullRoute, NullTraffic, NullUnits},
    },
};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

struct Scene {
    world: World,
    route: Arc<NullRoute>,
    cluster: Arc<NullCluster>,
    prober: Arc<NullProber>,
    topology: Topology,
    settings: Settings,
}

/// Three nodes behind two load balancers, and an announcer on each node.
fn scene() -> Scene {
    let text = r#"
        [cluster]
        name = "test"
        [[service]]
        name = "app"
        unit = "app.service"
        clone = { resource = "app" }
        min-ready = 2
        ready = { protocol = "http", port = 8080, interval = "5s" }
    "#;
    let fragment = ("tidegate.toml".to_owned(), text.to_owned());
    let settings = config::load_fragments(vec![fragment]).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let shape = |id: &str, instances: BTreeMap<InstanceName, InstanceShape>| RouteShape {
        id: id.into(),
        entrypoint: "web".into(),
        service: "app".into(),
        tier: 0,
        port: None,
        instances,
        servers: NODES.iter().map(|n| ((*n).into(), format!("s-{n}"))).collect(),
    };
    let own = |node: &&str| {
        let shape = InstanceShape { only: Some((*node).into()), ..InstanceShape::default() };
        (InstanceName::new(*node), shape)
    };
    let balancers = ["lb-1", "lb-2"].map(|name| (InstanceName::new(name), InstanceShape::default()));
    let topology = Topology {
        nodes: NODES.iter().map(|n| (*n).into()).collect(),
        routes: vec![shape("lb", balancers.into()), shape("bgp", NODES.iter().map(own).collect())],
        ..Topology::default()
    };
    let members: Vec<(&str, u32)> = vec![("s-node-1", 100), ("s-node-2", 100), ("s-node-3", 100)];
    let route = Arc::new(NullRoute::new(RouteId::new("lb"), &["lb-1".into(), "lb-2".into()], &members));
    let member = || Member { online: true, ..Member::default() };
    let nodes = NODES.iter().map(|n| ((*n).into(), member())).collect();
    let cluster = Arc::new(NullCluster::new(ClusterView { quorate: true, nodes, ..ClusterView::default() }));
    let prober = Arc::new(NullProber::default());
    let world = World {
        routes: vec![route.clone()],
        cluster: cluster.clone(),
        units: Arc::new(NullUnits::new([])),
        traffic: Arc::new(NullTraffic::default()),
        prober: prober.clone(),
        alerts: None,
        clock: Arc::new(SystemClock),
    };
    Scene { world, route, cluster, prober, topology, settings }
}

impl Scene {
    fn watch(&self, stop: &CancellationToken) -> Watcher {
        let subject = Subject { node: Some("node-2".into()), instance: None, service: "app".into() };
        Watcher::start(&self.world, &self.settings, &self.topology, &subject, stop)
    }

    fn lose(&self) {
        self.prober.set(&"node-2".into(), &"app".into(), false);
        self.route.edit(&"lb-1".into(), |view| {
            let member = view.members.get_mut("s-node-2").expect("a member");
            member.health = Health::Failing { reason: "L4CON".into() };
        });
        self.cluster.edit(|view| view.nodes.get_mut("node-2").expect("a node").unclean = true);
    }
}

async fn until(watcher: &Watcher, ready: u32) -> Now {
    let mut now = watcher.now();
    let found = now.wait_for(|now| now.ready == Some(ready)).await.expect("it goes on").clone();
    tokio::time::sleep(Duration::from_secs(2)).await;
    found
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told_at_once_and_only_changes_are_kept() {
    let scene = scene();
    let watcher = scene.watch(&CancellationToken::new());
    assert_eq!(until(&watcher, 3).await.least_ready, Some(3));
    scene.lose();
    let began = tokio::time::Instant::now();
    let mut now = watcher.now();
    now.wait_for(|now| now.ready == Some(2)).await.expect("it goes on");
    assert!(began.elapsed() <= Duration::from_millis(500), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(2)).await;

    let record = watcher.finish().await;
    // The announcers on nodes are no way: that of the node goes with it, and the others lead elsewhere.
    assert_eq!(record.ways.len(), 2, "{:?}", record.ways);
    let of_ways = record.seen.iter().filter(|s| matches!(s.sighting, Sighting::Way { .. })).count();
    assert_eq!(of_ways, 3, "two at first and one change: {:?}", record.seen);
    let out = |s: &Seen| matches!(&s.sighting, Sighting::Way { way, standing: Standing::Out } if way.instance.as_str() == "lb-1");
    assert!(record.seen.iter().any(out), "{:?}", record.seen);
    let lost = Sighting::Member { node: "node-2".into(), usable: Some(false) };
    assert!(record.seen.iter().any(|s| s.sighting == lost), "{:?}", record.seen);
    assert_eq!(record.ready.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(record.dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_stop_looks_no_more() {
    let scene = scene();
    let stop = CancellationToken::new();
    let watcher = scene.watch(&stop);
    until(&watcher, 3).await;
    stop.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.lose();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(watcher.now().borrow().ready, Some(3));
    assert!(
        watcher.finish().await.seen.iter().all(|s| !matches!(s.sighting, Sighting::Ready { ready: Some(false), .. }))
    );
}

#[test]
fn before_all_were_probed_nothing_is_counted_and_then_unknown_is_not_ready() {
    let mut now = Now::default();
    assert_eq!(turned(&mut now, &"node-1".into(), Some(true), 2), None);
    assert_eq!(turned(&mut now, &"node-2".into(), None, 2), None);
    assert_eq!(turned(&mut now, &"node-2".into(), Some(true), 2), Some(2));
    assert_eq!(turned(&mut now, &"node-1".into(), None, 2), Some(1));
    assert_eq!((now.ready, now.least_ready), (Some(1), Some(1)));
}
