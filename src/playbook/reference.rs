//! The reference of all keys as Markdown, made from the table of keys: the second half of `docs/playbooks.md`.

use super::keys::{
    ABORT, AT, ATTRIBUTE, CONDITION, DRILL, FAULT, INPUT, LOAD, NODES, OBJECTIVE, PART, ROOT, STEP, USE,
};
use crate::config::{reference::table, shape::Shape};

/// Every shape, in the order in which it is read about.
const SHAPES: [(&str, &Shape); 14] = [
    ("The file", &ROOT),
    ("`[[input]]`", &INPUT),
    ("`[nodes]`", &NODES),
    ("`nodes.attribute`", &ATTRIBUTE),
    ("A step: `[[before]]`, `[[step]]`, `[[after]]`, `[[clean-up]]`", &STEP),
    ("A condition: `require`, `ensure`, `until`, `that`", &CONDITION),
    ("`[[part]]`", &PART),
    ("A part in the place of a step", &USE),
    ("A fault: `break`", &FAULT),
    ("The place of a fault: `at`", &AT),
    ("`[drill]`", &DRILL),
    ("`drill.objective`", &OBJECTIVE),
    ("`drill.load`", &LOAD),
    ("`drill.abort`", &ABORT),
];

/// Every key with its type, its default and what it says. `docs/playbooks.md` holds this, kept equal by a test.
pub fn reference() -> String {
    let mut out = String::new();
    for (title, shape) in SHAPES {
        table(&mut out, shape, title);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape below this one.
    fn below(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        if found.iter().any(|known| std::ptr::eq(*known, shape)) {
            return;
        }
        found.push(shape);
        for inner in shape.all_keys().filter_map(|key| key.kind.shape()) {
            below(inner, found);
        }
    }

    #[test]
    fn no_shape_is_forgotten() {
        let mut found = vec![&USE];
        below(&ROOT, &mut found);
        for shape in &found {
            assert!(SHAPES.iter().any(|(_, listed)| std::ptr::eq(*listed, *shape)), "not listed: {}", shape.about);
        }
        assert_eq!(found.len(), SHAPES.len());
    }
}
