//! `[review]` and `[[review.accept]]`.

use super::*;

const YEARS: Duration = secs(10 * 366 * 24 * 3600);

pub(super) static REVIEW: Shape = shape(
    "What `tidegate check` reviews beyond what it finds by itself.",
    &[
        key(
            "planned-drill-max-age",
            Kind::Duration(secs(60), YEARS),
            Need::Optional("no age is too old"),
            "Age from which the last drain that was done and restored is too long ago.",
        ),
        key(
            "unplanned-drill-max-age",
            Kind::Duration(secs(60), YEARS),
            Need::Optional("no age is too old"),
            "Age from which the last failure drill is too long ago.",
        ),
        key(
            "accept",
            Kind::Appended(&ACCEPT),
            Need::Optional("every finding counts"),
            "A finding that is meant to be so. One that no longer matches anything is a finding itself.",
        ),
    ],
);

static ACCEPT: Shape = Shape {
    about: "A finding that is meant to be so.",
    keys: &[
        key("code", Kind::Text(&texts::RULE), Need::Required, "The rule's code, as `tidegate check` prints it."),
        key(
            "about",
            Kind::Text(&texts::FRAGMENT),
            Need::Required,
            "What it is about, as `tidegate check` prints it: `service app`, `entrypoint web`, `node-02: app.service`.",
        ),
        key("reason", Kind::Text(&texts::FRAGMENT), Need::Required, "Why it is meant to be so."),
    ],
    variants: None,
    label: &["code"],
};
