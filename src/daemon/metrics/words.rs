//! The words that labels are made of: closed sets, each as a type.

use crate::health::failure::Kind;

macro_rules! words {
    ($sets:ident; $($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* })*) => {
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

        /// Every set here: the type that it is, and its words.
        pub(super) const $sets: &[(&str, &[&str])] = &[$((stringify!($name), &[$($text),*])),*];
    };
}

words! {
    SETS;

    /// What is looked at.
    Source {
        /// An instance of a route.
        Route = "route",
        /// The cluster manager.
        Cluster = "cluster",
        /// The services' units on a node.
        Units = "units",
        /// The sockets of a node.
        Sockets = "sockets",
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
        /// A rail forbade a change: the last route, `min-ready`.
        Refused = "refused",
        /// A run had begun that has the node in hand: the change was left to it.
        Yielded = "yielded",
        /// A look right before the change showed that it was made already.
        Needless = "needless",
        /// It only observes, and would have made a change.
        WouldAct = "would-act",
    }
}

words! {
    MORE_SETS;

    /// Failures that load balancers tell apart.
    Failure {
        /// No connection to the node.
        Connect = "connect",
        /// No answer, or one that broke off.
        Lost = "lost-answer",
        /// The service answered with a 5xx.
        Status = "status-5xx",
        /// Failed requests that are not told apart.
        Any = "any",
    }

    /// Where an open run stands.
    RunStatus {
        /// Opened, not yet taken up.
        Open = "open",
        /// Taken up.
        Active = "active",
        /// It waits for a person.
        Held = "held",
        /// To be undone.
        Aborting = "aborting",
        /// An undo that could not be finished.
        Stuck = "stuck",
    }

    /// How a run ended.
    RunEnding {
        /// Everything is proven.
        Done = "done",
        /// Given up, and undone by another.
        Aborted = "aborted",
        /// An undo that could not be finished, acknowledged or not.
        Stuck = "stuck",
    }

    /// Whether a drill breaks something.
    DrillKind {
        /// It drains and restores.
        Planned = "planned",
        /// It breaks something for real.
        Unplanned = "unplanned",
    }

    /// How a drill ended.
    DrillEnding {
        /// All was measured, and kept.
        Done = "done",
        /// Something was missed, or not measured.
        Failed = "failed",
        /// Ended early.
        GivenUp = "given-up",
    }

    /// The steps of runs.
    Step {
        /// Routes are drained.
        DrainRoutes = "drain-routes",
        /// Connections end.
        Connections = "await-connections",
        /// Clients that are bound to the node are sent away.
        CloseRoutes = "close-routes",
        /// The node goes into standby.
        Standby = "standby",
        /// The cluster stops the units.
        Stopped = "verify-stopped",
        /// A clone may have another number of instances.
        Resize = "resize",
        /// Units outside the cluster stop.
        StopUnits = "stop-units",
        /// Units start at boot, or no longer.
        EnableUnits = "enable-units",
        /// Load balancers forget old checks.
        FreshChecks = "require-fresh-checks",
        /// Units outside the cluster start.
        StartUnits = "start-units",
        /// The node leaves standby.
        Unstandby = "unstandby",
        /// The cluster starts the units.
        Started = "verify-started",
        /// The services become ready.
        Ready = "await-ready",
        /// Routes take the node back.
        Readmit = "readmit-routes",
    }

    /// What an open run waits for.
    Wait {
        /// Somebody who executes it.
        Executor = "executor",
        /// A person: it is held, or stuck.
        Person = "person",
        /// Routes that acknowledge.
        Routes = "routes",
        /// Connections that end.
        Connections = "connections",
        /// The cluster manager.
        Cluster = "cluster",
        /// Units.
        Units = "units",
        /// Readiness.
        Readiness = "readiness",
        /// Load balancers' own checks.
        Checks = "checks",
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
