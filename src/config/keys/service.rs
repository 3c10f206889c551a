//! `[[service]]`.

use super::{ready::READY, *};

pub(super) static SERVICE: Shape = shape(
    "An application that the cluster runs as a clone, one instance on each node.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("unit", Kind::Text(&texts::UNIT), Need::Required, "The unit that the cluster runs."),
        key(
            "extra-units",
            Kind::List(&Kind::Text(&texts::UNIT), 0),
            Need::Default(Literal::Texts(&[])),
            "Units outside the cluster that stop after it, in this order, and start before it in reverse.",
        ),
        key("clone", Kind::Table(&CLONE), Need::Optional("its defaults"), "The clone."),
        key(
            "min-ready",
            Kind::Integer(1, 1000),
            Need::Required,
            "Ready nodes that must be left when one is drained: the capacity floor.",
        ),
        key(
            "max-connections",
            Kind::Integer(1, 100_000_000),
            Need::Optional("a node bears any number"),
            "Connections that one node bears: a drain that would put more on another is refused.",
        ),
        key("ready", Kind::Table(&READY), Need::Required, "How readiness is probed, on each node."),
        key(
            "sessions",
            Kind::Table(&SESSIONS),
            Need::Optional("its defaults"),
            "Session affinity and state, for the review.",
        ),
        key(
            "connections",
            Kind::Table(&CONNECTIONS),
            Need::Optional("its defaults"),
            "When connections count as drained.",
        ),
        key(
            "archives",
            Kind::List(&Kind::Text(&texts::FILE), 0),
            Need::Default(Literal::Texts(&[])),
            "Files that must be the same on every member, for the review: what is deployed.",
        ),
        key("objective", Kind::Table(&OBJECTIVE), Need::Optional("its defaults"), "What the service promises."),
    ],
);

static CLONE: Shape = shape(
    "The clone.",
    &[
        key(
            "resource",
            Kind::Text(&texts::RESOURCE),
            Need::Optional(
                "`app_service` for `app.service`; required where the unit's name has other characters than letters, digits, `_` and `-`",
            ),
            "The cloned primitive, not the clone around it.",
        ),
        key("monitor-interval", Kind::Duration(secs(1), HOUR), text("30s"), "Time between two monitor operations."),
        key("clone-max", Kind::Integer(1, 1000), Need::Optional("one a node"), "Instances in all."),
        key("clone-node-max", Kind::Integer(1, 100), number(1), "Instances a node."),
        key(
            "clone-min",
            Kind::Integer(1, 1000),
            Need::Optional("left to the cluster"),
            "Instances that must run before what is ordered after the clone may start.",
        ),
        key(
            "interleave",
            Kind::Boolean,
            Need::Default(Literal::Boolean(true)),
            "Whether what is ordered after the clone waits only for the instance on its own node, and not for all of them.",
        ),
        key(
            "stop-timeout",
            Kind::Duration(secs(1), HOUR),
            Need::Optional("15s more than the unit's `TimeoutStopSec`; a longer one in the cluster stays"),
            "Time that the cluster gives a stop; longer than the unit's `TimeoutStopSec`, since a failed stop fences the node.",
        ),
        key(
            "start-timeout",
            Kind::Duration(secs(1), HOUR),
            Need::Optional("15s more than the unit's `TimeoutStartSec`; a longer one in the cluster stays"),
            "Time that the cluster gives a start; longer than the unit's `TimeoutStartSec`.",
        ),
    ],
);

static SESSIONS: Shape = shape(
    "Session affinity and state, for the review.",
    &[
        key(
            "affinity",
            Kind::Choice(&[
                Word("none", "They do not."),
                Word("cookie", "By a cookie."),
                Word("source-ip", "By their address."),
                Word("consistent-hash", "By a consistent hash."),
            ]),
            text("none"),
            "How clients stick to a node.",
        ),
        key(
            "state",
            Kind::Choice(&[
                Word("local", "On the node: a drain loses it."),
                Word("external", "In a store of its own."),
                Word("replicated", "Copied between the nodes."),
            ]),
            text("external"),
            "Where session state lives.",
        ),
    ],
);

static CONNECTIONS: Shape = shape(
    "When connections count as drained.",
    &[
        key(
            "settle",
            Kind::Duration(ms(10), secs(600)),
            Need::Optional("2s; 30s where clients are bound to a node by `sessions.affinity`"),
            "Time without residual traffic that counts as drained.",
        ),
        key(
            "deadline",
            Kind::Duration(ms(100), secs(24 * 3600)),
            text("10m"),
            "Longest wait for connections to end; longer than `settle`.",
        ),
        key(
            "on-deadline",
            Kind::Choice(&[
                Word("hold", "Stay drained, go no further, tell a person."),
                Word("close", "Cut what is left and go on."),
                Word("abort", "Put everything back as it was."),
            ]),
            text("hold"),
            "What happens at the deadline.",
        ),
        key(
            "max-age",
            Kind::Duration(secs(1), secs(30 * 24 * 3600)),
            Need::Optional("no connection is too old"),
            "Age from which a connection is cut on a node that drains, before the deadline; not where clients are let in \
             that are bound to the node.",
        ),
    ],
);

static OBJECTIVE: Shape = shape(
    "What the service promises: ramps are judged by it, and the review holds the checks against it. A drill says its own objective.",
    &[
        key(
            "failover",
            Kind::Duration(ms(100), HOUR),
            Need::Optional("nothing is promised"),
            "Time in which the loss of a node must be over.",
        ),
        key(
            "max-error-ratio",
            Kind::Number(0.0, 0.5),
            Need::Default(Literal::Number(0.001)),
            "Share of requests that may fail; a ramp's stage above it is taken back.",
        ),
        key(
            "max-skew",
            Kind::Number(1.0, 100.0),
            Need::Optional("nothing is promised"),
            "Largest measured share of a node against its expected one.",
        ),
    ],
);
