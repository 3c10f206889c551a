//! Names. Each kind of thing has a type of its own, so that a node is never passed where a server is meant.

use std::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name as it is written in the configuration or by the real system.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// A cluster member, by its Pacemaker name.
    NodeName;
    /// An application run as a cloned resource.
    ServiceName;
    /// A stable client-facing name or address of a service.
    EntrypointName;
    /// One distribution method of an entrypoint, as `entrypoint/kind:name` (`web/haproxy:app`).
    RouteId;
    /// One instance of a route that must acknowledge by itself: a load balancer, an authoritative server, an announcer.
    InstanceName;
    /// A systemd unit, with its suffix (`app.service`).
    UnitName;
    /// One execution of a plan.
    RunId;
    /// One execution of a playbook.
    PlayId;
}
