//! Where a play is: a fold over its journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    event::{Intent, Opening, Part, PlayEnding, PlayEvent, Spot},
    model::{Action, Step},
};
use crate::model::{NodeName, RunId};

/// What is known of one step at one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpotState {
    /// When it began, the last time.
    pub since: Option<Timestamp>,
    /// When it was done.
    pub done: Option<Timestamp>,
    /// Why it failed.
    pub failed: Option<String>,
    /// What may have happened.
    pub intent: Option<Intent>,
    /// The run that was opened for it.
    pub run: Option<RunId>,
    /// Until when a person is asked.
    pub asked: Option<Timestamp>,
    /// What the person is asked.
    pub question: Option<String>,
    /// Who approved.
    pub approved: Option<String>,
    /// The end of what its program said, with its exit code.
    pub said: Option<(Option<i32>, String)>,
    /// When something was broken, and when it was whole again.
    pub broken: Option<Timestamp>,
    /// When it was whole again.
    pub mended: Option<Timestamp>,
    /// What was told of it.
    pub told: Option<String>,
}

impl SpotState {
    /// Whether nothing is left to do there.
    pub fn is_over(&self) -> bool {
        self.done.is_some() || self.failed.is_some()
    }

    /// Whether a person is asked, and has not answered.
    pub fn asks(&self) -> bool {
        self.asked.is_some() && self.approved.is_none() && !self.is_over()
    }

    /// What may be broken still: what undoing it needs.
    pub fn fault(&self) -> Option<&Value> {
        match &self.intent {
            Some(Intent::Fault { injected }) if self.mended.is_none() => Some(injected),
            _ => None,
        }
    }
}

/// A play, as its journal tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlayState {
    /// Each step that was begun.
    pub spots: BTreeMap<Spot, SpotState>,
    /// Why it waits for a person.
    pub held: Option<String>,
    /// Why it was given up.
    pub given_up: Option<String>,
    /// How it ended.
    pub ending: Option<PlayEnding>,
    /// The evidence.
    pub evidence: Option<Value>,
    /// How often a program took it up.
    pub taken: u32,
}

impl PlayState {
    /// Folds a journal.
    pub fn fold<'a>(events: impl IntoIterator<Item = (Timestamp, &'a PlayEvent)>) -> Self {
        let mut state = Self::default();
        events.into_iter().for_each(|(at, event)| state.absorb(at, event));
        state
    }

    fn at(&mut self, spot: &Spot) -> &mut SpotState {
        self.spots.entry(spot.clone()).or_default()
    }

    /// Takes one fact in.
    pub fn absorb(&mut self, at: Timestamp, event: &PlayEvent) {
        match event {
            PlayEvent::Taken { .. } => {
                self.taken += 1;
                self.held = None;
            }
            PlayEvent::Begun { spot } => {
                let state = self.at(spot);
                state.since = Some(at);
                state.failed = None;
            }
            PlayEvent::Intended { spot, intent } => self.at(spot).intent = Some(intent.clone()),
            PlayEvent::Opened { spot, run } => self.at(spot).run = Some(run.clone()),
            PlayEvent::Said { spot, code, output } => self.at(spot).said = Some((*code, output.clone())),
            PlayEvent::Asked { spot, message, until } => {
                let state = self.at(spot);
                (state.asked, state.question) = (Some(*until), Some(message.clone()));
            }
            PlayEvent::Approved { spot, by } => self.at(spot).approved = Some(by.clone()),
            PlayEvent::Broken { spot, since } => self.at(spot).broken = Some(*since),
            PlayEvent::Mended { spot, since } => self.at(spot).mended = Some(*since),
            PlayEvent::Done { spot, told } => {
                let state = self.at(spot);
                (state.done, state.told) = (Some(at), told.clone());
            }
            PlayEvent::Failed { spot, why } => self.at(spot).failed = Some(why.clone()),
            // What a former attempt left is no answer for the next one.
            PlayEvent::Again { spot, .. } => {
                self.spots.remove(spot);
                self.held = None;
            }
            PlayEvent::GivenUp { why } => {
                self.given_up.get_or_insert_with(|| why.clone());
                self.held = None;
            }
            PlayEvent::Held { why } => self.held = Some(why.clone()),
            PlayEvent::Measured { evidence } => self.evidence = Some(evidence.clone()),
            PlayEvent::Ended { ending } => self.ending = Some(ending.clone()),
        }
    }

    /// The nodes that this play has taken out, or began to, and has not brought back, each with its drain.
    pub fn out(&self, opening: &Opening) -> BTreeMap<NodeName, RunId> {
        let mut out = BTreeMap::new();
        for (spot, state) in self.in_time() {
            let Some(node) = &spot.node else { continue };
            match (spot.part, step(opening, spot).map(|s| &s.action)) {
                (Part::Recovery, _) | (_, Some(Action::Restore)) if state.done.is_some() => drop(out.remove(node)),
                (Part::Recovery, _) => {}
                (_, Some(Action::Drain { .. })) => {
                    if let Some(run) = &state.run {
                        out.insert(node.clone(), run.clone());
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// What may be broken still.
    pub fn faults(&self) -> impl Iterator<Item = (&Spot, &Value)> {
        self.spots.iter().filter_map(|(spot, state)| Some((spot, state.fault()?)))
    }

    /// The steps that failed, in their order.
    pub fn failures(&self) -> impl Iterator<Item = (&Spot, &str)> {
        self.spots.iter().filter_map(|(spot, state)| Some((spot, state.failed.as_deref()?)))
    }

    /// The nodes on which something failed.
    pub fn failed_nodes(&self) -> BTreeSet<&NodeName> {
        self.failures().filter_map(|(spot, _)| spot.node.as_ref()).collect()
    }

    /// In the order in which they began.
    fn in_time(&self) -> Vec<(&Spot, &SpotState)> {
        let mut all: Vec<_> = self.spots.iter().collect();
        all.sort_by_key(|(_, state)| state.since);
        all
    }
}

/// The step of a place. A recovery is no step of the file.
pub fn step<'o>(opening: &'o Opening, spot: &Spot) -> Option<&'o Step> {
    let book = &opening.playbook;
    match spot.part {
        Part::Before => book.before.get(spot.step),
        Part::Each => book.steps.get(spot.step),
        Part::After => book.after.get(spot.step),
        Part::CleanUp => book.clean_up.get(spot.step),
        Part::Recovery => None,
    }
}
