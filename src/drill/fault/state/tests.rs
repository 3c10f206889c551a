//! What a machine shows, read as a state; and nothing made of what it does not show.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{drill::fault::FaultId, playbook::Place};

fn injected(fault: Fault) -> Injected {
    let place = Place::Node("node-2".into());
    Injected {
        id: FaultId::new(Timestamp::UNIX_EPOCH),
        fault,
        seat: place.clone(),
        place,
        host: "node-2".into(),
        lasts: Duration::from_secs(2),
        deadline: Timestamp::UNIX_EPOCH,
        timer: "tidegate-undo-0-0000.timer".into(),
        boot: "b1".into(),
        sudo: false,
        begin: Vec::new(),
        undo: Vec::new(),
        there: Vec::new(),
        begins_within: Duration::ZERO,
        ends_within: Duration::ZERO,
    }
}

fn on(fault: Fault, shown: &str) -> FaultState {
    state(&injected(fault), shown)
}

#[test]
fn how_far_it_came_is_read_from_its_marks() {
    let is = |shown: &str| on(Fault::OneWayPartition, shown);
    assert_eq!(is("boot b1\n"), FaultState::NeverBegun);
    assert_eq!(is("boot b1\nmark injected.json\n"), FaultState::NeverBegun);
    assert_eq!(is("boot b1\nmark injected.json\nmark begun\ntimer\nthere\n"), FaultState::Active);
    // Somebody else ended it: its timer still has to be stopped.
    assert_eq!(is("boot b1\nmark injected.json\nmark begun\ntimer\n"), FaultState::Active);
    assert_eq!(is("boot b1\nmark injected.json\nmark begun\nmark undone\n"), FaultState::Undone);
    assert_eq!(is("boot b1\nmark injected.json\nmark undone\n"), FaultState::NeverBegun);
    assert!(matches!(is("boot b1\nmark injected.json\ntimer\n"), FaultState::Unknown(_)));
    assert!(matches!(is(""), FaultState::Unknown(_)));
}

#[test]
fn a_restart_ends_what_does_not_outlive_it_and_nothing_else() {
    assert_eq!(on(Fault::OneWayPartition, "boot b2\n"), FaultState::Undone);
    assert_eq!(on(Fault::PacemakerKilled, "boot b2\n"), FaultState::Undone);
    // The member with the timer restarted, and the node is still without power.
    assert!(matches!(on(Fault::PowerCut, "boot b2\n"), FaultState::Unknown(_)));
    let switch = Fault::NotReady { off: vec!["off".into()], on: vec!["on".into()] };
    assert!(matches!(on(switch, "boot b2\n"), FaultState::Unknown(_)));
}

#[test]
fn a_list_is_read_whole_or_not_at_all() {
    let said = |stdout: String, code| Output { code: Some(code), stdout, stderr: "no".into() };
    let one = injected(Fault::PowerCut);
    let json = serde_json::to_string(&one).expect("JSON");
    let listed = leftovers(&said(format!("begun {json}\narmed {json}\n"), 0)).expect("a list");
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0].injected, &listed[0].state), (&one, &FaultState::Active));
    assert!(matches!(listed[1].state, FaultState::Unknown(_)));
    assert_eq!(leftovers(&said(String::new(), 0)).expect("a list"), []);
    assert!(leftovers(&said(format!("begun {json}\nbegun {{}}\n"), 0)).is_err());
    assert!(leftovers(&said(String::new(), 1)).is_err());
}
