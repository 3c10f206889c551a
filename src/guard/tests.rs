//! Three nodes behind a load balancer that checks and a name that does not: what is lost, and what is done about it.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    config,
    model::{
        Admission, ClusterView, Exact, Health, InstanceView, MemberView, Observed, UnitView,
        cluster::Member,
        topology::{InstanceShape, Role, RouteShape, ServiceShape},
    },
};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// Everything that the guard sees, all well at first, and a clock.
struct World {
    settings: Settings,
    topology: Topology,
    seen: Observation,
    probes: BTreeMap<Place, Probed>,
    in_hand: BTreeSet<NodeName>,
    withdrawn: BTreeMap<RouteTarget, Withdrawal>,
    memory: Memory,
    now: Timestamp,
}

fn place(node: &str) -> Place {
    (node.into(), "app".into())
}

fn target(route: &str, node: &str) -> RouteTarget {
    RouteTarget {
        route: route.into(),
        instance: "one".into(),
        server: node.to_owned(),
        service: "app".into(),
        role: Role::Driven,
    }
}

impl World {
    fn new() -> Self {
        let shape = |id: &str, tier| RouteShape {
            id: id.into(),
            entrypoint: "web".into(),
            service: "app".into(),
            tier,
            port: None,
            instances: BTreeMap::from([("one".into(), InstanceShape::default())]),
            servers: NODES.iter().map(|n| ((*n).into(), (*n).to_owned())).collect(),
        };
        let service = ServiceShape {
            name: "app".into(),
            resource: "app".into(),
            port: 8080,
            unit: "app.service".into(),
            extra_units: Vec::new(),
        };
        let topology = Topology {
            nodes: NODES.iter().map(|n| (*n).into()).collect(),
            services: vec![service],
            routes: vec![shape("name", 10), shape("lb", 20)],
            ..Topology::default()
        };
        let mut world = Self {
            settings: config::sample::app(""),
            topology,
            seen: Observation::default(),
            probes: BTreeMap::new(),
            in_hand: BTreeSet::new(),
            withdrawn: BTreeMap::new(),
            memory: Memory::new(),
            now: Timestamp::from_second(1_000_000).expect("a time"),
        };
        for node in NODES {
            world.unit(node, "active");
            for (route, health) in [("name", Health::Unchecked), ("lb", Health::Passing)] {
                world.member(route, node, health, true);
            }
        }
        world.refresh();
        world
    }

    /// Everything is seen again as it is, and every probe that passes passes again.
    fn refresh(&mut self) {
        let now = self.now;
        let member = |standby: bool| Member { online: true, standby, ..Member::default() };
        let mut cluster = self.seen.cluster.value().cloned().unwrap_or_else(|| ClusterView {
            quorate: true,
            nodes: NODES.iter().map(|n| ((*n).into(), member(false))).collect(),
            ..ClusterView::default()
        });
        cluster.quorate = true;
        self.seen.cluster = Observed::known(cluster, now);
        for view in self.seen.routes.values_mut().flat_map(|r| r.values_mut()) {
            *view = Observed::known(view.value().cloned().unwrap_or_default(), now);
        }
        for node in NODES {
            let probed = self.probes.entry(place(node)).or_insert_with(|| Probed {
                standing: Standing::Healthy,
                passed: Some(now),
                ..Probed::default()
            });
            match probed.failing_since {
                None => probed.passed = Some(now),
                Some(_) => probed.failed = Some(now),
            }
            for unit in self.seen.nodes.get_mut(&NodeName::new(node)).expect("a node").units.values_mut() {
                if let Some(value) = unit.value().cloned() {
                    *unit = Observed::known(value, now);
                }
            }
        }
    }

    fn unit(&mut self, node: &str, active: &str) {
        let view = UnitView { active: active.into(), sub: String::new(), file_state: String::new() };
        let node = self.seen.nodes.entry(node.into()).or_default();
        node.units.insert("app.service".into(), Observed::known(view, self.now));
    }

    fn unseen(&mut self, node: &str) {
        let node = self.seen.nodes.get_mut(&NodeName::new(node)).expect("a node");
        node.units.insert("app.service".into(), Observed::unknown("no answer"));
    }

    fn member(&mut self, route: &str, node: &str, health: Health, serving: bool) {
        let admission = if serving { Admission::Serving } else { Admission::Out };
        let member = MemberView { admission, health, weight: 1, exact: Exact(json!(node)), ..MemberView::default() };
        let instances = self.seen.routes.entry(route.into()).or_default();
        let one = instances.entry("one".into()).or_insert_with(|| Observed::known(InstanceView::default(), self.now));
        if let Observed::Known { value, .. } = one {
            value.members.insert(node.to_owned(), member);
        }
    }

    fn fail(&mut self, node: &str, standing: Standing) {
        let probed = self.probes.entry(place(node)).or_default();
        (probed.passed, probed.standing) = (None, standing);
        probed.failing_since = probed.failing_since.or(Some(self.now));
        (probed.failed, probed.why) = (Some(self.now), "status 503".to_owned());
    }

    fn pass(&mut self, node: &str) {
        let (standing, passed) = (Standing::Healthy, Some(self.now));
        self.probes.insert(place(node), Probed { standing, passed, ..Probed::default() });
    }

    fn cluster(&mut self, node: &str, change: impl Fn(&mut Member)) {
        let Observed::Known { value, .. } = &mut self.seen.cluster else { panic!("the cluster is not seen") };
        change(value.nodes.get_mut(&NodeName::new(node)).expect("a member"));
    }

    fn tick(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.refresh();
    }

    fn decision(&mut self) -> Decision {
        let known = Known {
            settings: &self.settings,
            topology: &self.topology,
            seen: &self.seen,
            probes: &self.probes,
            in_hand: Some(&self.in_hand),
            withdrawn: &self.withdrawn,
            busy: &BTreeSet::new(),
            now: self.now,
        };
        decide(&known, &mut self.memory)
    }

    /// What is done, in short: after the loss was seen, everybody else is probed once more.
    fn acts(&mut self) -> Vec<String> {
        let mut acts = self.decision().acts;
        self.now += Duration::from_millis(5);
        let well: Vec<&str> = NODES.into_iter().filter(|n| self.probes[&place(n)].failing_since.is_none()).collect();
        for node in well {
            let probed = self.probes.get_mut(&place(node)).expect("probed");
            probed.passed = Some(self.now);
        }
        acts.extend(self.decision().acts);
        acts.iter().map(short).filter(|act| !act.is_empty()).collect()
    }

    /// Takes the guard at its word.
    fn withdraw(&mut self, route: &str, node: &str) {
        self.member(route, node, Health::Unchecked, false);
        let withdrawal = Withdrawal {
            node: node.into(),
            before: Exact(json!(node)),
            why: "lost".into(),
            since: self.now,
            acknowledged: Some(self.now),
        };
        self.withdrawn.insert(target(route, node), withdrawal);
    }
}

fn short(act: &Act) -> String {
    match act {
        Act::Advise { target, .. } => format!("advise {} {}", target.route, target.server),
        Act::Withdraw { target, .. } if !target.role.is_driven() => {
            format!("close {} {}", target.instance, target.server)
        }
        Act::Return { target, .. } if !target.role.is_driven() => format!("open {} {}", target.instance, target.server),
        Act::Withdraw { target, .. } => format!("withdraw {} {}", target.route, target.server),
        Act::Return { target, .. } => format!("return {} {}", target.route, target.server),
        Act::FailOpen { target, .. } => format!("keep {} {}", target.route, target.server),
        Act::OutOfOrder { node } => format!("out of order {node}"),
        Act::Blind { .. } => "blind".to_owned(),
        Act::Sighted => "sighted".to_owned(),
        Act::Hasten { .. } => String::new(),
    }
}

const NOTHING: [&str; 0] = [];

mod sessions;

#[test]
fn all_well_is_left_alone() {
    assert_eq!(World::new().acts(), NOTHING);
}

#[test]
fn a_node_that_a_quorate_cluster_lost_leaves_at_once() {
    let mut world = World::new();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["withdraw name node-2", "advise lb node-2"]);
}

#[test]
fn a_unit_that_stopped_is_told_to_load_balancers_and_to_names_once_a_probe_agrees() {
    let mut world = World::new();
    world.acts();
    world.unit("node-2", "failed");
    assert_eq!(world.acts(), ["advise lb node-2"]);
    world.fail("node-2", Standing::Healthy);
    world.member("lb", "node-2", Health::Failing { reason: "told".into() }, true);
    assert_eq!(world.acts(), ["withdraw name node-2"]);
}

#[test]
fn one_failing_probe_is_no_loss_and_enough_of_them_are_where_the_way_is_not_to_blame() {
    let mut world = World::new();
    world.acts();
    world.fail("node-2", Standing::Healthy);
    world.tick(1);
    assert_eq!(world.acts(), NOTHING);
    world.unseen("node-2");
    world.fail("node-2", Standing::Unhealthy);
    assert_eq!(world.acts(), NOTHING, "its systemd does not answer either: it may be the way");
    world.tick(1);
    world.unit("node-2", "active");
    assert_eq!(world.acts(), ["withdraw name node-2", "advise lb node-2"]);
}

#[test]
fn a_load_balancer_that_begins_to_doubt_is_told_all_the_same() {
    let mut world = World::new();
    world.acts();
    world.member("lb", "node-2", Health::Failing { reason: "UP 1/2".into() }, true);
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["withdraw name node-2"], "it sends nobody there any more");
    let mut world = World::new();
    world.acts();
    world.member("lb", "node-2", Health::Failing { reason: "UP 1/2".into() }, true);
    let routes = &mut world.seen.routes;
    let lb = routes.get_mut(&crate::model::RouteId::new("lb")).expect("the route");
    let one = lb.get_mut(&crate::model::InstanceName::new("one")).expect("the instance");
    let Observed::Known { value, .. } = one else { panic!("it is seen") };
    value.members.get_mut("node-2").expect("a member").still_chosen = true;
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(
        world.acts(),
        ["withdraw name node-2", "advise lb node-2"],
        "its checks have failed once, and it needs two"
    );
}

#[test]
fn a_standby_by_hand_is_told_and_followed() {
    let mut world = World::new();
    world.acts();
    world.cluster("node-2", |m| m.standby = true);
    assert_eq!(world.acts(), ["out of order node-2", "withdraw name node-2", "advise lb node-2"]);
}

#[test]
fn a_node_that_a_run_has_in_hand_is_the_runs() {
    let mut world = World::new();
    world.in_hand.insert("node-2".into());
    world.acts();
    world.cluster("node-2", |m| (m.standby, m.online) = (true, false));
    assert_eq!(world.acts(), NOTHING);
}

#[test]
fn with_too_few_others_a_member_is_kept_and_that_is_said_once() {
    let mut world = World::new();
    world.acts();
    world.fail("node-3", Standing::Healthy);
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["keep name node-2", "keep lb node-2"], "one other serves, two are needed");
    world.tick(1);
    assert_eq!(world.acts(), NOTHING);
    assert_eq!(world.decision().kept.len(), 2);
    world.pass("node-3");
    world.tick(1);
    assert_eq!(world.acts(), ["withdraw name node-2", "advise lb node-2"]);
}

#[test]
fn a_failure_of_all_at_once_takes_out_none_however_it_is_staggered() {
    let mut world = World::new();
    world.acts();
    world.tick(5);
    // The first is found unhealthy; the others fail already, and their next probes have yet to say so.
    world.fail("node-1", Standing::Unhealthy);
    world.now += Duration::from_millis(1);
    world.unit("node-1", "active");
    let first = world.decision();
    let hastened = first.acts.iter().filter(|act| matches!(act, Act::Hasten { .. })).count();
    assert_eq!((hastened, first.acts.len()), (2, 2), "the others are probed before anything is changed: {first:?}");
    for node in ["node-2", "node-3"] {
        world.fail(node, Standing::Healthy);
    }
    world.now += Duration::from_millis(1);
    let shorts: Vec<String> = world.decision().acts.iter().map(short).collect();
    assert_eq!(shorts, ["keep name node-1", "keep lb node-1"]);
    for node in NODES {
        world.fail(node, Standing::Unhealthy);
    }
    world.tick(1);
    assert!(world.acts().iter().all(|act| act.starts_with("keep")), "nothing is withdrawn");
}

#[test]
fn without_sight_of_a_quorate_cluster_nothing_changes_and_its_return_is_no_flood() {
    let mut world = World::new();
    world.acts();
    world.now += Duration::from_secs(60);
    for node in NODES {
        world.fail(node, Standing::Unhealthy);
        world.unseen(node);
    }
    assert_eq!(world.acts(), ["blind"]);
    assert_eq!(world.acts(), NOTHING, "it is told once");
    world.now += Duration::from_secs(60);
    world.refresh();
    // The cluster is seen before the probes have passed again; the units answer as well.
    for node in NODES {
        world.unit(node, "active");
    }
    assert_eq!(world.acts(), ["sighted"]);
    for node in NODES {
        world.pass(node);
    }
    world.tick(1);
    assert_eq!(world.acts(), NOTHING);
}

#[test]
fn a_partition_without_quorum_is_no_witness() {
    let mut world = World::new();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    let Observed::Known { value, .. } = &mut world.seen.cluster else { panic!("it is seen") };
    value.quorate = false;
    assert_eq!(world.acts(), ["blind"]);
}

#[test]
fn what_was_withdrawn_comes_back_when_everything_is_well_and_not_before() {
    let mut world = World::new();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    world.acts();
    world.withdraw("name", "node-2");
    world.member("lb", "node-2", Health::Failing { reason: "told".into() }, true);
    world.fail("node-2", Standing::Unhealthy);
    world.cluster("node-2", |m| m.online = true);
    world.tick(5);
    assert_eq!(world.acts(), NOTHING, "it does not serve yet");
    world.pass("node-2");
    world.tick(1);
    assert_eq!(world.acts(), ["return name node-2"]);
}

#[test]
fn another_hand_is_not_fought_over() {
    let mut world = World::new();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    world.acts();
    world.withdraw("name", "node-2");
    world.member("name", "node-2", Health::Unchecked, true);
    world.member("lb", "node-2", Health::Failing { reason: "told".into() }, true);
    assert_eq!(world.acts(), NOTHING, "that was seen before it was read back as out");
    world.tick(30);
    assert_eq!(world.acts(), ["keep name node-2"]);
}

#[test]
fn what_comes_and_goes_stays_out_longer_each_time() {
    let mut world = World::new();
    let mut changes = 0;
    // A unit that dies every 10 s and is up again 3 s later, for 5 minutes.
    for second in 0..300 {
        match second % 10 {
            0 => {
                world.unit("node-2", "failed");
                world.fail("node-2", Standing::Healthy);
            }
            3 => {
                world.unit("node-2", "active");
                world.pass("node-2");
            }
            _ => {}
        }
        world.tick(1);
        for act in world.acts() {
            if act == "withdraw name node-2" {
                changes += 1;
                world.withdraw("name", "node-2");
            } else if act == "return name node-2" {
                changes += 1;
                world.withdrawn.clear();
                world.member("name", "node-2", Health::Unchecked, true);
            }
        }
    }
    assert!((4..=8).contains(&changes), "{changes} changes");
}

#[test]
fn no_more_changes_than_allowed() {
    let mut world = World::new();
    world.settings.guard.max_changes = 1;
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["withdraw name node-2"]);
    world.withdraw("name", "node-2");
    world.tick(1);
    let delayed: Vec<Delay> = world.decision().delayed.into_values().map(|(_, delay)| delay).collect();
    assert_eq!(delayed, [Delay::Limited]);
    world.tick(60);
    assert_eq!(world.acts(), ["advise lb node-2"]);
}
