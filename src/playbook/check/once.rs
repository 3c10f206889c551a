//! What is played once has no node, unless the playbook is about a single one: `before`, `after` and `clean-up`, and all
//! of a playbook without `[nodes]`.

use super::super::reading::conditions_of;
use crate::config::{
    reader::{Reader, Spot},
    report::Problems,
    tree::{Node, Table, Value},
};

/// What stands for the node.
const NODE: &str = "{node}";

/// Reports everything that needs a node where there is none.
pub(super) fn once(root: &Reader<'_>, problems: &mut Problems) {
    let bare = !root.has("nodes");
    let single = one_node(root);
    let lists: &[&str] = if bare { &["before", "step", "after", "clean-up"] } else { &["before", "after", "clean-up"] };
    let help = if bare { "say which with `[nodes]`" } else { "put it among the steps of each node, `[[step]]`" };
    for step in lists.iter().flat_map(|list| root.tables(list)) {
        if single {
            in_turn(&step, problems);
            continue;
        }
        for (spot, what) in needs(&step) {
            spot.report(problems, format!("{what}, and there is none here: this is played once"), help);
        }
        texts(step.raw(), &step.here().path, &mut |node, path| {
            let spot = Spot { at: node.at, path: path.to_owned() };
            spot.report(problems, "`{node}` is the step's node, and there is none here: this is played once", help);
        });
    }
    if bare {
        for key in ["begins-out", "leaves-out"].into_iter().filter(|key| root.has(key)) {
            root.spot(key).report(problems, "there are no nodes here", help);
        }
    }
}

/// Whether the playbook is about one node whatever the cluster is: then it is the node of what is played once, too.
fn one_node(root: &Reader<'_>) -> bool {
    let Some(nodes) = root.table("nodes").filter(|nodes| root.has("nodes") && nodes.variant() == Some("names")) else {
        return false;
    };
    let names = nodes.texts("names").unwrap_or_default();
    names.len() == 1
}

/// What moves a node is among the steps of the node, where its order is checked.
fn in_turn(step: &Reader<'_>, problems: &mut Problems) {
    if let Some(word @ ("gate" | "drain" | "restore" | "reboot")) = step.variant() {
        let message = format!("`{word}` is a step of the node, and this is played around them");
        step.spot("do").report(problems, message, "put it among the steps of each node, `[[step]]`");
    }
}

/// The keys that need a node, and why.
fn needs(step: &Reader<'_>) -> Vec<(Spot, String)> {
    let mut found = Vec::new();
    let on_node = |r: &Reader<'_>| r.choice::<super::super::model::Where>("on") == Some(Default::default());
    match step.variant() {
        Some(word @ ("gate" | "drain" | "restore" | "copy" | "reboot")) => {
            found.push((step.spot("do"), format!("`{word}` is about a node")));
        }
        Some("run") if on_node(step) => {
            found.push((step.spot(said_by(step, "do")), "this runs on the step's node".into()))
        }
        Some("fault") if !step.has("at") => {
            found.push((step.spot("do"), "without `at` this breaks the step's node".into()));
        }
        _ => {}
    }
    for condition in conditions_of(step) {
        match condition.variant() {
            Some(word @ ("ready" | "member")) => {
                found.push((condition.spot("what"), format!("`{word}` is about the step's node")));
            }
            Some("command") if on_node(&condition) => {
                found.push((condition.spot(said_by(&condition, "what")), "this runs on the step's node".into()));
            }
            _ => {}
        }
    }
    found
}

/// The key that says where something runs: mostly it is not written.
fn said_by<'k>(r: &Reader<'_>, else_key: &'k str) -> &'k str {
    if r.has("on") { "on" } else { else_key }
}

/// Every text that holds `{node}`.
fn texts(table: &Table, path: &str, tell: &mut dyn FnMut(&Node, &str)) {
    for (name, entry) in table {
        within(&entry.node, &format!("{path}.{name}"), tell);
    }
}

fn within(node: &Node, path: &str, tell: &mut dyn FnMut(&Node, &str)) {
    match &node.value {
        Value::Text(text) if text.contains(NODE) => tell(node, path),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                within(item, &format!("{path}[{index}]"), tell);
            }
        }
        Value::Table(table) => texts(table, path, tell),
        _ => {}
    }
}
