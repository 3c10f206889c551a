//! Evidence as runs and drills leave it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tidegate::{
    drill::{
        objective::Objectives,
        report::{
            Acknowledgement, Chain, Configuration, Evidence, FailedRequest, FaultSeen, Kind, Measured, Percentiles,
            Phase, ReadyNodes, Remark, RemarkKind, Residual, Sample, SkewSeen, Tick, Took, Traffic, Verdict, against,
            judge,
        },
    },
    model::NodeName,
};

/// Every sample by its name.
pub fn all() -> [(&'static str, Evidence); 4] {
    [("planned", planned()), ("unplanned", unplanned()), ("aborted", aborted()), ("unknown", unknown())]
}

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-03-14T09:00:00Z".parse().expect("a time");
    start + Duration::from_secs_f64(seconds)
}

fn nodes(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|name| NodeName::new(*name)).collect()
}

fn base(kind: Kind, id: &str, name: &str) -> Evidence {
    let mut evidence = Evidence::new(kind, id, name, at(0.0));
    evidence.operator = "mira".into();
    evidence.reason = "quarterly failover drill".into();
    evidence.nodes = nodes(&["node-2"]);
    evidence.configuration =
        Some(Configuration { path: "/etc/tidegate/tidegate.toml".into(), digest: "5e1f".repeat(16) });
    evidence.versions.tidegate = Some("0.1.0".into());
    evidence.versions.reported_by = "0.1.0".into();
    evidence.versions.pacemaker = Some("2.1.5".into());
    evidence.versions.playbook = Some("c0de".repeat(16));
    evidence.signature.chains = vec![Chain { id: id.into(), records: 41, head: "ab12".repeat(16) }];
    evidence
}

fn phase(name: &str, node: &str, from: f64, until: Option<f64>) -> Phase {
    Phase {
        name: name.into(),
        node: Some(node.into()),
        from: at(from),
        until: until.map(at),
        run: None,
        acknowledgements: Vec::new(),
    }
}

fn read_back(what: &str, instance: &str, seconds: Option<f64>) -> Acknowledgement {
    Acknowledgement {
        what: format!("node-2 {what}"),
        route: Some("web/haproxy:app".into()),
        instance: Some(instance.into()),
        seconds,
        tries: 1,
    }
}

/// A load of 120 requests a second; `share` says what part of them each node gets, `failed` how many fail.
fn load(length: u64, share: impl Fn(u64) -> [u64; 3], failed: impl Fn(u64) -> u64) -> Traffic {
    let tick = |second: u64| {
        let by_node: BTreeMap<NodeName, u64> =
            NODES.iter().zip(share(second)).filter(|s| s.1 > 0).map(|(n, s)| (NodeName::new(*n), s)).collect();
        let slow = if failed(second) > 0 { 40.0 } else { 1.0 };
        let wave = 1.0 + (second % 7) as f64 / 10.0;
        Tick {
            second,
            ok: by_node.values().sum(),
            failed: failed(second),
            by_node,
            p50_ms: Some(1.8 * wave),
            p99_ms: Some(6.5 * wave * slow),
            max_ms: Some(14.0 * wave * slow),
        }
    };
    let seconds: Vec<Tick> = (0..length).map(tick).collect();
    let mut by_node = BTreeMap::new();
    for (node, count) in seconds.iter().flat_map(|s| &s.by_node) {
        *by_node.entry(node.clone()).or_default() += count;
    }
    let failed: u64 = seconds.iter().map(|s| s.failed).sum();
    Traffic {
        source: "requests of our own, 120 a second".into(),
        targets: vec!["http://app.example.com/".into()],
        from: at(0.0),
        until: at(length as f64),
        interrupted: false,
        requests: failed + seconds.iter().map(|s| s.ok).sum::<u64>(),
        failed,
        by_node,
        by_cause: BTreeMap::new(),
        latency: Some(Percentiles { count: 1, p50_ms: 2.1, p90_ms: 3.9, p99_ms: 9.4, p999_ms: 61.0, max_ms: 884.0 }),
        seconds,
        failures: Vec::new(),
    }
}

/// Node 2 is out between the two.
fn around(from: u64, until: u64) -> impl Fn(u64) -> [u64; 3] {
    move |second| if (from..until).contains(&second) { [60, 0, 60] } else { [40, 41, 39] }
}

/// A drill by drain and restore in which nothing is lost.
pub fn planned() -> Evidence {
    let mut it = base(Kind::PlannedDrill, "drill-20260314-090000", "planned-drain");
    it.hypothesis = Some("A node leaves and comes back under load, and nobody notices".into());
    it.ended = Some(at(90.4));
    let mut drained = phase("routing drained", "node-2", 10.0, Some(10.8));
    drained.acknowledgements =
        vec![read_back("drained", "lb-01", Some(0.214)), read_back("drained", "lb-02", Some(0.371))];
    let mut restored = phase("routing restored", "node-2", 62.0, Some(74.0));
    restored.acknowledgements =
        vec![read_back("as it was before", "lb-01", Some(0.187)), read_back("as it was before", "lb-02", Some(0.193))];
    it.phases = vec![
        phase("steady state", "node-2", 0.0, Some(10.0)),
        drained,
        phase("connections drained", "node-2", 10.8, Some(24.0)),
        phase("standby", "node-2", 24.0, Some(31.5)),
        phase("units stopped", "node-2", 31.5, Some(32.0)),
        phase("out of standby", "node-2", 45.0, Some(52.0)),
        phase("ready", "node-2", 52.0, Some(62.0)),
        restored,
    ];
    it.traffic = Some(load(90, around(11, 63), |_| 0));
    it.series.connections = connections(|s| if (24..52).contains(&s) { 0.0 } else { 12.0 });
    it.series.ready = (0..90)
        .map(|s| ReadyNodes { at: at(s as f64), ready: Some(if (32..52).contains(&s) { 2 } else { 3 }) })
        .collect();
    it.series.skew = (0..90).step_by(5).map(|s| SkewSeen { at: at(f64::from(s)), skew: Some(1.02) }).collect();
    it.objectives = against(
        &Objectives {
            max_error_ratio: Some(0.0),
            max_latency_p99: Some(Duration::from_millis(50)),
            min_ready: Some(2),
            max_skew: Some(1.2),
            ..Objectives::default()
        },
        &Measured {
            error_ratio: Some(0.0),
            latency_p99_ms: Some(9.4),
            fewest_ready: Some(2),
            skew: Some(1.02),
            ..Measured::default()
        },
    );
    it.verdict = judge(&it.objectives);
    it.differences = Some(Vec::new());
    it.signature.chains.push(Chain { id: "drain-node-2-20260314".into(), records: 96, head: "cd34".repeat(16) });
    it
}

fn connections(of_second: impl Fn(u64) -> f64) -> Vec<Sample> {
    (0..90)
        .flat_map(|s| {
            let value = of_second(s);
            [("node-1", 14.0), ("node-2", value), ("node-3", 13.0)].map(|(node, value)| Sample {
                at: at(s as f64),
                node: node.into(),
                value: Some(value),
            })
        })
        .collect()
}

/// A unit is killed, and it takes longer than it may until nobody is sent there.
pub fn unplanned() -> Evidence {
    let mut it = base(Kind::UnplannedDrill, "drill-20260314-unit-killed", "unit-killed");
    it.hypothesis = Some("A killed unit is out of routing within 3 s, and fewer than 1 in 1000 requests fail".into());
    it.ended = Some(at(75.0));
    it.phases = vec![
        phase("steady state", "node-2", 0.0, Some(15.0)),
        phase("unit-killed", "node-2", 15.0, Some(40.0)),
        phase("recovery", "node-2", 40.0, Some(58.0)),
        phase("steady state", "node-2", 58.0, Some(75.0)),
    ];
    it.fault = Some(FaultSeen {
        word: "unit-killed".into(),
        place: "node-2".into(),
        at: at(15.0),
        ended_at: Some(at(40.0)),
        ended_by: Some("the drill".into()),
        detection: Took::of(Some(1.9), Some(3.0), Some("web/haproxy:app at lb-01 says DOWN".into())),
        removal: Took::of(Some(4.212), None, Some("web/haproxy:app at lb-02 says DOWN".into())),
        recovery: Took::of(Some(17.5), Some(30.0), None),
    });
    let failed = |second: u64| match second {
        15 => 33,
        16..=18 => 39,
        19 => 7,
        _ => 0,
    };
    let share = |second: u64| match second {
        15 => [40, 8, 39],
        16..=18 => [40, 0, 41],
        19..57 => [60, 0, 60],
        _ => [40, 41, 39],
    };
    let mut traffic = load(75, share, failed);
    let refused: u64 = 150;
    traffic.by_cause =
        [("connection refused".into(), refused), ("connection reset".into(), traffic.failed - refused)].into();
    traffic.failures = (0..12)
        .map(|n| FailedRequest {
            at: at(15.02 + f64::from(n) * 0.025),
            node: (n % 3 != 0).then(|| "node-2".into()),
            route: Some(if n % 2 == 0 { "lb-01" } else { "lb-02" }.into()),
            cause: if n == 0 { "connection reset" } else { "connection refused" }.into(),
            detail: "error status: 503 Service Unavailable".into(),
        })
        .collect();
    let ratio = traffic.error_ratio();
    it.traffic = Some(traffic);
    it.objectives = against(
        &Objectives {
            failover: Some(Duration::from_secs(3)),
            detection: Some(Duration::from_secs(3)),
            recovery: Some(Duration::from_secs(30)),
            max_error_ratio: Some(0.001),
            max_skew: Some(1.2),
            ..Objectives::default()
        },
        &Measured {
            failover_s: Some(4.4),
            detection_s: Some(1.9),
            recovery_s: Some(17.5),
            error_ratio: ratio,
            ..Measured::default()
        },
    );
    it.verdict = judge(&it.objectives);
    it.remarks = vec![
        Remark {
            at: Some(at(16.9)),
            kind: RemarkKind::Guard,
            text: "node-2 withdrawn from web/dns:app: two witnesses".into(),
        },
        Remark { at: Some(at(41.0)), kind: RemarkKind::Guard, text: "node-2 returned to web/dns:app".into() },
    ];
    it
}

/// A drain that was given up at the deadline of its connections.
pub fn aborted() -> Evidence {
    let mut it = base(Kind::Drain, "drain-node-2-20260314-aborted", "drain node-2");
    it.ended = Some(at(61.3));
    it.verdict = Verdict::aborted("deadline reached with 2 connections left");
    let mut routes = phase("routing drained", "node-2", 0.2, Some(1.1));
    routes.acknowledgements = vec![read_back("drained", "lb-01", Some(0.3)), read_back("drained", "lb-02", None)];
    it.phases = vec![routes, phase("connections drained", "node-2", 1.1, None)];
    it.residual = vec![Residual {
        at: at(61.1),
        node: "node-2".into(),
        listener: "app".into(),
        remaining: 2,
        deadline: true,
        what: "deadline reached: abort and put everything back".into(),
        oldest: vec!["192.0.2.7:4711 through lb-01, for 12 min".into()],
    }];
    it.differences = Some(vec!["vip: rehearsed on node-3, is on node-1".into()]);
    it.remarks = vec![
        Remark { at: Some(at(30.0)), kind: RemarkKind::Held, text: "a person was asked".into() },
        Remark { at: Some(at(61.2)), kind: RemarkKind::Aborted, text: "abort asked for by mira".into() },
    ];
    it
}

/// Of which nothing is known but that it was begun.
pub fn unknown() -> Evidence {
    let mut it = Evidence::new(Kind::Playbook, "play-20260314", "kernel-reboot", at(0.0));
    it.versions.reported_by = "0.1.0".into();
    it
}
