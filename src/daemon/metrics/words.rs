//! The words that labels are made of: closed sets, each as a type.

use crate::health::failure::Kind;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// As it is written in a label.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }
        }
    )*

        /// Every set: the type that it is, and its words.
        pub const SETS: &[(&str, &[&str])] = &[$((stringify!($name), &[$($text),*])),*];
    };
}

words! {
    /// What is looked at.
    Source {
        /// An instance of a route.
        Route = "route",
    }

    /// Why a service on a node does not count as ready.
    Reason {
        /// The node has no address.
        Name = "name",
        /// Nothing listens there.
        Refused = "refused",
        /// No way to the host.
        Unreachable = "unreachable",
        /// No answer in time.
        Timeout = "timeout",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The connection ended before the answer did.
        Closed = "closed",
        /// Another status than configured.
        Status = "status",
        /// A header is missing, or is another one.
        Header = "header",
        /// The body does not match.
        Body = "body",
        /// Its program failed.
        Exec = "exec",
        /// It answered something that is not the protocol.
        Protocol = "protocol",
        /// It flaps, and is kept out until it has been steady.
        Damped = "damped",
        /// Not often enough in a row yet.
        Rising = "rising",
        /// It is in its start-up grace.
        Starting = "starting",
        /// Nobody could look.
        Unknown = "unknown",
    }

    /// How a probe ended.
    Outcome {
        /// As configured.
        Passed = "passed",
        /// Otherwise.
        Failed = "failed",
    }

    /// What the guard did.
    Guarded {
        /// It took a node out of a route.
        TookOut = "took-out",
        /// It put a node back.
        PutBack = "put-back",
        /// It told a load balancer to believe its checks only.
        Advised = "advised",
        /// A change failed.
        Failed = "failed",
        /// The rate limit put a change off.
        Limited = "limited",
        /// Damping put a change off.
        Damped = "damped",
        /// A rail forbade a change: the last route, `min-ready`, an operator's drain.
        Refused = "refused",
        /// There was not enough evidence for a change.
        Unsure = "unsure",
        /// It only observes, and would have made a change.
        WouldAct = "would-act",
    }
}

impl From<Kind> for Reason {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Name => Self::Name,
            Kind::Refused => Self::Refused,
            Kind::Unreachable => Self::Unreachable,
            Kind::Timeout => Self::Timeout,
            Kind::Tls => Self::Tls,
            Kind::Closed => Self::Closed,
            Kind::Protocol => Self::Protocol,
            Kind::Status => Self::Status,
            Kind::Header => Self::Header,
            Kind::Body => Self::Body,
            Kind::Exec => Self::Exec,
        }
    }
}
