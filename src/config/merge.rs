//! Merging: later fragments override earlier ones, and every value keeps the place that it came from.
//!
//! * Tables merge key by key, inline ones too.
//! * `[[service]]`, `[[entrypoint]]` and `[[node]]` merge by `name`; the same name twice in one fragment is a problem.
//! * `[[entrypoint.route]]` is appended: a drop-in can add a route, not change one.
//! * Everything else (text, numbers, other lists) is replaced as a whole.
//! * Where a fragment changes the key that selects a variant (`via`, `protocol`), keys that only the former variant
//!   has do not carry over.

use std::collections::BTreeMap;

use super::{
    check::label,
    report::Problems,
    shape::{Kind, Shape},
    tree::{Node, Table, Value},
};

/// Lays a later table over an earlier one.
pub(crate) fn merge(base: &mut Table, over: Table, shape: &'static Shape) {
    leave_variant(base, &over, shape);
    for (name, entry) in over {
        let variant = variant(base, shape).map(str::to_owned);
        let kind = shape.key_of(variant.as_deref(), &name).or_else(|| shape.key(&name)).map(|k| &k.kind);
        match base.get_mut(&name) {
            Some(old) if kind.is_some_and(|kind| combines(kind, &old.node, &entry.node)) => {
                combine(&mut old.node, entry.node, kind);
            }
            Some(old) => *old = entry,
            None => drop(base.insert(name, entry)),
        }
    }
}

/// The variant of a table, as far as it says.
fn variant<'t>(table: &'t Table, shape: &Shape) -> Option<&'t str> {
    let tag = shape.variants.as_ref()?;
    table.get(tag.key).and_then(|e| e.node.text()).or(tag.default)
}

/// Drops what belongs only to the variant that the later table leaves.
fn leave_variant(base: &mut Table, over: &Table, shape: &'static Shape) {
    let Some(tag) = &shape.variants else { return };
    let named = |table: &Table| table.get(tag.key).and_then(|e| e.node.text()).map(str::to_owned);
    let Some(new) = named(over) else { return };
    let old = named(base).or_else(|| tag.default.map(str::to_owned));
    if let Some(old) = old.filter(|old| *old != new).and_then(|old| shape.variant(&old)) {
        base.retain(|name, _| !old.keys.iter().any(|k| k.name == name.as_str()));
    }
}

/// Whether the two are put together, rather than the one replaced by the other.
fn combines(kind: &Kind, old: &Node, new: &Node) -> bool {
    match kind {
        Kind::Table(_) | Kind::Either(..) => old.table().is_some() && new.table().is_some(),
        Kind::Named(_) | Kind::Appended(_) => old.list().is_some() && new.list().is_some(),
        _ => false,
    }
}

fn combine(old: &mut Node, new: Node, kind: Option<&'static Kind>) {
    match (kind, &mut old.value, new.value) {
        (Some(Kind::Table(shape) | Kind::Either(_, shape)), Value::Table(old), Value::Table(new)) => {
            merge(old, new, shape);
        }
        (Some(Kind::Named(shape)), Value::List(old), Value::List(new)) => merge_named(old, new, shape),
        (_, Value::List(old), Value::List(new)) => old.extend(new),
        (_, old, new) => *old = new,
    }
}

fn merge_named(old: &mut Vec<Node>, new: Vec<Node>, shape: &'static Shape) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, node) in old.iter().enumerate() {
        if let Some(name) = node.name() {
            known.entry(name.to_owned()).or_insert(at);
        }
    }
    for node in new {
        let same = node.name().and_then(|name| known.get(name).copied());
        match (same.and_then(|at| old.get_mut(at)).map(|o| &mut o.value), node.value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over, shape),
            (_, value) => old.push(Node { at: node.at, value }),
        }
    }
}

/// Reports names that one fragment gives twice; the second would silently be a part of the first.
pub(crate) fn find_twins(fragment: &Table, shape: &'static Shape, problems: &mut Problems) {
    for (key, entry) in fragment {
        let (Some(kind), Some(items)) = (shape.key(key).map(|k| &k.kind), entry.node.list()) else { continue };
        if !matches!(kind, Kind::Named(_)) {
            continue;
        }
        let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let Some(name) = item.name() else { continue };
            if let Some(first) = seen.insert(name, item) {
                let message =
                    format!("the {key} {name:?} is here twice; the first one is at {}", problems.line_of(first.at));
                let help = "give the second one another name, or write all its keys in one place";
                problems.at(item.at, &label(key, item, kind, index), message, Some(help.into()));
            }
        }
    }
}
