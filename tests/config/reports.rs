//! How problems read: each case is a folder of fragments, each report a snapshot beside it.

use std::fs;

use tidegate::config;

use super::repository;

/// Folders with fragments; each has mistakes of one kind.
const CASES: [&str; 11] = [
    "conditions",
    "five-mistakes",
    "fragments",
    "meaning",
    "near-names",
    "nothing",
    "probes",
    "routes-to-come",
    "secrets",
    "syntax",
    "types",
];

fn fragments(case: &str) -> Vec<(String, String)> {
    let folder = repository("tests/config/cases").join(case);
    let mut paths: Vec<_> = fs::read_dir(folder).expect("the case").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(path).expect("a fragment"))
    };
    paths.iter().map(read).collect()
}

#[test]
fn problems_are_told_with_file_line_key_and_help() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        for case in CASES {
            let report = config::load_fragments(fragments(case)).expect_err(case);
            insta::assert_snapshot!(case, report.to_string());
        }
    });
}

#[test]
fn no_case_is_forgotten() {
    let mut found: Vec<String> = fs::read_dir(repository("tests/config/cases"))
        .expect("the cases")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, CASES);
}

#[test]
fn five_mistakes_are_five_problems() {
    let report = config::load_fragments(fragments("five-mistakes")).expect_err("five mistakes");
    let found: Vec<(&str, Option<usize>, &str)> =
        report.problems().iter().map(|p| (p.file.as_str(), p.line, p.key.as_str())).collect();
    assert_eq!(
        found,
        [
            ("tidegate.toml", Some(3), "cluster.access.usr"),
            ("tidegate.toml", Some(9), "service[app].ready.timeout"),
            ("tidegate.toml", Some(10), "service[app].connections.deadline"),
            ("tidegate.toml", Some(14), "entrypoint[web].service"),
            ("tidegate.toml", Some(22), "entrypoint[web].route[app].ramp[1]"),
        ]
    );
}

#[test]
fn a_report_is_data_too() {
    let report = config::load_fragments(fragments("five-mistakes")).expect_err("five mistakes");
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        json["problems"][1],
        serde_json::json!({
            "file": "tidegate.toml",
            "line": 9,
            "column": 34,
            "key": "service[app].ready.timeout",
            "message": "expected a string such as \"5s\", found an integer 5",
            "help": "a duration carries its unit: \"5s\" or \"5ms\"",
        })
    );
}

#[test]
fn no_secret_is_told() {
    let report = config::load_fragments(fragments("secrets")).expect_err("secrets are no keys");
    let told = format!("{report}{}", serde_json::to_string(&report).expect("JSON"));
    for secret in ["hunter2", "s3cr3t", "correct-horse"] {
        assert!(!told.contains(secret), "{secret} is told");
    }
}
