//! `[[entrypoint]]` and `[[entrypoint.route]]`.

use super::*;
use crate::provider::route::VARIANTS;

pub(super) static ENTRYPOINT: Shape = shape(
    "A stable name or address by which clients reach a service. Frontends that share a backend are one entrypoint.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("service", Kind::Text(&texts::LABEL), Need::Required, "The service behind it, by name."),
        key("address", Kind::Text(&texts::ADDRESS), Need::Required, "What clients connect to."),
        key(
            "port",
            Kind::Integer(1, 65535),
            Need::Optional("the port in `address`, else 80 for `http`, 443 for `https` and `grpc`"),
            "The port on which clients reach it.",
        ),
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
            Need::Optional("the name of what it drives: the backend, the zone's name, the prefix"),
            "Its name within the entrypoint; a route's id is `entrypoint/via:name`.",
        ),
        key(
            "tier",
            Kind::Integer(1, 1000),
            Need::Optional("10 for names and prefixes, 20 for load balancers"),
            "Order from the client inwards: smaller is further out, leaves first and comes back last.",
        ),
        key(
            "nodes",
            Kind::List(&Kind::Text(&texts::NODE), 1),
            Need::Optional("every member of the cluster"),
            "The nodes that it leads to.",
        ),
        key(
            "watch",
            Kind::Duration(ms(100), HOUR),
            Need::Optional("1s for load balancers, 5s for names and prefixes"),
            "Time between two looks at it while a node is out and no run is active.",
        ),
        key(
            "ramp",
            Kind::List(&Kind::Text(&texts::PERCENT), 1),
            Need::Default(Literal::Texts(&["100%"])),
            "Shares of the former weight on the way back in; rising, the last one 100%.",
        ),
        key("dwell", Kind::Duration(ms(10), HOUR), text("5s"), "Time at each stage of the ramp."),
    ],
    variants: Some(Variants { key: "via", about: "What distributes.", default: None, of: VARIANTS }),
    label: &["name", "backend", "via"],
};
