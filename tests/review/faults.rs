//! The planted faults: each is one change of the clean set-up.

use std::{collections::BTreeSet, path::PathBuf};

use tidegate::{
    model::{
        BalancerView, Observed,
        balancer::{BackTls, Check, Identity, Layer, Sticky},
    },
    review::{Finding, Found, Severity, Unit, rules},
};

use super::clean::*;

/// One fault: the rule, how often it is found, what is written otherwise, and what is so otherwise.
type Fault = (&'static str, usize, &'static [(&'static str, &'static str)], fn(&mut Found));

const SAME: fn(&mut Found) = |_| {};
const SECOND: &str = r#"    { name = "lb-02", socket = "ssh://lb-02/run/haproxy/admin.sock", source = ["10.0.0.22"] },
"#;
const LONG: &str = "deadline = \"10m\", on-deadline = \"hold\"";
const BGP: &str = r#"via = "bgp"
prefix = "192.0.2.80/32"
announcers = [{ daemon = "bird", socket = "ssh://{ssh}/run/bird/bird.ctl", protocol = "anycast" }]
"#;

/// Changes both load balancers.
fn lbs(found: &mut Found, change: fn(&mut BalancerView)) {
    for said in found.balancers.values_mut() {
        change(said.as_mut().expect("clean").as_mut().expect("clean"));
    }
}

/// Changes one of them.
fn lb(found: &mut Found, change: fn(&mut BalancerView)) {
    let said = found.balancers.values_mut().next().expect("there");
    change(said.as_mut().expect("clean").as_mut().expect("clean"));
}

fn unit(found: &mut Found, change: fn(&mut Unit)) {
    let machine = found.machines.get_mut("node-02").expect("there").as_mut().expect("clean");
    change(machine.units.get_mut("app.service").expect("there").as_mut().expect("clean"));
}

fn zone(found: &mut Found) -> impl Iterator<Item = &mut tidegate::model::InstanceView> {
    found.seen.routes.get_mut(NAME).expect("there").values_mut().filter_map(|seen| match seen {
        Observed::Known { value, .. } => Some(value),
        Observed::Unknown { .. } => None,
    })
}

const TLS: &str = "tls = \"terminate\"";
const IDENTITY: &str = "client-identity = \"x-forwarded-for\"";

fn faults() -> Vec<Fault> {
    vec![
        (
            "entrypoint-missing",
            1,
            &[(
                "[[entrypoint]]\n",
                "[[service]]\nname = \"b\"\nunit = \"app.service\"\nclone = { resource = \"b\" }\nmin-ready = 1\nobjective = { failover = \"15s\" }\nready = { port = 1 }\n\n[[entrypoint]]\n",
            )],
            |f| {
                f.stop_timeouts.insert("b".into(), Ok(seconds(100)));
            },
        ),
        ("layer-mismatch", 2, &[], |f| lbs(f, |v| v.layer = Some(Layer::Connections))),
        ("member-single", 1, &[("backend = \"app\"\n", "backend = \"app\"\nnodes = [\"node-01\"]\n")], SAME),
        ("single-balancer", 1, &[(SECOND, "")], SAME),
        ("single-balancer", 1, &[("ssh://lb-02/run/haproxy/admin.sock", "ssh://lb-01/run/haproxy/second.sock")], SAME),
        (
            "single-announcer",
            1,
            &[("via = \"dns\"", "NAME"), (REST_OF_NAME, ""), ("NAME\n", BGP_ALONE), ("app.example.com", "192.0.2.80")],
            |f| f.names.clear(),
        ),
        ("single-resolver", 1, &[], |f| {
            f.seen.routes.get_mut(NAME).expect("there").remove("ns2.example.com");
        }),
        (
            "single-address",
            1,
            &[
                ("via = \"dns\"", "NAME"),
                (REST_OF_NAME, ""),
                ("[[entrypoint.route]]\nNAME\n", ""),
                ("app.example.com", "10.0.0.21"),
            ],
            |f| f.names.clear(),
        ),
        ("name-unresolved", 1, &[], |f| f.names.values_mut().for_each(|a| a[0].addresses = Ok([].into()))),
        ("name-elsewhere", 1, &[], |f| {
            f.names.values_mut().for_each(|a| a[0].addresses = Ok(["10.0.0.99".parse().expect("an address")].into()));
        }),
        ("resolver-elsewhere", 1, &[], |f| {
            f.resolvers.values_mut().for_each(|said| said[0].1 = Ok(["lb-01".to_owned()].into()));
        }),
        (
            "address-outside-prefix",
            1,
            &[("via = \"dns\"", "NAME"), (REST_OF_NAME, ""), ("NAME\n", BGP), ("app.example.com", "192.0.2.81")],
            |f| f.names.clear(),
        ),
        ("tls-unstated", 1, &[("tls = \"terminate\"\n", "")], SAME),
        ("tls-at-balancer", 2, &[], |f| lbs(f, |v| v.front_tls = Some(false))),
        ("tls-to-service", 1, &[], |f| lb(f, |v| v.back_tls = Some(BackTls::Verified))),
        (
            "tls-unverified",
            2,
            &[(TLS, "tls = \"end-to-end\""), ("protocol = \"http\", port", "protocol = \"https\", port")],
            |f| {
                lbs(f, |v| v.back_tls = Some(BackTls::Unverified));
            },
        ),
        ("tls-probe", 1, &[("protocol = \"http\", port", "protocol = \"https\", port")], SAME),
        ("identity-unstated", 1, &[(IDENTITY, "")], SAME),
        (
            "identity-impossible",
            1,
            &[(TLS, "tls = \"passthrough\""), ("protocol = \"http\", port", "protocol = \"https\", port")],
            |f| {
                lbs(f, |v| (v.layer, v.front_tls) = (Some(Layer::Connections), Some(false)));
            },
        ),
        ("identity-lost", 1, &[], |f| lb(f, |v| v.tells = Some([].into()))),
        ("identity-lost", 2, &[(IDENTITY, "client-identity = \"proxy-protocol\"")], SAME),
        ("proxy-protocol-unexpected", 1, &[], |f| {
            lb(f, |v| v.tells = Some([Identity::XForwardedFor, Identity::ProxyProtocol].into()));
        }),
        ("proxy-protocol-demanded", 1, &[], |f| lb(f, |v| v.accepts_proxy = Some(true))),
        ("check-missing", 1, &[], |f| lb(f, |v| (v.check, v.pace) = (Some(Check::None), None))),
        ("check-passive", 1, &[], |f| lb(f, |v| (v.check, v.pace) = (Some(Check::Passive), None))),
        ("check-port-only", 1, &[], |f| lb(f, |v| v.check = Some(Check::Port))),
        ("check-differs", 1, &[], |f| {
            lb(f, |v| v.check = Some(Check::Request { path: Some("/".into()), port: None, passes: None }));
        }),
        ("check-differs", 1, &[], |f| {
            lb(f, |v| v.check = Some(Check::Request { path: None, port: None, passes: Some(vec![200..=399]) }));
        }),
        ("check-differs", 1, &[], |f| {
            lb(f, |v| v.check = Some(Check::Request { path: None, port: Some(8081), passes: None }));
        }),
        (
            "ready-port-only",
            1,
            &[("protocol = \"http\", port = 8080, path = \"/ready\", status = 200", "protocol = \"tcp\", port = 8080")],
            SAME,
        ),
        ("objective-missing", 1, &[("failover = \"15s\", ", "")], SAME),
        (
            "objective-unmeasured",
            1,
            &[(HAPROXY, ""), (IDENTITY, ""), ("nodes = [\"lb-01\", \"lb-02\"]\n", "nodes = [\"lb-01\", \"lb-02\"]\n")],
            |f| f.balancers.clear(),
        ),
        ("failover-ready-slow", 1, &[("interval = \"5s\", unhealthy = 2", "interval = \"5s\", unhealthy = 3")], SAME),
        ("failover-check-slow", 1, &[], |f| lb(f, |v| v.pace.as_mut().expect("clean").failures = 4)),
        ("threshold-of-one", 1, &[("unhealthy = 2", "unhealthy = 1")], SAME),
        ("threshold-of-one", 1, &[], |f| lb(f, |v| v.pace.as_mut().expect("clean").failures = 1)),
        ("grace-past-objective", 1, &[("grace = \"10s\"", "grace = \"20s\"")], SAME),
        ("grace-short", 1, &[], |f| unit(f, |u| u.started_in = Some(seconds(21)))),
        ("state-without-affinity", 1, &[("state = \"external\"", "state = \"local\"")], SAME),
        (
            "state-local",
            1,
            &[("affinity = \"none\", state = \"external\"", "affinity = \"cookie\", state = \"local\"")],
            |f| {
                lbs(f, |v| v.sticky = Some(Sticky::Cookie));
            },
        ),
        ("affinity-differs", 1, &[("affinity = \"none\"", "affinity = \"cookie\"")], |f| {
            lbs(f, |v| v.sticky = Some(Sticky::Cookie));
            lb(f, |v| v.sticky = Some(Sticky::SourceIp));
        }),
        ("affinity-undeclared", 1, &[], |f| lb(f, |v| v.sticky = Some(Sticky::Cookie))),
        ("ttl-past-deadline", 1, &[(LONG, "deadline = \"20s\", on-deadline = \"close\"")], SAME),
        ("ttl-past-failover", 1, &[("nodes = [\"lb-01\", \"lb-02\"]", "nodes = [\"node-01\", \"node-02\"]")], |f| {
            f.names.clear();
        }),
        ("ttl-without-window", 1, &[("ttl = \"30s\"", "ttl = \"2m\"")], |f| {
            zone(f).for_each(|v| v.members.values_mut().for_each(|m| m.linger = seconds(120)));
        }),
        ("ttl-differs", 1, &[], |f| zone(f).for_each(|v| v.members.values_mut().for_each(|m| m.linger = seconds(5)))),
        ("long-lived-undecided", 1, &[("protocol = \"https\"\n", "protocol = \"grpc\"\n")], SAME),
        ("quiet-past-deadline", 1, &[], |f| lb(f, |v| v.quiet = Some(seconds(1800)))),
        ("unit-enabled", 1, &[], |f| unit(f, |u| u.file_state = "enabled".into())),
        ("unit-missing", 1, &[], |f| {
            let machine = f.machines.get_mut("node-02").expect("there").as_mut().expect("clean");
            machine.units.insert("app.service".into(), None);
        }),
        ("unit-differs", 1, &[], |f| unit(f, |u| u.content.values_mut().for_each(|c| *c = Ok(Some("a2".into()))))),
        ("unit-differs", 1, &[], |f| {
            unit(f, |u| {
                drop(u.content.insert("/etc/systemd/system/app.service.d/x.conf".into(), Ok(Some("a3".into()))))
            });
        }),
        ("archive-differs", 1, &[], |f| {
            let machine = f.machines.get_mut("node-02").expect("there").as_mut().expect("clean");
            machine.files.insert(PathBuf::from("/opt/app/app.jar"), Ok(Some("b2".into())));
        }),
        ("archive-differs", 1, &[], |f| {
            let machine = f.machines.get_mut("node-02").expect("there").as_mut().expect("clean");
            machine.files.insert(PathBuf::from("/opt/app/app.jar"), Ok(None));
        }),
        ("stop-endless", 1, &[], |f| unit(f, |u| u.stop_timeout = None)),
        ("stop-fences", 1, &[], |f| drop(f.stop_timeouts.insert("app_service".into(), Ok(seconds(20))))),
        ("drill-planned-old", 1, &[], |f| {
            f.drilled.remove("node-02");
        }),
        ("drill-planned-old", 3, &[("\"720h\"", "\"1h\"")], SAME),
        ("drill-unplanned-old", 1, &[], |f| f.played = None),
        ("drill-unplanned-old", 1, &[("\"2160h\"", "\"1h\"")], SAME),
        (
            "acceptance-idle",
            1,
            &[(
                "[review]\n",
                "[[review.accept]]\ncode = \"single-balancer\"\nabout = \"web/haproxy:app\"\nreason = \"once\"\n[review]\n",
            )],
            SAME,
        ),
        (
            "acceptance-idle",
            1,
            &[(
                "[review]\n",
                "[[review.accept]]\ncode = \"single-balancers\"\nabout = \"x\"\nreason = \"once\"\n[review]\n",
            )],
            SAME,
        ),
    ]
}

/// What belongs to the route by name, behind its `via`.
const REST_OF_NAME: &str = r#"servers = ["10.0.0.53"]
zone = "example.com"
ttl = "30s"
key-file = "/etc/tidegate/example.key"
resolvers = ["10.0.0.2"]
nodes = ["lb-01", "lb-02"]
"#;
const BGP_ALONE: &str = r#"via = "bgp"
nodes = ["node-01"]
prefix = "192.0.2.80/32"
announcers = [{ daemon = "bird", socket = "ssh://{ssh}/run/bird/bird.ctl", protocol = "anycast" }]
"#;
const HAPROXY: &str = r#"[[entrypoint.route]]
via = "haproxy"
backend = "app"
config-file = "/etc/haproxy/haproxy.cfg"
instances = [
    { name = "lb-01", socket = "ssh://lb-01/run/haproxy/admin.sock", source = ["10.0.0.21"] },
    { name = "lb-02", socket = "ssh://lb-02/run/haproxy/admin.sock", source = ["10.0.0.22"] },
]
"#;

#[test]
fn each_fault_is_found_by_its_rule_and_by_nothing_else() {
    let mut wrong = Vec::new();
    for (code, times, edits, change) in faults() {
        let mut text = CONFIG.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "{code}: {from}");
            text = text.replace(from, to);
        }
        let mut found = found();
        change(&mut found);
        let review = reviewed(&text, Some(&found));
        let told = told(&review.findings);
        let rule = rules().find(|r| r.code == code).expect("a rule");
        let fits = |f: &Finding| {
            f.code == code && f.known && f.severity == rule.severity && f.why == rule.why && f.mend == rule.mend
        };
        if told.len() != times || !review.findings.iter().all(fits) {
            wrong.push((code, told));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// No rule is without a fault that it finds.
#[test]
fn every_rule_has_its_fault() {
    let planted: BTreeSet<&str> = faults().iter().map(|(code, ..)| *code).collect();
    let rules: BTreeSet<&str> = rules().map(|r| r.code).collect();
    assert_eq!(planted, rules);
    assert!(planted.len() >= 20);
}

#[test]
fn what_is_accepted_is_no_finding_and_keeps_its_reason() {
    let accepted = CONFIG.replace(SECOND, "").replace(
        "[review]\n",
        "[[review.accept]]\ncode = \"single-balancer\"\nabout = \"web/haproxy:app\"\nreason = \"ordered\"\n[review]\n",
    );
    let review = reviewed(&accepted, Some(&found()));
    assert_eq!(told(&review.findings), [""; 0]);
    let [(finding, reason)] = review.accepted.as_slice() else { panic!("{:?}", review.accepted) };
    assert_eq!((finding.code, reason.as_str()), ("single-balancer", "ordered"));
    // For another route it would not count.
    let other = accepted.replace("about = \"web/haproxy:app\"", "about = \"web/haproxy:other\"");
    let codes: Vec<_> = reviewed(&other, Some(&found())).findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["single-balancer", "acceptance-idle"]);
}

#[test]
fn problems_come_first() {
    let mut found = found();
    unit(&mut found, |u| (u.file_state, u.content) = ("enabled".into(), [].into()));
    let review = reviewed(CONFIG, Some(&found));
    let severities: Vec<_> = review.findings.iter().map(|f| f.severity).collect();
    assert_eq!(severities, [Severity::Problem, Severity::Warn]);
}
