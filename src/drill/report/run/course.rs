//! Steps as phases: when each began and was proven, and how soon each of its changes was read back.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::{Acknowledgement, Phase, phases::between_s};
use crate::{
    journal::{Event, Record},
    model::Effect,
    plan::{Action, Plan},
};

/// The phases of a run under construction.
struct Course<'a> {
    plan: &'a Plan,
    phases: Vec<Phase>,
    /// The latest phase of each step.
    latest: BTreeMap<usize, usize>,
    /// Every effect that was intended: its phase, its place there, and when it was first intended.
    intended: Vec<(&'a Effect, usize, usize, Timestamp)>,
}

/// Every step that was begun, as often as it was.
pub(super) fn phases(plan: &Plan, records: &[Record]) -> Vec<Phase> {
    let mut course = Course { plan, phases: Vec::new(), latest: BTreeMap::new(), intended: Vec::new() };
    for record in records {
        course.absorb(record);
    }
    course.phases
}

impl<'a> Course<'a> {
    fn absorb(&mut self, record: &'a Record) {
        match &record.event {
            Event::StepBegun { step } => self.begin(*step, record.at),
            Event::StepDone { step } => self.close(*step, record.at),
            // The wait for connections begins again, and everything after it.
            Event::DrainLost { step: Some(step), .. } => {
                self.close_all(record.at);
                self.begin(*step, record.at);
            }
            Event::Intended { step, effect, .. } => self.intend(*step, effect, record.at),
            Event::Acknowledged { step, effect, .. } => self.acknowledge(*step, effect, record.at),
            Event::Ended { .. } => self.close_all(record.at),
            _ => {}
        }
    }

    fn begin(&mut self, step: usize, at: Timestamp) {
        self.latest.insert(step, self.phases.len());
        self.phases.push(Phase {
            name: self.plan.action(step).map_or("no such step", Action::title).into(),
            node: Some(self.plan.node().clone()),
            from: at,
            until: None,
            run: None,
            acknowledgements: Vec::new(),
        });
    }

    fn close(&mut self, step: usize, at: Timestamp) {
        if let Some(phase) = self.latest.get(&step).and_then(|n| self.phases.get_mut(*n)) {
            phase.until = phase.until.or(Some(at));
        }
    }

    fn close_all(&mut self, at: Timestamp) {
        self.phases.iter_mut().for_each(|phase| phase.until = phase.until.or(Some(at)));
    }

    fn intend(&mut self, step: usize, effect: &'a Effect, at: Timestamp) {
        let Some(phase) = self.latest.get(&step).copied() else { return };
        let known = self.intended.iter().find(|(known, of, ..)| *known == effect && *of == phase);
        let place = known.map(|(_, _, place, _)| *place);
        let Some(list) = self.phases.get_mut(phase).map(|phase| &mut phase.acknowledgements) else { return };
        match place.and_then(|place| list.get_mut(place)) {
            Some(again) => again.tries += 1,
            None => {
                self.intended.push((effect, phase, list.len(), at));
                list.push(acknowledgement(effect));
            }
        }
    }

    fn acknowledge(&mut self, step: usize, effect: &Effect, at: Timestamp) {
        let Some(phase) = self.latest.get(&step) else { return };
        let Some((_, _, place, from)) = self.intended.iter().find(|(known, of, ..)| *known == effect && of == phase)
        else {
            return;
        };
        let slot = self.phases.get_mut(*phase).and_then(|phase| phase.acknowledgements.get_mut(*place));
        // The first one counts: later ones are of a change that had been lost meanwhile, and that is told elsewhere.
        if let Some(slot) = slot {
            slot.seconds = slot.seconds.or(Some(between_s(*from, at)));
        }
    }
}

fn acknowledgement(effect: &Effect) -> Acknowledgement {
    let (route, instance) = match effect {
        Effect::Route { route, instance, .. }
        | Effect::CloseConnections { route, instance, .. }
        | Effect::CloseOld { route, instance, .. } => (Some(route.clone()), Some(instance.clone())),
        Effect::CloseSockets { .. }
        | Effect::Standby { .. }
        | Effect::Unstandby { .. }
        | Effect::Resize { .. }
        | Effect::StopUnit { .. }
        | Effect::EnableUnit { .. }
        | Effect::StartUnit { .. } => (None, None),
    };
    let words = effect.to_string();
    // The instance and the route have columns of their own.
    let what = match (&route, &instance) {
        (Some(route), Some(instance)) => words.strip_prefix(&format!("{instance} ({route}): ")).unwrap_or(&words),
        _ => &words,
    };
    Acknowledgement { what: what.to_owned(), route, instance, seconds: None, tries: 1 }
}
