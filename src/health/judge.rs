//! From answers to a verdict: thresholds, start-up grace, flap damping. Pure: time comes in with each answer.
//!
//! A healthy target becomes unhealthy after exactly the configured failures in a row, whatever was before. Damping
//! (see [`super::damping`]) only holds back its return, so it fails closed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    damping::{Damping, Penalty},
    failure::Failure,
};

/// The rules of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Failures in a row that make it unhealthy; at least 1.
    pub unhealthy: u32,
    /// Successes in a row that make it healthy; at least 1.
    pub healthy: u32,
    /// Time after its start, or the first answer, in which failures do not count until it was healthy once.
    pub grace: Duration,
    /// Flap damping; `None` is off.
    pub damping: Option<Damping>,
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Verdict {
    /// Too few answers yet.
    Unknown,
    /// It fails, within its start-up grace.
    Starting,
    /// It answers well.
    Healthy,
    /// It does not, or it changed too often.
    Unhealthy {
        /// The last failure.
        reason: Failure,
        /// Whether it answers well again and damping alone holds it back.
        suppressed: bool,
    },
}

/// A verdict without its reason: a closed set of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Too few answers yet.
    Unknown,
    /// It fails, within its start-up grace.
    Starting,
    /// It answers well.
    Healthy,
    /// It fails.
    Unhealthy,
    /// It answers well again, and is held back because it changed too often.
    Suppressed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Starting, Self::Healthy, Self::Unhealthy, Self::Suppressed];

    /// Its word, as in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Suppressed => "suppressed",
        }
    }
}

impl Verdict {
    /// The verdict without its reason. A change of the reason alone is no change of state.
    pub fn state(&self) -> State {
        match self {
            Self::Unknown => State::Unknown,
            Self::Starting => State::Starting,
            Self::Healthy => State::Healthy,
            Self::Unhealthy { suppressed: false, .. } => State::Unhealthy,
            Self::Unhealthy { suppressed: true, .. } => State::Suppressed,
        }
    }

    /// Whether it answers well, known for sure.
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }
}

/// The judge of one target. Times are since any fixed instant and never go back.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Rules,
    since: Option<Duration>,
    passed: u32,
    failed: u32,
    last: Option<bool>,
    verdict: Verdict,
    penalty: Penalty,
}

impl Judge {
    /// Nothing is known yet.
    pub fn new(rules: Rules) -> Self {
        let (verdict, penalty) = (Verdict::Unknown, Penalty::default());
        Self { rules, since: None, passed: 0, failed: 0, last: None, verdict, penalty }
    }

    /// The service was started just now: what it answered before says nothing any more, and its grace begins. The
    /// penalty stays, so a service that is restarted again and again is damped too.
    pub fn started(&mut self, at: Duration) {
        (self.since, self.passed, self.failed) = (Some(at), 0, 0);
        self.verdict = if self.rules.grace.is_zero() { Verdict::Unknown } else { Verdict::Starting };
    }

    /// Takes one answer in and gives the verdict.
    pub fn absorb(&mut self, at: Duration, answer: Result<(), &Failure>) -> &Verdict {
        if let Some(damping) = &self.rules.damping {
            self.penalty.decay(at, damping);
            let settled = !matches!(self.verdict, Verdict::Unknown | Verdict::Starting);
            if settled && self.last.is_some_and(|last| last != answer.is_ok()) {
                self.penalty.flap(damping);
            }
        }
        self.last = Some(answer.is_ok());
        let age = at.saturating_sub(*self.since.get_or_insert(at));
        match answer {
            Ok(()) => self.pass(),
            Err(failure) => self.fail(age, failure),
        }
        &self.verdict
    }

    /// The verdict as of the last answer.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The penalty as of the last answer.
    pub fn penalty(&self) -> f64 {
        self.penalty.points()
    }

    fn pass(&mut self) {
        (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
        if self.passed < self.rules.healthy {
            return;
        }
        if let Verdict::Unhealthy { suppressed, .. } = &mut self.verdict
            && let Some(damping) = &self.rules.damping
        {
            // Into suppression above one limit, out of it below the other.
            let limit = if *suppressed { damping.reuse } else { damping.suppress };
            *suppressed = self.penalty.points() >= limit;
            if *suppressed {
                return;
            }
        }
        self.verdict = Verdict::Healthy;
    }

    fn fail(&mut self, age: Duration, failure: &Failure) {
        self.passed = 0;
        if age < self.rules.grace && matches!(self.verdict, Verdict::Unknown | Verdict::Starting) {
            self.verdict = Verdict::Starting;
            return;
        }
        self.failed = self.failed.saturating_add(1);
        match &mut self.verdict {
            // Held back for now, a single failure is no more than that: the reason is told, the state stays.
            Verdict::Unhealthy { reason, suppressed } => {
                *suppressed &= self.failed < self.rules.unhealthy;
                reason.clone_from(failure);
            }
            verdict if self.failed >= self.rules.unhealthy => {
                *verdict = Verdict::Unhealthy { reason: failure.clone(), suppressed: false };
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
