//! `[[calendar]]` and `[prometheus]`: when no drain may start.

use super::*;

pub(super) static CALENDAR: Shape = shape(
    "A window in which no drain may start: one span of dates, or certain hours of every week.",
    &[
        key("name", Kind::Text(&texts::LABEL), Need::Required, "Its name."),
        key("why", Kind::Text(&texts::FRAGMENT), Need::Required, "Why nothing is drained then."),
        key(
            "from",
            Kind::Text(&texts::MOMENT),
            Need::Optional("with `days` midnight, else required"),
            "Its beginning: a date, with a time where it is not the whole day; with `days` a time.",
        ),
        key(
            "until",
            Kind::Text(&texts::DATE),
            Need::Optional("with `days` there is none, else required"),
            "Its end: a date, that whole day with it, or a date with a time.",
        ),
        key(
            "days",
            Kind::List(
                &Kind::Choice(&[
                    Word("mon", "Monday."),
                    Word("tue", "Tuesday."),
                    Word("wed", "Wednesday."),
                    Word("thu", "Thursday."),
                    Word("fri", "Friday."),
                    Word("sat", "Saturday."),
                    Word("sun", "Sunday."),
                ]),
                1,
            ),
            Need::Optional("it does not come every week"),
            "The days of the week on which it begins.",
        ),
        key(
            "to",
            Kind::Text(&texts::TIME),
            Need::Optional("midnight"),
            "The time of its end, with `days`; where it is not later than `from`, that of the next day.",
        ),
        key(
            "time-zone",
            Kind::Text(&texts::ZONE),
            text("UTC"),
            "The zone of its times, by its name in the IANA database.",
        ),
        key(
            "services",
            Kind::List(&Kind::Text(&texts::LABEL), 1),
            Need::Optional("every service"),
            "The services that it is about: a drain that takes none of them may start.",
        ),
    ],
);

pub(super) static PROMETHEUS: Shape = shape(
    "A Prometheus whose alerts stand in the way of a drain.",
    &[
        key("url", Kind::Text(&texts::URL), Need::Required, "Where it answers, without `/api/v1`."),
        key(
            "match",
            Kind::List(&Kind::Text(&texts::FRAGMENT), 1),
            Need::Default(Literal::Texts(&["severity=page", "severity=critical"])),
            "Alerts that count: those whose labels are as one of these says. Conditions with commas between them must all hold.",
        ),
        key(
            "timeout",
            Kind::Duration(ms(50), secs(60)),
            text("2s"),
            "Time limit of one question; not longer than `run.call-timeout`, which ends it too.",
        ),
        key(
            "ca-file",
            Kind::Text(&texts::FILE),
            Need::Optional("the system's authorities"),
            "The authorities that are believed, in PEM.",
        ),
        key(
            "token-file",
            Kind::Text(&texts::FILE),
            Need::Optional("none is sent"),
            "A file with a bearer token, read at each question; only over TLS.",
        ),
    ],
);
