//! A step: what is done, by its `do`.

use super::{nodes::ON_FAILURE, *};

const fn limit(most: std::time::Duration, default: &'static str, about: &'static str) -> Key {
    key("timeout", Kind::Duration(ms(100), most), text(default), about)
}

const MESSAGE: Kind = Kind::Text(&forms::MESSAGE);

pub(crate) static STEP: Shape = Shape {
    about: "A step.",
    keys: &[
        key("name", Kind::Text(&forms::SENTENCE), Need::Required, "Its name, unique in its list."),
        key(
            "require",
            Kind::List(&Kind::Table(&CONDITION), 0),
            Need::Optional("nothing is asked"),
            "What must hold before it; otherwise the step has failed, and nothing was done.",
        ),
        key(
            "ensure",
            Kind::List(&Kind::Table(&CONDITION), 0),
            Need::Optional("nothing is asked"),
            "What must hold after it.",
        ),
        key("on-failure", ON_FAILURE, Need::Optional("as `nodes` says"), "What happens when it fails."),
        key("when", Kind::Boolean, flag(true), "Whether it is there at all; mostly an input."),
    ],
    variants: Some(Variants { key: "do", about: "What is done.", default: None, of: ACTIONS }),
    label: &["name"],
};

static ACTIONS: &[Variant] = &[
    Variant { name: "gate", about: "Asks every gate of a drain of the node; each must pass.", keys: &[] },
    Variant {
        name: "drain",
        about: "Takes the node out: routing, connections, cluster.",
        keys: &[key(
            "service",
            Kind::Text(&texts::LABEL),
            Need::Optional("the whole node"),
            "Only this service's routes; the node stays in the cluster.",
        )],
    },
    Variant { name: "restore", about: "Brings the node back.", keys: &[] },
    Variant {
        name: "run",
        about: "Runs a program, on the node over the access path or on this machine.",
        keys: &[
            key("command", COMMAND, Need::Required, "The program and its arguments; no shell reads them."),
            key("on", WHERE, text("node"), "Where it runs."),
            limit(DAY, "10m", "Its time."),
            key(
                "expect",
                Kind::List(&Kind::Integer(0, 255), 1),
                Need::Optional("`[0]`"),
                "The exit codes that are good.",
            ),
            key(
                "keep",
                Kind::Integer(0, 1 << 20),
                number(64 << 10),
                "Bytes of its output that are kept, from the end.",
            ),
        ],
    },
    Variant {
        name: "copy",
        about: "Copies a file of this machine to the node: written beside the old one, and put in its place at once.",
        keys: &[
            key("from", Kind::Text(&forms::LOCAL_FILE), Need::Required, "The file here."),
            key("to", Kind::Text(&texts::FILE), Need::Required, "Its path on the node."),
            key("mode", Kind::Text(&forms::MODE), text("0644"), "Its mode."),
            limit(HOUR, "2m", "Its time."),
        ],
    },
    Variant {
        name: "reboot",
        about: "Reboots the node, and waits for a new boot id, a way in, membership and quorum. Only of a node that is out.",
        keys: &[limit(secs(4 * 3600), "15m", "Its time.")],
    },
    Variant {
        name: "wait-until",
        about: "Waits until something holds.",
        keys: &[
            key("until", Kind::Table(&CONDITION), Need::Required, "What."),
            key("hold", Kind::Duration(ms(0), DAY), text("0s"), "For so long without a break."),
            limit(DAY, "10m", "At most so long; longer than `hold`."),
        ],
    },
    Variant {
        name: "pause",
        about: "Waits for a person's approval.",
        keys: &[
            key("message", MESSAGE, Need::Required, "What the person is asked."),
            limit(secs(7 * 24 * 3600), "8h", "At most so long; then it is a failure."),
        ],
    },
    Variant {
        name: "check",
        about: "Something must hold now.",
        keys: &[key("that", Kind::Table(&CONDITION), Need::Required, "What.")],
    },
    Variant {
        name: "notify",
        about: "Tells somebody, by a webhook or a program: one of the two.",
        keys: &[
            key("webhook", Kind::Text(&forms::URL), Need::Optional("`command` tells"), "Where JSON is posted to."),
            key(
                "command",
                COMMAND,
                Need::Optional("`webhook` tells"),
                "A program here, with JSON on its standard input.",
            ),
            key("message", MESSAGE, Need::Required, "What is said."),
            key("required", Kind::Boolean, flag(false), "Whether a failure of it is a failure of the step."),
            limit(secs(600), "10s", "Its time."),
        ],
    },
    Variant {
        name: "adopt",
        about: "Takes a service's unit over from systemd, on all nodes.",
        keys: &[key("service", Kind::Text(&texts::LABEL), Need::Required, "The service.")],
    },
    Variant {
        name: "fault",
        about: "Breaks something; only in a drill. It is undone in the end, by a timer of its own if nobody comes back.",
        keys: &[
            key("break", Kind::Table(&FAULT), Need::Required, "What."),
            key("at", Kind::Table(&AT), Need::Optional("the step's node"), "Where."),
            key("lasts", Kind::Duration(secs(1), HOUR), Need::Required, "For how long."),
        ],
    },
    Variant {
        name: "observe",
        about: "Lets the load go on, before or after what a drill does: something to compare with.",
        keys: &[key("lasts", Kind::Duration(secs(1), HOUR), Need::Required, "For how long.")],
    },
];

pub(super) const WHERE: Kind = Kind::Choice(&[
    Word("node", "On the step's node, over the access path."),
    Word("here", "On the machine that runs Tidegate."),
]);
