//! Playbooks and drills on the lab: a step that fails, and a drill that a limit or a person ends or whose program dies. `cargo xtask lab
//! playbooks` and `cargo xtask lab drills` play every shipped file.

use anyhow::{Result, ensure};
use xtask::{
    lab::Proxy,
    plays::{self, Shelf},
};

use crate::stage::Routes;

fn played(shelf: Shelf, cases: &[&str]) -> Result<()> {
    let cases: Vec<String> = cases.iter().map(|case| (*case).to_owned()).collect();
    Routes::clean(&[Proxy::Haproxy])?.play(|lab| {
        let report = plays::run(lab, shelf, &cases)?;
        ensure!(report.good(), "{}", report.table());
        Ok(())
    })
}

#[test]
#[ignore = "needs the lab"]
fn a_patch_that_fails_on_the_second_node_holds_it_or_brings_it_back_and_the_third_is_untouched() -> Result<()> {
    played(Shelf::Playbooks, &["failing patch, hold", "failing patch, restore"])
}

#[test]
#[ignore = "needs the lab"]
fn a_drill_is_ended_by_its_limit_within_a_second_and_by_the_nodes_own_timer_when_its_program_dies() -> Result<()> {
    played(Shelf::Drills, &["service-hung, stopped", "service-hung, killed"])
}

#[test]
#[ignore = "needs the lab"]
fn a_person_is_asked_others_are_told_and_who_gives_up_waits_no_longer_than_it_says() -> Result<()> {
    played(Shelf::Playbooks, &["a person is asked", "its program hangs"])
}

#[test]
#[ignore = "needs the lab"]
fn a_drill_is_ended_by_a_person_undone_after_its_program_died_and_measured_by_the_traffic_of_others() -> Result<()> {
    played(Shelf::Drills, &["service-hung, ended by a person", "service-hung, undone", "planned-drain, observed"])
}
