//! What is put in: declared in the file with a type, given by name as text, or by default.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::super::keys::{ROOT, forms};
use crate::config::{
    duration,
    nearest::nearest,
    reader::Reader,
    report::Problems,
    texts,
    tree::{self, Node, Origin, Table, Value},
};

/// One value that was put in.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Its value.
    pub value: Value,
    /// The same as text.
    pub text: String,
}

/// By name; `None` is one whose value has a problem, which was told.
pub(super) type Inputs = BTreeMap<String, Option<Input>>;

/// The name that stands for the node of a step.
pub(super) const NODE: &str = "node";

/// Every input that the playbook declares.
pub(super) fn inputs(table: &Table, file: usize, given: &BTreeMap<String, String>, problems: &mut Problems) -> Inputs {
    let mut all = Inputs::new();
    for r in Reader::root(table, &ROOT).tables("input") {
        // Of twins, which are told elsewhere, the first one counts.
        let Some(name) = r.text("name").filter(|name| !all.contains_key(name)) else { continue };
        if name == NODE {
            let help = "give it another name; `{node}` is the node of a step";
            r.spot("name").report(problems, "no input can be named \"node\"", help);
            continue;
        }
        let value = value(&r, &name, given.get(&name), problems);
        all.insert(name, value);
    }
    for name in given.keys().filter(|name| !all.contains_key(*name)) {
        let known: Vec<&str> = all.keys().map(String::as_str).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it takes none".to_owned(),
            None => format!("known here: {}", known.join(", ")),
        };
        problems.whole(file, format!("there is no input `{}`", name.escape_debug()), Some(help));
    }
    all
}

fn value(r: &Reader<'_>, name: &str, given: Option<&String>, problems: &mut Problems) -> Option<Input> {
    let kind = r.variant()?;
    let choices: Vec<String> =
        if kind == "choice" { r.texts("choices")?.into_iter().map(|c| c.1).collect() } else { Vec::new() };
    let among = if choices.is_empty() { String::new() } else { format!("known: {}", choices.join(", ")) };
    if let Some(text) = given {
        let value = typed(kind, text, &choices);
        if value.is_none() {
            let what = if kind == "choice" { "none of the choices".to_owned() } else { format!("no {}", of(kind)) };
            r.here().report(problems, format!("the input `{name}` is given as {text:?}, which is {what}"), among);
        }
        return Some(Input { value: value?, text: text.clone() });
    }
    if !r.has("default") {
        let message = format!("the input `{name}` has no value");
        r.here().report(problems, message, format!("give it as {name}=VALUE: it has no default"));
        return None;
    }
    let value = match kind {
        "integer" => Value::Integer(Some(r.integer("default")?)),
        "number" => Value::Number(r.number("default")?),
        "boolean" => Value::Boolean(r.boolean("default")?),
        "duration" => r.duration("default").and(r.text("default")).map(Value::Text)?,
        "list" => list(r.texts("default")?.into_iter().map(|item| item.1)),
        _ => Value::Text(r.text("default")?),
    };
    if let (Value::Text(word), false) = (&value, choices.is_empty() || value_in(&value, &choices)) {
        r.spot("default").report(problems, format!("{word:?} is none of the choices"), among);
        return None;
    }
    let text = shown(&value);
    Some(Input { value, text })
}

fn value_in(value: &Value, choices: &[String]) -> bool {
    matches!(value, Value::Text(text) if choices.contains(text))
}

/// A text as a value of its type.
fn typed(kind: &str, text: &str, choices: &[String]) -> Option<Value> {
    let whole = |good: bool| good.then(|| Value::Text(text.to_owned()));
    match kind {
        "integer" => text.parse().ok().map(|n| Value::Integer(Some(n))),
        "number" => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number),
        "boolean" => text.parse().ok().map(Value::Boolean),
        "duration" => whole(duration::parse(text).is_ok()),
        "node" => whole(texts::NODE.matches(text)),
        "choice" => whole(choices.iter().any(|c| c == text)),
        "list" => items(text),
        _ => whole(forms::MESSAGE.matches(text)),
    }
}

/// `["a", "b"]`, or `a,b`; nothing is an empty list.
fn items(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with('[') {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Some(list(items.map(str::to_owned)));
    }
    let wrapped = format!("list = {text}");
    let (table, errors) = DeTable::parse_recoverable(&wrapped);
    let table = tree::adopt(table.get_ref(), 0);
    let items = table.get("list").filter(|_| errors.is_empty() && table.len() == 1)?.node.list()?;
    let texts: Option<Vec<String>> = items.iter().map(|item| item.text().map(str::to_owned)).collect();
    Some(list(texts?.into_iter()))
}

/// Items whose places are those of whatever takes them in.
fn list(items: impl Iterator<Item = String>) -> Value {
    Value::List(items.map(|item| Node { at: Origin::default(), value: Value::Text(item) }).collect())
}

/// As it is written on a command line.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(n) => n.map(|n| n.to_string()).unwrap_or_default(),
        Value::Number(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::List(items) => format!("{:?}", items.iter().filter_map(Node::text).collect::<Vec<_>>()),
        Value::Time | Value::Table(_) | Value::Open => String::new(),
    }
}

/// The type, as one says it.
fn of(kind: &str) -> &str {
    match kind {
        "integer" => "whole number",
        "boolean" => "`true` and no `false`",
        "duration" => "duration such as 5s",
        "node" => "node's name",
        "list" => "list such as [\"a\", \"b\"]",
        other => other,
    }
}
