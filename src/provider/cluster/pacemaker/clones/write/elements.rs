//! What is written of a clone, with the ids that pcs would give.

use super::super::super::element::Element;
use crate::{
    clone::{
        Declaration, Place,
        declaration::{Wanted, withhold_id},
    },
    model::NodeName,
};

/// The clone as it is created.
pub(super) fn clone(wanted: &Declaration) -> Element {
    let (resource, clone) = (wanted.resource.as_str(), wanted.clone.as_str());
    let (class, kind) = wanted.agent.split_once(':').unwrap_or(("systemd", &wanted.agent));
    let mut operations = Element::new("operations", []);
    let set = format!("{clone}-meta_attributes");
    let mut meta = Element::new("meta_attributes", [("id", &set)]);
    for Wanted { place, value, .. } in wanted.values() {
        match place {
            Place::Operation { operation: name, attribute } => {
                operations.children.push(operation(&str::to_owned, resource, &name, &attribute, &value));
            }
            Place::Meta { name } => meta.children.push(nvpair(&format!("{set}-{name}"), &name, &value)),
        }
    }
    let primitive = Element::new("primitive", [("id", resource), ("class", class), ("type", kind)]).with([operations]);
    Element::new("clone", [("id", clone)]).with([primitive, meta])
}

/// An operation with this one attribute.
pub(super) fn operation(
    free: &dyn Fn(&str) -> String,
    resource: &str,
    name: &str,
    attribute: &str,
    value: &str,
) -> Element {
    let interval = if attribute == "interval" { value } else { "0s" };
    let id = free(&format!("{resource}-{name}-interval-{interval}"));
    let mut op = Element::new("op", [("id", &*id), ("name", name), ("interval", interval)]);
    if attribute != "interval" {
        op.attributes.push((attribute.to_owned(), value.to_owned()));
    }
    op
}

/// The constraint that keeps the cluster's hands off a node.
pub(super) fn withheld(clone: &str, resource: &str, node: &NodeName) -> Element {
    let id = withhold_id(resource, node);
    Element::new(
        "rsc_location",
        [
            ("id", &*id),
            ("rsc", clone),
            ("node", node.as_str()),
            ("score", "-INFINITY"),
            ("resource-discovery", "never"),
        ],
    )
}

pub(super) fn nvpair(id: &str, name: &str, value: &str) -> Element {
    Element::new("nvpair", [("id", id), ("name", name), ("value", value)])
}
