//! The shipped playbooks and drills load with the least that they have to be given, and do what their names say.

use std::path::PathBuf;

use tidegate::playbook::{self, Action, Playbook};

use super::{inputs, repository};

/// What has to be given, by the file's name: everything else has a default that fits.
const GIVEN: [(&str, &[(&str, &str)]); 21] = [
    ("adopt-service", &[("service", "app")]),
    ("configuration-roll-out", &[("file", "app.conf"), ("path", "/etc/app/app.conf")]),
    ("evacuate-site", &[("site", "east")]),
    ("jetty-upgrade", &[]),
    ("kernel-reboot", &[]),
    ("return-node", &[("target", "node-02")]),
    ("rolling-restart", &[]),
    ("rolling-security-patch", &[]),
    ("drills/announcer-lost", HOST),
    ("drills/balancer-lost", HOST),
    ("drills/disk-full", DRILL),
    ("drills/link-cut", DRILL),
    ("drills/node-fenced", DRILL),
    ("drills/not-ready", DRILL),
    ("drills/one-way-partition", DRILL),
    ("drills/pacemaker-killed", DRILL),
    ("drills/planned-drain", DRILL),
    ("drills/power-cut", DRILL),
    ("drills/secondary-lost", HOST),
    ("drills/service-hung", DRILL),
    ("drills/unit-killed", DRILL),
];
const URL: (&str, &str) = ("urls", "http://app.example.com/");
const DRILL: &[(&str, &str)] = &[("service", "app"), URL, ("target", "node-02")];
const HOST: &[(&str, &str)] = &[("service", "app"), URL, ("host", "lb-01"), ("instance", "lb-01")];

fn load(name: &str, given: &[(&str, &str)]) -> Playbook {
    let path = repository("playbooks").join(name).with_extension("toml");
    playbook::load(&path, &inputs(given)).unwrap_or_else(|r| panic!("{r}"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(repository(folder)).expect("the folder");
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
}

#[test]
fn every_one_is_read() {
    let shipped = files("playbooks").len() + files("playbooks/drills").len();
    assert_eq!(shipped, GIVEN.len(), "each needs a line in this test");
    for (name, given) in GIVEN {
        let playbook = load(name, given);
        assert_eq!(Some(playbook.name.as_str()), name.rsplit('/').next());
        assert_eq!(playbook.drill.is_some(), name.starts_with("drills/"), "{name}");
        // A value that goes into the journal comes out of it as it was.
        let json = serde_json::to_string(&playbook).expect("JSON");
        assert_eq!(serde_json::from_str::<Playbook>(&json).expect("a playbook"), playbook);
    }
}

#[test]
fn each_asks_only_for_what_it_cannot_know() {
    for (name, given) in GIVEN.into_iter().filter(|(_, given)| !given.is_empty()) {
        let path = repository("playbooks").join(name).with_extension("toml");
        let report = playbook::load(&path, &inputs(&[])).expect_err(name);
        let found: Vec<&str> = report.problems().iter().map(|p| p.message.as_str()).collect();
        let mut missing: Vec<String> =
            given.iter().map(|(name, _)| format!("the input `{name}` has no value")).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        missing.sort();
        assert_eq!(sorted, missing, "{name}");
    }
}

#[test]
fn an_unplanned_drill_breaks_exactly_what_its_name_says() {
    for (name, given) in GIVEN.into_iter().filter(|(name, _)| name.starts_with("drills/")) {
        let playbook = load(name, given);
        let faults: Vec<&str> = playbook.faults().map(|fault| fault.word()).collect();
        let expected = name.strip_prefix("drills/").filter(|name| *name != "planned-drain");
        assert_eq!(faults, expected.into_iter().collect::<Vec<_>>());
        assert_eq!(playbook.is_unplanned(), expected.is_some());
    }
}

#[test]
fn a_node_is_rebooted_only_between_its_drain_and_its_return() {
    let playbook = load("kernel-reboot", &[]);
    let words: Vec<&str> = playbook.steps.iter().map(|step| step.action.word()).collect();
    assert_eq!(words, ["gate", "drain", "run", "reboot", "restore", "wait-until"]);
    let back = load("return-node", &[("target", "node-02"), ("boot", "true")]);
    assert!(back.begins_out && matches!(back.steps[0].action, Action::Reboot { .. }));
    assert!(load("evacuate-site", &[("site", "east")]).leaves_out);
}
