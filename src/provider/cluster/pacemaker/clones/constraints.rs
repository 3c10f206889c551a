//! Constraints that touch a clone, in words.

use std::collections::BTreeSet;

use regex::Regex;

use super::super::element::Element;
use crate::{
    clone::{Constraint, ConstraintKind, declaration::withhold_id},
    model::NodeName,
};

/// Every constraint that names the clone or its primitive.
pub(super) fn touching(constraints: &Element, resource: &str, clone: &str) -> Vec<Constraint> {
    let touching = constraints.children.iter().filter(|c| touches(c, [resource, clone]));
    touching.map(|c| described(c, resource)).collect()
}

/// Nodes that we withhold from the cluster: our own constraints.
pub(super) fn withheld(constraints: &Element, resource: &str) -> BTreeSet<NodeName> {
    let locations = constraints.named("rsc_location");
    let nodes = locations.filter_map(|c| Some((c.id(), NodeName::new(c.attribute("node")?))));
    nodes.filter(|(id, node)| *id == withhold_id(resource, node)).map(|(_, node)| node).collect()
}

fn touches(constraint: &Element, ids: [&str; 2]) -> bool {
    let ours = |id: &str| ids.contains(&id);
    let named = ["rsc", "with-rsc", "first", "then"].iter().filter_map(|name| constraint.attribute(name)).any(ours);
    let listed = constraint.everything().filter(|e| e.name == "resource_ref").any(|e| ours(e.id()));
    named || listed || constraint.attribute("rsc-pattern").is_some_and(|pattern| means(pattern, ids))
}

/// Whether a pattern means one of these; with `!` before it, one that it does not match. A pattern that cannot be read may
/// mean anything, this clone too.
fn means(pattern: &str, ids: [&str; 2]) -> bool {
    let (pattern, wanted) = pattern.strip_prefix('!').map_or((pattern, true), |rest| (rest, false));
    Regex::new(pattern).map_or(true, |p| ids.iter().any(|id| p.is_match(id) == wanted))
}

fn described(constraint: &Element, resource: &str) -> Constraint {
    let text = |name: &str| constraint.attribute(name).unwrap_or("?").to_owned();
    let sets = || {
        let refs = constraint.everything().filter(|e| e.name == "resource_ref").map(|e| e.id().to_owned());
        refs.collect::<Vec<_>>().join(", ")
    };
    let either = |name: &str| constraint.attribute(name).map_or_else(sets, str::to_owned);
    let score = constraint.attribute("score").unwrap_or("0");
    let (kind, says) = match constraint.name.as_str() {
        "rsc_location" => {
            let what = constraint.attribute("rsc-pattern").map_or_else(|| either("rsc"), |p| format!("/{p}/"));
            let says = match constraint.attribute("node") {
                Some(node) if is_ban(score) => format!("{what} never on {node}"),
                Some(node) => format!("{what} on {node} with {score}"),
                None => format!("{what} where a rule says"),
            };
            (ConstraintKind::Location, says)
        }
        "rsc_colocation" => {
            let says = match constraint.attribute("with-rsc") {
                Some(with) => format!("{} with {with} ({score})", text("rsc")),
                None => format!("together: {}", sets()),
            };
            (ConstraintKind::Colocation, says)
        }
        "rsc_ticket" => (ConstraintKind::Ticket, format!("{} needs the ticket {}", either("rsc"), text("ticket"))),
        _ => {
            let says = match (constraint.attribute("first"), constraint.attribute("then")) {
                (Some(first), Some(then)) => format!("{first} before {then}"),
                _ => format!("in this order: {}", sets()),
            };
            (ConstraintKind::Order, says)
        }
    };
    let node = constraint.attribute("node").filter(|_| is_ban(score)).map(NodeName::new);
    let ours = node.as_ref().is_some_and(|node| constraint.id() == withhold_id(resource, node));
    let bans = node.filter(|_| kind == ConstraintKind::Location);
    Constraint { id: constraint.id().to_owned(), kind, says, bans, ours }
}

fn is_ban(score: &str) -> bool {
    score.eq_ignore_ascii_case("-INFINITY") || score.parse::<i64>().is_ok_and(|score| score <= -1_000_000)
}
