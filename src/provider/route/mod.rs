//! Routes: one file a kind, and one line a kind in the registry below. The registry makes `Via`, the configuration's
//! table of variants, and the way from settings to a provider.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    config::{reader::Reader, report::Problems, settings::Place, shape::Variant},
    model::{InstanceName, RouteId, topology::InstanceShape},
    provider::RouteProvider,
};

pub mod bgp;
pub mod dns;
pub mod envoy;
pub mod exec;
pub mod haproxy;
pub mod instances;
pub(crate) mod kind;
mod machine;
pub mod nginx;
mod outgoing;

use kind::{About, Kind};
pub use kind::{BALANCER, Tools};

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident => $module:ident,)*) => {
        /// The kind of a route, with its settings.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "via", rename_all = "kebab-case")]
        pub enum Via {
            $($(#[$doc])* $name($module::Settings),)*
        }

        /// The keys of every kind.
        pub(crate) static VARIANTS: &[Variant] = &[$(<$module::Settings as Kind>::VARIANT),*];

        impl Via {
            /// Reads the keys of one kind.
            pub(crate) fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
                let via = r.variant()?;
                $(if via == <$module::Settings as Kind>::VARIANT.name {
                    return Kind::read(r, about, problems).map(Self::$name);
                })*
                None
            }

            /// The value of `via`.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => <$module::Settings as Kind>::VARIANT.name,)* }
            }

            /// The tier, unless the configuration says another.
            pub(crate) fn tier(&self) -> u16 {
                match self { $(Self::$name(_) => <$module::Settings as Kind>::TIER,)* }
            }

            /// The route's name, unless the configuration says another.
            pub(crate) fn name(&self) -> String {
                match self { $(Self::$name(s) => s.name(),)* }
            }

            /// What no second route may drive.
            pub(crate) fn drives(&self) -> Vec<String> {
                match self { $(Self::$name(s) => s.drives(),)* }
            }

            /// Hosts that are reached over SSH.
            pub(crate) fn hosts(&self, places: &[Place]) -> Vec<String> {
                match self { $(Self::$name(s) => s.hosts(places),)* }
            }

            /// Its instances, as far as the configuration knows them.
            pub fn instances(&self, places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
                match self { $(Self::$name(s) => s.instances(places),)* }
            }

            /// Whether the real system may know of more.
            pub(crate) fn discovers(&self) -> bool {
                match self { $(Self::$name(s) => s.discovers(),)* }
            }

            /// Its own name of a node.
            pub fn server(&self, place: &Place) -> String {
                match self { $(Self::$name(s) => s.server(place),)* }
            }

            /// The provider for these nodes.
            pub fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
                match self { $(Self::$name(s) => s.connect(id, places, tools),)* }
            }
        }
    };
}

registry! {
    /// A prefix, announced by BIRD or FRR.
    Bgp => bgp,
    /// DNS, by dynamic update.
    Dns => dns,
    /// Envoy's file of endpoints.
    Envoy => envoy,
    /// A program of the operator's own.
    Exec => exec,
    /// HAProxy's runtime API.
    Haproxy => haproxy,
    /// NGINX's include file.
    Nginx => nginx,
}
