//! The part of new clients that each member should get at an instance. Pure.
//!
//! That is by the weights which the instance shows: ramps, slow starts and drains are meant. One case is not: a weight
//! that differs from the instance's own configuration *and* from the other instances of the route. A ramp is made on all
//! of them; a weight that one alone has, and that nobody configured, is a mistake, or forgotten. There the configured
//! weight is what is expected, so that the difference shows as skew. Where a single instance serves a route, or none
//! tells its configured weights, the weight that is shown is all there is.

use std::collections::BTreeMap;

use crate::model::{InstanceView, MemberView};

/// Each member's part of new clients at `view`, one of `all` instances of the route; empty where none takes any.
pub fn parts<'a>(view: &InstanceView, all: impl Iterator<Item = &'a InstanceView> + Clone) -> BTreeMap<String, f64> {
    let weights: Vec<(&String, f64)> = view
        .members
        .iter()
        .map(|(name, member)| (name, weight(member, all.clone().filter_map(|view| view.members.get(name)))))
        .collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if sum <= 0.0 {
        return BTreeMap::new();
    }
    weights.into_iter().map(|(name, weight)| (name.clone(), weight / sum)).collect()
}

fn weight<'a>(member: &MemberView, mut everywhere: impl Iterator<Item = &'a MemberView>) -> f64 {
    let shown = f64::from(member.chosen_by());
    let mut differs = || everywhere.any(|other| other.takes_clients() && other.weight != member.weight);
    match member.configured_weight {
        Some(configured) if configured != member.weight && shown > 0.0 && differs() => {
            shown * f64::from(configured) / f64::from(member.weight)
        }
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Admission;

    fn view(weights: [u32; 2], configured: Option<u32>) -> InstanceView {
        let member = |weight| MemberView {
            admission: Admission::Serving,
            weight,
            configured_weight: configured,
            ..MemberView::default()
        };
        let members = ["a", "b"].into_iter().zip(weights).map(|(name, w)| (name.to_owned(), member(w))).collect();
        InstanceView { members, ..InstanceView::default() }
    }

    fn first(one: &InstanceView, other: &InstanceView) -> f64 {
        parts(one, [one, other].into_iter()).get("a").copied().unwrap_or(-1.0)
    }

    #[test]
    fn a_weight_that_one_instance_alone_has_is_not_meant() {
        let (right, wrong) = (view([100, 100], Some(100)), view([50, 100], Some(100)));
        assert_eq!(first(&wrong, &right), 0.5, "nobody configured it, and the other has it not");
        assert_eq!(first(&right, &wrong), 0.5);
        assert_eq!(first(&wrong, &wrong), 1.0 / 3.0, "a ramp is on all of them");
        assert_eq!(parts(&wrong, [&wrong].into_iter())["a"], 1.0 / 3.0, "nobody to compare with");
        let silent = |weights| view(weights, None);
        assert_eq!(first(&silent([50, 100]), &silent([100, 100])), 1.0 / 3.0, "nobody says what is configured");
    }

    #[test]
    fn what_is_configured_differently_is_meant_and_what_is_out_is_out() {
        let (here, there) = (view([50, 100], Some(50)), view([100, 100], Some(100)));
        assert_eq!(first(&here, &there), 1.0 / 3.0);
        let mut drained = view([50, 100], Some(100));
        drained.members.get_mut("a").expect("a").admission = Admission::Draining;
        assert_eq!(first(&drained, &there), 0.0);
        assert_eq!(first(&view([0, 0], Some(100)), &there), -1.0, "nobody takes clients");
        let mut slow = view([50, 100], Some(100));
        slow.members.get_mut("a").expect("a").effective_weight = Some(10);
        assert!((first(&slow, &there) - 20.0 / 120.0).abs() < 1e-9, "a slow start is a fifth of what it should be");
    }
}
