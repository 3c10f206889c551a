//! What the rules look at, and the questions that many of them ask of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::settings::{Entrypoint, Route, Service, Settings, Via},
    model::{
        BalancerView, EntrypointName, InstanceName, NodeName, Observation, RouteId, Topology, UnitName,
        topology::RouteShape,
    },
};

/// A fact, or why it could not be had.
pub type Known<T> = Result<T, String>;

/// For each route by name, whom every resolver leads to: the resolver, and the members by the route's names.
pub type Resolvers = BTreeMap<RouteId, Vec<(String, Known<BTreeSet<String>>)>>;

/// Everything that a review looks at.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// What hangs together, with what the real systems added to it where they were asked.
    pub topology: &'a Topology,
    /// What was read from the real systems; `None` where nobody asked them.
    pub found: Option<&'a Found>,
    /// Now.
    pub now: Timestamp,
}

/// What was read from the real systems.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What every command sees.
    pub seen: Observation,
    /// What load balancers' own configurations say; `None` where a kind of route tells nothing of the sort.
    pub balancers: BTreeMap<(RouteId, InstanceName), Known<Option<BalancerView>>>,
    /// Whom the stable names lead to, by everybody who was asked.
    pub names: BTreeMap<EntrypointName, Vec<Answer>>,
    /// What resolvers answer for routes by name.
    pub resolvers: Resolvers,
    /// Units and files on each member.
    pub machines: BTreeMap<NodeName, Known<Machine>>,
    /// The time-out of each resource's stop operation in the cluster.
    pub stop_timeouts: BTreeMap<String, Known<Duration>>,
    /// When each node was last drained and restored to the end.
    pub drilled: BTreeMap<NodeName, Timestamp>,
    /// When a real failure was last played to the end, whatever came out.
    pub played: Option<Timestamp>,
}

/// Where a name leads, by one who was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who was asked.
    pub who: String,
    /// The addresses.
    pub addresses: Known<BTreeSet<IpAddr>>,
}

/// What one member's disk and systemd say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Units by name; `None` where there is no such unit.
    pub units: BTreeMap<UnitName, Option<Unit>>,
    /// SHA-256 of files; `None` where there is no such file.
    pub files: BTreeMap<PathBuf, Known<Option<String>>>,
}

/// A unit as systemd loaded it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// SHA-256 of each of its files with its path, without those that live until the next boot.
    pub content: BTreeMap<PathBuf, Known<Option<String>>>,
    /// `UnitFileState`.
    pub file_state: String,
    /// `TimeoutStopSec`; `None` is without end.
    pub stop_timeout: Option<Duration>,
    /// How long its last start took, where it has started.
    pub started_in: Option<Duration>,
}

impl<'a> Facts<'a> {
    /// What was read; only for rules that need it, which are not asked without.
    pub(super) fn found(&self) -> &'a Found {
        self.found.expect("a rule that needs the systems is not asked without them")
    }

    /// Every entrypoint with its service.
    pub(super) fn entrypoints(&self) -> impl Iterator<Item = (&'a Entrypoint, &'a Service)> {
        let settings = self.settings;
        settings.entrypoints.iter().filter_map(move |e| Some((e, settings.service(&e.service)?)))
    }

    /// Every route with its entrypoint and service.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&'a Entrypoint, &'a Service, &'a Route)> {
        self.entrypoints().flat_map(|(e, s)| e.routes.iter().map(move |r| (e, s, r)))
    }

    /// The shape of a route.
    pub(super) fn shape(&self, route: &Route) -> Option<&'a RouteShape> {
        self.topology.routes.iter().find(|shape| shape.id == route.id)
    }

    /// Whether a route leads to members of the cluster, not to other load balancers.
    pub(super) fn leads_to_members(&self, route: &Route) -> bool {
        let members = &self.topology.nodes;
        self.shape(route).is_some_and(|shape| shape.servers.keys().any(|node| members.contains(node)))
    }

    /// Every load balancer with what its configuration says; `Err` where that could not be had.
    pub(super) fn balancers(&self) -> Vec<Balancer<'a>> {
        let found = self.found();
        let mut all = Vec::new();
        for (entrypoint, service, route) in self.routes().filter(|(_, _, r)| is_balancer(&r.via)) {
            for instance in self.shape(route).into_iter().flat_map(|shape| shape.instances.keys()) {
                let view = match found.balancers.get(&(route.id.clone(), instance.clone())) {
                    Some(Ok(Some(view))) => Ok(view),
                    Some(Ok(None)) => {
                        Err(format!("Tidegate cannot read the configuration behind via = \"{}\"", route.via.word()))
                    }
                    Some(Err(why)) => Err(why.clone()),
                    None => Err("it was not asked".to_owned()),
                };
                let about = format!("{instance} ({})", route.id);
                all.push(Balancer { entrypoint, service, route, about, view });
            }
        }
        all
    }
}

/// One load balancer of a route.
pub(super) struct Balancer<'a> {
    pub entrypoint: &'a Entrypoint,
    pub service: &'a Service,
    pub route: &'a Route,
    pub about: String,
    view: Known<&'a BalancerView>,
}

impl<'a> Balancer<'a> {
    /// One thing of its configuration, or why it is not known.
    pub fn tells<T>(&self, of: impl Fn(&'a BalancerView) -> Option<T>) -> Known<T> {
        let view = self.view.clone()?;
        of(view).ok_or_else(|| if view.lacks.is_empty() { "it does not tell".to_owned() } else { view.lacks.clone() })
    }
}

/// Whether a route forwards what clients say, and does not only tell them where to go.
pub(super) fn is_balancer(via: &Via) -> bool {
    !matches!(via, Via::Dns(_) | Via::Bgp(_))
}

/// Whether it only tells clients where to go.
pub(super) fn is_name(via: &Via) -> bool {
    matches!(via, Via::Dns(_))
}

/// A time as people write it, whole units only.
pub(super) fn span(duration: Duration) -> String {
    crate::config::show(duration)
}
