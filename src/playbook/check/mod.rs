//! What a playbook means, beyond the form of its values: whether its steps are in an order that keeps a drain whole
//! ([`order`]), whether what is played once needs a node ([`once`]), what a drill may do ([`drill`]); and, with the
//! configuration at hand, whether what it speaks of is there ([`mod@settings`]).

mod drill;
mod once;
mod order;
mod settings;

pub use settings::against;
pub(super) use settings::settings;

use std::collections::BTreeMap;

use crate::config::{reader::Reader, report::Problems};

/// Everything that can be said without the configuration.
pub(super) fn meaning(root: &Reader<'_>, problems: &mut Problems) {
    names(root, problems);
    once::once(root, problems);
    order::order(root, problems);
    drill::drill(root, problems);
}

/// All steps, in the order in which they are played.
fn steps<'t>(root: &Reader<'t>) -> Vec<Reader<'t>> {
    ["before", "step", "after", "clean-up"].into_iter().flat_map(|list| root.tables(list)).collect()
}

/// Names are unique in what is played as one list: the journal knows steps by them.
fn names(root: &Reader<'_>, problems: &mut Problems) {
    let lists: &[&[&str]] = if root.has("nodes") {
        &[&["before"], &["step"], &["after"], &["clean-up"]]
    } else {
        &[&["before", "step"], &["after"], &["clean-up"]]
    };
    for lists in lists {
        let mut seen = BTreeMap::new();
        for step in lists.iter().flat_map(|list| root.tables(list)) {
            let (Some(name), spot) = (step.text("name"), step.spot("name")) else { continue };
            if let Some(first) = seen.insert(name.clone(), spot.clone()) {
                let message =
                    format!("the step {name:?} is here twice; the first one is at {}", problems.line_of(first.at));
                spot.report(problems, message, "the journal knows steps by their names: give each its own");
            }
        }
    }
}
