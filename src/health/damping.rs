//! Flap damping as in RFC 2439: each change costs a penalty that halves after a half-life. Who comes back with a
//! penalty above the suppress limit is held back until it is below the reuse limit.
//!
//! Two things differ from a BGP speaker. Each change of the *answer* costs, not only each change of the verdict: slow
//! probes see a fast flapper as single lost answers, and would forget it between two verdicts. And suppression only
//! holds back a return, it never takes anybody out: that is for the thresholds alone. The penalty has a ceiling, so
//! that nobody is held longer than `longest` after the last change.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Penalty of one change.
pub const FLAP: f64 = 1000.0;

/// Limits of flap damping, in penalties (a change costs 1000), and its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Damping {
    /// Time in which a penalty halves; not zero.
    pub half_life: Duration,
    /// Who comes back with more is held back.
    pub suppress: f64,
    /// Below this it is released; less than `suppress`.
    pub reuse: f64,
    /// Longest suppression after the last change.
    pub longest: Duration,
}

impl Damping {
    /// What is usual for probes that far apart: the memory lasts for six of them, at least for 15 s.
    pub fn usual(interval: Duration) -> Self {
        let half_life = (interval * 6).max(Duration::from_secs(15));
        let longest = (half_life * 2).max(Duration::from_secs(60));
        Self { half_life, suppress: 1200.0, reuse: 750.0, longest }
    }

    /// The highest penalty: it is down at `reuse` after `longest`.
    pub fn ceiling(&self) -> f64 {
        self.reuse * (self.longest.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }
}

/// The penalty of one target. Times are since any fixed instant and never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Penalty {
    points: f64,
    at: Duration,
}

impl Penalty {
    pub(super) fn points(&self) -> f64 {
        self.points
    }

    pub(super) fn decay(&mut self, at: Duration, damping: &Damping) {
        let halves = at.saturating_sub(self.at).as_secs_f64() / damping.half_life.as_secs_f64();
        self.points *= (-halves).exp2();
        self.at = self.at.max(at);
    }

    pub(super) fn flap(&mut self, damping: &Damping) {
        self.points = (self.points + FLAP).min(damping.ceiling());
    }
}
