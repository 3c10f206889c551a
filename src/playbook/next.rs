//! What comes next in a play: a function of what it was opened with and of where it is.
//!
//! A wave goes through the steps together: what disturbs no cluster is done on all of its nodes at once, drains, reboots and
//! restores one after the other. A step that failed decides by its policy. Whatever ends a play, what it broke is mended before, what
//! it took out and may not stay out is brought back, and the clean-up is played.

use super::{
    event::{Opening, Part, PlayEnding, Spot},
    model::{Action, OnFailure},
    state::{PlayState, step},
};
use crate::model::NodeName;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These steps, at once where `together`, else one after the other.
    Do {
        /// Where.
        spots: Vec<Spot>,
        /// Whether at once.
        together: bool,
    },
    /// What is broken is mended first.
    Mend,
    /// Wait for a person.
    Hold(String),
    /// The play is over in this way.
    End(PlayEnding),
}

/// What comes next.
pub fn next(opening: &Opening, state: &PlayState) -> Next {
    if let Some(ending) = &state.ending {
        return Next::End(ending.clone());
    }
    let course = course(opening, state);
    if let Course::On(next) | Course::Hold(next) = course {
        return next;
    }
    if state.faults().next().is_some() {
        return Next::Mend;
    }
    if let Some(spots) = recoveries(opening, state) {
        return spots;
    }
    if let Some(spot) = clean_up(opening, state) {
        return Next::Do { spots: vec![spot], together: false };
    }
    if let Some((spot, why)) = state.failures().find(|(spot, _)| spot.part == Part::CleanUp) {
        return Next::Hold(format!("the clean-up failed at {}: {why}", name(opening, spot)));
    }
    match course {
        Course::Over(ending) => Next::End(ending),
        Course::On(next) | Course::Hold(next) => next,
    }
}

/// Where the play itself goes, before what ends it.
enum Course {
    On(Next),
    Hold(Next),
    Over(PlayEnding),
}

fn course(opening: &Opening, state: &PlayState) -> Course {
    if let Some(why) = &state.given_up {
        return Course::Over(PlayEnding::GivenUp { why: why.clone() });
    }
    let failures = || state.failures().filter(|(spot, _)| !matches!(spot.part, Part::CleanUp | Part::Recovery));
    // A node that could not be brought back is a person's.
    if let Some((spot, why)) = state.failures().find(|(spot, _)| spot.part == Part::Recovery) {
        return Course::Hold(Next::Hold(format!("{}: {why}", name(opening, spot))));
    }
    let stops = |spot: &Spot| policy(opening, spot) != OnFailure::StopAfterWave;
    if let Some((spot, why)) = failures().find(|(spot, _)| stops(spot)) {
        let why = format!("{}: {why}", name(opening, spot));
        return match policy(opening, spot) {
            OnFailure::Hold => Course::Hold(Next::Hold(why)),
            _ => Course::Over(PlayEnding::Failed { why }),
        };
    }
    let last = failures().map(|(spot, why)| (spot.wave, format!("{}: {why}", name(opening, spot)))).next();
    match forward(opening, state, last.as_ref().map(|(wave, _)| *wave)) {
        Some(next) => Course::On(next),
        None => Course::Over(match last {
            Some((_, why)) => PlayEnding::Failed { why },
            None => PlayEnding::Done,
        }),
    }
}

/// The next step of the file, up to the end of this wave where one is given.
fn forward(opening: &Opening, state: &PlayState, last_wave: Option<usize>) -> Option<Next> {
    let book = &opening.playbook;
    let left = |spot: &Spot| !state.spots.get(spot).is_some_and(super::state::SpotState::is_over);
    let once = |part: Part, steps: usize| {
        let spot = |step| Spot { part, wave: 0, step, node: only(opening) };
        (0..steps).map(spot).find(&left).map(|spot| Next::Do { spots: vec![spot], together: false })
    };
    if let Some(next) = once(Part::Before, book.before.len()) {
        return Some(next);
    }
    let failed = state.failed_nodes();
    for (wave, nodes) in opening.waves.iter().enumerate() {
        for (number, step) in book.steps.iter().enumerate() {
            let spot = |node: &NodeName| Spot { part: Part::Each, wave, step: number, node: Some(node.clone()) };
            let well = nodes.iter().filter(|node| !failed.contains(node));
            let spots: Vec<Spot> = well.map(spot).filter(&left).collect();
            if !spots.is_empty() {
                return Some(Next::Do { spots, together: !in_turn(&step.action) });
            }
        }
        if last_wave == Some(wave) {
            return None;
        }
    }
    once(Part::After, book.after.len())
}

/// One node after the other: the cluster takes one change at a time, and nodes that boot at once may be more votes than it
/// can do without.
pub(super) fn in_turn(action: &Action) -> bool {
    use Action::{Adopt, Drain, Fault, Gate, Reboot, Restore};
    matches!(action, Gate | Drain { .. } | Restore | Reboot { .. } | Adopt { .. } | Fault { .. })
}

/// The nodes that must come back before the end: those whose step failed with that policy, and all where it was given up.
/// What stays out by the policy of the wave, or on purpose, stays.
fn recoveries(opening: &Opening, state: &PlayState) -> Option<Next> {
    let out = state.out(opening);
    let back = |node: &NodeName| {
        let of = |spot: &&Spot| spot.node.as_ref() == Some(node);
        let failed = state.failures().map(|(spot, _)| spot).find(of);
        match failed {
            Some(spot) => state.given_up.is_some() || policy(opening, spot) == OnFailure::Restore,
            // Of a wave that was cut short nobody is left out.
            None => state.given_up.is_some() || state.failures().next().is_some(),
        }
    };
    let tried = |spot: &Spot| state.spots.get(spot).is_some_and(super::state::SpotState::is_over);
    let spot = |node: NodeName| Spot { part: Part::Recovery, wave: 0, step: 0, node: Some(node) };
    let spots: Vec<Spot> = out.into_keys().filter(back).map(spot).filter(|s| !tried(s)).collect();
    (!spots.is_empty()).then_some(Next::Do { spots, together: false })
}

fn clean_up(opening: &Opening, state: &PlayState) -> Option<Spot> {
    let spot = |step| Spot { part: Part::CleanUp, wave: 0, step, node: only(opening) };
    let left = |spot: &Spot| !state.spots.get(spot).is_some_and(super::state::SpotState::is_over);
    (0..opening.playbook.clean_up.len()).map(spot).find(left)
}

/// What happens when a step fails. Before the first node nothing has been touched, and a drill always cleans up.
pub fn policy(opening: &Opening, spot: &Spot) -> OnFailure {
    let book = &opening.playbook;
    if spot.part == Part::Before || book.drill.is_some() {
        return OnFailure::Restore;
    }
    step(opening, spot).and_then(|step| step.on_failure).unwrap_or(book.nodes.on_failure)
}

/// The node of what is done once, where there is one node only.
fn only(opening: &Opening) -> Option<NodeName> {
    let mut nodes = opening.waves.iter().flatten();
    let first = nodes.next().cloned();
    first.filter(|_| nodes.next().is_none())
}

/// A place, for people.
pub fn name(opening: &Opening, spot: &Spot) -> String {
    let step = match spot.part {
        Part::Recovery => "restore after a failure",
        _ => step(opening, spot).map_or("a step", |step| step.name.as_str()),
    };
    match &spot.node {
        Some(node) => format!("{node}, {step}"),
        None => step.to_owned(),
    }
}

#[cfg(test)]
mod tests;
