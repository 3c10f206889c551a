//! What a kind of route says of itself before anything is connected: its keys in the configuration, what they mean, and
//! which instances and members come of them.
//!
//! These are values, not connections: the configuration reads them, and only [`Kind::connect`] reaches out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::{
        cluster::Context,
        reader::Reader,
        report::Problems,
        settings::Place,
        shape::{Key, Need, Variant},
    },
    model::{InstanceName, RouteId, topology::InstanceShape},
    provider::{RouteProvider, access::Access},
};

/// Order from the client inwards of what clients ask first: names and prefixes.
pub(crate) const OUTER: u16 = 10;
/// Order of what forwards their connections.
pub const BALANCER: u16 = 20;

/// One kind of route: the value of `via`.
pub(crate) trait Kind: Sized {
    /// Its word, what it is, and its keys.
    const VARIANT: Variant;
    /// Its tier, unless the configuration says another.
    const TIER: u16;

    /// Reads its keys. Their form is checked already; here is what they mean: contradictions and unknown references
    /// are reported, and whatever is missing gives `None`.
    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self>;

    /// The route's name where the configuration gives it none.
    fn name(&self) -> String;

    /// Everything that no second route may drive as well, in words; equal words are the same thing.
    fn drives(&self) -> Vec<String>;

    /// The hosts that it will reach over SSH, so that they can be connected to early.
    fn hosts(&self, places: &[Place]) -> Vec<String>;

    /// Its instances, for these nodes. Those that only the real system knows come from [`RouteProvider::discover`].
    fn instances(&self, places: &[Place]) -> BTreeMap<InstanceName, InstanceShape>;

    /// Whether the real system may know of instances that the settings do not name.
    fn discovers(&self) -> bool {
        false
    }

    /// Its own name of a node.
    fn server(&self, place: &Place) -> String;

    /// The provider. Nothing is connected yet.
    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider>;
}

/// What surrounds the route in the configuration.
pub(crate) struct About<'a> {
    /// What clients connect to.
    pub address: Option<&'a str>,
    /// The nodes and services.
    pub context: &'a Context,
}

/// What providers work with.
#[derive(Clone)]
pub struct Tools {
    /// The way to other machines, over SSH.
    pub access: Arc<dyn Access>,
    /// The way to this machine.
    pub local: Arc<dyn Access>,
    /// Time limit of one exchange.
    pub limit: Duration,
}

/// A key of a variant.
pub(crate) const fn key(name: &'static str, kind: crate::config::shape::Kind, need: Need, about: &'static str) -> Key {
    Key { name, about, kind, need }
}
