//! Every fault has a recipe; what makes none is refused; words arrive as they are.

use std::{collections::BTreeSet, process::Command};

use super::*;
use crate::model::UnitName;

fn services() -> BTreeMap<ServiceName, Served> {
    let served = Served { unit: UnitName::new("app.service"), resource: "app_service".into() };
    BTreeMap::from([(ServiceName::new("app"), served)])
}

fn node() -> Place {
    Place::Node("node-2".into())
}

fn host() -> Place {
    Place::Host { host: "lb-1".into(), instance: None }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn every() -> Vec<Fault> {
    let (app, unit) = (ServiceName::new("app"), UnitName::new("haproxy.service"));
    vec![
        Fault::UnitKilled { service: app.clone() },
        Fault::ServiceHung { service: app },
        Fault::NotReady {
            off: words(&["touch", "/run/app/not-ready"]),
            on: words(&["rm", "-f", "/run/app/not-ready"]),
        },
        Fault::PacemakerKilled,
        Fault::NodeFenced,
        Fault::PowerCut,
        Fault::LinkCut { interface: None },
        Fault::OneWayPartition,
        Fault::DiskFull { path: "/var/spool".into() },
        Fault::BalancerLost { unit: unit.clone() },
        Fault::SecondaryLost { unit: unit.clone() },
        Fault::AnnouncerLost { unit },
    ]
}

fn plan(fault: &Fault, place: &Place) -> Result<Recipe, String> {
    recipe(fault, place, &services(), Some("eth0"))
}

#[test]
fn every_fault_has_a_script_that_a_shell_reads_and_that_defines_all_three() {
    let mut seen = BTreeSet::new();
    for fault in every() {
        let recipe = plan(&fault, &node()).expect("a recipe");
        seen.insert(fault.word());
        for function in ["begin() {", "undo() {", "there() {", "lock() {"] {
            assert!(recipe.script.contains(function), "{}: {function}", fault.word());
        }
        let said = Command::new("sh").args(["-n", "-c", recipe.script]).output().expect("a shell");
        assert!(said.status.success(), "{}: {}", fault.word(), String::from_utf8_lossy(&said.stderr));
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn what_the_machine_dies_of_is_played_from_another_member() {
    for fault in every() {
        let dies = matches!(fault, Fault::NodeFenced | Fault::PowerCut);
        assert_eq!(Seat::of(&fault) == Seat::OtherMember, dies, "{}", fault.word());
    }
}

#[test]
fn what_a_member_alone_can_suffer_is_played_on_no_other_machine() {
    for fault in every() {
        let member_only = matches!(
            fault.word(),
            "unit-killed" | "service-hung" | "not-ready" | "pacemaker-killed" | "node-fenced" | "power-cut"
        );
        assert_eq!(plan(&fault, &host()).is_err(), member_only, "{}", fault.word());
    }
}

#[test]
fn a_link_is_the_one_that_is_named_or_the_one_that_answers() {
    let cut = |named: Option<&str>, answers: Option<&str>| {
        recipe(&Fault::LinkCut { interface: named.map(str::to_owned) }, &node(), &services(), answers)
            .map(|r| r.arguments[0].clone())
    };
    assert_eq!(cut(None, Some("eth0")).as_deref(), Ok("eth0"));
    assert_eq!(cut(Some("bond0.7"), Some("eth0")).as_deref(), Ok("bond0.7"));
    assert!(cut(None, None).is_err());
    for odd in ["../../x", "-a", "", "a b", "a'b"] {
        assert!(cut(Some(odd), Some("eth0")).is_err(), "{odd}");
    }
}

#[test]
fn what_makes_no_fault_is_refused() {
    let refused = |fault: Fault| plan(&fault, &node()).expect_err("refused");
    assert!(refused(Fault::UnitKilled { service: "nix".into() }).contains("nix"));
    assert!(refused(Fault::DiskFull { path: "var".into() }).contains("absolute"));
    assert!(refused(Fault::NotReady { off: Vec::new(), on: words(&["true"]) }).contains("turns it off"));
    let broken = Fault::NotReady { off: words(&["a\nb"]), on: words(&["true"]) };
    assert!(refused(broken).contains("line break"));
    let quoted = recipe(&Fault::PacemakerKilled, &Place::Node("a'b".into()), &services(), None);
    assert!(quoted.is_err());
}

/// The operator's words arrive at the operator's programs as they are, by the script itself.
#[test]
fn words_that_turn_it_off_and_on_arrive_as_they_are() {
    let functions = concat!(include_str!("../scripts/common.sh"), include_str!("../scripts/not_ready.sh"));
    let odd = ["printf", "[%s]", "a b", "$HOME", "it's", ""];
    let run = |call: &str, node: &[&str]| {
        let script = format!("{functions}\n{call} \"$@\"\n");
        let count = odd.len().to_string();
        let output = Command::new("sh")
            .args(["-c", &script, "test"])
            .args(node)
            .arg(&count)
            .args(odd)
            .args(["printf", "<%s>", "on $x"])
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run("begin", &["node-2"]), "[a b][$HOME][it's][]");
    // Without a node there is no cluster that would have to forget anything.
    assert_eq!(run("undo", &[""]), "<on $x>");
}
