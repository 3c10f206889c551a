//! `[nodes]`.

use super::*;

pub(crate) static NODES: Shape = Shape {
    about: "Which nodes the playbook is about, in which order, and how many at once.",
    keys: &[
        key(
            "except",
            Kind::List(&Kind::Text(&texts::NODE), 0),
            Need::Default(Literal::Texts(&[])),
            "Nodes that are left out, whatever selects them.",
        ),
        key(
            "order",
            Kind::Choice(&[
                Word("listed", "As they are listed; by name where nothing lists them."),
                Word("name", "By name."),
                Word("reverse", "By name, the last first."),
            ]),
            text("listed"),
            "In which order.",
        ),
        key(
            "max-unavailable",
            Kind::Integer(1, 64),
            number(1),
            "Nodes of one wave: as many may be out at once. The next wave begins when all of one are through.",
        ),
        key("on-failure", ON_FAILURE, text("hold"), "What happens when a step fails."),
    ],
    variants: Some(Variants {
        key: "select",
        about: "Which nodes.",
        default: Some("all"),
        of: &[
            Variant { name: "all", about: "All members of the cluster.", keys: &[] },
            Variant {
                name: "names",
                about: "Those that are named.",
                keys: &[key("names", Kind::List(&Kind::Text(&texts::NODE), 1), Need::Required, "Their names.")],
            },
            Variant {
                name: "attribute",
                about: "Those with an attribute in the cluster.",
                keys: &[key("attribute", Kind::Table(&ATTRIBUTE), Need::Required, "The attribute and its value.")],
            },
            Variant {
                name: "site",
                about: "Those of a site: with the attribute `site`.",
                keys: &[key("site", Kind::Text(&texts::LABEL), Need::Required, "The site.")],
            },
        ],
    }),
    label: &[],
};

pub(super) const ON_FAILURE: Kind = Kind::Choice(&[
    Word("hold", "The node stays as it is, and a person is told."),
    Word("restore", "The node is brought back, and nothing else is begun."),
    Word(
        "stop-after-wave",
        "The other nodes of the wave are finished, the node stays as it is, and no further wave is begun.",
    ),
]);

pub(crate) static ATTRIBUTE: Shape = shape(
    "An attribute of nodes in the cluster.",
    &[
        key("name", Kind::Text(&forms::ATTRIBUTE), Need::Required, "Its name."),
        key("value", Kind::Text(&texts::FRAGMENT), Need::Required, "Its value."),
    ],
);
