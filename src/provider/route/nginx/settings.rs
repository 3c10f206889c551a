//! `via = "nginx"`: what the configuration says of it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Nginx;
use crate::{
    config::{
        reader::Reader,
        report::Problems,
        settings::Place,
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

const PID: &str = "/run/nginx.pid";
const COMMAND: &[&str] = &["nginx"];

/// The servers of one `upstream` on every NGINX that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The include file with the `server` lines.
    pub include: String,
    /// A member's address there; `{node}` and `{address}` stand for the node's.
    pub server: String,
    /// Every NGINX that must acknowledge.
    pub instances: Vec<Instance>,
}

/// One NGINX.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it is.
    #[serde(flatten)]
    pub seat: Seat,
    /// Its include, where that has another path than elsewhere.
    pub include: Option<String>,
    /// The file with the master's process id.
    pub pid: String,
    /// The program, with what it needs to find its configuration.
    pub command: Vec<String>,
    /// Whether root's rights come from sudo.
    pub sudo: bool,
}

impl Settings {
    /// The include on one instance.
    pub fn include<'a>(&'a self, instance: &'a Instance) -> &'a str {
        instance.include.as_deref().unwrap_or(&self.include)
    }
}

impl Kind for Settings {
    const VARIANT: Variant = Variant {
        name: "nginx",
        about: "NGINX, by an include file of its upstream's servers and a reload. Its machine needs a POSIX shell, GNU coreutils, `flock`, `ps` and `ss`.",
        keys: &KEYS,
    };
    const TIER: u16 = BALANCER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let instances = instances::read(r, about, problems, |seat, table| {
            let words = |r: &Reader<'_>| Some(r.texts("command")?.into_iter().map(|(_, word)| word).collect());
            let usual = || COMMAND.iter().map(|word| (*word).to_owned()).collect();
            Some(Instance {
                seat,
                include: table.and_then(|r| r.text("include")),
                pid: table.map_or_else(|| Some(PID.to_owned()), |r| r.text("pid"))?,
                command: table.map_or_else(|| Some(usual()), words)?,
                sudo: table.map_or(Some(false), |r| r.boolean("sudo"))?,
            })
        });
        Some(Self { include: r.text("include")?, server: r.text("server")?, instances: instances? })
    }

    fn name(&self) -> String {
        Path::new(&self.include)
            .file_stem()
            .map_or_else(|| "upstream".into(), |stem| stem.to_string_lossy().into_owned())
    }

    fn drives(&self) -> Vec<String> {
        self.instances.iter().map(|i| format!("{} in {} on {}", self.server, self.include(i), i.seat.place())).collect()
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

    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Nginx::new(id, self, &places, tools))
    }
}

static KEYS: [Key; 3] = [
    key(
        "include",
        Form::Text(&texts::FILE),
        Need::Required,
        "The file that the `upstream` block includes, with one `server …;` on each line. Only Tidegate writes it while a node is out.",
    ),
    key(
        "server",
        Form::Text(&texts::MEMBER),
        Need::Required,
        "The address of a member's line; `{address}` stands for the node's address, `{node}` for its name.",
    ),
    key(
        "instances",
        Form::List(&Form::Either(&instances::HOST, &INSTANCE), 1),
        Need::Required,
        "Every NGINX that serves this entrypoint: each must acknowledge. An SSH host (or `local`) as text, or a table.",
    ),
];

static INSTANCE: Shape = Shape {
    about: "One NGINX.",
    keys: &[
        instances::NAME,
        instances::HOST_KEY,
        key("include", Form::Text(&texts::FILE), Need::Optional("the route's"), "The include on this host."),
        key(
            "pid",
            Form::Text(&texts::FILE),
            Need::Default(Literal::Text(PID)),
            "The file with the master's process id.",
        ),
        key(
            "command",
            Form::List(&Form::Text(&texts::ARGUMENT), 1),
            Need::Default(Literal::Texts(COMMAND)),
            "The program and what it needs to find its configuration, such as `-c` and a file; `-t` is put behind it.",
        ),
        key(
            "sudo",
            Form::Boolean,
            Need::Default(Literal::Boolean(false)),
            "Whether commands run as root through `sudo -n`. Without it the user must be root.",
        ),
        instances::SOURCE,
        instances::NODE,
    ],
    variants: None,
    label: &["name", "host"],
};
