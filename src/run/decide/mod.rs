//! What comes next: one pure function of (plan, state, observation, now). It never remembers and never acts; asked
//! again after a crash, a reload or another person's change, it answers from what is there now.
//!
//! Each step pursues desired states: what is already seen is proven, what is not seen is set (again), what does
//! not answer is waited for.

mod cluster;
mod connections;
mod cut;
mod follow;
mod old;
mod pursue;
mod readmit;
mod routes;

use std::time::Duration;

use super::{
    look::Look,
    state::{Outcome, RunState, Status, StepState},
    streaks::Streaks,
    waiting::Waiting,
};
use crate::{
    config::Settings,
    journal::Event,
    model::{Effect, Receipt, RouteTarget, RunId, Topology, observed::age},
    plan::{Action, Plan},
};

/// Everything that a decision may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The run.
    pub run: &'a RunId,
    /// Its plan.
    pub plan: &'a Plan,
    /// Its state.
    pub state: &'a RunState,
    /// What is seen, and when.
    pub look: Look<'a>,
    /// What has been so for a while.
    pub streaks: &'a Streaks,
    /// The settings.
    pub settings: &'a Settings,
    /// The fixed world.
    pub topology: &'a Topology,
}

/// An effect that is to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The step that it belongs to.
    pub step: usize,
    /// The effect.
    pub effect: Effect,
    /// The state before, where this is the first touch.
    pub receipt: Option<Receipt>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Write these facts down, carry these effects out (all at once, they do not depend on each other), and wait
    /// for these things where there is nothing else to do.
    Go(Progress),
    /// Stop here and call a person.
    Hold {
        /// Facts to write down first.
        records: Vec<Event>,
        /// Why.
        why: String,
    },
    /// Put everything back.
    Undo {
        /// Facts to write down first.
        records: Vec<Event>,
        /// Why.
        why: String,
    },
    /// Every step is proven.
    Finish,
}

/// Facts, effects, and missing facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Facts to write down.
    pub records: Vec<Event>,
    /// Effects to carry out.
    pub acts: Vec<Act>,
    /// What is missing.
    pub waits: Vec<Waiting>,
}

impl Progress {
    fn is_proven(&self) -> bool {
        self.records.is_empty() && self.acts.is_empty() && self.waits.is_empty()
    }

    fn merge(&mut self, other: Self) {
        self.records.extend(other.records);
        self.acts.extend(other.acts);
        self.waits.extend(other.waits);
    }

    fn record(event: Event) -> Self {
        Self { records: vec![event], ..Self::default() }
    }

    fn wait(waiting: Waiting) -> Self {
        Self { waits: vec![waiting], ..Self::default() }
    }
}

/// Decides.
pub fn decide(s: &Situation<'_>) -> Decision {
    match &s.state.status {
        Status::Aborting { why } => return undo(s, why),
        Status::Active => {}
        Status::Open | Status::Held { .. } | Status::Ended { .. } => return Decision::Go(Progress::default()),
    }
    let Some(step) = s.state.current() else { return Decision::Finish };
    let Some(action) = s.plan.action(step) else { return Decision::Finish };
    if s.state.steps.get(step) == Some(&StepState::Pending) {
        return Decision::Go(Progress::record(Event::StepBegun { step }));
    }
    if let Some((target, saw)) = s.state.overruled.iter().next() {
        return Decision::Hold { records: Vec::new(), why: overruled(target, saw) };
    }
    let mut upkeep = routes::upkeep(s, step);
    upkeep.merge(cluster::keep_in(s, step));
    if !upkeep.is_proven() {
        return s.bounded(action, upkeep);
    }
    match pursue_action(s, step, action) {
        Decision::Go(progress) if progress.is_proven() => Decision::Go(Progress::record(Event::StepDone { step })),
        Decision::Go(progress) => s.bounded(action, progress),
        other => other,
    }
}

/// What a held run still does: it keeps out what it has drained. Nothing else goes on.
pub fn tend(s: &Situation<'_>) -> Progress {
    match (&s.state.status, s.state.current()) {
        (Status::Held { .. }, Some(step)) => routes::upkeep(s, step),
        _ => Progress::default(),
    }
}

/// It is not ours to fight over: `resume` says that the drain is meant, `abort` that the other hand is right.
fn overruled(target: &RouteTarget, saw: &str) -> String {
    format!(
        "{} ({}): {} is {saw}, and no reload did that; somebody put it back on purpose",
        target.instance, target.route, target.server
    )
}

/// An effect without an answer may still happen until its time limit is over: what is not settled is not undone yet.
fn undo(s: &Situation<'_>, why: &str) -> Decision {
    let limit = s.settings.run.call_timeout;
    let unsettled = s
        .state
        .attempts
        .iter()
        .find(|a| matches!(a.outcome, Outcome::InDoubt | Outcome::Failed(_)) && age(s.look.now, a.at) < limit);
    match unsettled {
        Some(attempt) => Decision::Go(Progress::wait(Waiting::Acknowledgement { effect: attempt.effect.to_string() })),
        None => Decision::Undo { records: Vec::new(), why: why.to_owned() },
    }
}

fn pursue_action(s: &Situation<'_>, step: usize, action: &Action) -> Decision {
    match action {
        Action::DrainRoutes { targets, .. } => Decision::Go(routes::drain(s, step, targets)),
        Action::RequireFreshChecks { targets } => Decision::Go(routes::fresh_checks(s, step, targets)),
        Action::AwaitConnections { services } => connections::wait(s, step, services),
        Action::CloseRoutes { targets } => Decision::Go(routes::close(s, step, targets)),
        Action::Standby { .. } => Decision::Go(cluster::standby(s, step)),
        Action::Resize { resource, from, to } => Decision::Go(cluster::resize(s, step, resource, from, to)),
        Action::VerifyStopped { units } => Decision::Go(cluster::stopped(s, units)),
        Action::StopUnits { units } => Decision::Go(cluster::stop_units(s, step, units)),
        Action::EnableUnits { units, enabled } => Decision::Go(cluster::enable_units(s, step, units, *enabled)),
        Action::StartUnits { units } => Decision::Go(cluster::start_units(s, step, units)),
        Action::Unstandby { attribute, .. } => Decision::Go(cluster::unstandby(s, step, attribute.clone())),
        Action::VerifyStarted { units } => Decision::Go(cluster::started(s, units)),
        Action::AwaitReady { services } => Decision::Go(cluster::ready(s, services)),
        Action::ReadmitRoutes { readmissions, followers, .. } => readmit::readmit(s, step, readmissions, followers),
    }
}

impl Situation<'_> {
    /// A wait that nothing ends becomes a hold: no wait is forever.
    fn bounded(&self, action: &Action, progress: Progress) -> Decision {
        let deadline = match action {
            Action::AwaitConnections { services } => services.iter().map(|w| w.policy.deadline).max(),
            _ => None,
        };
        let limit = self.settings.run.patience + deadline.unwrap_or_default();
        let idle = progress.records.is_empty() && progress.acts.is_empty();
        if idle && age(self.look.now, self.state.armed_at) > limit {
            let missing: Vec<String> = progress.waits.iter().map(ToString::to_string).collect();
            let why = format!("{} not reached within {}: {}", action.title(), Words(limit), missing.join("; "));
            return Decision::Hold { records: Vec::new(), why };
        }
        Decision::Go(progress)
    }
}

use super::waiting::Short as Words;

/// Time before a failed attempt is made again: 0.2 s, doubling, at most 5 s.
fn retry_after(tries: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(1 << tries.saturating_sub(1).min(5)).min(Duration::from_secs(5))
}

/// Time after which an accepted change that cannot be seen is made again. Twice is the same as once.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
