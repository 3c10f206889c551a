//! `via = "envoy"`: what the configuration says of it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Envoy;
use crate::{
    config::{
        endpoint,
        reader::Reader,
        report::Problems,
        settings::{Endpoint, Place},
        shape::{Key, Kind as Form, Literal, Need, Shape, Variant},
        texts,
    },
    model::{InstanceName, RouteId, topology::InstanceShape},
    provider::{
        RouteProvider,
        route::{
            instances::{self, Seat},
            kind::{About, BALANCER, Kind, Tools, key},
        },
    },
};

const ADMIN: &str = "tcp:127.0.0.1:9901";

/// The endpoints of one cluster on every Envoy that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The cluster.
    pub cluster: String,
    /// The file with its endpoints.
    pub eds: String,
    /// A member's `address:port` there; `{node}` and `{address}` stand for the node's.
    pub server: String,
    /// Every Envoy that must acknowledge.
    pub instances: Vec<Instance>,
}

/// One Envoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it is.
    #[serde(flatten)]
    pub seat: Seat,
    /// Its file, where that has another path than elsewhere.
    pub eds: Option<String>,
    /// Its admin interface, as its own machine reaches it.
    pub admin: Endpoint,
    /// Whether root's rights come from sudo.
    pub sudo: bool,
}

impl Settings {
    /// The file on one instance.
    pub fn eds<'a>(&'a self, instance: &'a Instance) -> &'a str {
        instance.eds.as_deref().unwrap_or(&self.eds)
    }
}

impl Kind for Settings {
    const VARIANT: Variant = Variant {
        name: "envoy",
        about: "Envoy, by a file with a cluster's endpoints (EDS). Its machine needs a POSIX shell, GNU coreutils, `flock` and `ss`.",
        keys: &KEYS,
    };
    const TIER: u16 = BALANCER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let instances = instances::read(r, about, problems, |seat, table| {
            let admin = table.map_or_else(|| Some(ADMIN.to_owned()), |r| r.text("admin"))?;
            Some(Instance {
                seat,
                eds: table.and_then(|r| r.text("eds")),
                admin: endpoint::parse(&admin)?,
                sudo: table.map_or(Some(false), |r| r.boolean("sudo"))?,
            })
        });
        Some(Self {
            cluster: r.text("cluster")?,
            eds: r.text("eds")?,
            server: r.text("server")?,
            instances: instances?,
        })
    }

    fn name(&self) -> String {
        self.cluster.clone()
    }

    fn drives(&self) -> Vec<String> {
        let one = |i: &Instance| {
            format!("{} of {} in {} for {} on {}", self.server, self.cluster, self.eds(i), i.admin, i.seat.place())
        };
        self.instances.iter().map(one).collect()
    }

    fn hosts(&self, _places: &[Place]) -> Vec<String> {
        self.instances.iter().filter_map(|i| i.seat.host.clone()).collect()
    }

    fn instances(&self, _places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        self.instances.iter().map(|i| (i.seat.name.clone(), i.seat.shape())).collect()
    }

    fn server(&self, place: &Place) -> String {
        place.fill(&self.server)
    }

    fn connect(&self, id: RouteId, _places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Envoy::new(id, self, tools))
    }
}

static KEYS: [Key; 4] = [
    key("cluster", Form::Text(&texts::PROXY_NAME), Need::Required, "The cluster."),
    key(
        "eds",
        Form::Text(&texts::FILE),
        Need::Required,
        "The file that the cluster reads its endpoints from: a `DiscoveryResponse` in JSON. Envoy notices when it is replaced.",
    ),
    key(
        "server",
        Form::Text(&texts::MEMBER),
        Need::Required,
        "A member's `address:port` in the file; `{address}` stands for the node's address, `{node}` for its name.",
    ),
    key(
        "instances",
        Form::List(&Form::Either(&instances::HOST, &INSTANCE), 1),
        Need::Required,
        "Every Envoy that serves this entrypoint: each must acknowledge. An SSH host (or `local`) as text, or a table.",
    ),
];

static INSTANCE: Shape = Shape {
    about: "One Envoy.",
    keys: &[
        instances::NAME,
        instances::HOST_KEY,
        key("eds", Form::Text(&texts::FILE), Need::Optional("the route's"), "The file on this host."),
        key(
            "admin",
            Form::Text(&texts::ADMIN),
            Need::Default(Literal::Text(ADMIN)),
            "Its admin interface as its own host reaches it: `tcp:address:port` or `unix:/path`.",
        ),
        key(
            "sudo",
            Form::Boolean,
            Need::Default(Literal::Boolean(false)),
            "Whether the file is written, and connections are cut, as root through `sudo -n`.",
        ),
        instances::SOURCE,
        instances::NODE,
    ],
    variants: None,
    label: &["name", "host"],
};
