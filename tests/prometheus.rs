//! What is shipped for Prometheus is right by Prometheus's own tools: rules, their unit tests, and that every metric in
//! a rule or on the dashboard is one that is exported.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use tidegate::daemon::metrics;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `promtool`, where it is installed.
fn promtool(arguments: &[&str], files: &[PathBuf]) {
    let output = Command::new("promtool").args(arguments).args(files).output();
    let Ok(output) = output else {
        eprintln!("NOT RUN: promtool (prometheus) is not installed");
        return;
    };
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "promtool {arguments:?}: {}", said.join("\n"));
}

#[test]
fn the_rules_and_the_configuration_are_valid() {
    promtool(&["check", "rules"], &files("config/prometheus/rules"));
    promtool(&["check", "config"], &[repository("config/prometheus/prometheus.yml")]);
}

#[test]
fn the_rules_pass_their_own_tests() {
    promtool(&["test", "rules"], &files("config/prometheus/tests"));
}

/// Every alert says how bad it is, in one line what it is, and where to read on; and is tried by a test.
#[test]
fn every_alert_has_a_severity_a_summary_a_runbook_and_a_test() {
    let rules: String = files("config/prometheus/rules").iter().map(|path| text(path)).collect();
    let tests: String = files("config/prometheus/tests").iter().map(|path| text(path)).collect();
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "{}", alerts.len());
    for alert in alerts {
        let alert = alert.split("- name: ").next().unwrap_or_default();
        let name = alert.lines().next().unwrap_or_default();
        assert!(alert.contains("severity: page") || alert.contains("severity: ticket"), "{name}");
        assert!(alert.contains("summary: "), "{name}");
        let runbook = alert.split("runbook: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let runbook = runbook.unwrap_or_else(|| panic!("{name} has no runbook"));
        assert!(text(&repository(runbook)).contains(&format!("`{name}`")), "{runbook} does not name {name}");
        assert!(tests.contains(&format!("alertname: {name}\n")), "no test tries {name}");
    }
}

/// Names that begin with `tidegate` or `process_` in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c: char| !word(c)).filter(|w| w.starts_with("tidegate_") || w.starts_with("process_")).collect()
}

#[test]
fn rules_and_dashboard_use_metrics_that_are_exported() {
    let exported: BTreeSet<&str> = metrics::all().map(|metric| metric.name).collect();
    for path in files("config/prometheus/rules").into_iter().chain(files("config/grafana")) {
        for name in named(&text(&path)) {
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(exported.contains(name) || exported.contains(stem), "{}: {name}", path.display());
        }
    }
}

/// The dashboard is what Grafana reads, and asks one data source that its user chooses.
#[test]
fn the_dashboard_is_whole() {
    let page: serde_json::Value =
        serde_json::from_str(&text(&repository("config/grafana/tidegate.json"))).expect("the dashboard is JSON");
    let panels = page["panels"].as_array().expect("panels");
    assert!(panels.len() >= 10, "{}", panels.len());
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert!(target["expr"].as_str().is_some_and(|expr| !expr.is_empty()), "{panel}");
        }
    }
}
