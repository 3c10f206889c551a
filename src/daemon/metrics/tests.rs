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
            assert!(label.chars().all(|c| c.is_ascii_lowercase()), "{name}: {label}");
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
