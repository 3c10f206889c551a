//! `service.ready`.

use super::*;

/// The keys of an HTTP request, and what follows them.
macro_rules! http {
    ($($more:expr),* $(,)?) => {
        &[
            key("path", Kind::Text(&texts::URL_PATH), text("/ready"), "The path."),
            key("host", Kind::Text(&texts::HOST), Need::Optional("the node's name"), "The Host header."),
            key("status", Kind::Statuses, number(200), "The status that counts as ready, or a set of them."),
            key(
                "headers",
                Kind::List(&Kind::Text(&texts::HEADER), 0),
                Need::Default(Literal::Texts(&[])),
                "Headers that must be in the answer, each as `name` or as `name: value`.",
            ),
            key(
                "body",
                Kind::Text(&texts::FRAGMENT),
                Need::Optional("any body will do"),
                "A text that the first 64 KiB of the body must hold.",
            ),
            $($more),*
        ]
    };
}

const SNI: Key = key(
    "sni",
    Kind::Text(&texts::SERVER_NAME),
    Need::Optional("`host` without its port, else the node's name"),
    "The name that TLS asks for, and that must be in the certificate.",
);
const CA_FILE: Key = key(
    "ca-file",
    Kind::Text(&texts::FILE),
    Need::Optional("the system's authorities"),
    "The authorities that are believed, in PEM.",
);
const CERT_FILE: Key = key(
    "cert-file",
    Kind::Text(&texts::FILE),
    Need::Optional("the probe shows none"),
    "The probe's own certificate with its chain, in PEM.",
);
const KEY_FILE: Key =
    key("key-file", Kind::Text(&texts::FILE), Need::Optional("the probe shows none"), "Its key, in PEM.");

const fn with_tls(default: bool) -> Key {
    key("tls", Kind::Boolean, Need::Default(Literal::Boolean(default)), "Whether TLS is spoken.")
}

pub(super) static READY: Shape = Shape {
    about: "How readiness is probed, on each node.",
    keys: &[
        key(
            "port",
            Kind::Integer(1, 65535),
            Need::Required,
            "The service's port on the node; its established sockets are what a drain waits for.",
        ),
        key(
            "timeout",
            Kind::Duration(ms(10), secs(60)),
            text("2s"),
            "Time limit of one probe; shorter than `run.call-timeout`.",
        ),
        key(
            "interval",
            Kind::Duration(ms(10), secs(600)),
            text("5s"),
            "Time between two probes, give or take a tenth; shorter than `run.max-age`.",
        ),
        key("unhealthy", Kind::Integer(1, 100), number(2), "Failures in a row that make it unhealthy."),
        key("healthy", Kind::Integer(1, 100), number(3), "Successes in a row that make it healthy."),
        key(
            "grace",
            Kind::Duration(ms(0), secs(600)),
            text("0s"),
            "Time after a start in which failures do not count, until it was healthy once.",
        ),
        key(
            "damping",
            Kind::Either(&Kind::Choice(&[Word("off", "Nobody is held back.")]), &DAMPING),
            Need::Optional("its defaults"),
            "Who changes too often is held back when it returns.",
        ),
    ],
    variants: Some(Variants { key: "protocol", about: "The kind of probe.", default: Some("http"), of: PROTOCOLS }),
    label: &[],
};

static PROTOCOLS: &[Variant] = &[
    Variant { name: "http", about: "`GET path` over HTTP/1.1.", keys: http![] },
    Variant {
        name: "https",
        about: "`GET path` over HTTP/1.1 and TLS.",
        keys: http![SNI, CA_FILE, CERT_FILE, KEY_FILE],
    },
    Variant {
        name: "http2",
        about: "`GET path` over HTTP/2.",
        keys: http![with_tls(true), SNI, CA_FILE, CERT_FILE, KEY_FILE],
    },
    Variant {
        name: "grpc",
        about: "`grpc.health.v1.Health/Check`, which must say that it serves.",
        keys: &[
            key(
                "service",
                Kind::Text(&texts::GRPC_SERVICE),
                text(""),
                "The service that is asked for; empty is the whole server.",
            ),
            key("host", Kind::Text(&texts::HOST), Need::Optional("the node's name"), "The authority."),
            with_tls(false),
            SNI,
            CA_FILE,
            CERT_FILE,
            KEY_FILE,
        ],
    },
    Variant { name: "tcp", about: "A TCP connection that opens.", keys: &[] },
    Variant {
        name: "exec",
        about: "A program that ends with 0.",
        keys: &[
            key(
                "command",
                Kind::List(&Kind::Text(&texts::ARGUMENT), 1),
                Need::Required,
                "The program and its arguments, one word an item; no shell reads them.",
            ),
            key(
                "on",
                Kind::Choice(&[
                    Word("node", "On the node that is probed, as every other command."),
                    Word("coordinator", "On the machine that runs Tidegate."),
                ]),
                text("node"),
                "Where it runs.",
            ),
        ],
    },
];

static DAMPING: Shape = shape(
    "Flap damping (RFC 2439): each change of the answer costs a penalty of 1000, which halves with time.",
    &[
        key(
            "half-life",
            Kind::Duration(secs(1), HOUR),
            Need::Optional("15s, or six times `interval` where that is longer"),
            "Time in which a penalty halves.",
        ),
        key("suppress", Kind::Integer(1, 100_000), number(1200), "Who returns with as much is held back."),
        key("reuse", Kind::Integer(1, 100_000), number(750), "Below this it is released; less than `suppress`."),
        key(
            "max",
            Kind::Duration(secs(1), HOUR),
            Need::Optional("60s, or two half-lives where that is longer"),
            "Longest time that it is held back after its last change.",
        ),
    ],
);
