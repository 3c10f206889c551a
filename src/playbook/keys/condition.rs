//! A condition, by its `what`.

use super::{step::WHERE, *};

const SERVICE: Key = key("service", Kind::Text(&texts::LABEL), Need::Optional("all services"), "Of this service.");
const ENTRYPOINT: Key =
    key("entrypoint", Kind::Text(&texts::LABEL), Need::Optional("all entrypoints"), "Of this entrypoint.");
const OVER: Key = key("over", Kind::Duration(secs(1), HOUR), text("30s"), "Measured for so long.");
const URL: Key = key("url", Kind::Text(&forms::URL), Need::Required, "The URL.");

pub(crate) static CONDITION: Shape = Shape {
    about: "Something that must hold. What cannot be found out does not hold.",
    keys: &[key(
        "timeout",
        Kind::Duration(ms(100), HOUR),
        Need::Optional("10s, and longer than `over`"),
        "The longest that finding out may take.",
    )],
    variants: Some(Variants {
        key: "what",
        about: "What is looked at.",
        default: None,
        of: &[
            Variant { name: "ready", about: "The service's probe of the step's node answers well.", keys: &[SERVICE] },
            Variant {
                name: "ready-nodes",
                about: "At least so many nodes are ready.",
                keys: &[
                    SERVICE,
                    key("at-least", Kind::Integer(1, 1000), Need::Required, "How many nodes, or what value."),
                ],
            },
            Variant {
                name: "member",
                about: "The step's node is online in the cluster, and the cluster has quorum.",
                keys: &[],
            },
            Variant {
                name: "http",
                about: "A URL answers with a good status.",
                keys: &[URL, key("status", Kind::Statuses, number(200), "The status that is good, or a set of them.")],
            },
            Variant {
                name: "command",
                about: "A program ends with 0.",
                keys: &[
                    key("command", COMMAND, Need::Required, "The program and its arguments; no shell reads them."),
                    key("on", WHERE, text("node"), "Where it runs."),
                    key(
                        "says",
                        Kind::Text(&texts::FRAGMENT),
                        Need::Optional("whatever it says"),
                        "A text that its output must hold.",
                    ),
                ],
            },
            Variant {
                name: "prometheus",
                about: "A query of the configured Prometheus gives values, and each is within limits.",
                keys: &[
                    key("query", Kind::Text(&forms::QUERY), Need::Required, "PromQL."),
                    key("at-least", Kind::Number(-1e15, 1e15), Need::Optional("no limit"), "Not below this."),
                    key("at-most", Kind::Number(-1e15, 1e15), Need::Optional("no limit"), "Not above this."),
                    key(
                        "tolerance",
                        Kind::Number(0.0, 1.0),
                        Need::Default(Literal::Number(0.0)),
                        "By how much it may be missed, as a share of the limit: 0.1 is a tenth.",
                    ),
                ],
            },
            Variant {
                name: "skew",
                about: "The largest measured share of a node, against the expected one.",
                keys: &[ENTRYPOINT, key("at-most", Kind::Number(1.0, 100.0), Need::Required, "At most so much."), OVER],
            },
            Variant {
                name: "error-ratio",
                about: "The share of requests that fail.",
                keys: &[ENTRYPOINT, key("at-most", Kind::Number(0.0, 1.0), Need::Required, "At most so much."), OVER],
            },
            Variant {
                name: "latency",
                about: "The 99th percentile of the time in which some requests to a URL are answered.",
                keys: &[
                    URL,
                    key("at-most", Kind::Duration(ms(1), secs(60)), Need::Required, "At most so long."),
                    key("requests", Kind::Integer(1, 10_000), number(100), "How many, one after the other."),
                ],
            },
        ],
    }),
    label: &["what"],
};
