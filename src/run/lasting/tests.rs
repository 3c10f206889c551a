//! What a run remembers between two looks.

use std::collections::BTreeMap;

use super::*;
use crate::{
    config::settings::{Connections, OnDeadline},
    model::{
        Admission, InstanceView, MemberView, NodeView, Observation, Observed, RouteTarget, SocketsView,
        topology::{Listener, Role},
    },
    plan::{Action, Plan, Purpose, Request, Step, steps::Through},
    run::streaks::Streaks,
};

const SECOND: i64 = 1_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).expect("a time")
}

fn wait(frontend: Option<u16>) -> ConnectionWait {
    let target = RouteTarget {
        route: "web/haproxy:app".into(),
        instance: "lb-01".into(),
        server: "node-02".into(),
        service: "app".into(),
        role: Role::Driven,
    };
    ConnectionWait {
        node: "node-02".into(),
        listener: Listener { frontend, ..Listener::of(&"app".into()) },
        port: frontend.unwrap_or(8080),
        through: vec![Through { target, source: Vec::new(), blind: false, linger: Duration::ZERO }],
        policy: Connections {
            settle: Duration::from_secs(2),
            deadline: Duration::from_secs(60),
            on_deadline: OnDeadline::Hold,
            max_age: None,
        },
    }
}

fn plan(services: Vec<ConnectionWait>) -> Plan {
    let request = Request {
        purpose: Purpose::Drain,
        node: "node-02".into(),
        operator: "ann".into(),
        reason: "patch".into(),
        overrides: Vec::new(),
        leave: Default::default(),
    };
    Plan {
        request,
        found: Vec::new(),
        rehearsal: None,
        parent: None,
        origin: None,
        made_at: at(0),
        fingerprint: String::new(),
        steps: vec![Step { action: Action::AwaitConnections { services } }],
        warnings: Vec::new(),
    }
}

fn peers(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|p| p.parse().expect("an address")).collect()
}

/// One look: what the load balancer counts, and the sockets on the node.
fn seen(now: i64, admission: Admission, sessions: u64, requests: u64, sockets: &[&str]) -> Observation {
    let member = MemberView { admission, sessions, requests_total: requests, ..MemberView::default() };
    let view = InstanceView { members: BTreeMap::from([("node-02".into(), member)]), ..InstanceView::default() };
    let sockets = Observed::known(SocketsView { peers: peers(sockets) }, at(now));
    let node = NodeView { sockets: BTreeMap::from([(8080, sockets.clone()), (80, sockets)]), ..NodeView::default() };
    Observation {
        routes: BTreeMap::from([(
            "web/haproxy:app".into(),
            BTreeMap::from([("lb-01".into(), Observed::known(view, at(now)))]),
        )]),
        nodes: BTreeMap::from([("node-02".into(), node)]),
        ..Observation::default()
    }
}

fn absorb(streaks: &mut Streaks, plan: &Plan, now: i64, seen: &Observation) {
    streaks.absorb(plan, &Look { seen, now: at(now), max_age: Duration::from_secs(10) });
}

fn lasting<'a>(streaks: &'a Streaks, wait: &ConnectionWait) -> &'a Lasting {
    streaks.lasting(&wait.listener).expect("a memory")
}

#[test]
fn a_request_between_two_looks_is_noticed_by_every_wait() {
    let waits = [wait(None), wait(Some(80))];
    let (plan, mut streaks) = (plan(waits.to_vec()), Streaks::default());
    for (now, requests) in [(0, 10), (SECOND, 10), (2 * SECOND, 11), (3 * SECOND, 11)] {
        absorb(&mut streaks, &plan, now, &seen(now, Admission::Draining, 0, requests, &[]));
    }
    for wait in &waits {
        assert_eq!(lasting(&streaks, wait).came(at(3 * SECOND)), Some(Duration::from_secs(1)), "{}", wait.listener);
        assert_eq!(streaks.quiet_for(&wait.listener, at(3 * SECOND)), Some(Duration::ZERO), "{}", wait.listener);
    }
}

/// A new process counts from zero; what it counted came since the last look.
#[test]
fn a_request_at_a_new_process_is_noticed() {
    let (plan, mut streaks) = (plan(vec![wait(None)]), Streaks::default());
    for (now, requests) in [(0, 100), (SECOND, 0)] {
        absorb(&mut streaks, &plan, now, &seen(now, Admission::Draining, 0, requests, &[]));
    }
    assert_eq!(lasting(&streaks, &wait(None)).came(at(SECOND)), None, "none came to it yet");
    absorb(&mut streaks, &plan, 2 * SECOND, &seen(2 * SECOND, Admission::Draining, 0, 50, &[]));
    absorb(&mut streaks, &plan, 3 * SECOND, &seen(3 * SECOND, Admission::Draining, 0, 3, &[]));
    assert_eq!(lasting(&streaks, &wait(None)).came(at(3 * SECOND)), Some(Duration::ZERO));
}

#[test]
fn the_age_of_a_socket_is_the_time_that_it_was_seen() {
    let (plan, mut streaks) = (plan(vec![wait(None)]), Streaks::default());
    let (a, b) = ("198.51.100.9:1", "198.51.100.9:2");
    for (now, sockets) in [(0, vec![a]), (SECOND, vec![a, b]), (2 * SECOND, vec![b]), (5 * SECOND, vec![a, b])] {
        absorb(&mut streaks, &plan, now, &seen(now, Admission::Draining, 0, 0, &sockets));
    }
    let age = |peer: &str| lasting(&streaks, &wait(None)).seen_for(&peers(&[peer])[0], at(6 * SECOND));
    assert_eq!(age(b), Some(Duration::from_secs(5)));
    assert_eq!(age(a), Some(Duration::from_secs(1)), "it was gone in between: another connection");
    assert_eq!(age("198.51.100.9:3"), None);
}

#[test]
fn nothing_is_concluded_while_clients_are_let_in() {
    let (plan, mut streaks) = (plan(vec![wait(None)]), Streaks::default());
    for second in 0..100 {
        let now = second * SECOND;
        absorb(&mut streaks, &plan, now, &seen(now, Admission::Serving, 5, 0, &[]));
    }
    assert_eq!(lasting(&streaks, &wait(None)).verdict(), None);
    assert_eq!(lasting(&streaks, &wait(None)).busy_for(at(100 * SECOND)), None);
    for second in 100..170 {
        let now = second * SECOND;
        absorb(&mut streaks, &plan, now, &seen(now, Admission::Draining, 5, 0, &[]));
    }
    let now = at(169 * SECOND);
    assert_eq!(lasting(&streaks, &wait(None)).busy_for(now), Some(Duration::from_secs(69)));
    assert!(matches!(lasting(&streaks, &wait(None)).verdict(), Some(Verdict::Never { .. })));
}

#[test]
fn only_who_holds_something_is_asked_for_a_list() {
    let (plan, mut streaks) = (plan(vec![wait(None)]), Streaks::default());
    absorb(&mut streaks, &plan, 0, &seen(0, Admission::Draining, 0, 0, &[]));
    assert!(lasting(&streaks, &wait(None)).holders().is_empty());
    absorb(
        &mut streaks,
        &plan,
        SECOND,
        &seen(SECOND, Admission::Draining, 1, 0, &["198.51.100.9:1", "198.51.100.9:2"]),
    );
    let held: Vec<_> = lasting(&streaks, &wait(None)).holders().to_vec();
    assert_eq!(held.len(), 2, "{held:?}");
    assert!(matches!(&held[1], (Holder::Node { port: 8080, .. }, peers) if peers.len() == 1), "{held:?}");
}

/// A name in front (which counts nobody) and a load balancer whose addresses are known.
fn named_wait() -> ConnectionWait {
    let mut wait = wait(None);
    let mut name = wait.through[0].clone();
    (name.target.route, name.target.instance, name.blind) = ("web/dns:app".into(), "ns1".into(), true);
    wait.through[0].source = vec!["10.0.0.21".parse().expect("an address")];
    wait.through.push(name);
    wait
}

fn with_ended(mut seen: Observation, now: i64, peers_: &[&str]) -> Observation {
    let view = seen.routes["web/haproxy:app"]["lb-01"].clone();
    seen.routes.insert("web/dns:app".into(), BTreeMap::from([("ns1".into(), view)]));
    let node = seen.nodes.get_mut("node-02").expect("the node");
    node.ended.insert(8080, Observed::known(SocketsView { peers: peers(peers_) }, at(now)));
    seen
}

#[test]
fn who_comes_and_goes_between_two_looks_is_told_by_what_is_left_of_it() {
    let (plan, mut streaks) = (plan(vec![named_wait()]), Streaks::default());
    let listener = named_wait().listener;
    let mut look = |now: i64, old: i64, ended: &[&str]| {
        let seen = with_ended(seen(now, Admission::Draining, 0, 0, &[]), old, ended);
        absorb(&mut streaks, &plan, now, &seen);
        (streaks.quiet_for(&listener, at(now)), lasting(&streaks, &named_wait()).passers(at(now)).count())
    };
    let (old, check, client) = ("198.51.100.9:1", "10.0.0.21:5", "198.51.100.9:7");
    assert_eq!(look(0, 0, &[old]), (Some(Duration::ZERO), 0), "who left before it began is no news");
    assert_eq!(look(900, 0, &[old]), (Some(Duration::ZERO), 0), "quiet up to the last look at it, and no longer");
    assert_eq!(look(1_000, 1_000, &[old, check]), (Some(Duration::from_secs(1)), 0), "a load balancer's check");
    assert_eq!(look(1_500, 1_500, &[old, check, client]), (None, 1), "a client");
    assert_eq!(look(2_000, 2_000, &[client]), (Some(Duration::ZERO), 1), "the same one");
    assert_eq!(look(3_000, 3_000, &[client]), (Some(Duration::from_secs(1)), 1));
    assert_eq!(look(70_000, 70_000, &[]).1, 0, "forgotten after a minute");
}

#[test]
fn where_that_is_not_known_nothing_is_quiet() {
    let (plan, mut streaks) = (plan(vec![named_wait()]), Streaks::default());
    let mut seen = with_ended(seen(0, Admission::Draining, 0, 0, &[]), 0, &[]);
    seen.nodes.get_mut("node-02").expect("the node").ended.insert(8080, Observed::unknown("no answer"));
    absorb(&mut streaks, &plan, 0, &seen);
    assert_eq!(streaks.quiet_for(&named_wait().listener, at(0)), None);
    // A load balancer of which nobody knows from where its checks come makes it useless, and so not needed.
    let mut anywhere = named_wait();
    anywhere.through[0].source.clear();
    assert!(named_wait().needs_ended() && !anywhere.needs_ended() && !wait(None).needs_ended());
}
