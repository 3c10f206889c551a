//! The keys of `via = "bgp"`.

use std::time::Duration;

use crate::{
    config::{
        shape::{Key, Kind as Form, Literal, Need, Shape, Text, Variant, Variants},
        texts,
    },
    provider::route::kind::key,
};

/// Where bgpd's socket is, as FRR is built.
const VTY_FOLDER: &str = "/var/run/frr";

static PREFIX: Text = Text::new(
    "a prefix",
    "192.0.2.80/32",
    "^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
    "an address and a length, with nothing set beyond the length",
);

/// A name of BIRD's or FRR's, in a command between quotes or as a word.
static NAME: Text = Text::new(
    "a name in the daemon's configuration",
    "anycast",
    "^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$",
    "letters, digits, `_`, `.`, `:` and `-`",
);

static SOCKET: Text = Text::new(
    "BIRD's control socket",
    "ssh://{ssh}/run/bird/bird.ctl",
    "^(unix:(//)?/[!-~]+|ssh://[A-Za-z0-9_{][A-Za-z0-9_.{}-]*/[!-~]+)$",
    "`unix:/path` or `ssh://host/path`; `{node}`, `{address}` and `{ssh}` stand for the node's name, address and SSH host",
);

static HOST: Text = Text::new(
    "a host of the SSH configuration",
    "{ssh}",
    "^[A-Za-z0-9_{][A-Za-z0-9_.:%@{}-]{0,254}$",
    "`{node}`, `{address}` and `{ssh}` stand for the node's name, address and SSH host",
);

static SPEAKER: Text = Text::new(
    "an address, or what stands for one",
    "{address}",
    "^([0-9A-Fa-f.:]+|\\{address\\})$",
    "`{address}` stands for the node's own",
);

pub(super) static KEYS: [Key; 4] = [
    key("prefix", Form::Text(&PREFIX), Need::Required, "The prefix that the nodes announce."),
    key(
        "announcers",
        Form::List(&Form::Table(&ANNOUNCER), 1),
        Need::Required,
        "Who announces it: one for each node, or one without `node` that stands for all that are not named.",
    ),
    key(
        "graceful-shutdown",
        Form::Duration(Duration::from_secs(1), Duration::from_secs(300)),
        Need::Optional("it is withdrawn at once"),
        "How long the prefix is marked with the community 65535:0 (RFC 8326) before it is withdrawn.",
    ),
    key(
        "observers",
        Form::List(&Form::Table(&OBSERVER), 0),
        Need::Optional("the announcers' word is enough"),
        "Routers or route collectors that must show it too: the node's path is gone, or is there again.",
    ),
];

static ANNOUNCER: Shape = Shape {
    about: "A routing daemon that announces the prefix for a node.",
    keys: &[
        key("node", Form::Text(&texts::NODE), Need::Optional("every node that no other announcer names"), "The node."),
        key(
            "next-hop",
            Form::Text(&SPEAKER),
            Need::Default(Literal::Text("{address}")),
            "The next hop, peer or originator by which observers know its paths.",
        ),
    ],
    variants: Some(Variants {
        key: "daemon",
        about: "The daemon.",
        default: None,
        of: &[
            Variant {
                name: "bird",
                about: "BIRD, by its control socket.",
                keys: &[
                    key("socket", Form::Text(&SOCKET), Need::Required, "Its control socket."),
                    key(
                        "protocol",
                        Form::Text(&NAME),
                        Need::Required,
                        "The static protocol that originates the prefix, and only it: it is disabled and enabled.",
                    ),
                    key(
                        "graceful-protocol",
                        Form::Text(&NAME),
                        Need::Optional("the prefix cannot be marked"),
                        "A static protocol, disabled in bird.conf, that originates it with the community 65535:0.",
                    ),
                ],
            },
            Variant {
                name: "frr",
                about: "FRR's bgpd, by vtysh.",
                keys: &[
                    key("host", Form::Text(&HOST), Need::Optional("this machine"), "The host, over SSH."),
                    key("vty-socket", Form::Text(&texts::FILE), FOLDER, "The folder of bgpd's socket there."),
                    key(
                        "graceful-route-map",
                        Form::Text(&NAME),
                        Need::Optional("the prefix cannot be marked"),
                        "A route-map that adds the community 65535:0; it stands in for the network statement's own.",
                    ),
                ],
            },
        ],
    }),
    label: &["node"],
};

static OBSERVER: Shape = Shape {
    about: "A router or a route collector that is only asked.",
    keys: &[key(
        "name",
        Form::Text(&texts::LABEL),
        Need::Optional("the host; else `local`; with a number behind where it is taken"),
        "Its name in plans and messages.",
    )],
    variants: Some(Variants {
        key: "daemon",
        about: "The daemon.",
        default: None,
        of: &[
            Variant {
                name: "bird",
                about: "BIRD, by its control socket.",
                keys: &[
                    key(
                        "socket",
                        Form::Text(&SOCKET),
                        Need::Required,
                        "Its control socket; a restricted one will do, unless it has `sessions`.",
                    ),
                    key(
                        "sessions",
                        Form::List(&Form::Table(&SESSION), 1),
                        Need::Optional("the guard closes none"),
                        "Its sessions that the guard may close when the cluster has lost the node, instead of telling \
                         the announcer there.",
                    ),
                ],
            },
            Variant {
                name: "frr",
                about: "FRR's bgpd, by vtysh.",
                keys: &[
                    key("host", Form::Text(&HOST), Need::Optional("this machine"), "The host, over SSH."),
                    key("vty-socket", Form::Text(&texts::FILE), FOLDER, "The folder of bgpd's socket there."),
                ],
            },
        ],
    }),
    label: &["name"],
};

static SESSION: Shape = Shape {
    about: "A router's BGP session with a node.",
    keys: &[
        key("node", Form::Text(&texts::NODE), Need::Required, "The node."),
        key(
            "protocol",
            Form::Text(&NAME),
            Need::Required,
            "The BGP protocol by which the router speaks with it alone.",
        ),
    ],
    variants: None,
    label: &["node"],
};

const FOLDER: Need = Need::Default(Literal::Text(VTY_FOLDER));
