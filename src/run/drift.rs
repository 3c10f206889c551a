//! What should not be while a node is out: a load balancer that forgot the drain, somebody who undid it, requests that
//! reach a drained member. Pure: the sentinel looks, this compares.

use std::collections::BTreeMap;

use super::look::Look;
use crate::{
    journal::Drift,
    model::{Admission, Desired, Effect, RouteTarget},
    plan::{Action, Plan},
    run::state::RunState,
};

/// Everything that a drain keeps out, with the process that acknowledged each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(BTreeMap<RouteTarget, Option<String>>);

impl Kept {
    /// What this run has drained so far.
    pub fn by(plan: &Plan, state: &RunState) -> Self {
        let mut kept = BTreeMap::new();
        for (step, action) in plan.steps.iter().map(|s| &s.action).enumerate() {
            let Action::DrainRoutes { targets, .. } = action else { continue };
            for target in targets.iter().filter(|_| state.is_done(step)) {
                let effect = Effect::Route {
                    route: target.route.clone(),
                    instance: target.instance.clone(),
                    server: target.server.clone(),
                    desired: Desired::Drained,
                };
                kept.insert(target.clone(), state.attempt(step, &effect).and_then(|a| a.generation.clone()));
            }
        }
        Self(kept)
    }

    /// The members.
    pub fn targets(&self) -> impl Iterator<Item = &RouteTarget> {
        self.0.keys()
    }
}

/// One thing that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The member.
    pub target: RouteTarget,
    /// What is behind it.
    pub drift: Drift,
    /// What was seen.
    pub saw: String,
    /// Whether it is to be told. Otherwise it is known that somebody put the member back, and requests came since: those
    /// count, and need no line each.
    pub news: bool,
    /// Requests that the member had counted then.
    counted: u64,
}

/// What was seen of each member at the last look. Lost with the process: then the journal's word counts.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<RouteTarget, Last>);

#[derive(Clone, Debug)]
struct Last {
    /// The process that showed it drained.
    generation: Option<String>,
    /// The process that counts the requests.
    counting: String,
    /// Requests that are accounted for.
    requests: u64,
    /// Whether it is told already, and still so, that somebody put it back.
    overruled: bool,
}

impl Memory {
    /// Compares one look with what is kept out. A finding comes again at every look until it is [`Self::told`], or
    /// mended. What does not answer is no finding: it may be as it should.
    pub fn compare(&mut self, kept: &Kept, look: &Look<'_>) -> Vec<Finding> {
        kept.0.iter().filter_map(|(target, by)| self.one(target, by.as_ref(), look)).collect()
    }

    /// Forgets every member that nobody keeps out any more.
    pub fn keep_only<'a>(&mut self, kept: impl Iterator<Item = &'a Kept> + Clone) {
        self.0.retain(|target, _| kept.clone().any(|k| k.0.contains_key(target)));
    }

    /// A finding was written down, or is no news. Gives back how many requests it accounts for.
    pub fn told(&mut self, finding: &Finding) -> u64 {
        let Some(last) = self.0.get_mut(&finding.target) else { return 0 };
        last.overruled |= finding.drift == Drift::Overruled;
        let before = last.requests;
        last.requests = before.max(finding.counted);
        last.requests - before
    }

    fn one(&mut self, target: &RouteTarget, by: Option<&String>, look: &Look<'_>) -> Option<Finding> {
        let member = look.member(target).ok()?;
        let now = look.instance(&target.route, &target.instance).ok()?.generation.clone();
        let counted = member.requests_total;
        let first = || Last { generation: by.cloned(), counting: now.clone(), requests: counted, overruled: false };
        let last = self.0.entry(target.clone()).or_insert_with(first);
        let same = last.generation.as_ref() == Some(&now);
        let serving = member.admission == Admission::Serving;
        if last.counting != now {
            // A process that began without the drain has counted nothing but what should not have come.
            (last.counting, last.requests) = (now.clone(), if serving { 0 } else { counted });
        }
        last.requests = last.requests.min(counted);
        let came = counted - last.requests;
        let finding = |drift, saw, news| Finding { target: target.clone(), drift, saw, news, counted };
        if serving {
            // Another process is no person's doing; where none is known, a person is thought of.
            let drift = if same || last.generation.is_none() { Drift::Overruled } else { Drift::Forgotten };
            let news = drift == Drift::Forgotten || !last.overruled;
            let saw = format!("takes clients again, with weight {}", member.weight);
            return (news || came > 0).then(|| finding(drift, saw, news));
        }
        (last.generation, last.overruled) = (Some(now), false);
        (came > 0).then(|| finding(Drift::Requests, format!("got {came} requests"), true))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{InstanceView, MemberView, Observation, Observed, topology::Role};

    fn target() -> RouteTarget {
        RouteTarget {
            route: "web/haproxy:app".into(),
            instance: "lb-1".into(),
            server: "node-1".into(),
            service: "app".into(),
            role: Role::Driven,
        }
    }

    fn seen(generation: &str, admission: Admission, requests: u64) -> Observation {
        let member = MemberView { admission, weight: 100, requests_total: requests, ..MemberView::default() };
        let view = InstanceView {
            generation: generation.into(),
            members: BTreeMap::from([("node-1".to_owned(), member)]),
            ..InstanceView::default()
        };
        let instances = BTreeMap::from([("lb-1".into(), Observed::known(view, Timestamp::UNIX_EPOCH))]);
        Observation { routes: BTreeMap::from([("web/haproxy:app".into(), instances)]), ..Observation::default() }
    }

    fn drifts(looks: &[(&str, Admission, u64)]) -> Vec<Option<Drift>> {
        let kept = Kept(BTreeMap::from([(target(), Some("1".to_owned()))]));
        let mut memory = Memory::default();
        let compare = |(generation, admission, requests): &(&str, Admission, u64)| {
            let seen = seen(generation, *admission, *requests);
            let look = Look { seen: &seen, now: Timestamp::UNIX_EPOCH, max_age: Duration::from_secs(5) };
            let found = memory.compare(&kept, &look);
            for finding in &found {
                let _accounted = memory.told(finding);
            }
            found.first().filter(|f| f.news).map(|f| f.drift)
        };
        looks.iter().map(compare).collect()
    }

    #[test]
    fn a_reload_forgets_and_a_person_overrules() {
        use Admission::{Draining, Serving};
        assert_eq!(drifts(&[("1", Draining, 5), ("2", Serving, 0)]), [None, Some(Drift::Forgotten)]);
        assert_eq!(drifts(&[("1", Draining, 5), ("1", Serving, 5)]), [None, Some(Drift::Overruled)]);
        assert_eq!(drifts(&[("2", Serving, 0), ("2", Serving, 0)]), [Some(Drift::Forgotten); 2], "until it is mended");
    }

    #[test]
    fn a_persons_doing_is_told_once_until_it_is_over() {
        use Admission::{Draining, Serving};
        let looks = [("1", Serving, 5), ("1", Serving, 9), ("1", Draining, 9), ("1", Serving, 9)];
        assert_eq!(drifts(&looks), [Some(Drift::Overruled), None, None, Some(Drift::Overruled)]);
    }

    #[test]
    fn requests_on_a_drained_member_count_and_a_new_process_counts_from_zero() {
        use Admission::Draining;
        let looks =
            [("1", Draining, 5), ("1", Draining, 7), ("1", Draining, 7), ("2", Draining, 0), ("2", Draining, 1)];
        assert_eq!(drifts(&looks), [None, Some(Drift::Requests), None, None, Some(Drift::Requests)]);
    }

    #[test]
    fn requests_on_a_member_that_was_put_back_count_without_a_line_each() {
        let counts = |looks: &[(&str, Admission, u64)]| {
            let kept = Kept(BTreeMap::from([(target(), Some("1".to_owned()))]));
            let mut memory = Memory::default();
            let mut compare = |(generation, admission, requests): &(&str, Admission, u64)| {
                let seen = seen(generation, *admission, *requests);
                let look = Look { seen: &seen, now: Timestamp::UNIX_EPOCH, max_age: Duration::from_secs(5) };
                let found = memory.compare(&kept, &look);
                found.first().map(|finding| (finding.news, memory.told(finding)))
            };
            looks.iter().map(&mut compare).collect::<Vec<_>>()
        };
        use Admission::{Draining, Serving};
        let person = [("1", Draining, 5), ("1", Serving, 7), ("1", Serving, 9), ("1", Serving, 9), ("1", Draining, 10)];
        let told = [None, Some((true, 2)), Some((false, 2)), None, Some((true, 1))];
        assert_eq!(counts(&person), told, "put back by a person, and drained again");
        let reload = [("1", Draining, 5), ("2", Serving, 3), ("2", Serving, 4), ("2", Draining, 4)];
        assert_eq!(counts(&reload), [None, Some((true, 3)), Some((true, 1)), None], "forgotten by a reload");
        assert_eq!(
            counts(&[("2", Serving, 3), ("2", Serving, 4)]),
            [Some((true, 0)), Some((true, 1))],
            "before this one"
        );
    }

    #[test]
    fn what_could_not_be_written_down_is_found_again() {
        let kept = Kept(BTreeMap::from([(target(), Some("1".to_owned()))]));
        let mut memory = Memory::default();
        let mut compare = |requests| {
            let seen = seen("1", Admission::Draining, requests);
            let look = Look { seen: &seen, now: Timestamp::UNIX_EPOCH, max_age: Duration::from_secs(5) };
            memory.compare(&kept, &look).first().map(|f| f.saw.clone())
        };
        assert_eq!(
            [compare(5), compare(7), compare(8)],
            [None, Some("got 2 requests".into()), Some("got 3 requests".into())]
        );
    }
}
