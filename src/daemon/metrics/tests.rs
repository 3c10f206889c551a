//! The catalogue keeps Prometheus's conventions, is documented, and is complete both ways.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::*;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What Prometheus would read, of what was reported meanwhile.
fn scraped(report: impl FnOnce()) -> String {
    let recorder = exporter().expect("buckets").build_recorder();
    metrics::with_local_recorder(&recorder, || {
        described();
        report();
    });
    recorder.handle().render()
}

#[test]
fn names_keep_the_conventions() {
    let mut seen = BTreeSet::new();
    for Metric { name, kind, unit, labels, help } in all() {
        assert!(seen.insert(*name), "{name} is there twice");
        assert!(name.starts_with("tidegate_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        let stem = name.trim_end_matches("_total");
        assert_eq!(stem.ends_with("_seconds"), *unit == Some(metrics::Unit::Seconds), "{name}");
        assert_eq!(stem.ends_with("_bytes"), *unit == Some(metrics::Unit::Bytes), "{name}");
        assert!(help.ends_with('.') && !help.contains('|'), "{name}: {help}");
        for label in *labels {
            assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}: {label}");
        }
        if let Kind::Histogram(buckets) = kind {
            assert!(buckets.is_sorted() && buckets.len() > 5, "{name}: {buckets:?}");
        }
    }
}

#[test]
fn the_documentation_holds_the_catalogue() {
    let page = file("docs/metrics.md");
    let marker = "<!-- made from src/daemon/metrics: every metric -->\n";
    let (story, found) = page.split_once(marker).expect("the marker");
    let expected = format!("\n{}\n", reference().trim_end());
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        std::fs::write(path, format!("{story}{marker}{expected}")).expect("written");
        return;
    }
    assert!(found == expected, "docs/metrics.md is out of date: run this test with TIDEGATE_WRITE=1");
}

/// A line of the table that nothing reports is a promise that is not kept.
#[test]
fn something_reports_every_metric() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon/metrics");
    let mut code = String::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if !path.ends_with("table.rs") && !path.ends_with("tests.rs") {
            code += &std::fs::read_to_string(path).expect("a file");
        }
    }
    for id in table::IDS {
        let used = |after: &str| code.contains(&format!("table::{id}{after}"));
        assert!(used(".") || used(",") || used(")") || used(";"), "nothing reports {id}");
    }
}

/// What is exported goes through the table: nobody calls the macros by themselves.
#[test]
fn no_metric_is_outside_the_catalogue() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = std::fs::read_to_string(&path).expect("a file");
            read += 1;
            let name = path.display().to_string();
            let macros = ["counter!(", "gauge!(", "histogram!("].iter().any(|word| code.contains(word));
            let allowed = name.ends_with("daemon/metrics/metric.rs") || name.ends_with("daemon/metrics/tests.rs");
            assert!(allowed || !macros, "{name} exports something that is not in the table");
        }
    }
    assert!(read > 100, "{read} files");
}

#[test]
fn what_is_reported_is_exported_with_its_help() {
    let page = scraped(|| {
        readiness("node-01", "app", false, Some(Reason::Status));
        readiness("node-02", "app", false, Some(Reason::Unknown));
        turned("node-01", "app", false);
        probed("node-01", "app", Duration::from_millis(30), Outcome::Failed);
        guard_action(Guarded::TookOut, "web/dns", "node-01");
        fail_open("app", true);
        out_of_order("node-01");
        blind(false);
    });
    for line in [
        "# HELP tidegate_node_ready Whether a service on a node counts as ready (1) or not (0); NaN where that is not known.",
        "# TYPE tidegate_probe_duration_seconds histogram",
        r#"tidegate_node_ready{node="node-01",service="app"} 0"#,
        r#"tidegate_node_ready{node="node-02",service="app"} NaN"#,
        r#"tidegate_node_unready{node="node-01",service="app",reason="status"} 1"#,
        r#"tidegate_node_unready{node="node-01",service="app",reason="refused"} 0"#,
        r#"tidegate_readiness_transitions_total{node="node-01",service="app",to="unready"} 1"#,
        r#"tidegate_probe_duration_seconds_bucket{node="node-01",service="app",outcome="failed",le="0.025"} 0"#,
        r#"tidegate_probe_duration_seconds_bucket{node="node-01",service="app",outcome="failed",le="0.05"} 1"#,
        r#"tidegate_guard_actions_total{kind="took-out",route="web/dns",node="node-01"} 1"#,
        r#"tidegate_guard_fail_open{service="app"} 1"#,
        r#"tidegate_out_of_order_total{node="node-01"} 1"#,
        "tidegate_coordinator_blind 0",
        concat!(r#"tidegate_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
}

/// A drain with a skew, as everything would report it.
fn everything() {
    use crate::{
        model::{Admission, Counters, MemberView},
        plan::Purpose,
        traffic::{
            delta::Grown,
            share::{Counted, Judged},
            skew::{Cell, judge},
            window::Window,
        },
    };
    let counters = Counters { requests: Some(5), answers_5xx: Some(2), ..Counters::default() };
    counted(&Counted {
        entrypoint: "web".into(),
        route: "web/haproxy:app".into(),
        instance: "lb-01".into(),
        node: "node-01".into(),
        grown: Grown { counted: counters, expected: Some(0.5) },
    });
    let shape = crate::model::topology::RouteShape {
        id: "web/haproxy:app".into(),
        entrypoint: "web".into(),
        service: "app".into(),
        tier: 0,
        port: None,
        instances: Default::default(),
        servers: Default::default(),
    };
    let latency = Some(Duration::from_millis(21));
    let counters = Counters { latency, ..counters };
    let view = MemberView { admission: Admission::Serving, weight: 1, sessions: 3, counters, ..MemberView::default() };
    member(&shape, "lb-01", "node-01", Some(&view));
    member(&shape, "lb-02", "node-01", None);
    let cells =
        [(3333.0, 2500.0), (1667.0, 2500.0), (0.0, 0.0)].map(|(measured, expected)| Cell { measured, expected });
    let verdict = judge(&cells, Some(1.5), None);
    let shares = ["node-01", "node-02", "node-03"].map(Into::into).into_iter().zip(verdict.shares.clone()).collect();
    judged(&Judged { entrypoint: "web".into(), outside: false, window: Window::Middle, shares, verdict });
    limit("web", 1.25);
    sockets("node-01", "app", Some(7));
    standby("node-01", Some((true, false)));
    saw(Source::Cluster, "", Some(1_800_000_000.5));
    saw(Source::Units, "node-01", None);
    let since = jiff::Timestamp::from_second(1_800_000_000).expect("a time");
    let doing = Some(Doing { step: Step::Connections, since: Some(since) });
    open(&Open { purpose: Purpose::Drain, node: "node-01".into(), since, status: RunStatus::Active, doing });
    ended(Purpose::Restore, RunEnding::Done, Duration::from_secs(7));
    stepped(Purpose::Restore, Step::Ready, Duration::from_secs(3));
    baseline(Purpose::Drain, None);
    done(Purpose::Restore, "node-01", since);
    process();
}

#[test]
fn traffic_runs_and_the_process_are_exported() {
    let page = scraped(everything);
    for line in [
        r#"tidegate_requests_total{entrypoint="web",route="web/haproxy:app",route_instance="lb-01",node="node-01"} 5"#,
        r#"tidegate_errors_total{entrypoint="web",route="web/haproxy:app",route_instance="lb-01",node="node-01",kind="status-5xx"} 2"#,
        r#"tidegate_member_serving{entrypoint="web",route="web/haproxy:app",route_instance="lb-01",node="node-01"} 1"#,
        r#"tidegate_member_serving{entrypoint="web",route="web/haproxy:app",route_instance="lb-02",node="node-01"} NaN"#,
        r#"tidegate_response_time_seconds{entrypoint="web",route="web/haproxy:app",route_instance="lb-01",node="node-01"} 0.021"#,
        r#"tidegate_expected_share_ratio{entrypoint="web",node="node-02",window="5m"} 0.5"#,
        r#"tidegate_skew_ratio{entrypoint="web",node="node-03",window="5m"} NaN"#,
        r#"tidegate_share_dispersion{entrypoint="web",of="nodes",window="5m"} 1.5"#,
        r#"tidegate_skew_limit_ratio{entrypoint="web"} 1.25"#,
        r#"tidegate_node_connections{node="node-01",service="app"} 7"#,
        r#"tidegate_node_standby{node="node-01",by="other"} 1"#,
        r#"tidegate_node_standby{node="node-01",by="run"} 0"#,
        r#"tidegate_observation_timestamp_seconds{source="cluster"} 1800000000.5"#,
        r#"tidegate_observation_failures_total{source="units",node="node-01"} 1"#,
        r#"tidegate_run_open{purpose="drain",node="node-01",status="active"} 1"#,
        r#"tidegate_run_open{purpose="drain",node="node-01",status="stuck"} 0"#,
        r#"tidegate_run_waiting{purpose="drain",node="node-01",for="connections"} 1"#,
        r#"tidegate_run_step_start_timestamp_seconds{purpose="drain",node="node-01",step="standby"} NaN"#,
        r#"tidegate_run_duration_seconds_bucket{purpose="restore",ending="done",le="5"} 0"#,
        r#"tidegate_run_duration_seconds_bucket{purpose="restore",ending="done",le="10"} 1"#,
        r#"tidegate_run_baseline_seconds{purpose="drain"} NaN"#,
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "process_max_fds"] {
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 1.0), "{name}: {value:?}");
    }
}

/// Prometheus's own lint of names, help texts and units.
#[test]
fn promtool_finds_nothing_to_say() {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };
    let page = scraped(everything);
    let piped = || Stdio::piped();
    let spawned =
        Command::new("promtool").args(["check", "metrics"]).stdin(piped()).stdout(piped()).stderr(piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("NOT RUN: promtool (prometheus) is not installed");
        return;
    };
    child.stdin.take().expect("its input").write_all(page.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("its answer");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "promtool check metrics: {said}\n{page}");
}
