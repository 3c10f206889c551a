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

/// The members of one cluster on every Envoy that balances over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Envoy's name of the cluster.
    pub cluster: String,
    /// The file that Envoy reads the cluster's endpoints from.
    pub eds_file: String,
    /// A member's address, or its host name there; `{node}` and `{address}` stand for the node's.
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
    /// Its admin interface, as its machine reaches it.
    pub admin: Endpoint,
    /// Its file, where that has another path than elsewhere.
    pub eds_file: Option<String>,
    /// Whether root's rights come from sudo.
    pub sudo: bool,
}

impl Settings {
    /// The file of one instance.
    pub fn eds_file<'a>(&'a self, instance: &'a Instance) -> &'a str {
        instance.eds_file.as_deref().unwrap_or(&self.eds_file)
    }
}

impl Kind for Settings {
    const VARIANT: Variant = Variant {
        name: "envoy",
        about: "Envoy, by a file of endpoints (EDS) and its admin interface. Its machine needs a POSIX shell, GNU coreutils, `flock` and, to cut connections, `ss`.",
        keys: &KEYS,
    };
    const TIER: u16 = BALANCER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let instances = instances::read(r, about, problems, |seat, table| {
            let admin = table.map_or_else(|| Some(ADMIN.to_owned()), |r| r.text("admin"))?;
            Some(Instance {
                seat,
                admin: endpoint::parse(&admin)?,
                eds_file: table.and_then(|r| r.text("eds-file")),
                sudo: table.map_or(Some(false), |r| r.boolean("sudo"))?,
            })
        });
        Some(Self {
            cluster: r.text("cluster")?,
            eds_file: r.text("eds-file")?,
            server: r.text("server")?,
            instances: instances?,
        })
    }

    fn name(&self) -> String {
        self.cluster.clone()
    }

    fn drives(&self) -> Vec<String> {
        let file = |i| self.eds_file(i);
        self.instances.iter().map(|i| format!("{} in {} on {}", self.server, file(i), i.seat.place())).collect()
    }

    fn hosts(&self, _places: &[Place]) -> Vec<String> {
        let admin = |i: &Instance| i.admin.ssh_host().map(str::to_owned);
        self.instances.iter().flat_map(|i| [i.seat.host.clone(), admin(i)]).flatten().collect()
    }

    fn instances(&self, _places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        self.instances.iter().map(|i| (i.seat.name.clone(), i.seat.shape())).collect()
    }

    fn server(&self, place: &Place) -> String {
        place.fill(&self.server)
    }

    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Envoy::new(id, self, &places, tools))
    }
}

static KEYS: [Key; 4] = [
    key("cluster", Form::Text(&texts::PROXY_NAME), Need::Required, "Envoy's name of the cluster."),
    key(
        "eds-file",
        Form::Text(&texts::FILE),
        Need::Required,
        "The file that Envoy reads the cluster's endpoints from: a `DiscoveryResponse` as JSON, no symbolic link. Of it only `health_status` and `load_balancing_weight` of members are changed.",
    ),
    key(
        "server",
        Form::Text(&texts::MEMBER),
        Need::Required,
        "A member in that file: its address with its port, or its `hostname`; `{address}` stands for the node's address, `{node}` for its name.",
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
        key(
            "admin",
            Form::Text(&texts::ENDPOINT),
            Need::Default(Literal::Text(ADMIN)),
            "Its admin interface as seen from that host: `tcp:host:port`, `unix:/path` (or `ssh://host/path`, a socket on another one).",
        ),
        key("eds-file", Form::Text(&texts::FILE), Need::Optional("the route's"), "The file on this host."),
        key(
            "sudo",
            Form::Boolean,
            Need::Default(Literal::Boolean(false)),
            "Whether commands run as root through `sudo -n`. Without it the user must be able to write beside the file, and must be root to cut connections.",
        ),
        instances::SOURCE,
        instances::NODE,
    ],
    variants: None,
    label: &["name", "host"],
};
