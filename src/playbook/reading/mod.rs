//! From one tree of values to a [`Playbook`]. The check of forms has told what is missing or malformed, so reading is
//! silent about that: a value that is not right is `None`. What is told here are values that contradict each other.

mod condition;
mod drill;
mod step;

use std::{collections::BTreeMap, path::Path};

pub(super) use condition::conditions_of;

use super::model::{OnFailure, Order, Playbook, Selection, Step, Who};
use crate::{
    config::{reader::Reader, report::Problems},
    model::NodeName,
};

/// What is not in the tree.
pub(super) struct Frame<'a> {
    /// What was put in.
    pub inputs: BTreeMap<String, String>,
    /// The digest of all texts.
    pub digest: String,
    /// Where relative paths begin.
    pub folder: &'a Path,
}

/// The playbook; `None` where something was wrong, which was told then.
pub(super) fn playbook(root: &Reader<'_>, frame: Frame<'_>, problems: &mut Problems) -> Option<Playbook> {
    let mut list = |name: &str| -> Option<Vec<Step>> {
        let read: Vec<_> = root.tables(name).iter().map(|r| step::step(r, frame.folder, problems)).collect();
        read.into_iter().collect()
    };
    let (before, steps, after, clean_up) = (list("before"), list("step"), list("after"), list("clean-up"));
    let drill = match root.table("drill").filter(|_| root.has("drill")) {
        Some(r) => drill::drill(&r, problems).map(Some),
        None => Some(None),
    };
    let nodes = if root.has("nodes") { selection(&root.table("nodes")?) } else { Some(nobody()) };
    let (mut before, mut steps) = (before?, steps?);
    // Without nodes there are no rounds: all of it is played once.
    if !root.has("nodes") {
        before.append(&mut steps);
    }
    Some(Playbook {
        name: root.text("name")?,
        about: root.text("about")?,
        digest: frame.digest,
        inputs: frame.inputs,
        nodes: nodes?,
        begins_out: root.boolean("begins-out")?,
        leaves_out: root.boolean("leaves-out")?,
        before,
        steps,
        after: after?,
        clean_up: clean_up?,
        drill: drill?,
    })
}

fn nobody() -> Selection {
    Selection {
        who: Who::Names(Vec::new()),
        except: Vec::new(),
        order: Order::Listed,
        max_unavailable: 1,
        on_failure: OnFailure::Hold,
    }
}

fn selection(r: &Reader<'_>) -> Option<Selection> {
    let names = |key: &str| -> Option<Vec<NodeName>> {
        Some(r.texts(key)?.into_iter().map(|(_, name)| NodeName::new(name)).collect())
    };
    let who = match r.variant()? {
        "names" => Who::Names(names("names")?),
        "attribute" => {
            let attribute = r.table("attribute")?;
            Who::Attribute { name: attribute.text("name")?, value: attribute.text("value")? }
        }
        "site" => Who::Attribute { name: "site".into(), value: r.text("site")? },
        _ => Who::All,
    };
    Some(Selection {
        who,
        except: names("except")?,
        order: r.choice("order")?,
        max_unavailable: r.integer("max-unavailable")?,
        on_failure: r.choice("on-failure")?,
    })
}

/// A command's words; empty where it is not right.
fn command(r: &Reader<'_>, key: &str) -> Option<Vec<String>> {
    Some(r.texts(key)?.into_iter().map(|(_, word)| word).collect())
}
