//! How long steps usually take: what the journal remembers of plays and of runs, as percentiles. What was never done has
//! no forecast, and is said to have none.
//!
//! Some steps say of themselves how long they last at least (a soak, a fault), and that may be another time when they are
//! played again. So what is remembered of a step is what it took beyond that.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    event::{Opening, PlayEvent, Spot},
    model::{Action, Step},
    state::step,
};

/// How long something usually takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usual {
    /// Half of the time it took at most so long.
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    /// 95 times of a hundred it took at most so long.
    #[serde(serialize_with = "seconds")]
    pub p95: Duration,
    /// How often it was seen.
    pub seen: usize,
}

impl Usual {
    /// The time after which a step counts as slow: twice what it takes at most 95 times of a hundred, and never within two
    /// seconds of that. `None` where it was seen too seldom to say.
    pub fn slow_after(&self) -> Option<Duration> {
        (self.seen >= OWN).then(|| (self.p95 * 2).max(self.p95 + Duration::from_secs(2)))
    }

    fn and(self, more: Duration) -> Self {
        Self { p50: self.p50 + more, p95: self.p95 + more, ..self }
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// By playbook and step: the same thing, done again; what it took beyond what it says of itself.
    steps: BTreeMap<(String, String), Vec<Duration>>,
    /// By kind, of what takes as long in every playbook.
    kinds: BTreeMap<&'static str, Vec<Duration>>,
}

/// Times that a step of the same name must have been seen before it is believed more than all of its kind.
const OWN: usize = 3;

impl Past {
    /// Remembers one drain or restore that was a run of its own.
    pub fn run(&mut self, kind: &'static str, took: Duration) {
        self.kinds.entry(kind).or_default().push(took);
    }

    /// Remembers every step of a play that went well, from its last beginning to its end.
    pub fn play<'e>(&mut self, opening: &Opening, records: impl IntoIterator<Item = (Timestamp, &'e PlayEvent)>) {
        let mut begun: BTreeMap<&Spot, Timestamp> = BTreeMap::new();
        for (at, event) in records {
            match event {
                PlayEvent::Begun { spot } => drop(begun.insert(spot, at)),
                PlayEvent::Done { spot, .. } => {
                    let (Some(began), Some(step)) = (begun.remove(spot), step(opening, spot)) else { continue };
                    let took = Duration::try_from(at.duration_since(began)).unwrap_or_default();
                    let own = (opening.playbook.name.clone(), step.name.clone());
                    self.steps.entry(own).or_default().push(took.saturating_sub(lasts(&step.action)));
                    // Drains and restores are runs, and remembered as such; the others are known from plays alone.
                    if matches!(step.action, Action::Reboot { .. } | Action::Gate) {
                        self.run(step.action.word(), took);
                    }
                }
                _ => {}
            }
        }
    }

    /// How long a step usually takes; `None` where nothing of the kind was seen, and it does not say itself how long it lasts.
    pub fn usual(&self, playbook: &str, step: &Step) -> Option<Usual> {
        let own = self.steps.get(&(playbook.to_owned(), step.name.clone())).filter(|seen| !seen.is_empty());
        let kind = self.kinds.get(step.action.word()).filter(|seen| !seen.is_empty());
        let seen = match (own, kind) {
            (Some(own), Some(kind)) if own.len() < OWN => Some(kind),
            (own, kind) => own.or(kind),
        };
        let lasts = lasts(&step.action);
        match seen {
            Some(seen) => Some(percentiles(seen).and(lasts)),
            None => (!lasts.is_zero()).then_some(Usual { p50: lasts, p95: lasts, seen: 0 }),
        }
    }
}

/// How long a step lasts at least, as it says of itself.
fn lasts(action: &Action) -> Duration {
    match action {
        Action::Observe { lasts } | Action::Fault { lasts, .. } => *lasts,
        Action::WaitUntil { hold, .. } => *hold,
        _ => Duration::ZERO,
    }
}

/// By the nearest rank: a time that was really seen.
fn percentiles(seen: &[Duration]) -> Usual {
    let mut sorted = seen.to_vec();
    sorted.sort();
    let rank = |percent: usize| (sorted.len() * percent).div_ceil(100).max(1) - 1;
    let at = |percent| sorted.get(rank(percent)).copied().unwrap_or_default();
    Usual { p50: at(50), p95: at(95), seen: sorted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_of(name: &str, action: Action) -> Step {
        Step { name: name.into(), action, require: Vec::new(), ensure: Vec::new(), on_failure: None }
    }

    #[test]
    fn percentiles_are_times_that_were_seen() {
        let seen: Vec<Duration> = (1..=20).rev().map(Duration::from_secs).collect();
        let usual = percentiles(&seen);
        assert_eq!((usual.p50.as_secs(), usual.p95.as_secs(), usual.seen), (10, 19, 20));
        let one = percentiles(&seen[..1]);
        assert_eq!((one.p50.as_secs(), one.p95.as_secs()), (20, 20));
    }

    #[test]
    fn slow_is_far_beyond_what_was_seen_often_enough() {
        let usual = |seen, p95| Usual { p50: Duration::from_secs(1), p95: Duration::from_secs(p95), seen };
        assert_eq!(usual(2, 10).slow_after(), None);
        assert_eq!(usual(3, 10).slow_after(), Some(Duration::from_secs(20)));
        assert_eq!(usual(3, 1).slow_after(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_drain_is_known_from_runs_and_a_command_only_from_itself() {
        let mut past = Past::default();
        past.run("drain", Duration::from_secs(30));
        let drain = step_of("out", Action::Drain { service: None });
        assert_eq!(past.usual("patch", &drain).map(|u| u.p50.as_secs()), Some(30));
        past.steps.insert(("patch".into(), "out".into()), vec![Duration::from_secs(5); 2]);
        assert_eq!(past.usual("patch", &drain).map(|u| u.p50.as_secs()), Some(30), "seen too seldom");
        past.steps.insert(("patch".into(), "out".into()), vec![Duration::from_secs(5); 3]);
        assert_eq!(past.usual("patch", &drain).map(|u| u.p50.as_secs()), Some(5));
        assert_eq!(past.usual("patch", &step_of("other", Action::Restore)), None);
    }

    #[test]
    fn a_soak_of_another_length_is_forecast_by_its_own() {
        let observe = |seconds| step_of("soak", Action::Observe { lasts: Duration::from_secs(seconds) });
        let mut past = Past::default();
        let never = past.usual("patch", &observe(300)).map(|u| (u.p50.as_secs(), u.seen));
        assert_eq!(never, Some((300, 0)));
        past.steps.insert(("patch".into(), "soak".into()), vec![Duration::from_secs(2)]);
        assert_eq!(past.usual("patch", &observe(300)).map(|u| (u.p50.as_secs(), u.seen)), Some((302, 1)));
        assert_eq!(past.usual("patch", &observe(10)).map(|u| u.p95.as_secs()), Some(12));
    }
}
