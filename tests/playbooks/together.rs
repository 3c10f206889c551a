//! Putting a playbook together: inputs, placeholders, parts, includes, and what comes out.

use std::time::Duration;

use tidegate::playbook::{
    Action, OnFailure, Who,
    condition::{Bounds, What},
    model::{Order, Where},
};

use super::texts;

const MAIN: &str = r#"
name = "patch"
about = "Patches"
include = ["parts/a.toml"]

[[input]]
name = "target"
about = "Which node"
type = "node"
default = "node-01"

[[input]]
name = "command"
about = "What patches"
type = "list"

[[input]]
name = "patience"
about = "How long"
type = "duration"
default = "5m"

[[input]]
name = "reboot"
about = "Whether"
type = "boolean"
default = "false"
"#;

const REST: &str = r#"
[nodes]
select = "names"
names = ["{target}", "node-03"]
order = "reverse"
on-failure = "restore"

[[step]]
name = "drain"
do = "drain"

[[step]]
name = "patch"
do = "run"
command = ["env", "A={target} {{target}} {node}", "{command}"]
timeout = "{patience}"
ensure = [{ what = "prometheus", query = "up{node=\"{node}\"}", at-least = 1 }]

[[step]]
use = "around"

[[step]]
name = "back"
do = "restore"
"#;

const PART: &str = r#"
include = ["../parts/./b.toml"]

[[part]]
name = "around"

[[part.step]]
name = "restart {target}"
do = "reboot"
when = "{reboot}"

[[part.step]]
use = "looking"
"#;

const LOOKING: &str = r#"
[[part]]
name = "looking"

[[part.step]]
name = "look"
do = "wait-until"
until = { what = "ready" }
hold = "10s"
timeout = "{patience}"
"#;

fn files(main: &str) -> [(&'static str, String); 3] {
    [
        ("dir/main.toml", main.to_owned()),
        ("dir/parts/a.toml", PART.to_owned()),
        ("dir/parts/b.toml", LOOKING.to_owned()),
    ]
}

fn load(main: &str, given: &[(&str, &str)]) -> Result<tidegate::playbook::Loaded, tidegate::config::Report> {
    let files = files(main);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    texts(&files, given)
}

#[test]
fn inputs_have_types_and_parts_take_the_place_of_their_names() {
    let main = MAIN.replace("\"false\"", "false") + REST;
    let given = [("command", "[\"apt-get\", \"-y\"]"), ("reboot", "true"), ("patience", "90s")];
    let loaded = load(&main, &given).unwrap_or_else(|r| panic!("{r}"));
    let playbook = loaded.playbook;
    assert_eq!(playbook.nodes.who, Who::Names(vec!["node-01".into(), "node-03".into()]));
    assert_eq!((playbook.nodes.order, playbook.nodes.on_failure), (Order::Reverse, OnFailure::Restore));
    let names: Vec<&str> = playbook.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["drain", "patch", "restart node-01", "look", "back"]);
    let patience = Duration::from_secs(90);
    let Action::Run { command, on, timeout, expect, keep } = &playbook.steps[1].action else { panic!("a run") };
    assert_eq!(command[..], ["env", "A=node-01 {target} {node}", "apt-get", "-y"]);
    assert_eq!((*on, *timeout, &expect[..], *keep), (Where::Node, patience, &[0][..], 65536));
    let [condition] = &playbook.steps[1].ensure[..] else { panic!("one condition") };
    let bounds = Bounds { at_least: Some(1.0), at_most: None, tolerance: 0.0 };
    assert_eq!(condition.what, What::Prometheus { query: "up{node=\"{node}\"}".into(), bounds });
    let Action::WaitUntil { hold, timeout, .. } = playbook.steps[3].action else { panic!("a wait") };
    assert_eq!((hold, timeout), (Duration::from_secs(10), patience));
    assert_eq!(playbook.inputs.get("target").map(String::as_str), Some("node-01"));
    assert_eq!(playbook.inputs.len(), 4);
}

#[test]
fn what_is_not_to_be_there_is_not() {
    let main = MAIN.replace("\"false\"", "false") + REST;
    let playbook = load(&main, &[("command", "true")]).unwrap_or_else(|r| panic!("{r}")).playbook;
    assert_eq!(playbook.steps.len(), 4);
    assert!(!playbook.steps.iter().any(|step| matches!(step.action, Action::Reboot { .. })));
}

#[test]
fn every_text_and_every_input_is_in_the_digest() {
    let main = MAIN.replace("\"false\"", "false") + REST;
    let digest =
        |main: &str, given: &str| load(main, &[("command", given)]).unwrap_or_else(|r| panic!("{r}")).playbook.digest;
    let first = digest(&main, "true");
    assert_eq!(first.len(), 64);
    assert_eq!(first, digest(&main, "true"));
    assert_ne!(first, digest(&main, "false"));
    assert_ne!(first, digest(&(main.clone() + "\n# a comment\n"), "true"));
}

#[test]
fn a_playbook_without_nodes_is_played_once() {
    let text = r#"
        name = "adopt"
        about = "Takes it over"
        step = [{ name = "adopt", do = "adopt", service = "app" }]
    "#;
    let playbook = texts(&[("a.toml", text)], &[]).unwrap_or_else(|r| panic!("{r}")).playbook;
    assert_eq!((playbook.before.len(), playbook.steps.len()), (1, 0));
    let waves = tidegate::playbook::waves(&playbook.nodes, &["node-01".into()], &Default::default());
    assert_eq!(waves, Ok(Vec::new()));
}
