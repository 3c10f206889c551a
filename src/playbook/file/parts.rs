//! Parts: `use = "name"` in a list of steps stands for the steps of that part, wherever the part is written. What is
//! not to be there (`when = false`) goes here too, before anything is asked of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::keys::USE;
use super::fill::label;
use crate::config::{
    check::Check,
    nearest::nearest,
    report::Problems,
    tree::{Node, Table, Value},
};

/// The lists of steps of a playbook.
const LISTS: [&str; 4] = ["before", "step", "after", "clean-up"];

/// Steps of one playbook, those of its parts counted each time that they are used.
const MAX_STEPS: usize = 500;

struct Parts<'p> {
    named: BTreeMap<String, Vec<Node>>,
    problems: &'p mut Problems,
    visited: usize,
    /// Whether all parts that there are are known.
    complete: bool,
    /// Rounds that were told: each is found from every part in it.
    rounds: BTreeSet<BTreeSet<String>>,
}

/// Puts parts in the place of their names, in the playbook and in the parts themselves.
pub(super) fn expand(table: &mut Table, others: &mut [(usize, Table)], complete: bool, problems: &mut Problems) {
    let mut named: BTreeMap<String, &Node> = BTreeMap::new();
    for part in parts_of(table).chain(others.iter().flat_map(|(_, other)| parts_of(other))) {
        let Some(name) = part.name() else { continue };
        // Of twins the first one counts. Those of one file are told by the check of the file.
        let first = *named.entry(name.to_owned()).or_insert(part);
        if first.at.file != part.at.file {
            let message =
                format!("the part {name:?} is here twice; the first one is at {}", problems.line_of(first.at));
            problems.at(part.at, &format!("part[{name}]"), message, Some("give one of them another name".into()));
        }
    }
    let steps = |part: &Node| part.table()?.get("step")?.node.list().map(<[Node]>::to_vec);
    let named = named.into_iter().map(|(name, part)| (name, steps(part).unwrap_or_default())).collect();
    let mut parts = Parts { named, problems, visited: 0, complete, rounds: BTreeSet::new() };
    for list in LISTS {
        parts.list(table, list, list, &mut Vec::new());
    }
    for table in std::iter::once(&mut *table).chain(others.iter_mut().map(|(_, other)| other)) {
        let Some(Value::List(items)) = table.get_mut("part").map(|entry| &mut entry.node.value) else { continue };
        for (index, part) in items.iter_mut().enumerate() {
            let path = format!("{}.step", label("part", part, index));
            let mut stack: Vec<String> = part.name().map(str::to_owned).into_iter().collect();
            let Value::Table(part) = &mut part.value else { continue };
            parts.visited = 0;
            parts.list(part, "step", &path, &mut stack);
        }
    }
}

fn parts_of(table: &Table) -> impl Iterator<Item = &Node> {
    table.get("part").and_then(|entry| entry.node.list()).unwrap_or_default().iter()
}

impl Parts<'_> {
    /// Expands the list under a key. A list of which nothing is left is as if it were not written.
    fn list(&mut self, table: &mut Table, key: &str, path: &str, stack: &mut Vec<String>) {
        let Some(node) = table.get_mut(key).map(|entry| &mut entry.node) else { return };
        let Value::List(items) = &mut node.value else { return };
        let before = std::mem::take(items);
        let had = !before.is_empty();
        let mut after = Vec::with_capacity(before.len());
        let whole = self.steps(before, path, stack, &mut after);
        if !whole && after.is_empty() {
            node.value = Value::Open;
        } else if had && after.is_empty() {
            table.remove(key);
        } else {
            *items = after;
        }
    }

    /// Expands steps; false where something is missing, which was told. What is missing leaves an open place.
    fn steps(&mut self, steps: Vec<Node>, path: &str, stack: &mut Vec<String>, out: &mut Vec<Node>) -> bool {
        let mut whole = true;
        for (index, step) in steps.into_iter().enumerate() {
            self.visited += 1;
            if self.visited > MAX_STEPS {
                if self.visited == MAX_STEPS + 1 {
                    let message = format!("there are more than {MAX_STEPS} steps, with those of the parts");
                    self.problems.at(step.at, path, message, None);
                }
                return false;
            }
            let Some(table) = step.table() else {
                out.push(step);
                continue;
            };
            let is = |key: &str| table.get(key).map(|entry| &entry.node.value);
            if matches!(is("when"), Some(Value::Boolean(false))) {
                continue;
            }
            let Some(named) = is("use") else {
                out.push(step);
                continue;
            };
            let path = label(path, &step, index);
            Check::new(self.problems, true).table(table, step.at, &USE, &path);
            let name = if let Value::Text(name) = named { Some(name.clone()) } else { None };
            let used = name.is_some_and(|name| self.used(&name, &step, &path, stack, out));
            if !used {
                whole = false;
                out.push(Node { at: step.at, value: Value::Open });
            }
        }
        whole
    }

    /// Puts the steps of a part in; false where that cannot be.
    fn used(&mut self, name: &str, at: &Node, path: &str, stack: &mut Vec<String>, out: &mut Vec<Node>) -> bool {
        let place = at.table().and_then(|t| t.get("use")).map_or(at.at, |entry| entry.node.at);
        let key = format!("{path}.use");
        if let Some(first) = stack.iter().position(|used| used == name) {
            let round: Vec<&str> = stack[first..].iter().map(String::as_str).chain([name]).collect();
            if !self.rounds.insert(stack[first..].iter().cloned().collect()) {
                return false;
            }
            self.problems.at(place, &key, format!("this part uses itself: {}", round.join(" → ")), None);
            return false;
        }
        let Some(steps) = self.named.get(name).cloned() else {
            if !self.complete {
                return false;
            }
            let near = nearest(name, self.named.keys().map(String::as_str));
            let help = near.map_or_else(
                || "write it as a `[[part]]`, or include the file that holds it".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            self.problems.at(place, &key, format!("there is no part {name:?}"), Some(help));
            return false;
        };
        stack.push(name.to_owned());
        let whole = self.steps(steps, path, stack, out);
        stack.pop();
        whole
    }
}
