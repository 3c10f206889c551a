//! Gates over the routes to the node: every instance must answer, and have somebody else to send clients to.

use super::{Answer, Facts, Gate};
use crate::model::RouteTarget;

pub(super) fn targets(facts: &Facts<'_>) -> impl Iterator<Item = RouteTarget> {
    facts.topology.targets(facts.node()).into_iter().flat_map(|(_, targets)| targets)
}

pub(super) fn routes_answer(facts: &Facts<'_>) -> Vec<Gate> {
    targets(facts)
        .map(|t| match facts.look().member(&t) {
            Ok(_) => Gate::new("route-answers", Answer::Pass, format!("{} ({}) answers", t.instance, t.route)),
            Err(missing) => Gate::new("route-answers", Answer::Refuse, missing.to_string())
                .remedy(format!("every instance must acknowledge: make {} answer", t.instance)),
        })
        .collect()
}

pub(super) fn last_route(facts: &Facts<'_>) -> Vec<Gate> {
    targets(facts)
        .filter(|t| t.role.is_driven())
        .filter_map(|t| {
            let others = facts.look().others_serving(&t).ok()?;
            let place = format!("{} ({})", t.instance, t.route);
            Some(if others == 0 {
                Gate::new(
                    "last-route",
                    Answer::Refuse,
                    format!("{} is the last server of {place} that takes clients", t.server),
                )
                .remedy("bring another server of that backend into service first")
            } else {
                Gate::new("last-route", Answer::Pass, format!("{others} other servers of {place} take clients"))
            })
        })
        .collect()
}

/// Routes that would send clients to a drained member all the same, because too few others are left.
pub(super) fn fails_open(facts: &Facts<'_>) -> Vec<Gate> {
    let refusal = |t: RouteTarget| {
        let why = facts.look().member(&t).ok()?.refuses_drain.as_ref()?;
        let detail = format!("{} ({}) would not be drained of {}: {why}", t.instance, t.route, t.server);
        let remedy = "bring other members of that route into service, or change its threshold";
        Some(Gate::new("fails-open", Answer::Refuse, detail).remedy(remedy))
    };
    let refused: Vec<Gate> = targets(facts).filter_map(refusal).collect();
    match refused.is_empty() && targets(facts).next().is_some() {
        true => vec![Gate::new("fails-open", Answer::Pass, "each route that answers would leave it alone")],
        false => refused,
    }
}
