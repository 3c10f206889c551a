//! `via = "haproxy"`: what the configuration says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::Haproxy;
use crate::{
    config::{
        endpoint,
        reader::{Reader, Spot},
        report::Problems,
        settings::{Endpoint, Place},
        shape::{Key, Kind as Form, Literal, Need, Shape, Text, Variant},
        texts,
    },
    model::{InstanceName, NodeName, RouteId, topology::InstanceShape},
    provider::{
        RouteProvider,
        route::kind::{About, BALANCER, Kind, Tools, key},
    },
};

/// One backend on every HAProxy that serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The backend.
    pub backend: String,
    /// The server's name in it; `{node}` stands for the node's.
    pub server: String,
    /// Every process (or master) that must acknowledge.
    pub instances: Vec<Instance>,
    /// Where each instance's configuration file is: a path on the host of its socket, or `ssh://host/path`; `{instance}`
    /// stands for the instance's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
}

/// One HAProxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in plans and messages.
    pub name: InstanceName,
    /// Its admin-level socket.
    pub socket: Endpoint,
    /// Its master socket, where there is one: shows the old workers after a reload.
    pub master: Option<Endpoint>,
    /// The addresses from which it connects to the nodes. Where none are known, its idle pool explains
    /// sockets from anywhere.
    pub source: Vec<IpAddr>,
    /// The node on which it runs, where that is one that can be drained.
    pub node: Option<NodeName>,
}

impl Kind for Settings {
    const VARIANT: Variant = Variant { name: "haproxy", about: "HAProxy, by its runtime API.", keys: &KEYS };
    const TIER: u16 = BALANCER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let backend = r.text("backend");
        let server = r.text("server");
        let instances = instances(r, about, problems);
        Some(Self { backend: backend?, server: server?, instances: instances?, config_file: r.text("config-file") })
    }

    fn name(&self) -> String {
        self.backend.clone()
    }

    fn drives(&self) -> Vec<String> {
        self.instances.iter().map(|i| format!("{}/{} on {}", self.backend, self.server, i.socket)).collect()
    }

    fn hosts(&self, _places: &[Place]) -> Vec<String> {
        let endpoints = self.instances.iter().flat_map(|i| [Some(&i.socket), i.master.as_ref()]);
        endpoints.flatten().filter_map(Endpoint::ssh_host).map(str::to_owned).collect()
    }

    fn instances(&self, _places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        let shape =
            |i: &Instance| InstanceShape { source: i.source.clone(), host: i.node.clone(), ..InstanceShape::default() };
        self.instances.iter().map(|i| (i.name.clone(), shape(i))).collect()
    }

    fn server(&self, place: &Place) -> String {
        place.fill(&self.server)
    }

    fn connect(&self, id: RouteId, _places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Haproxy::new(id, self.clone(), tools.access.clone(), tools.limit))
    }
}

static KEYS: [Key; 4] = [
    key("backend", Form::Text(&texts::PROXY_NAME), Need::Required, "The backend."),
    key(
        "server",
        Form::Text(&texts::SERVER),
        Need::Default(Literal::Text("{node}")),
        "The server's name in it; `{node}` stands for the node's.",
    ),
    key(
        "instances",
        Form::List(&Form::Either(&Form::Text(&texts::ENDPOINT), &INSTANCE), 1),
        Need::Required,
        "Every HAProxy that serves this entrypoint: each must acknowledge. A socket as text, or a table.",
    ),
    key(
        "config-file",
        Form::Text(&CONFIG_FILE),
        Need::Optional("the review says what it does not know without it"),
        "Its configuration file, which the review reads: a path on the host of each instance's socket, or `ssh://host/path`; \
         `{instance}` stands for the instance's name.",
    ),
];

static CONFIG_FILE: Text = Text::new(
    "a file on the load balancer",
    "/etc/haproxy/haproxy.cfg",
    "^(ssh://[A-Za-z0-9_{][A-Za-z0-9_.{}-]*)?/[!-~]+$",
    "`/path` or `ssh://host/path`; `{instance}` stands for the instance's name",
);

static INSTANCE: Shape = Shape {
    about: "One HAProxy.",
    keys: &[
        key(
            "name",
            Form::Text(&texts::LABEL),
            Need::Optional(
                "the host of `ssh` and `tcp`; else the socket's file name, or `local` for `admin.sock` and its like; with a number behind where it is taken",
            ),
            "Its name in plans and messages.",
        ),
        key(
            "socket",
            Form::Text(&texts::ENDPOINT),
            Need::Required,
            "Its admin-level socket: `unix:/path`, `tcp:host:port` or `ssh://host/path`.",
        ),
        key(
            "master",
            Form::Text(&texts::ENDPOINT),
            Need::Optional("old workers are not seen"),
            "Its master socket: shows the old workers, and their connections, after a reload.",
        ),
        key(
            "source",
            Form::List(&Form::Ip, 0),
            Need::Default(Literal::Texts(&[])),
            "Addresses from which it connects to the nodes. Where none are known, its idle pool explains sockets from anywhere.",
        ),
        key(
            "node",
            Form::Text(&texts::NODE),
            Need::Optional("it runs on no node that is ever drained"),
            "The node on which it runs: before that node goes, clients must have left this load balancer too.",
        ),
    ],
    variants: None,
    label: &["name"],
};

/// An instance as it is written.
struct Written {
    spot: Spot,
    name: Option<InstanceName>,
    socket: Endpoint,
    master: Option<Endpoint>,
    source: Vec<IpAddr>,
    node: Option<NodeName>,
}

fn instances(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Vec<Instance>> {
    let written: Vec<Written> =
        r.items("instances").into_iter().map(|item| written(item, about, problems)).collect::<Option<_>>()?;
    let mut names: BTreeSet<InstanceName> = BTreeSet::new();
    let mut sockets: Vec<&Endpoint> = Vec::new();
    for one in &written {
        if let Some(name) = one.name.as_ref().filter(|name| !names.insert((*name).clone())) {
            one.spot.report(problems, format!("there are two instances named \"{name}\""), "give each its own name");
        }
        if sockets.contains(&&one.socket) {
            one.spot.report(problems, "another instance has the same socket", "each HAProxy must be listed once");
        }
        sockets.push(&one.socket);
    }
    let named = |one: Written| {
        let name = one.name.unwrap_or_else(|| endpoint::derive_name(&one.socket, &names));
        names.insert(name.clone());
        Instance { name, socket: one.socket, master: one.master, source: one.source, node: one.node }
    };
    Some(written.into_iter().map(named).collect())
}

fn written(item: Result<Reader<'_>, (Spot, String)>, about: &About<'_>, problems: &mut Problems) -> Option<Written> {
    match item {
        Err((spot, text)) => Some(Written {
            spot,
            name: None,
            socket: endpoint::parse(&text)?,
            master: None,
            source: Vec::new(),
            node: None,
        }),
        Ok(r) => Some(Written {
            spot: r.here(),
            name: r.text("name").map(InstanceName::new),
            socket: endpoint::parse(&r.text("socket")?)?,
            master: r.text("master").and_then(|text| endpoint::parse(&text)),
            source: r.texts("source")?.into_iter().map(|(_, ip)| ip.parse().ok()).collect::<Option<_>>()?,
            node: about.context.node(&r, "node", problems),
        }),
    }
}
