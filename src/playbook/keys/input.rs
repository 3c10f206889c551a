//! `[[input]]`.

use super::*;

/// A default, after what is common to all types.
macro_rules! of {
    ($name:literal, $about:literal, $kind:expr $(, $more:expr)*) => {
        Variant {
            name: $name,
            about: $about,
            keys: &[
                key("default", $kind, Need::Optional("it must be given"), "Its value where none is given."),
                $($more),*
            ],
        }
    };
}

pub(crate) static INPUT: Shape = Shape {
    about: "Something that is put in when the playbook is run. `{name}` in a text stands for it; where that is all of the text, \
            it has the input's type. What is put in is kept in the journal: it is no place for a secret.",
    keys: &[
        key("name", Kind::Text(&forms::INPUT_NAME), Need::Required, "Its name."),
        key("about", Kind::Text(&forms::SENTENCE), Need::Required, "What it is, in a sentence."),
    ],
    variants: Some(Variants {
        key: "type",
        about: "What it is made of.",
        default: Some("text"),
        of: &[
            of!("text", "A text.", Kind::Text(&forms::MESSAGE)),
            of!("integer", "A whole number.", Kind::Integer(-1_000_000_000, 1_000_000_000)),
            of!("number", "A number.", Kind::Number(-1e12, 1e12)),
            of!("duration", "A duration, such as `5s`.", Kind::Duration(ms(0), secs(7 * 24 * 3600))),
            of!("boolean", "`true` or `false`.", Kind::Boolean),
            of!("node", "A node, by its name in the cluster.", Kind::Text(&texts::NODE)),
            of!(
                "list",
                "Texts: `[\"a\", \"b\"]`, or `a,b`. Within a list, its items take its place.",
                Kind::List(&Kind::Text(&forms::MESSAGE), 0)
            ),
            of!(
                "choice",
                "One of some words.",
                Kind::Text(&forms::SENTENCE),
                key("choices", Kind::List(&Kind::Text(&forms::SENTENCE), 1), Need::Required, "The words.")
            ),
        ],
    }),
    label: &["name"],
};
