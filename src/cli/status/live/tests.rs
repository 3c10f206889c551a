//! What a person sees, at 80 columns and without colour.

use std::collections::BTreeMap;

use ratatui::{Terminal, backend::TestBackend, text::Text, widgets::Paragraph};

use super::{draw::Colour, *};
use crate::{
    cli::status::{ClusterLine, NodeLine, ServiceLine, Withdrawn, routes},
    journal::Withdrawal,
    model::{
        Admission, Exact, Health, InstanceView, MemberView, Observed, RouteTarget, Topology, topology::RouteShape,
    },
    traffic::skew::{Share, Verdict},
};

fn share(measured: f64, expected: f64, certain: f64) -> Share {
    Share { measured: Some(measured), expected: Some(expected), skew: Some(measured / expected), certain }
}

fn node(name: &str, state: &'static str, ready: Option<bool>) -> NodeLine {
    let service = ServiceLine {
        service: "app".into(),
        instance: "started".into(),
        unit: ready.map(|_| "active".into()),
        ready,
        reason: (ready == Some(false)).then(|| "connection to 10.0.0.12:8080 refused".into()),
        sockets: ready.map(|_| 12),
    };
    NodeLine { node: name.into(), state, owner: None, services: vec![service] }
}

fn routes() -> Vec<routes::Line> {
    let member = |admission, health| MemberView { admission, health, weight: 100, ..MemberView::default() };
    let failing = Health::Failing { reason: "L4CON".into() };
    let members = BTreeMap::from([
        ("node-01".to_owned(), member(Admission::Serving, Health::Passing)),
        ("node-02".to_owned(), member(Admission::Serving, failing)),
        ("node-03".to_owned(), member(Admission::Draining, Health::Passing)),
    ]);
    let view = InstanceView { members, ..InstanceView::default() };
    let at = jiff::Timestamp::UNIX_EPOCH;
    let one = |name: &str| (name.into(), Observed::known(view.clone(), at));
    let shape = RouteShape {
        id: "web/haproxy:app".into(),
        entrypoint: "web".into(),
        service: "app".into(),
        tier: 20,
        port: None,
        instances: BTreeMap::new(),
        servers: ["node-01", "node-02", "node-03"].map(|n| (n.into(), n.to_owned())).into(),
    };
    let seen = Observation {
        routes: BTreeMap::from([("web/haproxy:app".into(), BTreeMap::from([one("lb-01"), one("lb-02")]))]),
        ..Observation::default()
    };
    routes::lines_of(&Topology { routes: vec![shape], ..Topology::default() }, &seen, &BTreeMap::new())
}

fn view() -> View {
    let shares = BTreeMap::from([
        ("node-01".into(), share(0.58, 0.334, 1.4)),
        ("node-02".into(), share(0.0, 0.333, 1.0)),
        ("node-03".into(), share(0.42, 0.333, 1.0)),
    ]);
    let verdict =
        Verdict { samples: 5432.0, dispersion: 1.0, shares: shares.values().copied().collect(), likelihood: 0.0 };
    let target = RouteTarget {
        route: "web/dns:app".into(),
        instance: "ns1".into(),
        server: "10.0.0.12".into(),
        service: "app".into(),
        role: crate::model::topology::Role::Driven,
    };
    let withdrawal = Withdrawal {
        node: "node-02".into(),
        before: Exact(serde_json::Value::Null),
        why: "the cluster has lost the node".into(),
        since: jiff::Timestamp::UNIX_EPOCH,
        acknowledged: Some(jiff::Timestamp::UNIX_EPOCH),
    };
    View {
        status: Status {
            cluster: ClusterLine {
                name: "production".into(),
                answers: true,
                quorate: Some(true),
                transition: Some(false),
                maintenance_mode: Some(false),
                fencing: Some(true),
                dc: Some("node-01".into()),
            },
            nodes: vec![
                node("node-01", "online", Some(true)),
                node("node-02", "offline", Some(false)),
                node("node-03", "standby", None),
            ],
            routes: routes(),
            elsewhere: Vec::new(),
            run: None,
            withdrawn: vec![Withdrawn { target, was: withdrawal }],
            unknown: vec![
                "systemd on node-02: no answer within 2.0 s, and a reason that is so long that it does not fit".into(),
            ],
            warnings: Vec::new(),
        },
        judged: vec![Judged { entrypoint: "web".into(), outside: false, window: Window::Short, shares, verdict }],
        waits: Vec::new(),
        clock: "12:34:56 UTC".into(),
    }
}

#[test]
fn it_is_readable_at_80_columns_without_colour() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
    let lines = draw::lines(&view(), 80, Colour(false));
    assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
    terminal.draw(|frame| frame.render_widget(Paragraph::new(Text::from(lines)), frame.area())).expect("drawn");
    insta::assert_snapshot!(terminal.backend());
}

#[test]
fn colour_adds_nothing_to_the_words() {
    let words = |colour| draw::lines(&view(), 120, Colour(colour)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(true), words(false));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    for width in [60, 80, 100, 200] {
        let lines = draw::lines(&view(), width, Colour(false));
        let widest = lines.iter().map(ratatui::text::Line::width).max().unwrap_or_default();
        assert!(widest <= usize::from(width).max(80), "{widest} of {width}");
    }
}
