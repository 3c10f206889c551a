//! `via = "dns"`: what the configuration says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
};

use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::{
    Dns, Server, Type,
    data::{Data, Goal},
    keys::KEYS,
    names,
    set::Entry,
};
use crate::{
    config::{
        reader::{Reader, Spot},
        report::Problems,
        settings::Place,
        shape::Variant,
    },
    model::{
        InstanceName, NodeName, RouteId,
        topology::{InstanceShape, Role},
    },
    provider::{
        RouteProvider,
        route::kind::{About, Kind, OUTER, Tools},
    },
};

/// The records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Servers that may be the zone's primary, in the order in which they are tried. The first is the instance that
    /// changes are sent to; all of them are asked.
    pub servers: Vec<Server>,
    /// Places of other servers of the zone, for those that its own names do not lead to.
    pub secondaries: Vec<Server>,
    /// The zone, in full.
    pub zone: String,
    /// The records' name, in full.
    pub name: String,
    /// The records' type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// A node's record, with `{node}` and `{address}`.
    pub record: String,
    /// The TTL that the set has, in seconds; checked, and used for a set that is empty.
    pub ttl: Option<u32>,
    /// The TTL ahead of a planned window, in seconds.
    pub ttl_during_maintenance: Option<u32>,
    /// The TSIG key, in BIND's format.
    pub key_file: PathBuf,
    /// Public resolvers whose answers are shown.
    pub resolvers: Vec<Server>,
    /// Servers of the zone that nobody waits for.
    pub not_following: Vec<InstanceName>,
}

impl Kind for Settings {
    const VARIANT: Variant = Variant {
        name: "dns",
        about: "The records of a name, by dynamic update (RFC 2136) with TSIG, on every server of the zone.",
        keys: &KEYS,
    };
    const TIER: u16 = OUTER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let servers = servers(r, "servers", problems);
        let secondaries = servers_if_any(r, "secondaries", problems);
        let resolvers = servers_if_any(r, "resolvers", problems);
        let (zone, kind): (Option<Name>, Option<Type>) = (zone(r, problems), r.choice("type"));
        let name = zone.as_ref().and_then(|zone| name(r, zone, about.address, problems));
        let record = match (r.has("record"), kind) {
            (true, _) => r.text("record"),
            (false, Some(kind)) => Some(if kind.is_address() { "{address}" } else { "{node}" }.to_owned()),
            (false, None) => None,
        };
        let ignored =
            r.texts("not-following").map(|names| names.into_iter().map(|(_, name)| instance(&name)).collect());
        let ttl = ttl(r, "ttl", problems);
        let during = ttl_below(r, ttl, problems);
        let settings = Self {
            servers: servers?,
            secondaries: secondaries?,
            zone: zone?.to_ascii(),
            name: name?.to_ascii(),
            kind: kind?,
            record: record?,
            ttl: ttl?,
            ttl_during_maintenance: during?,
            key_file: r.text("key-file")?.into(),
            resolvers: resolvers?,
            not_following: ignored?,
        };
        settings.find_twins(r, problems);
        settings.records_of_nodes(r, about, problems).then_some(settings)
    }

    fn name(&self) -> String {
        let name = names::full(&self.name).map_or_else(|_| self.name.clone(), |name| names::plain(&name));
        if self.kind == Type::A { name } else { format!("{name}:{}", self.kind) }
    }

    fn drives(&self) -> Vec<String> {
        vec![format!("the {} record set of {}", self.kind, self.name.to_ascii_lowercase())]
    }

    fn hosts(&self, _places: &[Place]) -> Vec<String> {
        Vec::new()
    }

    fn instances(&self, _places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        let driven = || InstanceShape { blind: true, ..InstanceShape::default() };
        let primary = self.servers.iter().take(1).map(|server| (server.name.clone(), driven()));
        let others = self.servers.iter().skip(1).chain(&self.secondaries);
        primary.chain(others.map(|server| (server.name.clone(), follower()))).collect()
    }

    /// The zone's own list of its servers.
    fn discovers(&self) -> bool {
        true
    }

    /// The node's name: its record may change, and a set may hold several of a node.
    fn server(&self, place: &Place) -> String {
        place.node.to_string()
    }

    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Dns::new(id, self.clone(), &places, tools.limit))
    }
}

impl Settings {
    /// What a node's record is, or leads to. The address is only needed where the template asks for it.
    pub(super) fn entry(&self, node: &NodeName, address: Option<IpAddr>) -> Result<Entry, String> {
        let zone = names::full(&self.zone)?;
        let address = match address {
            Some(address) => address.to_string(),
            None if self.record.contains("{address}") => {
                return Err(format!("the node \"{node}\" has no address, and its record is made of it"));
            }
            None => String::new(),
        };
        let text = self.record.replace("{node}", node.as_str()).replace("{address}", &address);
        let entry = |goal, record| Entry { node: node.clone(), goal, record };
        if !self.kind.is_address() && text.split_whitespace().count() == 1 {
            return Ok(entry(Goal::target(&names::within(&text, &zone)?), None));
        }
        let data = Data::parse(self.kind, &text, &zone)?;
        if data.goal() == Goal::Target(Name::root()) {
            return Err(format!("{text:?} leads to \".\", which tells no node from another"));
        }
        Ok(entry(data.goal(), Some(data)))
    }

    /// Whether every node that is known gets a record of its own; reported where not.
    fn records_of_nodes(&self, r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> bool {
        let listed = r.has("nodes").then(|| r.texts("nodes")).flatten();
        let listed = listed.map(|nodes| nodes.into_iter().map(|(_, name)| NodeName::new(name)).collect());
        let nodes: Vec<NodeName> = listed.unwrap_or_else(|| about.context.members.clone());
        let mut goals: Vec<Goal> = Vec::new();
        for node in &nodes {
            let address = about.context.places.get(node).and_then(|place| place.address);
            let problem = match self.entry(node, address) {
                Err(why) => why,
                Ok(entry) if goals.contains(&entry.goal) => {
                    format!("the node \"{node}\" has the same record as another")
                }
                Ok(entry) => {
                    goals.push(entry.goal);
                    continue;
                }
            };
            let help = "give each `[[node]]` its `address`, or write a `record` that differs by `{node}`";
            r.spot("record").report(problems, problem, help);
            return false;
        }
        true
    }

    fn find_twins(&self, r: &Reader<'_>, problems: &mut Problems) {
        let mut names = BTreeSet::new();
        for server in self.servers.iter().chain(&self.secondaries) {
            if !names.insert(&server.name) {
                let message = format!("there are two servers named \"{}\"", server.name);
                r.spot("servers").report(problems, message, "list each once, or give each its own name");
            }
        }
    }
}

/// A server of the zone that changes come to by themselves: it has to answer with the same set.
pub(super) fn follower() -> InstanceShape {
    InstanceShape { role: Role::Follower, blind: true, mirrors: true, ..InstanceShape::default() }
}

fn instance(name: &str) -> InstanceName {
    InstanceName::new(names::full(name).map_or_else(|_| name.to_owned(), |name| names::plain(&name)))
}

fn servers(r: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<Vec<Server>> {
    let server = |item: Result<Reader<'_>, (Spot, String)>| {
        let (spot, address, name) = match item {
            Err((spot, text)) => (spot, text, None),
            Ok(table) => (table.spot("address"), table.text("address")?, table.text("name")),
        };
        let server = Server::parse(&address, name);
        if server.is_none() {
            spot.report(
                problems,
                format!("\"{address}\" is no server"),
                "write `host`, `host:port` or `[address]:port`",
            );
        }
        server
    };
    r.items(key).into_iter().map(server).collect()
}

fn servers_if_any(r: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<Vec<Server>> {
    if r.has(key) { servers(r, key, problems) } else { Some(Vec::new()) }
}

fn zone(r: &Reader<'_>, problems: &mut Problems) -> Option<Name> {
    let zone = names::full(&r.text("zone")?);
    zone.inspect_err(|why| r.spot("zone").report(problems, why, "name the zone, as in `example.com`")).ok()
}

/// The records' name: what is configured, else the entrypoint's address, which must lie in the zone then.
fn name(r: &Reader<'_>, zone: &Name, address: Option<&str>, problems: &mut Problems) -> Option<Name> {
    if r.has("record-name") {
        let name = names::within(&r.text("record-name")?, zone);
        let name = name.inspect_err(|why| r.spot("record-name").report(problems, why, "")).ok()?;
        if !zone.zone_of(&name) {
            r.spot("record-name").report(problems, format!("{name} does not lie in the zone {zone}"), "");
            return None;
        }
        return Some(name);
    }
    let address = address?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match names::full(host) {
        Ok(name) if zone.zone_of(&name) => Some(name),
        _ => {
            let message = format!("the entrypoint's address \"{address}\" does not lie in the zone {zone}");
            r.spot("zone").report(problems, message, "write the records' name into `record-name`");
            None
        }
    }
}

/// A time to live in whole seconds.
fn ttl(r: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<Option<u32>> {
    if !r.has(key) {
        return Some(None);
    }
    let ttl = r.duration(key)?;
    let seconds = u32::try_from(ttl.as_secs()).ok().filter(|_| ttl.subsec_nanos() == 0);
    if seconds.is_none() {
        r.spot(key).report(problems, "a TTL is in whole seconds", "");
    }
    seconds.map(Some)
}

fn ttl_below(r: &Reader<'_>, usual: Option<Option<u32>>, problems: &mut Problems) -> Option<Option<u32>> {
    let during = ttl(r, "ttl-during-maintenance", problems)?;
    let problem = match (during, usual) {
        (Some(_), Some(None)) => "`ttl` is missing: nothing says which TTL is put back".to_owned(),
        (Some(during), Some(Some(usual))) if during >= usual => {
            format!("the TTL during maintenance ({during} s) is no shorter than the usual one ({usual} s)")
        }
        _ => return Some(during),
    };
    r.spot("ttl-during-maintenance").report(problems, problem, "");
    Some(during)
}

#[cfg(test)]
mod tests;
