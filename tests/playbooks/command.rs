//! `tidegate playbook check` and `plan` as a person runs them, without a cluster: what they say, how they end, and that a
//! broken playbook touches nothing.

use std::{fs, path::Path};

#[path = "../support/program.rs"]
mod support;

use support::{Said, run};

use super::repository;

/// A configuration whose journal would be in this folder.
fn configured(folder: &Path) -> std::path::PathBuf {
    let text = fs::read_to_string(repository("config/app-three-nodes.toml")).expect("the example");
    let path = folder.join("tidegate.toml");
    let journal = format!("\n[journal]\npath = {:?}\n", folder.join("journal.db"));
    let (head, tail) = text.split_once("\n[[").expect("tables");
    fs::write(&path, format!("{head}\n{journal}\n[[{tail}")).expect("written");
    path
}

fn tidegate(folder: &Path, arguments: &[&str]) -> Said {
    run(&[&["--config", &configured(folder).display().to_string()], arguments].concat())
}

#[test]
fn a_broken_playbook_is_told_and_nothing_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    for (case, problems) in [("unknown-keys", 12), ("order", 7), ("configuration", 11)] {
        let file = format!("tests/playbooks/broken/{case}.toml");
        let said = tidegate(folder.path(), &["--json", "playbook", "check", &file]);
        assert_eq!(said.code, 2, "{case}");
        let object = said.json();
        let told = object["problems"].as_array().expect("problems");
        assert_eq!(told.len(), problems, "{case}: {object}");
        assert!(told.iter().all(|p| p["file"] == file.as_str() && p["line"].is_u64() && p["key"] != ""), "{object}");
        let there: Vec<_> = fs::read_dir(folder.path()).expect("the folder").collect();
        assert_eq!(there.len(), 1, "nothing but the configuration");
    }
}

#[test]
fn a_good_one_is_checked_without_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--json", "playbook", "check", "playbooks/kernel-reboot.toml", "soak=5m", "--offline"];
    let said = tidegate(folder.path(), &arguments);
    let object = said.json();
    assert_eq!(said.code, 0, "{object}");
    assert_eq!(object["inputs"]["soak"], "5m");
    assert!(object["nodes"].is_null() && object["problems"].as_array().is_some_and(Vec::is_empty));
    let twice = tidegate(folder.path(), &["playbook", "check", "playbooks/kernel-reboot.toml", "soak=5m", "soak=6m"]);
    assert_eq!(twice.code, 2);
}

#[test]
fn the_plan_shows_every_step_and_says_what_is_not_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = tidegate(folder.path(), &["playbook", "plan", "playbooks/kernel-reboot.toml", "--offline"]);
    let text = said.stdout;
    assert_eq!(said.code, 0, "{text}{}", said.stderr);
    let digest = text.lines().last().unwrap_or_default();
    assert!(digest.ends_with('.') && digest.len() > 64, "{digest}");
    let shown = text.replace(digest, "What was planned has the digest [digest].");
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("plan", shown);
    });
}
