//! Plays without a world: what is done is told to the fold, and what comes next is looked at.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    model::RunId,
    playbook::{
        event::{Intent, PlayEvent},
        model::{Order, Playbook, Selection, Step, Who},
    },
};

fn a_step(action: Action) -> Step {
    let name = action.word().to_owned();
    Step { name, action, require: Vec::new(), ensure: Vec::new(), on_failure: None }
}

fn program() -> Action {
    let (command, timeout) = (vec!["true".to_owned()], std::time::Duration::from_secs(1));
    Action::Run { command, on: Default::default(), timeout, expect: vec![0], keep: 100 }
}

fn opening(on_failure: OnFailure, waves: &[&[&str]]) -> Opening {
    let nodes = Selection { who: Who::All, except: vec![], order: Order::Name, max_unavailable: 1, on_failure };
    let steps = vec![a_step(Action::Drain { service: None }), a_step(program()), a_step(Action::Restore)];
    let playbook = Playbook {
        name: "patch".into(),
        about: String::new(),
        digest: String::new(),
        inputs: Default::default(),
        nodes,
        before: vec![a_step(Action::Gate)],
        steps,
        after: vec![a_step(program())],
        clean_up: vec![a_step(program())],
        begins_out: false,
        leaves_out: false,
        drill: None,
    };
    let names = |wave: &&[&str]| wave.iter().map(|n| NodeName::new(*n)).collect();
    let waves = waves.iter().map(names).collect();
    Opening { playbook, waves, operator: "anna".into(), reason: "test".into(), overrides: vec![] }
}

/// A play that goes on until something that `fails` says; what was done, in order, and what came at last.
struct Played {
    state: PlayState,
    done: Vec<String>,
    clock: i64,
}

impl Played {
    fn new() -> Self {
        Self { state: PlayState::default(), done: Vec::new(), clock: 0 }
    }

    fn tell(&mut self, event: PlayEvent) {
        self.clock += 1;
        self.state.absorb(Timestamp::from_second(self.clock).expect("a time"), &event);
    }

    fn play(&mut self, opening: &Opening, fails: impl Fn(&str) -> bool) -> Next {
        loop {
            match next(opening, &self.state) {
                Next::Do { spots, .. } => spots.into_iter().for_each(|spot| self.one(opening, spot, &fails)),
                Next::Mend => {
                    let broken: Vec<Spot> = self.state.faults().map(|(spot, _)| spot.clone()).collect();
                    broken
                        .into_iter()
                        .for_each(|spot| self.tell(PlayEvent::Mended { spot, since: Timestamp::UNIX_EPOCH }));
                    self.done.push("mend".into());
                }
                last => return last,
            }
        }
    }

    fn one(&mut self, opening: &Opening, spot: Spot, fails: &impl Fn(&str) -> bool) {
        let what = format!("{:?} {}", spot.part, name(opening, &spot));
        self.done.push(what.clone());
        self.tell(PlayEvent::Begun { spot: spot.clone() });
        if matches!(step(opening, &spot).map(|s| &s.action), Some(Action::Drain { .. })) {
            self.tell(PlayEvent::Opened { spot: spot.clone(), run: RunId::new("drain") });
        }
        if matches!(step(opening, &spot).map(|s| &s.action), Some(Action::Fault { .. })) {
            self.tell(PlayEvent::Intended { spot: spot.clone(), intent: Intent::Fault { injected: json!({}) } });
        }
        self.tell(if fails(&what) {
            PlayEvent::Failed { spot, why: "no".into() }
        } else {
            PlayEvent::Done { spot, told: None }
        });
    }
}

#[test]
fn waves_follow_each_other_and_the_clean_up_comes_last() {
    let opening = opening(OnFailure::Hold, &[&["a"], &["b"]]);
    let mut played = Played::new();
    assert_eq!(played.play(&opening, |_| false), Next::End(PlayEnding::Done));
    let expected = [
        "Before gate",
        "Each a, drain",
        "Each a, run",
        "Each a, restore",
        "Each b, drain",
        "Each b, run",
        "Each b, restore",
        "After run",
        "CleanUp run",
    ];
    assert_eq!(played.done, expected);
}

#[test]
fn nodes_of_a_wave_are_never_booted_at_once() {
    let mut opening = opening(OnFailure::Hold, &[&["a", "b"]]);
    opening.playbook.steps[1] = a_step(Action::Reboot { timeout: std::time::Duration::from_secs(1) });
    let mut state = PlayState::default();
    loop {
        match next(&opening, &state) {
            Next::Do { spots, together: true } if spots.len() > 1 => panic!("{spots:?}"),
            Next::Do { spots, .. } => {
                let spot = spots[0].clone();
                state.absorb(Timestamp::UNIX_EPOCH, &PlayEvent::Begun { spot: spot.clone() });
                state.absorb(Timestamp::UNIX_EPOCH, &PlayEvent::Done { spot, told: None });
            }
            other => return assert_eq!(other, Next::End(PlayEnding::Done)),
        }
    }
}

#[test]
fn a_wave_of_two_works_together_and_moves_the_cluster_in_turn() {
    let opening = opening(OnFailure::Hold, &[&["a", "b"]]);
    let mut state = PlayState::default();
    let gate = Spot { part: Part::Before, wave: 0, step: 0, node: None };
    state.absorb(Timestamp::UNIX_EPOCH, &PlayEvent::Done { spot: gate, told: None });
    let Next::Do { spots, together } = next(&opening, &state) else { panic!("nothing to do") };
    assert!(spots.len() == 2 && !together, "drains are in turn: {spots:?}");
    for spot in spots {
        state.absorb(Timestamp::UNIX_EPOCH, &PlayEvent::Done { spot, told: None });
    }
    assert!(matches!(next(&opening, &state), Next::Do { spots, together: true } if spots.len() == 2));
}

#[test]
fn hold_leaves_the_node_out_and_touches_no_other() {
    let opening = opening(OnFailure::Hold, &[&["a"], &["b"], &["c"]]);
    let mut played = Played::new();
    let last = played.play(&opening, |what| what == "Each b, run");
    assert_eq!(last, Next::Hold("b, run: no".into()));
    assert_eq!(played.done.last().map(String::as_str), Some("Each b, run"));
    let out: Vec<NodeName> = played.state.out(&opening).into_keys().collect();
    assert_eq!(out, [NodeName::new("b")]);
    // A person has it tried again, and it goes on from there.
    let (spot, _) = played.state.failures().next().expect("a failure");
    let spot = spot.clone();
    played.tell(PlayEvent::Again { spot, by: "anna".into() });
    assert_eq!(played.play(&opening, |_| false), Next::End(PlayEnding::Done));
    assert!(!played.done.iter().any(|d| d.contains("after a failure")));
}

#[test]
fn restore_brings_the_node_back_and_begins_nothing_else() {
    let opening = opening(OnFailure::Restore, &[&["a"], &["b"], &["c"]]);
    let mut played = Played::new();
    let last = played.play(&opening, |what| what == "Each b, run");
    assert!(matches!(last, Next::End(PlayEnding::Failed { .. })), "{last:?}");
    assert_eq!(
        played.done[4..],
        ["Each b, drain", "Each b, run", "Recovery b, restore after a failure", "CleanUp run"]
    );
    assert!(played.state.out(&opening).is_empty());
}

#[test]
fn stop_after_wave_finishes_the_others_of_the_wave_and_leaves_the_node() {
    let opening = opening(OnFailure::StopAfterWave, &[&["a", "b"], &["c"]]);
    let mut played = Played::new();
    let last = played.play(&opening, |what| what == "Each a, run");
    assert!(matches!(last, Next::End(PlayEnding::Failed { .. })), "{last:?}");
    assert!(played.done.contains(&"Each b, restore".to_owned()), "{:?}", played.done);
    assert!(!played.done.iter().any(|d| d.starts_with("Each c")), "{:?}", played.done);
    assert_eq!(played.state.out(&opening).into_keys().collect::<Vec<_>>(), [NodeName::new("a")]);
}

#[test]
fn giving_up_brings_everything_back() {
    let opening = opening(OnFailure::Hold, &[&["a"], &["b"]]);
    let mut played = Played::new();
    played.play(&opening, |what| what == "Each a, run");
    played.tell(PlayEvent::GivenUp { why: "anna".into() });
    let last = played.play(&opening, |_| false);
    assert_eq!(last, Next::End(PlayEnding::GivenUp { why: "anna".into() }));
    assert!(played.state.out(&opening).is_empty());
    assert_eq!(played.done[3..], ["Recovery a, restore after a failure", "CleanUp run"]);
}

#[test]
fn a_node_that_does_not_come_back_is_held() {
    let opening = opening(OnFailure::Restore, &[&["a"], &["b"]]);
    let mut played = Played::new();
    let last = played.play(&opening, |what| what == "Each a, run" || what.starts_with("Recovery"));
    assert!(matches!(&last, Next::Hold(why) if why.starts_with("a, restore")), "{last:?}");
}

#[test]
fn what_is_broken_is_mended_before_anything_else_that_ends_a_play() {
    let mut opening = opening(OnFailure::Hold, &[&["a"]]);
    let lasts = std::time::Duration::from_secs(1);
    let fault = Action::Fault { fault: super::super::Fault::PacemakerKilled, place: None, lasts };
    opening.playbook.steps = vec![a_step(fault), a_step(program())];
    let mut played = Played::new();
    let last = played.play(&opening, |what| what == "Each a, run");
    // Without a drill's clean-up a failure holds; what is broken is mended when it is given up.
    assert!(matches!(last, Next::Hold(_)), "{last:?}");
    played.tell(PlayEvent::GivenUp { why: "enough".into() });
    played.play(&opening, |_| false);
    assert_eq!(played.done[3..], ["mend", "CleanUp a, run"]);
}
