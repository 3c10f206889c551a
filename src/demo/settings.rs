//! What a configuration file would say of the embedded world.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    backend::Unit,
    edge::Edge,
    world::{Options, RESOURCE, ROUTE, SERVICE, UNIT},
};
use crate::{
    config::settings::{
        self, CloneSettings, Endpoint, Entrypoint, Http, Node, Objective, Probe, Protocol, Ready, Route, Service,
        Sessions, Settings, Via,
    },
    model::{NodeName, RouteId, ServiceName, UnitName},
    provider::route::haproxy,
};

pub(super) fn settings(options: &Options, units: &BTreeMap<NodeName, Unit>, edges: &[Edge]) -> Settings {
    let port = units.values().next().map_or(0, |u| u.address().port());
    Settings {
        cluster: settings::Cluster {
            name: "demo".to_owned(),
            access: settings::Access::Local,
            members: units.keys().cloned().collect(),
        },
        journal: settings::Journal { path: PathBuf::from("(in memory)") },
        run: settings::Run {
            patience: Duration::from_secs(15),
            poll: Duration::from_millis(50),
            call_timeout: Duration::from_secs(2),
            max_age: Duration::from_secs(2),
            ..settings::Run::default()
        },
        guard: settings::Guard::default(),
        review: settings::Review::default(),
        nodes: units
            .iter()
            .map(|(name, unit)| (name.clone(), Node { address: Some(unit.address().ip()), ssh: None, outside: false }))
            .collect(),
        services: vec![service(options, port)],
        entrypoints: vec![entrypoint(options, edges)],
    }
}

fn service(options: &Options, port: u16) -> Service {
    Service {
        name: ServiceName::new(SERVICE),
        unit: UnitName::new(UNIT),
        extra_units: Vec::new(),
        clone: CloneSettings { monitor_interval: Duration::from_secs(10), ..CloneSettings::of(RESOURCE) },
        min_ready: u32::from(options.nodes.clamp(2, 9)) - 1,
        ready: Ready {
            timeout: Duration::from_secs(1),
            interval: Duration::from_millis(250),
            healthy: 2,
            ..Ready::new(port, Probe::Http(Http::default()))
        },
        sessions: Sessions::default(),
        connections: options.connections,
        objective: Objective { failover: None, max_error_ratio: 0.001, max_skew: Some(1.25) },
        archives: Vec::new(),
    }
}

fn entrypoint(options: &Options, edges: &[Edge]) -> Entrypoint {
    let instances = edges.iter().map(|edge| haproxy::Instance {
        name: edge.name().clone(),
        socket: Endpoint::Tcp { address: edge.entry().to_string() },
        master: None,
        source: vec![edge.source()],
        node: None,
    });
    Entrypoint {
        name: "web".into(),
        service: SERVICE.into(),
        address: edges.first().map_or_else(String::new, |e| e.entry().to_string()),
        port: edges.first().map(|e| e.entry().port()),
        protocol: Protocol::Http,
        tls: None,
        client_identity: None,
        routes: vec![Route {
            id: RouteId::new(ROUTE),
            tier: 20,
            ramp: options.ramp.clone(),
            dwell: options.dwell,
            nodes: None,
            watch: Duration::from_secs(1),
            // The edges are load balancers of this kind in everything that a plan reads here.
            via: Via::Haproxy(haproxy::Settings {
                backend: SERVICE.to_owned(),
                server: "{node}".to_owned(),
                instances: instances.collect(),
                config_file: None,
            }),
        }],
    }
}
