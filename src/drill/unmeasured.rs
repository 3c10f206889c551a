//! Why something that has a limit was not measured: the reason that stands beside "not known". Pure.

use super::{
    detect::{Times, Took},
    meter::Counted,
    report::Objective,
};

/// What is known of the measuring.
pub(super) struct Measuring<'m> {
    /// What was counted, or why nothing was; none where nobody was there to count.
    pub(super) counted: Option<&'m Result<Counted, String>>,
    /// The times of the fault, where there was one and somebody watched.
    pub(super) times: Option<&'m Times>,
    /// Whether something was broken.
    pub(super) broke: bool,
}

/// Gives each objective that nobody measured its reason.
pub(super) fn explain(objectives: &mut [Objective], measuring: &Measuring<'_>) {
    for objective in objectives.iter_mut().filter(|objective| objective.measured.is_none()) {
        objective.why = Some(measuring.why(&objective.name));
    }
}

impl Measuring<'_> {
    fn why(&self, name: &str) -> String {
        match name {
            "detection" => self.time(|times| &times.detection),
            "recovery" => self.time(|times| &times.recovery),
            "ready nodes" => self.nobody().unwrap_or_else(|| "not every node could be probed".into()),
            "failover" if !self.broke => "nothing was broken".into(),
            _ => self.nobody().unwrap_or_else(|| self.traffic(name)),
        }
    }

    fn time(&self, of: fn(&Times) -> &Took) -> String {
        match (self.broke, self.times.map(of)) {
            (false, _) => "nothing was broken".into(),
            (_, Some(Took::Unknown(why))) => why.clone(),
            _ => self.nobody().unwrap_or_else(|| "it was not seen".into()),
        }
    }

    /// Why nobody measured at all.
    fn nobody(&self) -> Option<String> {
        match self.counted {
            None => Some("the program that measured died".into()),
            Some(Err(why)) => Some(format!("nothing was counted: {why}")),
            Some(Ok(_)) => None,
        }
    }

    fn traffic(&self, name: &str) -> String {
        let exact = self.counted.and_then(|counted| counted.as_ref().ok()).is_some_and(|counted| counted.exact);
        let complete = self.counted.and_then(|c| c.as_ref().ok()).is_none_or(|counted| counted.complete);
        match (name, exact) {
            ("failed requests", _) if !complete => {
                "counters were lost on the way, and nobody knows what they had counted"
            }
            ("failed requests", _) => "there was no request",
            ("skew", _) => "too few answers named their node after the last step began",
            ("latency, 99th percentile", false) => "load balancers' counters know no latencies",
            ("failover", false) => "load balancers' counters have no time for each request",
            _ => "no request was answered",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::{Series, Traffic};

    fn observed() -> Counted {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let traffic = Traffic {
            source: String::new(),
            targets: vec![],
            from: at,
            until: at,
            interrupted: false,
            requests: 10,
            failed: 0,
            by_node: Default::default(),
            by_cause: Default::default(),
            latency: None,
            seconds: vec![],
            failures: vec![],
        };
        Counted { traffic, series: Series::default(), failing_until: None, exact: false, complete: true }
    }

    fn why(name: &str, counted: Option<Result<Counted, String>>, broke: bool) -> String {
        let mut objectives =
            [Objective::at_most(name, 1.0, None, "s"), Objective::at_most("known", 1.0, Some(1.0), "s")];
        explain(&mut objectives, &Measuring { counted: counted.as_ref(), times: None, broke });
        assert_eq!(objectives[1].why, None, "what was measured needs no reason");
        objectives[0].why.clone().unwrap_or_default()
    }

    #[test]
    fn each_has_the_reason_that_fits() {
        let seen = || Some(Ok(observed()));
        assert_eq!(why("latency, 99th percentile", seen(), false), "load balancers' counters know no latencies");
        assert_eq!(why("failover", seen(), true), "load balancers' counters have no time for each request");
        assert_eq!(why("failover", seen(), false), "nothing was broken");
        assert_eq!(why("detection", None, true), "the program that measured died");
        assert_eq!(
            why("failed requests", Some(Err("no load from a: x".into())), true),
            "nothing was counted: no load from a: x"
        );
    }
}
