//! What had to come out beside what was measured, and the verdict of both together.

use super::{Objective, Outcome, Relation, Verdict};
use crate::drill::objective::Objectives;

/// What was measured of everything that may have a limit; what nobody measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// From the fault to the last request that failed because of it, in seconds; 0 where none failed.
    pub failover_s: Option<f64>,
    /// From the fault to the first route that knew, in seconds.
    pub detection_s: Option<f64>,
    /// From the end of the fault (or the fault itself, where nothing keeps it going) until all was as before, in seconds.
    pub recovery_s: Option<f64>,
    /// Share of all requests that failed, from 0 to 1.
    pub error_ratio: Option<f64>,
    /// 99th percentile of the latency, in milliseconds.
    pub latency_p99_ms: Option<f64>,
    /// The largest share against the expected one, at the end.
    pub skew: Option<f64>,
    /// The fewest nodes that were ready at any time.
    pub fewest_ready: Option<u32>,
}

impl Objective {
    /// A limit that must not be exceeded.
    pub fn at_most(name: &str, limit: f64, measured: Option<f64>, unit: &str) -> Self {
        Self::new(name, Relation::AtMost, limit, measured, unit)
    }

    /// A limit that must be reached.
    pub fn at_least(name: &str, limit: f64, measured: Option<f64>, unit: &str) -> Self {
        Self::new(name, Relation::AtLeast, limit, measured, unit)
    }

    fn new(name: &str, relation: Relation, limit: f64, measured: Option<f64>, unit: &str) -> Self {
        // What is no number was not measured, and a limit that is none is met by nothing.
        let measured = measured.filter(|value| value.is_finite());
        let met = measured.map(|value| match relation {
            Relation::AtMost => value <= limit,
            Relation::AtLeast => value >= limit,
        });
        Self { name: name.into(), relation, limit, measured, unit: unit.into(), met, why: None }
    }
}

/// Each limit that was given, beside what was measured.
pub fn against(limits: &Objectives, seen: &Measured) -> Vec<Objective> {
    let seconds = |limit: Option<std::time::Duration>| limit.map(|l| l.as_secs_f64());
    let percent = |ratio: f64| (ratio * 1e8).round() / 1e6;
    let rows = [
        seconds(limits.detection).map(|l| Objective::at_most("detection", l, seen.detection_s, "s")),
        seconds(limits.failover).map(|l| Objective::at_most("failover", l, seen.failover_s, "s")),
        seconds(limits.recovery).map(|l| Objective::at_most("recovery", l, seen.recovery_s, "s")),
        limits
            .max_error_ratio
            .map(|l| Objective::at_most("failed requests", percent(l), seen.error_ratio.map(percent), "%")),
        limits
            .max_latency_p99
            .map(|l| Objective::at_most("latency, 99th percentile", l.as_secs_f64() * 1e3, seen.latency_p99_ms, "ms")),
        limits.max_skew.map(|l| Objective::at_most("skew", l, seen.skew, "")),
        limits
            .min_ready
            .map(|l| Objective::at_least("ready nodes", f64::from(l), seen.fewest_ready.map(f64::from), "nodes")),
    ];
    rows.into_iter().flatten().collect()
}

/// The verdict of these together, of something that was played to its end: one that was missed decides, then one that
/// is not known.
pub fn judge(objectives: &[Objective]) -> Verdict {
    let named = |met: Option<bool>| {
        let name = |o: &Objective| o.why.as_ref().map_or_else(|| o.name.clone(), |why| format!("{} ({why})", o.name));
        let names: Vec<String> = objectives.iter().filter(|o| o.met == met).map(name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let (outcome, why) = match (named(Some(false)), named(None)) {
        (Some(missed), _) => (Outcome::Missed, Some(missed)),
        (None, Some(open)) => (Outcome::NotKnown, Some(format!("not measured: {open}"))),
        (None, None) if objectives.is_empty() => (Outcome::NotKnown, Some("there was no objective".into())),
        (None, None) => (Outcome::Kept, None),
    };
    Verdict { outcome, why }
}

impl Verdict {
    /// Ended early, and why.
    pub fn aborted(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Aborted, why: Some(why.into()) }
    }

    /// Not known, and why.
    pub fn not_known(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotKnown, why: Some(why.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_measured_is_never_kept() {
        let limits = Objectives {
            failover: Some(Duration::from_secs(5)),
            max_error_ratio: Some(0.001),
            min_ready: Some(2),
            ..Objectives::default()
        };
        let verdict = |seen: &Measured| judge(&against(&limits, seen));
        let all =
            Measured { failover_s: Some(5.0), error_ratio: Some(0.001), fewest_ready: Some(2), ..Measured::default() };
        assert_eq!(verdict(&all).outcome, Outcome::Kept, "a limit that is just reached is kept");
        let missing = verdict(&Measured { failover_s: None, ..all });
        assert_eq!((missing.outcome, missing.why.as_deref()), (Outcome::NotKnown, Some("not measured: failover")));
        let no_number = verdict(&Measured { failover_s: Some(f64::NAN), ..all });
        assert_eq!(no_number.outcome, Outcome::NotKnown);
        let missed = verdict(&Measured { fewest_ready: Some(1), failover_s: None, ..all });
        assert_eq!((missed.outcome, missed.why.as_deref()), (Outcome::Missed, Some("ready nodes")));
        assert_eq!(judge(&[]).outcome, Outcome::NotKnown);
    }
}
