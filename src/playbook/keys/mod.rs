//! The keys of playbook files: the one table that the check, the reader, the schema and the reference share, in the
//! configuration's own terms. A step's keys depend on its `do`, a condition's on its `what`, a fault's on its `fault`.

use crate::config::{
    keys::{HOUR, key, ms, number, secs, shape, text},
    shape::{Key, Kind, Literal, Need, Shape, Variant, Variants, Word},
    texts,
};

mod condition;
mod drill;
mod fault;
pub(super) mod forms;
mod input;
mod nodes;
mod step;

pub(super) use condition::CONDITION;
pub(super) use drill::{ABORT, DRILL, LOAD, OBJECTIVE};
pub(super) use fault::{AT, FAULT};
pub(super) use input::INPUT;
pub(super) use nodes::{ATTRIBUTE, NODES};
pub(super) use step::STEP;

const DAY: std::time::Duration = secs(24 * 3600);

const fn flag(default: bool) -> Need {
    Need::Default(Literal::Boolean(default))
}

const COMMAND: Kind = Kind::List(&Kind::Text(&texts::ARGUMENT), 1);

/// A playbook.
pub(super) static ROOT: Shape = shape(
    "A playbook: what is done to nodes, in which order, and what has to hold before, between and after.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("about", Kind::Text(&forms::SENTENCE), Need::Required, "What it is for, in a sentence."),
        INCLUDE,
        key(
            "input",
            Kind::Named(&INPUT),
            Need::Optional("nothing is put in"),
            "What is put in when it is run, as `NAME=VALUE`.",
        ),
        PARTS,
        key(
            "nodes",
            Kind::Table(&NODES),
            Need::Optional("its steps are played once, and none of them is about a node"),
            "Which nodes it is about, in which order, and how many at once.",
        ),
        key(
            "begins-out",
            Kind::Boolean,
            flag(false),
            "Whether its nodes are out already when it begins: drained by another run, and not restored.",
        ),
        key("leaves-out", Kind::Boolean, flag(false), "Whether its nodes stay out when it ends."),
        key("before", STEPS, Need::Optional("none"), "Steps that are played once, before the first node."),
        key("step", STEPS, Need::Required, "Steps that are played on each node."),
        key(
            "after",
            STEPS,
            Need::Optional("none"),
            "Steps that are played once, after the last node, where all went well.",
        ),
        key("clean-up", STEPS, Need::Optional("none"), "Steps that are played once, at the end, whatever happened."),
        key("drill", Kind::Table(&DRILL), Need::Optional("it is no drill"), "What makes it a drill."),
    ],
);

const STEPS: Kind = Kind::Appended(&STEP);

const PATHS: Kind = Kind::List(&Kind::Text(&forms::PART_FILE), 1);

const INCLUDE: Key = key(
    "include",
    PATHS,
    Need::Optional("its own parts are all"),
    "Files with further parts, each relative to the file that names it.",
);

const PARTS: Key =
    key("part", Kind::Named(&PART), Need::Optional("none of its own"), "Steps with a name, to be used by it.");

/// What an included file may hold.
pub(super) static PART_FILE: Shape = shape("A file of parts.", &[INCLUDE, PARTS]);

/// Steps with a name.
pub(super) static PART: Shape = shape(
    "Steps with a name: `use = \"name\"` in a list of steps stands for them.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("step", STEPS, Need::Required, "The steps."),
    ],
);

/// What stands for the steps of a part.
pub(super) static USE: Shape = Shape {
    about: "What stands for the steps of a part, in any list of steps.",
    keys: &[
        key("use", Kind::Text(&texts::LABEL), Need::Required, "The part's name."),
        key("when", Kind::Boolean, flag(true), "Whether it is there at all; mostly an input."),
    ],
    variants: None,
    label: &["use"],
};
