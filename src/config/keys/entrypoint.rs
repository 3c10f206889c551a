//! `[[entrypoint]]` and `[[entrypoint.route]]`.

use super::*;

pub(super) static ENTRYPOINT: Shape = shape(
    "A stable name or address by which clients reach a service. Frontends that share a backend are one entrypoint.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("service", Kind::Text(&texts::LABEL), Need::Required, "The service behind it, by name."),
        key("address", Kind::Text(&texts::ADDRESS), Need::Required, "What clients connect to."),
        key(
            "protocol",
            Kind::Choice(&[
                Word("http", "HTTP in clear."),
                Word("https", "HTTP over TLS."),
                Word("grpc", "gRPC."),
                Word("tcp", "Plain TCP."),
            ]),
            Need::Required,
            "What they speak.",
        ),
        key(
            "tls",
            Kind::Choice(&[
                Word("terminate", "At the load balancer."),
                Word("passthrough", "At the service; the load balancer does not look inside."),
                Word("end-to-end", "At the load balancer, and again at the service."),
            ]),
            Need::Optional("not stated"),
            "Where TLS ends, for the review.",
        ),
        key(
            "client-identity",
            Kind::Choice(&[
                Word("x-forwarded-for", "By `X-Forwarded-For`."),
                Word("forwarded", "By `Forwarded` (RFC 7239)."),
                Word("proxy-protocol", "By the PROXY protocol."),
                Word("none", "It does not."),
            ]),
            Need::Optional("not stated"),
            "How the service learns who the client is, for the review.",
        ),
        key(
            "route",
            Kind::Appended(&ROUTE),
            Need::Required,
            "The ways by which it reaches the nodes; all of them are drained.",
        ),
    ],
);

static ROUTE: Shape = Shape {
    about: "One distribution method of an entrypoint.",
    keys: &[
        key(
            "name",
            Kind::Text(&texts::PROXY_NAME),
            Need::Optional("the backend's name"),
            "Its name within the entrypoint; a route's id is `entrypoint/via:name`.",
        ),
        key(
            "tier",
            Kind::Integer(1, 1000),
            number(20),
            "Order from the client inwards: smaller is further out and leaves first. Load balancers are 20.",
        ),
        key(
            "ramp",
            Kind::List(&Kind::Text(&texts::PERCENT), 1),
            Need::Default(Literal::Texts(&["100%"])),
            "Shares of the former weight on the way back in; rising, the last one 100%.",
        ),
        key("dwell", Kind::Duration(ms(10), HOUR), text("5s"), "Time at each stage of the ramp."),
    ],
    variants: Some(Variants {
        key: "via",
        about: "What distributes.",
        default: None,
        of: &[Variant {
            name: "haproxy",
            about: "HAProxy, by its runtime API.",
            keys: &[
                key("backend", Kind::Text(&texts::PROXY_NAME), Need::Required, "The backend."),
                key(
                    "server",
                    Kind::Text(&texts::SERVER),
                    text("{node}"),
                    "The server's name in it; `{node}` stands for the node's.",
                ),
                key(
                    "instances",
                    Kind::List(&Kind::Either(&Kind::Text(&texts::ENDPOINT), &INSTANCE), 1),
                    Need::Required,
                    "Every HAProxy that serves this entrypoint: each must acknowledge. A socket as text, or a table.",
                ),
            ],
        }],
        planned: &["dns", "bgp", "nginx", "envoy", "exec"],
    }),
    label: &["name", "backend"],
};

static INSTANCE: Shape = shape(
    "One HAProxy.",
    &[
        key(
            "name",
            Kind::Text(&texts::LABEL),
            Need::Optional(
                "the host of `ssh` and `tcp`; else the socket's file name, or `local` for `admin.sock` and its like; with a number behind where it is taken",
            ),
            "Its name in plans and messages.",
        ),
        key(
            "socket",
            Kind::Text(&texts::ENDPOINT),
            Need::Required,
            "Its admin-level socket: `unix:/path`, `tcp:host:port` or `ssh://host/path`.",
        ),
        key(
            "master",
            Kind::Text(&texts::ENDPOINT),
            Need::Optional("old workers are not seen"),
            "Its master socket: shows the old workers, and their connections, after a reload.",
        ),
        key(
            "source",
            Kind::List(&Kind::Ip, 0),
            Need::Default(Literal::Texts(&[])),
            "Addresses from which it connects to the nodes. Where none are known, its idle pool explains sockets from anywhere.",
        ),
    ],
);
