//! Placeholders: `{name}` in a text stands for what was put in. Where it is all of the text, it is the value with its
//! type, and in a list a list takes its place. `{node}` stays: it is another one in each round. `{{name}}` is the text
//! `{name}` itself. Braces around anything else mean nothing here: PromQL and JSON have theirs.

use std::sync::LazyLock;

use regex::Regex;

use super::inputs::{Inputs, NODE};
use crate::config::{
    check::join,
    nearest::nearest,
    report::Problems,
    tree::{Node, Origin, Table, Value},
};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{(?<plain>[a-z][a-z0-9-]*)\}\}|\{(?<name>[a-z][a-z0-9-]*)\}").expect("a pattern that was tried")
});

/// Keys at the top that are not filled: what is put in is not known there yet.
const PLAIN: [&str; 2] = ["input", "include"];

/// Fills every text of a file.
pub(super) fn fill(table: &mut Table, inputs: &Inputs, problems: &mut Problems) {
    for (name, entry) in table.iter_mut().filter(|(name, _)| !PLAIN.contains(&name.as_str())) {
        node(&mut entry.node, &join("", name), inputs, problems);
    }
}

fn node(at: &mut Node, path: &str, inputs: &Inputs, problems: &mut Problems) {
    match &mut at.value {
        Value::Text(found) => {
            if let Some(value) = text(found, at.at, path, inputs, problems) {
                at.value = value;
            }
        }
        Value::List(items) => {
            let before = std::mem::take(items);
            for (index, mut item) in before.into_iter().enumerate() {
                let was_text = item.text().is_some();
                let path = label(path, &item, index);
                node(&mut item, &path, inputs, problems);
                match item.value {
                    Value::List(inner) if was_text => items.extend(inner),
                    _ => items.push(item),
                }
            }
        }
        Value::Table(table) => {
            for (name, entry) in table.iter_mut() {
                node(&mut entry.node, &join(path, name), inputs, problems);
            }
        }
        _ => {}
    }
}

/// What takes the place of a text; `None` where it stays as it is.
fn text(found: &str, at: Origin, path: &str, inputs: &Inputs, problems: &mut Problems) -> Option<Value> {
    let mut out = String::new();
    let mut end = 0;
    let mut open = false;
    for caught in PLACEHOLDER.captures_iter(found) {
        let all = caught.get(0)?;
        out.push_str(&found[end..all.start()]);
        end = all.end();
        let Some(name) = caught.name("name") else {
            out.push_str(&all.as_str()[1..all.len() - 1]);
            continue;
        };
        let name = name.as_str();
        match inputs.get(name) {
            _ if name == NODE => out.push_str(all.as_str()),
            None => {
                open = true;
                problems.at(at, path, format!("there is no input `{name}`"), Some(meant(name, inputs)));
            }
            Some(None) => open = true,
            Some(Some(input)) if all.len() == found.len() => return Some(placed(&input.value, at)),
            Some(Some(input)) if matches!(input.value, Value::List(_)) => {
                open = true;
                let help = format!("a list stands alone: `\"{{{name}}}\"`");
                problems.at(at, path, format!("the list `{name}` cannot be a part of a text"), Some(help));
            }
            Some(Some(input)) => out.push_str(&input.text),
        }
    }
    if open {
        return Some(Value::Open);
    }
    out.push_str(&found[end..]);
    (end > 0 && out != found).then_some(Value::Text(out))
}

fn meant(name: &str, inputs: &Inputs) -> String {
    let known = inputs.keys().map(String::as_str).chain([NODE]);
    match nearest(name, known) {
        Some(near) => format!("did you mean `{{{near}}}`?"),
        None => format!("declare it as an `[[input]]`; `{{{{{name}}}}}` is that text itself"),
    }
}

/// The value at the place that takes it in.
fn placed(value: &Value, at: Origin) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(|item| Node { at, value: item.value.clone() }).collect()),
        other => other.clone(),
    }
}

/// As the check of forms names an item.
pub(super) fn label(path: &str, item: &Node, index: usize) -> String {
    let key = |name: &str| item.table()?.get(name)?.node.text();
    match key("name").or_else(|| key("use")).or_else(|| key("what")) {
        Some(name) => format!("{path}[{}]", name.chars().take(60).collect::<String>().escape_debug()),
        None => format!("{path}[{index}]"),
    }
}
