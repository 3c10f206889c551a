//! `[drill]`.

use super::*;

const NOT_JUDGED: Need = Need::Optional("it is not judged");

pub(crate) static DRILL: Shape = shape(
    "What makes a playbook a drill: what is believed, what must come out, and what is sent meanwhile.",
    &[
        key("hypothesis", Kind::Text(&forms::SENTENCE), Need::Required, "What is believed, in a sentence."),
        key("service", Kind::Text(&texts::LABEL), Need::Required, "The service whose objective it is."),
        key("objective", Kind::Table(&OBJECTIVE), Need::Required, "What must come out."),
        key("load", Kind::Table(&LOAD), Need::Required, "What is sent meanwhile."),
        key("abort", Kind::Table(&ABORT), Need::Optional("nothing ends it early"), "What ends it early."),
    ],
);

pub(crate) static OBJECTIVE: Shape = shape(
    "What must come out; at least one of them.",
    &[
        key(
            "failover",
            Kind::Duration(ms(0), HOUR),
            NOT_JUDGED,
            "From the fault to the last request that failed because of it.",
        ),
        key(
            "detection",
            Kind::Duration(ms(0), HOUR),
            NOT_JUDGED,
            "From the fault to the moment at which the first route was told, or knew.",
        ),
        key(
            "recovery",
            Kind::Duration(ms(0), HOUR),
            NOT_JUDGED,
            "From the end of the fault until everybody sends clients there as before; from the fault itself where nothing keeps it going (a kill, a fencing).",
        ),
        key("max-error-ratio", Kind::Number(0.0, 1.0), NOT_JUDGED, "Share of all requests that fail."),
        key("max-latency-p99", Kind::Duration(ms(1), secs(60)), NOT_JUDGED, "99th percentile of the latency."),
        key(
            "max-skew",
            Kind::Number(1.0, 100.0),
            NOT_JUDGED,
            "Largest measured share against an even one, at the end.",
        ),
        key("min-ready", Kind::Integer(0, 1000), NOT_JUDGED, "Nodes that are ready at any time."),
    ],
);

pub(crate) static LOAD: Shape = Shape {
    about: "What is sent while the drill is played.",
    keys: &[],
    variants: Some(Variants {
        key: "from",
        about: "Where it comes from.",
        default: None,
        of: &[
            Variant {
                name: "client",
                about: "Requests of our own, at a constant rate.",
                keys: &[
                    key(
                        "urls",
                        Kind::List(&Kind::Text(&forms::LOAD_URL), 1),
                        Need::Required,
                        "Where to, in turn: the real entrypoint.",
                    ),
                    key("rate", Kind::Integer(1, 100_000), number(50), "Requests a second."),
                    key("timeout", Kind::Duration(ms(10), secs(60)), text("2s"), "Time limit of one."),
                    key("keep-alive", Kind::Integer(0, 100), number(50), "Share on kept connections, in percent."),
                    key(
                        "lookup",
                        Kind::Choice(&[
                            Word("each", "For every connection, with this machine's resolver."),
                            Word("once", "Once: the first answer is used to the end."),
                        ]),
                        text("each"),
                        "When names are looked up.",
                    ),
                    key(
                        "connection-age",
                        Kind::Duration(ms(100), HOUR),
                        Need::Optional("a connection is used as long as it lasts"),
                        "Age from which a connection gets no further request.",
                    ),
                    key(
                        "hosts",
                        Kind::List(&Kind::Text(&texts::SSH_HOST), 0),
                        Need::Optional("this machine"),
                        "Hosts from which it is sent.",
                    ),
                    key(
                        "at-most",
                        Kind::Duration(secs(1), secs(4 * 3600)),
                        text("30m"),
                        "The longest that it goes on, whatever happens.",
                    ),
                ],
            },
            Variant {
                name: "observe",
                about: "Nothing: the traffic that is there is counted at the load balancers.",
                keys: &[],
            },
        ],
    }),
    label: &[],
};

pub(crate) static ABORT: Shape = shape(
    "What ends a drill early: the fault is undone, and the clean-up is played.",
    &[
        key("error-ratio", Kind::Number(0.0, 1.0), Need::Optional("it ends nothing"), "Share of requests that fail."),
        key("over", Kind::Duration(secs(1), secs(600)), text("5s"), "The time over which the share is taken."),
        key(
            "ready-below",
            Kind::Integer(1, 1000),
            Need::Optional("it ends nothing"),
            "Fewer ready nodes than so many.",
        ),
        key("alerts", Kind::Boolean, flag(false), "Any alert of the configured Prometheus that did not fire before."),
    ],
);
