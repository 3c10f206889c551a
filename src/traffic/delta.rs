//! What came between two looks at one instance of a route. Pure.
//!
//! Counters begin again when a process does, and at `clear counters`; a reload is a new process. What happened around
//! that is not known: the interval is left out, as a whole, since a part of its members would make a wrong share.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::model::{Counters, InstanceView, MemberView, observed::age};

/// Looks that are further apart make no interval: it would be longer than the shortest window.
const LONGEST: Duration = Duration::from_secs(60);

/// One look at an instance.
#[derive(Clone, Debug)]
pub struct Look {
    /// What it showed.
    pub view: InstanceView,
    /// When.
    pub at: Timestamp,
    /// The part of new clients that each member should get by it.
    pub parts: BTreeMap<String, f64>,
}

/// One member's part of an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown {
    /// What was counted in the interval. `latency` is that of the later look.
    pub counted: Counters,
    /// The part of new clients that it should have got, from 0 to 1; `None` where nobody was to be sent anywhere.
    pub expected: Option<f64>,
}

/// What an instance counted between two looks, by member. `None` where that cannot be known: it is another process, a
/// counter fell, members came or went, or the looks are too far apart.
pub fn between(before: &Look, after: &Look) -> Option<BTreeMap<String, Grown>> {
    let (was, is, earlier, later) = (&before.view, &after.view, before.at, after.at);
    let same = was.generation == is.generation && was.members.keys().eq(is.members.keys());
    if !same || later <= earlier || age(later, earlier) > LONGEST {
        return None;
    }
    let grown = |(name, member): (&String, &MemberView)| {
        let counted = difference(&was.members.get(name)?.counters, &member.counters)?;
        let expected = match (before.parts.get(name), after.parts.get(name)) {
            (Some(was), Some(is)) => Some((was + is) / 2.0),
            (was, is) => was.or(is).copied(),
        };
        Some((name.clone(), Grown { counted, expected }))
    };
    is.members.iter().map(grown).collect()
}

/// `None` where a counter fell, or is counted at one look only.
fn difference(before: &Counters, after: &Counters) -> Option<Counters> {
    let one = |of: fn(&Counters) -> Option<u64>| match (of(before), of(after)) {
        (None, None) => Some(None),
        (Some(before), Some(after)) => after.checked_sub(before).map(Some),
        _ => None,
    };
    Some(Counters {
        requests: one(|c| c.requests)?,
        connections: one(|c| c.connections)?,
        choices: one(|c| c.choices)?,
        connect_failures: one(|c| c.connect_failures)?,
        lost_answers: one(|c| c.lost_answers)?,
        answers_5xx: one(|c| c.answers_5xx)?,
        failed_requests: one(|c| c.failed_requests)?,
        latency: after.latency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Admission, traffic::meant::parts};

    fn view(generation: &str, members: &[(&str, u64, u32)]) -> InstanceView {
        let member = |(name, requests, weight): &(&str, u64, u32)| {
            let counters = Counters { requests: Some(*requests), ..Counters::default() };
            let view = MemberView { admission: Admission::Serving, weight: *weight, counters, ..MemberView::default() };
            ((*name).to_owned(), view)
        };
        let members = members.iter().map(member).collect();
        InstanceView { generation: generation.into(), members, ..InstanceView::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn look(view: &InstanceView, second: i64) -> Look {
        Look { view: view.clone(), at: at(second), parts: parts(view, std::iter::empty()) }
    }

    fn grown(before: &InstanceView, after: &InstanceView) -> Option<Vec<(u64, f64)>> {
        let found = between(&look(before, 0), &look(after, 5))?;
        Some(found.values().map(|g| (g.counted.requests.unwrap_or(0), g.expected.unwrap_or(-1.0))).collect())
    }

    #[test]
    fn what_came_in_between_with_the_weights_of_then() {
        let (before, after) =
            (view("1", &[("a", 10, 100), ("b", 20, 100)]), view("1", &[("a", 13, 100), ("b", 20, 300)]));
        assert_eq!(grown(&before, &after), Some(vec![(3, 0.375), (0, 0.625)]), "the mean of a half and a quarter");
        let none = view("1", &[("a", 10, 0), ("b", 20, 0)]);
        assert_eq!(grown(&none, &after), Some(vec![(3, 0.25), (0, 0.75)]));
        assert_eq!(grown(&none, &none), Some(vec![(0, -1.0), (0, -1.0)]));
    }

    #[test]
    fn restarts_resets_and_gaps_are_left_out() {
        let before = view("1", &[("a", 10, 1), ("b", 20, 1)]);
        assert_eq!(grown(&before, &view("2", &[("a", 11, 1), ("b", 21, 1)])), None, "a restart");
        assert_eq!(grown(&before, &view("1", &[("a", 0, 1), ("b", 30, 1)])), None, "a counter fell");
        assert_eq!(grown(&before, &view("1", &[("a", 11, 1)])), None, "a member went");
        let after = view("1", &[("a", 11, 1), ("b", 21, 1)]);
        assert_eq!(between(&look(&before, 0), &look(&after, 61)), None, "nobody looked for a minute");
        assert_eq!(between(&look(&before, 5), &look(&after, 5)), None, "the same look");
        let mut silent = after.clone();
        silent.members.get_mut("a").expect("a").counters = Counters::default();
        assert_eq!(grown(&before, &silent), None, "not counted any more");
    }
}
