//! One primitive and the clone around it, as the CIB has them.

use super::super::{cib::Cib, element::Element};
use super::constraints;
use crate::clone::{
    Found, Held, Place, Setting,
    found::{FoundClone, places},
};

/// What the CIB says of this primitive and what is around it.
pub(super) fn found(cib: &Cib, resource: &str) -> Found {
    let mut found = Found {
        version: format!("{}.{}", cib.version.admin_epoch, cib.version.epoch),
        resource: resource.to_owned(),
        ..Found::default()
    };
    let around = around(&cib.sections.resources, resource);
    match around.as_deref() {
        None => {}
        Some([clone, primitive]) if clone.name == "clone" && primitive.name == "primitive" => {
            found.clone = Some(as_found(cib, clone, primitive));
            if primitive.attribute("template").is_some() {
                found.obstacles.push(format!("{resource} takes its operations from a template"));
            }
        }
        Some([.., around, _]) => {
            let (what, id) = (&around.name, around.id());
            found.obstacles.push(format!("{resource} is in the {what} {id}, and no clone of its own"));
        }
        Some([alone]) if alone.name == "primitive" => {
            found
                .obstacles
                .push(format!("{resource} is there and is no clone; `pcs resource clone {resource}` makes it one"));
        }
        Some([other]) => found.obstacles.push(format!("{resource} is the id of a {}", other.name)),
        Some([]) => {}
    }
    let clone = found.clone.as_ref().map_or_else(|| clone_id(resource), |c| c.id.clone());
    if found.clone.is_none() && found.obstacles.is_empty() && is_taken(cib, &clone) {
        found.obstacles.push(format!("the id {clone} is used by something else"));
    }
    found.constraints = constraints::touching(&cib.sections.constraints, resource, &clone);
    found.withheld = constraints::withheld(&cib.sections.constraints, resource);
    found
}

/// The id that a clone gets.
fn clone_id(resource: &str) -> String {
    format!("{resource}-clone")
}

/// Whether something of the configuration has this id.
pub(super) fn is_taken(cib: &Cib, id: &str) -> bool {
    cib.sections
        .resources
        .everything()
        .chain(cib.sections.constraints.everything())
        .any(|e| e.attribute("id") == Some(id))
}

/// The element of this id and those around it below `<resources>`, the outermost first.
pub(super) fn around<'a>(resources: &'a Element, id: &str) -> Option<Vec<&'a Element>> {
    for child in &resources.children {
        let is_resource =
            matches!(child.name.as_str(), "primitive" | "group" | "clone" | "master" | "bundle" | "template");
        if is_resource && child.id() == id {
            return Some(vec![child]);
        }
        if let Some(mut inner) = around(child, id) {
            inner.insert(0, child);
            return Some(inner);
        }
    }
    None
}

fn as_found(cib: &Cib, clone: &Element, primitive: &Element) -> FoundClone {
    let text = |name| primitive.attribute(name).unwrap_or_default();
    let provider = primitive.attribute("provider").map(|p| format!("{p}:")).unwrap_or_default();
    FoundClone {
        id: clone.id().to_owned(),
        agent: format!("{}:{provider}{}", text("class"), text("type")),
        settings: places().into_iter().map(|place| setting(cib, clone, primitive, place)).collect(),
        switched_off: [clone, primitive].into_iter().flat_map(switched_off).collect(),
        misplaced: metas(primitive).filter(|(name, _)| is_the_clones(name)).map(|(n, v)| format!("{n}={v}")).collect(),
    }
}

fn setting(cib: &Cib, clone: &Element, primitive: &Element, place: Place) -> Setting {
    let (held, entangled) = match &place {
        Place::Meta { name } => match meta(clone, name) {
            Ok(Some(pair)) => (Held::Value(pair.attribute("value").unwrap_or_default().to_owned()), None),
            Ok(None) => (Held::Nothing, None),
            Err(why) => (Held::Nothing, Some(why)),
        },
        Place::Operation { operation, attribute } => match self::operation(primitive, operation) {
            Ok(Some(op)) => (op.attribute(attribute).map_or(Held::Bare, |v| Held::Value(v.to_owned())), None),
            Ok(None) => (Held::Nothing, None),
            Err(why) => (Held::Nothing, Some(why)),
        },
    };
    let otherwise = match &place {
        Place::Meta { name } => default(&cib.sections.resource_defaults, name),
        Place::Operation { attribute, .. } if attribute == "timeout" => {
            default(&cib.sections.operation_defaults, attribute)
        }
        Place::Operation { .. } => None,
    };
    let otherwise = otherwise.or_else(|| place.built_in().map(str::to_owned));
    Setting { place, held, otherwise, entangled }
}

/// The one nvpair that sets a meta attribute of the clone.
pub(super) fn meta<'a>(clone: &'a Element, name: &str) -> Result<Option<&'a Element>, String> {
    let sets = || clone.named("meta_attributes");
    if let Some(reference) = sets().find(|set| set.attribute("id-ref").is_some()) {
        return Err(format!(
            "meta attributes of {} are those of {}",
            clone.id(),
            reference.attribute("id-ref").unwrap_or_default()
        ));
    }
    let all: Vec<(&Element, &Element)> =
        sets().flat_map(|set| set.named("nvpair").map(move |pair| (set, pair))).collect();
    if all.iter().any(|(_, pair)| pair.attribute("id-ref").is_some()) {
        return Err(format!("a meta attribute of {} is a reference", clone.id()));
    }
    let mut places = all.into_iter().filter(|(_, pair)| pair.attribute("name") == Some(name));
    let first = places.next();
    if places.next().is_some() {
        return Err(format!("{name} of {} is set in more than one place", clone.id()));
    }
    match first {
        Some((set, _)) if set.named("rule").next().is_some() => {
            Err(format!("{name} of {} depends on a rule", clone.id()))
        }
        Some((_, pair)) => Ok(Some(pair)),
        None => Ok(None),
    }
}

/// The one operation of that name. A monitor of another role is another operation.
pub(super) fn operation<'a>(primitive: &'a Element, name: &str) -> Result<Option<&'a Element>, String> {
    let lists = || primitive.named("operations");
    if lists().any(|list| list.attribute("id-ref").is_some()) {
        return Err(format!("operations of {} are a reference", primitive.id()));
    }
    let usual = |op: &&Element| op.attribute("role").is_none_or(|role| role == "Started");
    let mut found =
        lists().flat_map(|list| list.named("op")).filter(|op| op.attribute("name") == Some(name)).filter(usual);
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(format!("{} has more than one operation {name}", primitive.id())),
    }
}

/// A default of the cluster that no rule decides about.
fn default(sets: &Element, name: &str) -> Option<String> {
    let plain = sets.named("meta_attributes").filter(|set| set.named("rule").next().is_none());
    let mut pairs = plain.flat_map(|set| set.named("nvpair")).filter(|pair| pair.attribute("name") == Some(name));
    pairs.next().and_then(|pair| pair.attribute("value")).map(str::to_owned)
}

/// Meta attributes as they are written, whatever rules say.
fn metas(element: &Element) -> impl Iterator<Item = (String, String)> {
    let pairs = element.named("meta_attributes").flat_map(|set| set.named("nvpair"));
    pairs.filter_map(|pair| Some((pair.attribute("name")?.to_owned(), pair.attribute("value")?.to_owned())))
}

fn is_the_clones(name: &str) -> bool {
    places().iter().any(|place| matches!(place, Place::Meta { name: ours } if ours == name))
}

fn switched_off(element: &Element) -> Vec<String> {
    let off = |(name, value): &(String, String)| match name.as_str() {
        "target-role" => value.eq_ignore_ascii_case("stopped"),
        "is-managed" => crate::clone::place::boolean(value) == Some(false),
        "maintenance" => crate::clone::place::boolean(value) == Some(true),
        _ => false,
    };
    metas(element).filter(off).map(|(name, value)| format!("{name}={value} of {}", element.id())).collect()
}
