//! The program as scripts and people meet it: exit codes, the last line of stdout, and what is left untouched.
//! No cluster is needed: what a wrong command or configuration does is decided before anything is asked, and a
//! cluster that does not answer is a refusal.

use std::fs;

use serde_json::Value;

#[path = "support/program.rs"]
mod support;

use support::{Place, run};

const FIVE_MISTAKES: &str = r#"
[cluster]
name = "example"
acces = "local"

[journal]
path = "JOURNAL"

[[service]]
name = "app"
unit = "app.service"
clone = { resource = "app_service", monitor-interval = "often" }
min-ready = -1
ready = { protocol = "http", port = 123456, path = "/ready" }
connections = { settle = "2s", deadline = "10m", on-deadline = "pray" }
"#;

#[test]
fn a_configuration_with_five_mistakes_shows_five_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("state/journal.db");
    let config = folder.path().join("tidegate.toml");
    fs::write(&config, FIVE_MISTAKES.replace("JOURNAL", &journal.display().to_string())).expect("written");
    let config = config.display().to_string();
    for arguments in
        [&["drain", "node-2", "--yes"][..], &["status"], &["history"], &["check"], &["abort", "x", "--yes"]]
    {
        let said = run(&[&["--config", &config, "--json"], arguments].concat());
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.stderr);
        let object = said.json();
        assert_eq!(object["result"], "usage");
        assert_eq!(object["problems"].as_array().map(Vec::len), Some(5), "{}", said.stderr);
        for key in ["acces", "monitor-interval", "min-ready", "port", "on-deadline"] {
            assert!(said.stderr.contains(key), "{key} is not named: {}", said.stderr);
        }
        assert!(!folder.path().join("state").exists(), "{arguments:?} touched the journal");
    }
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let place = Place::new();
    for arguments in [&["drain", "tg-test-2"][..], &["restore", "tg-test-2"], &["resume", "r"], &["abort", "r"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}");
        assert!(said.stderr.contains("--yes"), "{arguments:?}: {}", said.stderr);
        assert!(!place.at("journal.db").exists(), "{arguments:?} touched the journal");
    }
}

#[test]
fn wrong_command_lines_are_usage_errors_in_json_too() {
    for arguments in [&["drian", "node-2"][..], &["drain"], &["status", "-q", "-v"], &["drain", "two words", "--yes"]] {
        let said = run(&[arguments, &["--json"]].concat());
        assert_eq!((said.code, said.json()["result"].as_str()), (2, Some("usage")), "{arguments:?}");
        assert!(!said.stderr.is_empty());
    }
    assert_eq!(run(&["--version"]).code, 0);
    assert_eq!(run(&["drain", "--help"]).code, 0);
}

#[test]
fn what_does_not_answer_is_a_refusal_with_every_reason() {
    let place = Place::new();
    for arguments in [&["drain", "tg-test-2", "--yes"][..], &["plan", "drain", "tg-test-2"]] {
        let said = place.run(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, 3, "{arguments:?}: {}", said.stderr);
        let object = said.json();
        let codes: Vec<&str> =
            object["refusals"].as_array().expect("refusals").iter().filter_map(|g| g["code"].as_str()).collect();
        for code in ["cluster-answers", "route-answers", "capacity", "node-answers"] {
            assert!(codes.contains(&code), "{code} is not in {codes:?}");
        }
        assert!(said.stderr.contains("Nothing was changed."), "{}", said.stderr);
    }
    let said = place.run(&["can-drain", "tg-test-2", "--json"]);
    assert_eq!((said.code, said.json()["verdict"].as_str()), (3, Some("no")), "{}", said.stderr);
    let said = place.run(&["history", "--json"]);
    assert_eq!((said.code, said.json()["runs"].as_array().map(Vec::len)), (0, Some(0)), "a refusal opens no run");
}

#[test]
fn a_wrong_name_is_met_with_the_nearest() {
    let said = Place::new().run(&["drain", "tg-tset-2", "--yes"]);
    assert_eq!(said.code, 3);
    assert!(said.stderr.contains("did you mean tg-test-2?"), "{}", said.stderr);
}

#[test]
fn runs_that_are_not_there_are_usage_errors() {
    let place = Place::new();
    for arguments in [
        &["show", "r"][..],
        &["drill", "report", "r"],
        &["resume", "r", "--yes"],
        &["abort", "r", "--yes"],
        &["abort", "r", "--acknowledge", "--yes"],
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("there is no run r") && said.stderr.contains("tidegate history"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn status_shows_what_is_unknown_and_check_finds_it() {
    let place = Place::new();
    let status = place.run(&["status", "--json"]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    let object = status.json();
    assert_eq!(object["cluster"]["answers"], false);
    assert!(object["unknown"].as_array().is_some_and(|u| u.len() >= 2), "{object}");
    assert_eq!(object["nodes"][0]["state"], "unknown");
    let check = place.run(&["check", "--json"]);
    assert_eq!((check.code, check.json()["ok"].as_bool()), (1, Some(false)), "{}", check.stderr);
    let unknown = check.json()["findings"].as_array().is_some_and(|f| f.iter().any(|f| f["known"] == false));
    assert!(unknown, "what cannot be asked is not known: {}", check.stdout);
    let offline = place.run(&["check", "--offline", "--json"]);
    assert_eq!(offline.code, 0);
    assert!(offline.json()["findings"].is_array(), "{}", offline.stdout);
    assert!(offline.json()["not_asked"].to_string().contains("unit-differs"), "{}", offline.stdout);
}

#[test]
fn the_schema_is_json() {
    let schema: Value = serde_json::from_str(&run(&["check", "--schema"]).stdout).expect("JSON");
    assert!(schema["properties"]["cluster"].is_object() || schema["$defs"].is_object(), "{schema}");
}

#[test]
fn completions_and_man_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.stdout.contains("can-drain"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run(&["man", &folder.path().display().to_string()]).code, 0);
    for page in ["tidegate.1", "tidegate-drain.1", "tidegate-plan-drain.1"] {
        assert!(folder.path().join(page).is_file(), "{page}");
    }
}

#[test]
fn no_colour_where_nobody_sees_it() {
    let said = Place::new().run(&["drain", "tg-test-2", "--yes"]);
    assert!(!said.stderr.contains('\u{1b}') && !said.stdout.contains('\u{1b}'), "{}", said.stderr);
}
