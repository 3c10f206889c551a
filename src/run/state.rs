//! The state of a run: a fold over its journal, and nothing else. One match on (status, event); every other pair
//! is an error, because a journal that says the impossible must not be acted on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

pub use super::attempt::{Attempt, Outcome};
use super::proof::Release;
use crate::{
    config::settings::OnDeadline,
    journal::{Counted, Ending, Event, Held, Record},
    model::{Before, Effect, Exact, Receipt, RouteTarget, Straggler, topology::Listener},
    plan::Plan,
    traffic::decay::Verdict,
};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The run as a whole.
    pub status: Status,
    /// One entry a step of the plan.
    pub steps: Vec<StepState>,
    /// The exact state of everything touched, before it was first touched.
    pub receipts: Vec<Receipt>,
    /// Every effect that was intended, once, with its latest attempt.
    pub attempts: Vec<Attempt>,
    /// How the wait for each service's connections ended.
    pub releases: BTreeMap<Listener, Release>,
    /// What was last written down of connections that do not leave.
    pub noted: BTreeMap<Listener, Noted>,
    /// Connections that are being cut, or were.
    pub cuts: BTreeMap<Listener, Cut>,
    /// Members that were not as the plan had seen them, and how they were.
    pub changed: BTreeMap<RouteTarget, Exact>,
    /// What the cluster did otherwise than it had rehearsed.
    pub unrehearsed: Vec<String>,
    /// Members that another hand put back, and what was seen there.
    pub overruled: BTreeMap<RouteTarget, String>,
    /// Members that a person said to take out again.
    pub insisted: BTreeSet<RouteTarget>,
    /// The ramp of each step that has one.
    pub ramps: BTreeMap<usize, Ramp>,
    /// When the present wait's time limits began to count: at the step's beginning, or when a held run was resumed.
    pub armed_at: Timestamp,
    /// How often something was seen, while the node was out, that should not be.
    pub drifts: u32,
    /// How often a target had to be set again after it was acknowledged.
    pub reassertions: u32,
}

/// The run as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Opened, not yet taken up.
    Open,
    /// Taken up by an executor (which may have died since).
    Active,
    /// Waiting for a person.
    Held {
        /// Why.
        why: String,
    },
    /// To be undone.
    Aborting {
        /// Why.
        why: String,
    },
    /// Over.
    Ended {
        /// How.
        ending: Ending,
    },
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun.
    Active {
        /// When.
        since: Timestamp,
    },
    /// Proven.
    Done {
        /// When it began.
        since: Timestamp,
        /// When it was proven.
        at: Timestamp,
    },
}

/// Connections that do not leave, as they were written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
    /// How many were left.
    pub remaining: u64,
    /// When they will be gone, where that is known.
    pub verdict: Option<Verdict>,
    /// The oldest of them.
    pub oldest: Vec<Straggler>,
}

/// Connections that are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When it began.
    pub at: Timestamp,
    /// How many each load balancer held then.
    pub through: Vec<Held>,
    /// Whether it is over.
    pub over: bool,
}

/// A ramp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// The stage reached on all instances; `None` while the node is out.
    pub stage: Option<usize>,
    /// Since when.
    pub since: Timestamp,
    /// What each instance had counted when the stage was reached.
    pub baseline: Vec<Counted>,
    /// How often it was taken back.
    pub back_offs: u32,
    /// Why, the last time.
    pub why: Option<String>,
}

/// A journal that says something impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal's record {seq} does not fit: {event} while the run is {status}")]
pub struct Misfit {
    seq: u64,
    event: String,
    status: String,
}

impl RunState {
    /// The state before any record.
    pub fn new(plan: &Plan) -> Self {
        Self {
            status: Status::Open,
            steps: vec![StepState::Pending; plan.steps.len()],
            receipts: Vec::new(),
            attempts: Vec::new(),
            releases: BTreeMap::new(),
            noted: BTreeMap::new(),
            cuts: BTreeMap::new(),
            changed: BTreeMap::new(),
            unrehearsed: Vec::new(),
            overruled: BTreeMap::new(),
            insisted: BTreeSet::new(),
            ramps: BTreeMap::new(),
            armed_at: plan.made_at,
            drifts: 0,
            reassertions: 0,
        }
    }

    /// The state that these records add up to.
    pub fn fold<'a>(plan: &Plan, records: impl IntoIterator<Item = &'a Record>) -> Result<Self, Misfit> {
        let mut state = Self::new(plan);
        for record in records {
            state.absorb(record)?;
        }
        Ok(state)
    }

    /// The first step that is not proven.
    pub fn current(&self) -> Option<usize> {
        self.steps.iter().position(|s| !matches!(s, StepState::Done { .. }))
    }

    /// Whether a step is proven.
    pub fn is_done(&self, step: usize) -> bool {
        matches!(self.steps.get(step), Some(StepState::Done { .. }))
    }

    /// The latest attempt of an effect in a step.
    pub fn attempt(&self, step: usize, effect: &Effect) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.step == step && &a.effect == effect)
    }

    /// Adds one record.
    pub fn absorb(&mut self, record: &Record) -> Result<(), Misfit> {
        let at = record.at;
        match (&self.status, &record.event) {
            (Status::Open | Status::Active, Event::Taken { .. }) => self.status = Status::Active,
            (Status::Held { .. }, Event::Taken { .. }) => {
                self.status = Status::Active;
                self.armed_at = at;
                self.ramps.values_mut().for_each(|r| r.back_offs = r.back_offs.min(1));
                self.insisted.extend(std::mem::take(&mut self.overruled).into_keys());
            }
            // An abort that nobody carried out yet is carried out by whoever takes the run up next.
            (Status::Aborting { .. }, Event::Taken { .. }) => {}
            (Status::Active, Event::StepBegun { step }) if self.current() == Some(*step) => {
                self.set_step(*step, StepState::Active { since: at });
                self.armed_at = at;
            }
            // A run that is held still keeps out what it drained, so it may set that again.
            (Status::Active | Status::Held { .. }, Event::Intended { step, effect, receipt }) => {
                if let Some(receipt) = receipt {
                    self.keep(receipt);
                }
                self.intend(*step, effect, at);
            }
            (Status::Active, Event::Changed { target, now, .. }) => {
                drop(self.changed.insert(target.clone(), now.clone()))
            }
            (Status::Active, Event::Unrehearsed { differences }) => self.unrehearsed.clone_from(differences),
            (Status::Active, Event::AlreadySo { receipt, .. }) => self.keep(receipt),
            (Status::Active | Status::Held { .. }, Event::Accepted { step, effect }) => {
                self.outcome(*step, effect, Outcome::Accepted)
            }
            (Status::Active | Status::Held { .. }, Event::Acknowledged { step, effect, generation }) => {
                self.outcome(*step, effect, Outcome::Acknowledged);
                self.seen_by(*step, effect, generation);
            }
            (Status::Active | Status::Held { .. }, Event::NotAccepted { step, effect, error, refused }) => {
                let error = error.clone();
                let outcome = if *refused { Outcome::Refused(error) } else { Outcome::Failed(error) };
                self.outcome(*step, effect, outcome);
            }
            (Status::Active | Status::Held { .. }, Event::Reasserted { target, .. }) => {
                self.reassertions += 1;
                self.insisted.remove(target);
            }
            (Status::Active | Status::Held { .. }, Event::Overruled { target, saw }) => {
                self.overruled.insert(target.clone(), saw.clone());
            }
            (_, Event::Drifted { .. }) => self.drifts += 1,
            (Status::Active, Event::Drained { listener }) => {
                self.noted.remove(listener);
                self.releases.insert(listener.clone(), Release::Drained);
            }
            (Status::Active, Event::Stragglers { listener, remaining, verdict, oldest }) => {
                self.note(listener, at, *remaining, Some(*verdict), oldest);
            }
            (Status::Active, Event::Cutting { listener, through }) => {
                self.cuts.insert(listener.clone(), Cut { at, through: through.clone(), over: false });
            }
            (Status::Active, Event::Cut { listener, .. }) => {
                self.noted.remove(listener);
                self.cuts.entry(listener.clone()).or_insert(Cut { at, through: Vec::new(), over: true }).over = true;
            }
            (Status::Active, Event::DeadlineReached { listener, remaining, policy, left }) => {
                let verdict = self.noted.get(listener).and_then(|n| n.verdict);
                self.note(listener, at, *remaining, verdict, left);
                if *policy == OnDeadline::Close {
                    self.releases.insert(listener.clone(), Release::DeadlineReached { remaining: *remaining });
                }
            }
            (Status::Active, Event::DrainLost { step, listener, .. }) => self.reopen_drain(*step, listener, at),
            (Status::Active, Event::RampStage { step, stage, baseline }) => {
                let ramp = self.ramp(*step, at);
                (ramp.stage, ramp.since) = (Some(*stage), at);
                ramp.baseline.clone_from(baseline);
                self.armed_at = at;
            }
            (Status::Active, Event::RampBackedOff { step, why, .. }) => {
                let ramp = self.ramp(*step, at);
                (ramp.stage, ramp.since, ramp.why) = (None, at, Some(why.clone()));
                ramp.back_offs += 1;
                self.attempts.retain(|a| a.step != *step);
                self.armed_at = at;
            }
            (Status::Active, Event::StepDone { step }) if self.current() == Some(*step) => {
                let since = match self.steps.get(*step) {
                    Some(StepState::Active { since }) => *since,
                    _ => return Err(self.misfit(record)),
                };
                self.set_step(*step, StepState::Done { since, at });
            }
            (Status::Active, Event::Held { why }) => self.status = Status::Held { why: why.clone() },
            (Status::Active | Status::Held { .. } | Status::Open, Event::AbortRequested { by }) => {
                self.status = Status::Aborting { why: by.clone() };
            }
            (
                Status::Ended { ending: Ending::Stuck { .. } },
                Event::Ended { ending: ending @ Ending::Acknowledged { .. } },
            )
            | (Status::Active | Status::Aborting { .. }, Event::Ended { ending }) => {
                self.status = Status::Ended { ending: ending.clone() };
            }
            _ => return Err(self.misfit(record)),
        }
        Ok(())
    }

    fn misfit(&self, record: &Record) -> Misfit {
        Misfit { seq: record.seq, event: format!("{:?}", record.event), status: format!("{:?}", self.status) }
    }

    fn set_step(&mut self, step: usize, state: StepState) {
        if let Some(slot) = self.steps.get_mut(step) {
            *slot = state;
        }
    }

    /// Whether every change of a thing was refused so far: then it is as others made it, and not as we did.
    pub fn only_refused(&self, before: &Before) -> bool {
        let mut touching = self.attempts.iter().filter(|a| a.effect.touches(before)).peekable();
        touching.peek().is_some() && touching.all(Attempt::changed_nothing)
    }

    /// Only the first receipt of a thing counts: later ones would describe our own changes. As long as nothing was
    /// changed by us, the latest is the first.
    fn keep(&mut self, receipt: &Receipt) {
        if self.only_refused(&receipt.before) {
            self.receipts.retain(|r| !r.before.same_thing(&receipt.before));
        }
        if !self.receipts.iter().any(|r| r.before.same_thing(&receipt.before)) {
            self.receipts.push(receipt.clone());
        }
    }

    fn note(
        &mut self,
        listener: &Listener,
        at: Timestamp,
        remaining: u64,
        verdict: Option<Verdict>,
        oldest: &[Straggler],
    ) {
        self.noted.insert(listener.clone(), Noted { at, remaining, verdict, oldest: oldest.to_vec() });
    }

    fn intend(&mut self, step: usize, effect: &Effect, at: Timestamp) {
        match self.attempts.iter_mut().find(|a| a.step == step && &a.effect == effect) {
            Some(attempt) => attempt.again(at),
            None => self.attempts.push(Attempt::new(step, effect.clone(), at)),
        }
    }

    fn outcome(&mut self, step: usize, effect: &Effect, outcome: Outcome) {
        if let Some(attempt) = self.attempts.iter_mut().find(|a| a.step == step && &a.effect == effect) {
            attempt.outcome = outcome;
        }
    }

    fn seen_by(&mut self, step: usize, effect: &Effect, generation: &Option<String>) {
        if let Some(attempt) = self.attempts.iter_mut().find(|a| a.step == step && &a.effect == effect) {
            attempt.generation.clone_from(generation);
        }
    }

    fn ramp(&mut self, step: usize, at: Timestamp) -> &mut Ramp {
        self.ramps.entry(step).or_insert(Ramp { stage: None, since: at, baseline: Vec::new(), back_offs: 0, why: None })
    }

    /// The steps from the wait for connections on are open again.
    fn reopen_drain(&mut self, wait: Option<usize>, listener: &Listener, at: Timestamp) {
        self.releases.remove(listener);
        self.cuts.remove(listener);
        // Journals of old name no step: it was the one before.
        let wait = wait.or_else(|| self.current().and_then(|step| step.checked_sub(1)));
        if let Some(wait) = wait {
            self.steps.iter_mut().skip(wait).for_each(|step| *step = StepState::Pending);
            self.set_step(wait, StepState::Active { since: at });
        }
        self.armed_at = at;
    }
}
