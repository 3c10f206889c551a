//! Several instances add up rightly, restarts make no spike, and a wrong weight on one load balancer is found in time.

use super::*;
use crate::model::{
    Admission, Counters, InstanceView, MemberView, NodeView, SocketsView,
    topology::{InstanceShape, ServiceShape},
};

const ROUTE: &str = "web/haproxy:app";
const NODES: [&str; 3] = ["node-01", "node-02", "node-03"];

fn topology() -> Topology {
    let shape = RouteShape {
        id: ROUTE.into(),
        entrypoint: "web".into(),
        service: "app".into(),
        tier: 0,
        port: None,
        instances: ["lb-01", "lb-02"].map(|lb| (lb.into(), InstanceShape::default())).into(),
        servers: NODES.map(|node| (node.into(), node.to_owned())).into(),
    };
    let service = ServiceShape {
        name: "app".into(),
        resource: "app".into(),
        port: 8080,
        unit: "app.service".into(),
        extra_units: Vec::new(),
    };
    Topology {
        nodes: NODES.map(Into::into).to_vec(),
        services: vec![service],
        routes: vec![shape],
        ..Topology::default()
    }
}

/// Two load balancers that can be made to send clients by other weights than they show.
struct World {
    topology: Topology,
    traffic: Traffic,
    seen: Observation,
    rng: fastrand::Rng,
    second: i64,
}

impl World {
    fn new() -> Self {
        let views = ["lb-01", "lb-02"].map(|lb| (lb.into(), Observed::known(view([100; 3]), at(0)))).into();
        let seen = Observation { routes: [(ROUTE.into(), views)].into(), ..Observation::default() };
        let rng = fastrand::Rng::with_seed(3);
        Self { topology: topology(), traffic: Traffic::default(), seen, rng, second: 0 }
    }

    fn edit(&mut self, lb: &str, change: impl FnOnce(&mut InstanceView)) {
        let views = self.seen.routes.get_mut(ROUTE).expect("the route");
        let mut view = views[lb].value().expect("a view").clone();
        change(&mut view);
        views.insert(lb.into(), Observed::known(view, at(self.second)));
    }

    /// Five seconds: `requests` at each load balancer, sent by `sent`.
    fn pass(&mut self, requests: [u32; 2], sent: [[u32; 3]; 2]) -> Vec<Counted> {
        self.second += 5;
        for (lb, (requests, sent)) in ["lb-01", "lb-02"].iter().zip(requests.into_iter().zip(sent)) {
            let mut got = [0_u64; 3];
            for _ in 0..requests {
                let mut drawn = self.rng.u32(..sent.iter().sum::<u32>());
                let node = sent.iter().position(|w| drawn.checked_sub(*w).map(|left| drawn = left).is_none());
                got[node.expect("a node")] += 1;
            }
            self.edit(lb, |view| {
                for (member, new) in view.members.values_mut().zip(got) {
                    let count = |of: Option<u64>| of.map(|n| n + new);
                    let c = &mut member.counters;
                    (c.requests, c.choices) = (count(c.requests), count(c.choices));
                }
            });
        }
        self.traffic.fold(&self.topology, &self.seen)
    }

    fn judged(&mut self, window: Window) -> Judged {
        let all = self.traffic.judge(at(self.second));
        all.into_iter().find(|j| j.window == window).expect("judged")
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn view(weights: [u32; 3]) -> InstanceView {
    let counters = Counters { requests: Some(1000), choices: Some(1000), ..Counters::default() };
    let member = |weight| MemberView { admission: Admission::Serving, weight, counters, ..MemberView::default() };
    let members = NODES.iter().zip(weights).map(|(node, weight)| ((*node).to_owned(), member(weight))).collect();
    InstanceView { generation: "1".into(), members, ..InstanceView::default() }
}

const EVEN: [[u32; 3]; 2] = [[1; 3]; 2];

#[test]
fn a_wrong_weight_on_one_load_balancer_alarms_within_five_minutes_and_ends() {
    let mut world = World::new();
    for _ in 0..60 {
        world.pass([40, 43], EVEN);
    }
    assert!(!world.judged(Window::Middle).verdict.exceeds(1.25));
    // A thousand a minute in all: one sends everything to one node, so it gets 2/3.
    let mut alarmed = None;
    for step in 0..60 {
        world.pass([40, 43], [[1, 0, 0], [1, 1, 1]]);
        alarmed = alarmed.or(world.judged(Window::Middle).verdict.exceeds(1.25).then_some(step * 5));
    }
    assert!(alarmed.is_some_and(|after| after < 240), "{alarmed:?}");
    let judged = world.judged(Window::Middle);
    assert!(judged.shares["node-01"].certain > 1.25 && judged.shares["node-01"].skew > Some(1.7), "{judged:?}");
    for _ in 0..60 {
        world.pass([40, 43], EVEN);
    }
    assert!(!world.judged(Window::Middle).verdict.exceeds(1.25), "{:?}", world.judged(Window::Middle));
}

/// Set by hand on one load balancer: it follows it, and shows it, and it is no less wrong for that.
#[test]
fn a_weight_that_nobody_configured_on_one_load_balancer_is_a_skew() {
    let mut world = World::new();
    for lb in ["lb-01", "lb-02"] {
        world.edit(lb, |view| view.members.values_mut().for_each(|m| m.configured_weight = Some(100)));
    }
    world.edit("lb-01", |view| view.members.get_mut("node-01").expect("a member").weight = 1000);
    for _ in 0..50 {
        world.pass([40, 43], [[10, 1, 1], [1, 1, 1]]);
    }
    let judged = world.judged(Window::Middle);
    assert!(judged.shares["node-01"].certain > 1.25, "{judged:?}");
}

#[test]
fn a_busy_load_balancer_with_other_weights_is_no_skew() {
    let mut world = World::new();
    world.edit("lb-02", |view| view.members.get_mut("node-01").expect("a member").weight = 10);
    for _ in 0..60 {
        world.pass([10, 90], [[100, 100, 100], [10, 100, 100]]);
    }
    let judged = world.judged(Window::Middle);
    assert!(!judged.verdict.exceeds(1.25), "{judged:?}");
    let expected = judged.shares["node-01"].expected.expect("expected");
    assert!((expected - (0.1 / 3.0 + 0.9 * 10.0 / 210.0)).abs() < 0.005, "{expected}");
}

#[test]
fn restarts_silence_and_drains_make_no_spike() {
    let mut world = World::new();
    for step in 0..60 {
        world.pass([40, 40], EVEN);
        match step % 10 {
            3 => world.edit("lb-01", |view| {
                view.generation = format!("{step}");
                view.members.values_mut().for_each(|m| m.counters.requests = Some(0));
            }),
            5 => world.edit("lb-02", |view| {
                view.members.values_mut().for_each(|m| m.counters.requests = Some(7));
            }),
            7 => {
                let view = world.seen.routes[ROUTE]["lb-02"].clone();
                world.seen.routes.get_mut(ROUTE).expect("it").insert("lb-02".into(), Observed::unknown("no answer"));
                assert!(world.traffic.fold(&world.topology, &world.seen).is_empty());
                world.seen.routes.get_mut(ROUTE).expect("it").insert("lb-02".into(), view);
            }
            _ => {}
        }
    }
    let judged = world.judged(Window::Middle);
    assert!(!judged.verdict.exceeds(1.1) && judged.verdict.samples > 3500.0, "{judged:?}");
    assert!(judged.verdict.samples <= 4800.0, "nothing counts twice");

    world.edit("lb-01", |v| v.members.get_mut("node-03").expect("it").admission = Admission::Draining);
    world.edit("lb-02", |v| v.members.get_mut("node-03").expect("it").admission = Admission::Draining);
    for _ in 0..61 {
        world.pass([40, 40], [[1, 1, 0]; 2]);
    }
    let judged = world.judged(Window::Middle);
    assert_eq!(judged.shares["node-03"].skew, None, "nothing is expected of it: {judged:?}");
    assert!(!judged.verdict.exceeds(1.1), "{judged:?}");
}

#[test]
fn what_is_counted_is_told_once() {
    let mut world = World::new();
    assert!(world.traffic.fold(&world.topology, &world.seen).is_empty(), "a first look");
    let counted = world.pass([30, 0], EVEN);
    let all: u64 = counted.iter().filter_map(|c| c.grown.counted.requests).sum();
    assert_eq!((counted.len(), all), (6, 30));
    assert!(world.traffic.fold(&world.topology, &world.seen).is_empty(), "the same look");
}

/// Behind a name nobody counts, so the nodes' own sockets do.
#[test]
fn where_no_load_balancer_counts_the_nodes_sockets_do() {
    let mut world = World::new();
    for lb in ["lb-01", "lb-02"] {
        world.edit(lb, |view| view.members.values_mut().for_each(|m| m.counters = Counters::default()));
    }
    let mut port = 1000_u16;
    for step in 0..60 {
        world.second += 5;
        for (node, new) in NODES.iter().zip([40, 20, 20]) {
            let peers = (0..new).map(|n| ([10, 0, 0, 1], port.wrapping_add(n)).into()).collect();
            port = port.wrapping_add(new);
            let (open, none) = (SocketsView { peers }, SocketsView::default());
            let look = |view| [(8080, Observed::known(view, at(world.second)))].into();
            let view = NodeView { sockets: look(open), ended: look(none), ..NodeView::default() };
            world.seen.nodes.insert((*node).into(), view);
        }
        world.traffic.fold(&world.topology, &world.seen);
        assert!(step > 0 || world.traffic.judge(at(world.second)).is_empty(), "a first look");
    }
    let judged = world.judged(Window::Middle);
    assert_eq!(judged.verdict.samples, 59.0 * 80.0);
    assert!(judged.shares["node-01"].certain > 1.25, "{judged:?}");
    assert_eq!(judged.shares["node-01"].measured, Some(0.5));
}
