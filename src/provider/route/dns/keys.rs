//! The keys of `via = "dns"`.

use std::time::Duration;

use crate::{
    config::{
        shape::{Key, Kind as Form, Literal, Need, Shape, Text, Word},
        texts,
    },
    provider::route::kind::key,
};

static NAME: Text = Text::new(
    "a name in the DNS",
    "app.example.com",
    "^(@|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?)$",
    "ASCII only; with a dot at its end it is full, without one it may be relative to the zone",
);

static SERVER: Text = Text::new(
    "a name server",
    "10.0.0.53",
    "^[A-Za-z0-9_\\[:][A-Za-z0-9_.:\\[\\]-]{0,254}$",
    "`host`, `host:port`, an address or `[address]:port`",
);

static RECORD: Text = Text::new(
    "a record with `{node}` or `{address}` in it",
    "{address}",
    "^[!-~ ]*\\{(node|address)\\}[!-~ ]*$",
    "without one of the two every node would have the same record",
);

const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

static PLACE: Shape = Shape {
    about: "One name server.",
    keys: &[
        key(
            "name",
            Form::Text(&NAME),
            Need::Optional("the host of `address`"),
            "Its name, as the zone's NS records have it.",
        ),
        key(
            "address",
            Form::Text(&SERVER),
            Need::Required,
            "Where it is reached: `host`, `host:port` or `[address]:port`.",
        ),
    ],
    variants: None,
    label: &["name"],
};

const NONE: Need = Need::Default(Literal::Texts(&[]));

pub(super) static KEYS: [Key; 11] = [
    key(
        "servers",
        Form::List(&Form::Either(&Form::Text(&SERVER), &PLACE), 1),
        Need::Required,
        "The zone's primary, and those that may take its place: updates go to the first that accepts them, and all are asked.",
    ),
    key("zone", Form::Text(&NAME), Need::Required, "The zone that is updated."),
    key(
        "record-name",
        Form::Text(&NAME),
        Need::Optional("the entrypoint's address"),
        "The records' name: full, or relative to the zone; `@` is the zone itself.",
    ),
    key(
        "type",
        Form::Choice(&[
            Word("A", "IPv4 addresses."),
            Word("AAAA", "IPv6 addresses."),
            Word("SRV", "Hosts and ports, with priority and weight: the only type that a ramp's stages show in."),
            Word("HTTPS", "Ways to a web service (RFC 9460)."),
            Word("SVCB", "Ways to another service (RFC 9460)."),
        ]),
        Need::Default(Literal::Text("A")),
        "The records' type. A name with addresses of both versions is two routes.",
    ),
    key(
        "record",
        Form::Text(&RECORD),
        Need::Optional("`{address}` for addresses, `{node}` for the others"),
        "A node's record: an address; a target alone, which tells whose record is whose; or all of it, as a zone file \
         has it (`10 60 443 {node}`), which a record that no receipt describes is made of.",
    ),
    key(
        "ttl",
        Form::Duration(SECOND, WEEK),
        Need::Optional("whatever the set has"),
        "The TTL that the set should have; another one is warned of.",
    ),
    key(
        "ttl-during-maintenance",
        Form::Duration(SECOND, WEEK),
        Need::Optional("the TTL is never changed"),
        "The TTL ahead of a planned window; `ttl` says which one comes back after it.",
    ),
    key(
        "key-file",
        Form::Text(&texts::FILE),
        Need::Required,
        "The TSIG key in BIND's format, HMAC-SHA256 or better; nobody but its owner may read the file.",
    ),
    key(
        "secondaries",
        Form::List(&Form::Either(&Form::Text(&SERVER), &PLACE), 0),
        NONE,
        "Where other servers of the zone are, where looking up their names does not tell. The rest is found by its NS records.",
    ),
    key(
        "not-following",
        Form::List(&Form::Text(&NAME), 0),
        NONE,
        "Servers of the zone that no change waits for: those that serve nobody any more.",
    ),
    key(
        "resolvers",
        Form::List(&Form::Either(&Form::Text(&SERVER), &PLACE), 0),
        NONE,
        "Public resolvers whose answers are shown; nothing waits for them.",
    ),
];
