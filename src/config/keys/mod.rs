//! The keys of the configuration: the one table that the check, the reader, the schema and the reference share.

use std::time::Duration;

use super::{
    shape::{Key, Kind, Literal, Need, Shape, Variant, Variants, Word},
    texts,
};

mod conditions;
mod entrypoint;
mod ready;
mod review;
mod service;

use conditions::{CALENDAR, PROMETHEUS};
use entrypoint::ENTRYPOINT;
use review::REVIEW;
use service::SERVICE;

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const HOUR: Duration = secs(3600);

pub(crate) const fn key(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Key {
    Key { name, about, kind, need }
}

pub(crate) const fn shape(about: &'static str, keys: &'static [Key]) -> Shape {
    Shape { about, keys, variants: None, label: &["name"] }
}

pub(crate) const fn text(default: &'static str) -> Need {
    Need::Default(Literal::Text(default))
}

pub(crate) const fn number(default: i64) -> Need {
    Need::Default(Literal::Integer(default))
}

/// The whole configuration.
pub(crate) static ROOT: Shape = shape(
    "Tidegate's configuration: the cluster, the services that it runs, and the ways by which clients reach them.",
    &[
        key("cluster", Kind::Table(&CLUSTER), Need::Required, "The cluster and how to reach it."),
        key("journal", Kind::Table(&JOURNAL), Need::Optional("its defaults"), "Where runs are recorded."),
        key("run", Kind::Table(&RUN), Need::Optional("its defaults"), "How a run behaves."),
        key(
            "guard",
            Kind::Table(&GUARD),
            Need::Optional("its defaults"),
            "What `tidegate serve` may do by itself when something is lost that nobody drained.",
        ),
        key(
            "review",
            Kind::Table(&REVIEW),
            Need::Optional("its defaults"),
            "What `tidegate check` reviews beyond what it finds by itself.",
        ),
        key(
            "node",
            Kind::Named(&NODE),
            Need::Optional("no node needs more than its name"),
            "A node that needs more than its name.",
        ),
        key("service", Kind::Named(&SERVICE), Need::Required, "An application that the cluster runs as a clone."),
        key(
            "entrypoint",
            Kind::Named(&ENTRYPOINT),
            Need::Optional("no entrypoint"),
            "A stable name or address by which clients reach a service.",
        ),
        key(
            "calendar",
            Kind::Named(&CALENDAR),
            Need::Optional("a drain may start at any time"),
            "A window in which no drain may start.",
        ),
        key(
            "prometheus",
            Kind::Table(&PROMETHEUS),
            Need::Optional("no alert is asked for"),
            "A Prometheus whose alerts stand in the way of a drain.",
        ),
    ],
);

static CLUSTER: Shape = shape(
    "The cluster and how to reach it.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name, for people and metrics."),
        key("access", Kind::Either(&Kind::Choice(&[LOCAL]), &ACCESS), text("local"), "How commands reach the nodes."),
        key(
            "members",
            Kind::List(&Kind::Text(&texts::NODE), 1),
            Need::Optional("the names of `[[node]]`, else the cluster's own list"),
            "The cluster's members.",
        ),
    ],
);

const LOCAL: Word = Word("local", "The coordinator is itself a member, or everything is on this machine.");

static ACCESS: Shape = Shape {
    about: "How commands reach the nodes.",
    keys: &[],
    variants: Some(Variants {
        key: "via",
        about: "The way to the nodes.",
        default: None,
        of: &[
            Variant { name: LOCAL.0, about: LOCAL.1, keys: &[] },
            Variant {
                name: "ssh",
                about: "Over SSH, with the user's own configuration, agent and known hosts.",
                keys: &[
                    key(
                        "user",
                        Kind::Text(&texts::USER),
                        Need::Optional("as the SSH configuration says"),
                        "The remote user.",
                    ),
                    key(
                        "config",
                        Kind::Text(&texts::FILE),
                        Need::Optional("the user's own"),
                        "Another SSH configuration file.",
                    ),
                ],
            },
        ],
    }),
    label: &[],
};

static JOURNAL: Shape = shape(
    "Where runs are recorded.",
    &[key(
        "path",
        Kind::Text(&texts::FILE),
        Need::Optional("`journal.db` in systemd's `$STATE_DIRECTORY`, else `/var/lib/tidegate/journal.db`"),
        "The SQLite file.",
    )],
);

static RUN: Shape = shape(
    "How a run behaves.",
    &[
        key(
            "patience",
            Kind::Duration(secs(1), secs(24 * 3600)),
            text("10m"),
            "Longest wait for anything but connections, which have their own deadline; then the run is held.",
        ),
        key("poll", Kind::Duration(ms(10), secs(60)), text("100ms"), "Time between two looks while waiting."),
        key(
            "call-timeout",
            Kind::Duration(ms(50), secs(300)),
            text("5s"),
            "Time limit of one question to, or one change of, a real system; shorter than `max-age`.",
        ),
        key(
            "max-age",
            Kind::Duration(ms(100), secs(600)),
            text("10s"),
            "Age from which what was seen counts as unknown; longer than `poll`.",
        ),
        key(
            "lease",
            Kind::Duration(secs(1), secs(600)),
            text("15s"),
            "Time that the cluster's lease lives without a sign of its holder; more than three times `poll`.",
        ),
    ],
);

static GUARD: Shape = shape(
    "What `tidegate serve` may do by itself when something is lost that nobody drained.",
    &[
        key(
            "mode",
            Kind::Choice(&[
                Word("off", "Nothing, not even look."),
                Word("observe", "Look, and say what it would do."),
                Word("act", "Do it: tell load balancers, and keep names and prefixes right."),
            ]),
            text("observe"),
            "What the guard may do.",
        ),
        key(
            "max-changes",
            Kind::Integer(1, 1000),
            number(20),
            "Changes of routes within a minute, over all of them; more wait.",
        ),
    ],
);

static NODE: Shape = shape(
    "A node that needs more than its name.",
    &[
        key("name", Kind::Text(&texts::NODE), Need::Required, "Its name in the cluster."),
        key("address", Kind::Ip, Need::Optional("the name is looked up"), "Where probes go."),
        key(
            "ssh",
            Kind::Text(&texts::SSH_HOST),
            Need::Optional("the node's name"),
            "The host or alias that SSH connects to.",
        ),
        key(
            "outside",
            Kind::Boolean,
            Need::Default(Literal::Boolean(false)),
            "Whether it is no member of the cluster: the host of a load balancer, which can be drained from its routes.",
        ),
    ],
);
