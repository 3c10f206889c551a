//! The structure check: unknown keys, wrong types, values out of range, missing keys. Each fragment is checked by
//! itself, so that nothing wrong hides behind an override, and the merged whole once more for what is missing.

use super::{
    nearest::nearest,
    report::Problems,
    shape::{Key, Kind, Need, Shape, Variant, Variants},
    texts,
    tree::{Entry, Node, Origin, Table, Value},
    value::{Fault, expected, or_table, scalar, word},
};

/// The check of one fragment, or of the merged whole.
pub(crate) struct Check<'p> {
    /// Where problems go.
    pub problems: &'p mut Problems,
    /// Whether missing keys count: not in a fragment, which may say as little as it likes.
    pub complete: bool,
    /// A name much like that of the table at hand, which a drop-in might have meant.
    sibling: Option<String>,
}

impl<'p> Check<'p> {
    pub(crate) fn new(problems: &'p mut Problems, complete: bool) -> Self {
        Self { problems, complete, sibling: None }
    }

    /// Checks a table against its shape.
    pub(crate) fn table(&mut self, table: &Table, at: Origin, shape: &'static Shape, path: &str) {
        let sibling = self.sibling.take();
        let variant = self.variant(table, shape);
        for (name, entry) in table {
            let path = join(path, name);
            if let Some(tag) = shape.variants.as_ref().filter(|v| v.key == name.as_str()) {
                self.report(&entry.node, &path, word(&entry.node.value, &names(tag)));
                continue;
            }
            match allowed(shape, variant).find(|k| k.name == name.as_str()) {
                Some(key) => self.value(&entry.node, &key.kind, &path),
                None => self.unknown(name, entry, shape, variant, &path),
            }
        }
        if self.complete {
            self.missing(table, at, shape, variant, (path, sibling));
        }
    }

    /// The variant of a table; `None` where it is not known, and then the keys of all are let pass.
    fn variant(&self, table: &Table, shape: &'static Shape) -> Option<&'static Variant> {
        let tag = shape.variants.as_ref()?;
        match table.get(tag.key) {
            Some(entry) => shape.variant(entry.node.text()?),
            None if self.complete => shape.variant(tag.default?),
            None => None,
        }
    }

    fn unknown(&mut self, name: &str, entry: &Entry, shape: &Shape, variant: Option<&Variant>, path: &str) {
        if let (Some(tag), Some(variant)) = (&shape.variants, variant)
            && let Some(owner) = tag.of.iter().find(|v| v.keys.iter().any(|k| k.name == name))
        {
            let message = format!("`{name}` goes with {} = \"{}\", not with \"{}\"", tag.key, owner.name, variant.name);
            return self.problems.at(entry.key_at, path, message, None);
        }
        let tag = shape.variants.as_ref().map(|v| v.key);
        let known: Vec<&str> = tag.into_iter().chain(allowed(shape, variant).map(|k| k.name)).collect();
        let inner = shape.all_keys().find(|k| k.kind.shape().is_some_and(|s| s.key(name).is_some()));
        let help = match (nearest(name, known.iter().copied()), inner) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(inner)) => format!("`{name}` belongs in `{}`", inner.name),
            (None, None) => format!("known here: {}", known.join(", ")),
        };
        let name: String = name.chars().take(60).collect();
        self.problems.at(entry.key_at, path, format!("unknown key `{}`", name.escape_debug()), Some(help));
    }

    fn missing(
        &mut self,
        table: &Table,
        at: Origin,
        shape: &Shape,
        variant: Option<&Variant>,
        (path, sibling): (&str, Option<String>),
    ) {
        if let Some(tag) = shape.variants.as_ref().filter(|t| t.default.is_none() && !table.contains_key(t.key)) {
            let message = format!("`{}` is missing: {}", tag.key, lower(tag.about));
            self.problems.at(at, &join(path, tag.key), message, Some(format!("known: {}", names(tag).join(", "))));
        }
        let known: Vec<&Key> = allowed(shape, variant).collect();
        // A misspelt key was reported as such; that the right one is missing says nothing new.
        let unknown = table.keys().filter(|name| !known.iter().any(|k| k.name == name.as_str()));
        let meant: Vec<&str> = unknown.filter_map(|name| nearest(name, known.iter().map(|k| k.name))).collect();
        let missing: Vec<&Key> = shape
            .keys
            .iter()
            .chain(variant.map_or(&[][..], |v| v.keys))
            .filter(|k| matches!(k.need, Need::Required) && !table.contains_key(k.name) && !meant.contains(&k.name))
            .collect();
        // One missing key was forgotten; several were never meant to be here.
        let sibling = sibling.filter(|_| missing.len() > 1);
        for key in missing {
            let message = format!("`{}` is missing: {}", key.name, lower(key.about));
            let meant = sibling.as_ref().map(|name| format!("fragments merge by name; did you mean \"{name}\"?"));
            self.problems.at(at, &join(path, key.name), message, meant.or_else(|| example(key)));
        }
    }

    fn value(&mut self, node: &Node, kind: &'static Kind, path: &str) {
        match (kind, &node.value) {
            (Kind::Table(shape) | Kind::Either(_, shape), Value::Table(table)) => {
                self.table(table, node.at, shape, path);
            }
            (Kind::List(of, least), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, of, &label(path, item, of, index));
                }
                if items.len() < *least {
                    self.problems.at(node.at, path, format!("at least {least} must be listed"), None);
                }
            }
            (Kind::Named(shape) | Kind::Appended(shape), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let path = label(path, item, kind, index);
                    self.sibling = if self.complete { sibling(items, item, shape) } else { None };
                    match &item.value {
                        Value::Table(table) => self.table(table, item.at, shape, &path),
                        Value::Open => {}
                        other => self.report(item, &path, expected("a table", other, None)),
                    }
                }
                if items.is_empty() {
                    self.problems.at(node.at, path, "at least one is needed", None);
                }
            }
            (Kind::Either(short, _), value) => self.report(node, path, or_table(scalar(short, value), value)),
            (kind, value) => self.report(node, path, scalar(kind, value)),
        }
    }

    fn report(&mut self, node: &Node, path: &str, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.problems.at(node.at, path, fault.message, fault.help);
        }
    }
}

/// The names of the variants.
fn names(tag: &Variants) -> Vec<&'static str> {
    tag.of.iter().map(|v| v.name).collect()
}

/// Tables among which a near name is looked for; the search is quadratic.
const MAX_SIBLINGS: usize = 200;

/// Another table's name that is much like the name of this one, where this one lacks several keys.
fn sibling(items: &[Node], item: &Node, shape: &Shape) -> Option<String> {
    let table = item.table()?;
    let lacks = shape.keys.iter().filter(|k| matches!(k.need, Need::Required) && !table.contains_key(k.name)).count();
    if lacks < 2 || items.len() > MAX_SIBLINGS {
        return None;
    }
    let own = item.name()?;
    nearest(own, items.iter().filter_map(Node::name).filter(|other| *other != own)).map(str::to_owned)
}

/// The keys that a table of this variant may have.
fn allowed(shape: &Shape, variant: Option<&Variant>) -> impl Iterator<Item = &'static Key> + use<> {
    let variants = match (variant, &shape.variants) {
        (None, Some(tag)) => tag.of,
        _ => &[],
    };
    let own = variant.map_or(&[][..], |v| v.keys);
    shape.keys.iter().chain(own).chain(variants.iter().flat_map(|v| v.keys))
}

fn example(key: &Key) -> Option<String> {
    let value = match &key.kind {
        Kind::Text(form) => format!("\"{}\"", form.example),
        Kind::Integer(min, _) => min.to_string(),
        Kind::Choice(words) => {
            let known = words.iter().map(|w| format!("\"{}\"", w.0)).collect::<Vec<_>>().join(", ");
            return Some(format!("known: {known}"));
        }
        Kind::Table(_) | Kind::Named(_) => return None,
        Kind::List(of, _) if of.shape().is_some() && !matches!(of, Kind::Either(..)) => return None,
        Kind::List(..) => return Some(format!("for example `{} = [\"unix:/run/haproxy/admin.sock\"]`", key.name)),
        _ => return None,
    };
    Some(format!("for example `{} = {value}`", key.name))
}

/// `service` and the table named app → `service[app]`; by number, from 0, where it has no name.
pub(crate) fn label(path: &str, item: &Node, kind: &Kind, index: usize) -> String {
    let labels = kind.shape().map_or(&[][..], |shape| shape.label);
    let name = item
        .table()
        .and_then(|table| labels.iter().find_map(|key| table.get(*key).and_then(|entry| entry.node.text())))
        .filter(|name| texts::PROXY_NAME.matches(name));
    name.map_or_else(|| format!("{path}[{index}]"), |name| format!("{path}[{name}]"))
}

pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = if bare && key.len() <= 64 {
        key.to_owned()
    } else {
        format!("{:?}", key.chars().take(60).collect::<String>())
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A sentence as the second half of another.
fn lower(about: &str) -> String {
    let about = about.strip_suffix('.').unwrap_or(about);
    let mut chars = about.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}
