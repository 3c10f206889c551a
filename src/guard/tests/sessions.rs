//! An anycast address: an announcer on each node, and two routers, of which one names its sessions with the nodes.

use super::*;

impl World {
    /// Nothing but a prefix.
    fn anycast() -> Self {
        let mut world = Self::new();
        let route = &mut world.topology.routes[0];
        route.id = "prefix".into();
        let announcer = |n: &str| InstanceShape { only: Some(n.into()), blind: true, ..InstanceShape::default() };
        let router = InstanceShape { role: Role::Follower, blind: true, ..InstanceShape::default() };
        let named = InstanceShape { sessions: NODES.iter().map(|n| (*n).into()).collect(), ..router.clone() };
        route.instances = NODES.iter().map(|n| ((*n).into(), announcer(n))).collect();
        route.instances.extend([("edge".into(), named), ("other".into(), router)]);
        world.topology.routes.truncate(1);
        world.seen.routes.clear();
        for node in NODES {
            world.path(node, node, true);
            world.path("edge", node, true);
            world.path("other", node, true);
        }
        world.refresh();
        world
    }

    /// Whether this instance has the node's path.
    fn path(&mut self, instance: &str, node: &str, there: bool) {
        let admission = if there { Admission::Serving } else { Admission::Draining };
        let member = MemberView { admission, weight: 1, ..MemberView::default() };
        let instances = self.seen.routes.entry("prefix".into()).or_default();
        let one =
            instances.entry(instance.into()).or_insert_with(|| Observed::known(InstanceView::default(), self.now));
        if let Observed::Known { value, .. } = one {
            value.members.insert(node.to_owned(), member);
        }
    }

    /// The cluster has lost the node, and the session with it is closed.
    fn closed(&mut self, node: &str) {
        self.cluster(node, |m| m.online = false);
        self.acts();
        self.path("edge", node, false);
        self.path("other", node, false);
        let withdrawal = Withdrawal {
            node: node.into(),
            before: Exact(json!("open")),
            why: "lost".into(),
            since: self.now,
            acknowledged: Some(self.now),
        };
        self.withdrawn.insert(session(node), withdrawal);
        self.fail(node, Standing::Unhealthy);
    }

    fn silent(&mut self, instance: &str) {
        let instances = self.seen.routes.get_mut(&crate::model::RouteId::new("prefix")).expect("the route");
        instances.insert(instance.into(), Observed::unknown("no session stands"));
    }
}

fn session(node: &str) -> RouteTarget {
    RouteTarget {
        route: "prefix".into(),
        instance: "edge".into(),
        server: node.into(),
        service: "app".into(),
        role: Role::Follower,
    }
}

#[test]
fn the_session_with_a_lost_node_is_closed_and_its_announcer_left_alone() {
    let mut world = World::anycast();
    assert_eq!(world.acts(), NOTHING);
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["close edge node-2"]);
    let why = world.decision();
    assert!(why.kept.is_empty() && why.blind.is_none(), "{why:?}");
}

#[test]
fn without_named_sessions_it_is_the_announcer() {
    let mut world = World::anycast();
    world.topology.routes[0]
        .instances
        .get_mut(&crate::model::InstanceName::new("edge"))
        .expect("edge")
        .sessions
        .clear();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["withdraw prefix node-2"]);
}

#[test]
fn no_other_sign_closes_a_session() {
    let mut world = World::anycast();
    world.acts();
    world.unit("node-2", "failed");
    world.fail("node-2", Standing::Unhealthy);
    assert_eq!(world.acts(), ["withdraw prefix node-2"], "its announcer can be told");
    let mut world = World::anycast();
    world.acts();
    world.cluster("node-2", |m| m.standby = true);
    assert_eq!(world.acts(), ["out of order node-2", "withdraw prefix node-2"]);
}

#[test]
fn a_partition_without_quorum_and_a_run_close_none() {
    let mut world = World::anycast();
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    let Observed::Known { value, .. } = &mut world.seen.cluster else { panic!("it is seen") };
    value.quorate = false;
    assert_eq!(world.acts(), ["blind"]);
    let mut world = World::anycast();
    world.in_hand.insert("node-2".into());
    world.acts();
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), NOTHING);
}

#[test]
fn the_rails_are_the_same() {
    let mut world = World::anycast();
    world.acts();
    world.fail("node-3", Standing::Healthy);
    world.cluster("node-2", |m| m.online = false);
    assert_eq!(world.acts(), ["keep prefix node-2"], "one other serves, two are needed");
    world.pass("node-3");
    world.tick(1);
    // Others that serve and whose path the router has not are no others.
    world.path("edge", "node-3", false);
    assert!(!world.acts().contains(&"close edge node-2".to_owned()));
    world.path("edge", "node-3", true);
    world.settings.guard.max_changes = 0;
    assert_eq!(world.acts(), NOTHING);
    assert_eq!(world.decision().delayed[&session("node-2")].1, Delay::Limited);
}

#[test]
fn a_session_comes_back_with_its_node_and_not_before() {
    let mut world = World::anycast();
    world.acts();
    world.closed("node-2");
    world.tick(5);
    assert_eq!(world.acts(), NOTHING);
    world.cluster("node-2", |m| m.online = true);
    world.unit("node-2", "inactive");
    world.tick(1);
    assert!(!world.acts().iter().any(|act| act.starts_with("open")), "its unit does not run, and no probe passed");
    world.unit("node-2", "active");
    world.tick(1);
    assert!(!world.acts().iter().any(|act| act.starts_with("open")), "no probe passed");
    world.pass("node-2");
    world.tick(1);
    assert_eq!(world.acts(), ["open edge node-2"]);
}

#[test]
fn it_comes_back_at_a_router_without_any_path_and_while_a_run_has_the_node() {
    let mut world = World::anycast();
    world.acts();
    world.closed("node-2");
    world.cluster("node-2", |m| m.online = true);
    world.pass("node-2");
    world.silent("edge");
    world.in_hand.insert("node-2".into());
    world.tick(1);
    world.silent("edge");
    assert_eq!(world.acts(), ["open edge node-2"], "nobody else opens it");
}

#[test]
fn one_that_may_be_half_closed_is_closed_again_or_put_back() {
    let mut world = World::anycast();
    world.acts();
    world.closed("node-2");
    // The coordinator died before it was read back, and its successor sees the path still.
    world.withdrawn.get_mut(&session("node-2")).expect("noted").acknowledged = None;
    world.memory = Memory::new();
    world.path("edge", "node-2", true);
    world.tick(1);
    world.acts();
    world.tick(1);
    world.memory = Memory::new();
    assert_eq!(world.acts(), ["close edge node-2"]);
    world.cluster("node-2", |m| m.online = true);
    world.pass("node-2");
    world.tick(5);
    assert_eq!(world.acts(), ["open edge node-2"]);
}
