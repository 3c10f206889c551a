//! The words of the waits, as a person reads them.

use super::*;
use crate::{model::straggler::Stragglers, run::waiting::Waiting};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn straggler(peer: &str, age: u64, through: Option<&str>) -> Straggler {
    Straggler {
        peer: peer.into(),
        age: Some(seconds(age)),
        received: Some(3_400_000),
        sent: Some(120),
        idle: None,
        through: through.map(Into::into),
        id: peer.into(),
    }
}

fn connected() -> Connected {
    let oldest = vec![
        straggler("192.0.2.7:4711", 4_000, Some("lb-01")),
        straggler("192.0.2.8:4712", 754, Some("lb-01")),
        Straggler { idle: Some(seconds(240)), ..straggler("198.51.100.9:80", 300, None) },
        straggler("192.0.2.9:4713", 3, Some("lb-02")),
    ];
    Connected {
        node: "node-02".into(),
        listener: Listener::of(&"app".into()),
        total: 12,
        sessions: vec![("lb-01".into(), 7), ("lb-02".into(), 4), ("lb-03".into(), 0)],
        unexplained: vec!["198.51.100.9:80".parse().expect("an address")],
        direct: 1,
        oldest: Stragglers::of(oldest).oldest,
        verdict: Some(Verdict::Slow { left: seconds(840), gone: 14, over: seconds(130) }),
        unlisted: Vec::new(),
        left: seconds(42),
    }
}

fn text(waiting: &Waiting) -> String {
    let mut text = waiting.to_string();
    waiting.details().iter().for_each(|line| text += &format!("\n    {line}"));
    text
}

#[test]
fn who_is_left_through_whom_for_how_long_and_until_when() {
    assert_eq!(
        text(&Waiting::Connections(Box::new(connected()))),
        "node-02 still has 12 connections of app: 7 through lb-01, 4 through lb-02, 1 that no load balancer explains \
         (198.51.100.9:80); slow: about 14 min at the present rate (14 left in 2 min); 42 s to the deadline
    192.0.2.7:4711 through lb-01, for 66 min, 3.4 MB in, 120 B out
    192.0.2.8:4712 through lb-01, for 12 min, 3.4 MB in, 120 B out
    198.51.100.9:80 directly, for 5 min, 3.4 MB in, 120 B out, quiet for 4 min"
    );
}

#[test]
fn what_is_not_known_takes_no_room() {
    let bare = Connected {
        total: 1,
        sessions: vec![("lb-01".into(), 1)],
        unexplained: Vec::new(),
        direct: 0,
        oldest: Vec::new(),
        verdict: None,
        ..connected()
    };
    assert_eq!(
        text(&Waiting::Connections(Box::new(bare.clone()))),
        "node-02 still has 1 connection of app: 1 through lb-01; 42 s to the deadline"
    );
    let refused = Connected {
        unlisted: vec!["lb-01: refused: Permission denied".into(), "lb-02: another".into()],
        verdict: Some(Verdict::Never { since: seconds(75) }),
        ..bare
    };
    assert_eq!(
        text(&Waiting::Connections(Box::new(refused))),
        "node-02 still has 1 connection of app: 1 through lb-01; never: the same ones have stayed for 75 s; 42 s to the \
         deadline
    not listed: lb-01: refused: Permission denied"
    );
}

#[test]
fn many_direct_clients_are_counted_and_a_few_named() {
    let peer = |n: u16| SocketAddr::from(([198, 51, 100, 9], n));
    let many = Connected {
        sessions: Vec::new(),
        unexplained: (1..=8).map(peer).collect(),
        direct: 30,
        oldest: Vec::new(),
        verdict: None,
        ..connected()
    };
    assert_eq!(
        text(&Waiting::Connections(Box::new(many))),
        "node-02 still has 12 connections of app: 30 that no load balancer explains (198.51.100.9:1, 198.51.100.9:2, \
         198.51.100.9:3, …); 42 s to the deadline"
    );
}

#[test]
fn waits_at_the_end_say_what_they_wait_for() {
    let listener = Listener::of(&"app".into());
    let settling =
        |came| Waiting::Settling { listener: listener.clone(), left: seconds(28), came, passers: Vec::new() };
    assert_eq!(text(&settling(None)), "app has no connections left; 28 s more to be sure");
    assert_eq!(
        text(&settling(Some(Duration::from_millis(2_400)))),
        "app has no connections left, and a client came 2.4 s ago; 28 s more to be sure"
    );
    let passers = vec!["10.0.9.7:51514".parse().expect("an address"), "10.0.9.7:51516".parse().expect("an address")];
    let Waiting::Settling { listener: app, left, came, .. } = settling(Some(seconds(1))) else { panic!("it is") };
    assert_eq!(
        text(&Waiting::Settling { listener: app, left, came, passers }),
        "app has no connections left, and a client came 1.0 s ago; 28 s more to be sure
    directly, and gone again: 10.0.9.7:51514, 10.0.9.7:51516"
    );
    let cutting = Waiting::Cutting { node: "node-02".into(), listener, total: 3, left: Duration::from_millis(4_200) };
    assert_eq!(text(&cutting), "3 connections of app on node-02 are cut and not gone; 4.2 s more");
}

#[test]
fn programs_get_all_of_it() {
    let json = serde_json::to_value(Waiting::Connections(Box::new(connected()))).expect("JSON");
    assert_eq!(json["waiting"], "connections");
    assert_eq!(json["service"], "app");
    assert_eq!(json["verdict"]["ends"], "slow");
    assert_eq!(json["oldest"].as_array().map(Vec::len), Some(4));
    assert_eq!(json["oldest"][0]["through"], "lb-01");
    assert_eq!(json["oldest"][2]["through"], serde_json::Value::Null);
}
