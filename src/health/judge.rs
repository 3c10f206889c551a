//! From answers to a verdict: thresholds, start-up grace, flap damping. Pure: time comes in with each answer.
//!
//! Damping follows RFC 2439: each change costs a penalty that halves after a half-life. Above the suppress limit a
//! target stays unhealthy, whatever it answers, until the penalty is below the reuse limit. Suppression never makes
//! anything healthy, so it fails closed. The penalty has a ceiling, which bounds the time of suppression.

use std::time::Duration;

/// Penalty of one change.
const FLAP: f64 = 1000.0;

/// The rules of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Failures in a row that make it unhealthy; at least 1.
    pub unhealthy: u32,
    /// Successes in a row that make it healthy; at least 1.
    pub healthy: u32,
    /// Time after the first answer in which failures do not count.
    pub grace: Duration,
    /// Flap damping; `None` is off.
    pub damping: Option<Damping>,
}

/// Limits of flap damping, in penalties (a change costs 1000), and its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Damping {
    /// Time in which a penalty halves; not zero.
    pub half_life: Duration,
    /// Above this a target is suppressed.
    pub suppress: f64,
    /// Below this it is released.
    pub reuse: f64,
    /// Longest suppression after the last change.
    pub longest: Duration,
}

impl Default for Damping {
    fn default() -> Self {
        Self { half_life: Duration::from_secs(15), suppress: 1500.0, reuse: 750.0, longest: Duration::from_secs(60) }
    }
}

/// What is known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too few answers yet.
    Unknown,
    /// It fails, within its start-up grace.
    Starting,
    /// It answers well.
    Healthy,
    /// It does not, or it changed too often.
    Unhealthy {
        /// Whether damping alone holds it there.
        suppressed: bool,
    },
}

/// The judge of one target. Times are since any fixed instant and never go back.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Rules,
    first: Option<Duration>,
    passed: u32,
    failed: u32,
    raw: Verdict,
    penalty: f64,
    at: Duration,
    suppressed: bool,
}

impl Judge {
    /// Nothing is known yet.
    pub fn new(rules: Rules) -> Self {
        let (raw, at) = (Verdict::Unknown, Duration::ZERO);
        Self { rules, first: None, passed: 0, failed: 0, raw, penalty: 0.0, at, suppressed: false }
    }

    /// Takes one answer in and gives the verdict.
    pub fn absorb(&mut self, at: Duration, ready: bool) -> Verdict {
        self.decay(at);
        let age = at.saturating_sub(*self.first.get_or_insert(at));
        let next = if ready { self.pass() } else { self.fail(age) };
        let settled = |v| matches!(v, Verdict::Healthy | Verdict::Unhealthy { .. });
        if settled(self.raw) && settled(next) && next != self.raw {
            self.flap();
        }
        self.raw = next;
        self.verdict()
    }

    /// The verdict as of the last answer.
    pub fn verdict(&self) -> Verdict {
        match self.raw {
            Verdict::Healthy if self.suppressed => Verdict::Unhealthy { suppressed: true },
            raw => raw,
        }
    }

    /// The penalty as of the last answer.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    fn pass(&mut self) -> Verdict {
        (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
        if self.passed >= self.rules.healthy { Verdict::Healthy } else { self.raw }
    }

    fn fail(&mut self, age: Duration) -> Verdict {
        self.passed = 0;
        if age < self.rules.grace && matches!(self.raw, Verdict::Unknown | Verdict::Starting) {
            return Verdict::Starting;
        }
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.rules.unhealthy { Verdict::Unhealthy { suppressed: false } } else { self.raw }
    }

    fn decay(&mut self, at: Duration) {
        let Some(damping) = &self.rules.damping else { return };
        let halves = at.saturating_sub(self.at).as_secs_f64() / damping.half_life.as_secs_f64();
        self.penalty *= (-halves).exp2();
        self.at = self.at.max(at);
        self.suppressed &= self.penalty >= damping.reuse;
    }

    fn flap(&mut self) {
        let Some(damping) = &self.rules.damping else { return };
        let halves = damping.longest.as_secs_f64() / damping.half_life.as_secs_f64();
        self.penalty = (self.penalty + FLAP).min(damping.reuse * halves.exp2());
        self.suppressed |= self.penalty > damping.suppress;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(unhealthy: u32) -> Rules {
        Rules { unhealthy, healthy: 3, grace: Duration::ZERO, damping: Some(Damping::default()) }
    }

    #[test]
    fn a_flapper_of_three_seconds_changes_at_most_twice() {
        for step in [250, 500, 1000] {
            let mut judge = Judge::new(rules(2));
            let (mut last, mut changes) = (Verdict::Unknown, 0);
            for ms in (0..240_000_u64).step_by(step) {
                let ready = !(5_000..125_000).contains(&ms) || (ms - 5_000) / 3_000 % 2 == 1;
                let is = judge.absorb(Duration::from_millis(ms), ready);
                changes +=
                    u32::from(last != Verdict::Unknown && (is == Verdict::Healthy) != (last == Verdict::Healthy));
                last = is;
            }
            assert_eq!((changes, last), (2, Verdict::Healthy), "every {step} ms");
        }
    }

    #[test]
    fn failures_within_the_grace_do_not_count() {
        let mut judge = Judge::new(Rules { grace: Duration::from_secs(10), ..rules(2) });
        let mut at = |s| judge.absorb(Duration::from_secs(s), false);
        assert_eq!([at(0), at(5), at(9), at(10)], [Verdict::Starting; 4]);
        assert_eq!(at(11), Verdict::Unhealthy { suppressed: false });
    }

    proptest! {
        #[test]
        fn unhealthy_after_exactly_the_configured_failures(unhealthy in 1_u32..20, before in 3_u64..50) {
            let mut judge = Judge::new(rules(unhealthy));
            (0..before).for_each(|s| { judge.absorb(Duration::from_secs(s), true); });
            for failure in 1..=unhealthy {
                let is = judge.absorb(Duration::from_secs(before + u64::from(failure)), false);
                prop_assert_eq!(is == Verdict::Healthy, failure < unhealthy);
            }
        }

        #[test]
        fn a_penalty_halves_after_its_half_life(flaps in 1_u64..6) {
            let mut judge = Judge::new(Rules { healthy: 1, ..rules(1) });
            (0..=flaps).for_each(|s| { judge.absorb(Duration::from_secs(s), s % 2 == 0); });
            let before = judge.penalty();
            judge.absorb(Duration::from_secs(flaps + 15), flaps % 2 == 0);
            prop_assert!((judge.penalty() - before / 2.0).abs() < 1e-6);
        }
    }
}
