//! A fault, by its word, and where it is played.

use super::*;

const SERVICE: Key = key("service", Kind::Text(&texts::LABEL), Need::Required, "The service.");
const UNIT: Key = key("unit", Kind::Text(&texts::UNIT), Need::Required, "Its unit.");

pub(crate) static FAULT: Shape = Shape {
    about: "A real fault.",
    keys: &[],
    variants: Some(Variants {
        key: "fault",
        about: "What is broken.",
        default: None,
        of: &[
            Variant { name: "unit-killed", about: "The service's unit is killed with SIGKILL.", keys: &[SERVICE] },
            Variant {
                name: "service-hung",
                about: "Its processes are stopped with SIGSTOP: the port is open, and nobody answers.",
                keys: &[SERVICE],
            },
            Variant {
                name: "not-ready",
                about: "Readiness says no while the port answers.",
                keys: &[
                    key("off", COMMAND, Need::Required, "A program on the node that turns readiness off."),
                    key("on", COMMAND, Need::Required, "The one that turns it on again."),
                ],
            },
            Variant { name: "pacemaker-killed", about: "`pacemakerd` is killed with SIGKILL.", keys: &[] },
            Variant { name: "node-fenced", about: "The cluster fences the node.", keys: &[] },
            Variant { name: "power-cut", about: "Its power is cut through the fence device.", keys: &[] },
            Variant {
                name: "link-cut",
                about: "Its link is down.",
                keys: &[key(
                    "interface",
                    Kind::Text(&forms::INTERFACE),
                    Need::Optional("that of the node's address"),
                    "The interface.",
                )],
            },
            Variant {
                name: "one-way-partition",
                about: "What the node sends does not arrive; what is sent to it does.",
                keys: &[],
            },
            Variant {
                name: "disk-full",
                about: "A file system is full.",
                keys: &[key("path", Kind::Text(&forms::DIRECTORY), Need::Required, "A directory on it.")],
            },
            Variant {
                name: "balancer-lost",
                about: "A load balancer's process is killed, and kept from starting.",
                keys: &[UNIT],
            },
            Variant { name: "secondary-lost", about: "A secondary name server is stopped.", keys: &[UNIT] },
            Variant { name: "announcer-lost", about: "An announcer of prefixes is stopped.", keys: &[UNIT] },
        ],
    }),
    label: &["fault"],
};

pub(crate) static AT: Shape = shape(
    "Where a fault is played: on a node, or on another machine.",
    &[
        key("node", Kind::Text(&texts::NODE), Need::Optional("`host` says it"), "A node of the cluster."),
        key(
            "host",
            Kind::Text(&texts::SSH_HOST),
            Need::Optional("`node` says it"),
            "A machine, by the name that SSH knows.",
        ),
        key(
            "instance",
            Kind::Text(&texts::LABEL),
            Need::Optional("it is no instance of a route"),
            "The instance of the routes that the host is.",
        ),
    ],
);
