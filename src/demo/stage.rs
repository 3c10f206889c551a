//! What there is to show at a moment: the phase, what it waits for, and what happened so far. The run writes here as
//! its watcher; the screen reads.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::{
    drill::load::Live,
    journal::{Event, Record},
    model::{Observation, RunId},
    plan::{Action, Plan},
    run::{executor::Watcher, state::RunState, waiting::Waiting},
};

/// Events that a slow screen may be behind; more are not kept.
const MAX_EVENTS: usize = 200;

/// The stage; clones share it.
#[derive(Clone)]
pub(super) struct Stage {
    start: Instant,
    /// The load's counters.
    pub(super) live: Live,
    now: Arc<Mutex<Now>>,
}

#[derive(Default)]
struct Now {
    phase: String,
    step: String,
    waits: Vec<String>,
    waited_for: Option<std::mem::Discriminant<Waiting>>,
    events: Vec<(f64, String)>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), live: Live::new(), now: Arc::default() }
    }

    /// Seconds since the curtain rose.
    pub(super) fn elapsed_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// A new phase, which is an event too.
    pub(super) fn phase(&self, phase: impl Into<String>) {
        let phase = phase.into();
        self.event(phase.clone());
        self.with(|now| (now.phase, now.step, now.waits) = (phase, String::new(), Vec::new()));
    }

    /// Something happened.
    pub(super) fn event(&self, what: impl Into<String>) {
        let at = self.elapsed_s();
        self.with(|now| {
            if now.events.len() < MAX_EVENTS {
                now.events.push((at, what.into()));
            }
        });
    }

    /// What is waited for now.
    pub(super) fn waiting_for(&self, what: impl Into<String>) {
        self.with(|now| now.waits = vec![what.into()]);
    }

    /// Phase, step and waits.
    pub(super) fn shown(&self) -> (String, String, Vec<String>) {
        self.with(|now| (now.phase.clone(), now.step.clone(), now.waits.clone()))
    }

    /// The events that nobody took yet, with their time in seconds.
    pub(super) fn take_events(&self) -> Vec<(f64, String)> {
        self.with(|now| std::mem::take(&mut now.events))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Now) -> T) -> T {
        f(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watcher for Stage {
    fn recorded(&self, _run: &RunId, plan: &Plan, record: &Record, _state: &RunState) {
        if let Event::StepBegun { step } = &record.event {
            let of = format!("step {} of {}: {}", step + 1, plan.steps.len(), title(plan, *step));
            self.with(|now| (now.step, now.waits, now.waited_for) = (of, Vec::new(), None));
        }
        if let Some(words) = words(plan, &record.event) {
            self.event(words);
        }
    }

    fn waiting(&self, _run: &RunId, _plan: &Plan, _state: &RunState, waits: &[Waiting], _seen: &Observation) {
        let kind = waits.first().map(std::mem::discriminant);
        let news = self.with(|now| {
            now.waits = waits.iter().map(ToString::to_string).collect();
            std::mem::replace(&mut now.waited_for, kind) != kind
        });
        // The numbers move all the time; on paper, the first of each kind will do.
        if let (true, Some(first)) = (news, waits.first()) {
            self.event(format!("  waiting: {first}"));
        }
    }
}

fn title(plan: &Plan, step: usize) -> &'static str {
    plan.action(step).map_or("", Action::title)
}

/// The events that a spectator should see.
fn words(plan: &Plan, event: &Event) -> Option<String> {
    match event {
        Event::StepDone { step } => Some(format!("  ✓ {}", title(plan, *step))),
        Event::Accepted { effect, .. } => Some(format!("    {effect}")),
        Event::NotAccepted { effect, error, .. } => Some(format!("    {effect}: {error}")),
        Event::Reasserted { target, saw } => Some(format!("    {} at {}: {saw}", target.server, target.instance)),
        Event::Overruled { target, saw } => Some(format!("    {} at {}: {saw}", target.server, target.instance)),
        Event::RampBackedOff { why, .. } => Some(format!("    taken back: {why}")),
        Event::DrainLost { listener, residual, .. } => {
            Some(format!("    {residual} connections of {listener} came back"))
        }
        Event::DeadlineReached { listener, remaining, .. } => {
            Some(format!("    {listener}: {remaining} connections left at the deadline"))
        }
        Event::Held { why } => Some(format!("  held: {why}")),
        _ => None,
    }
}
