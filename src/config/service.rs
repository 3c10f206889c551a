//! `[[service]]`: what is read, and what must agree within it.

use std::time::Duration;

use super::{
    cluster::Context,
    duration::show,
    reader::Reader,
    ready_reader::ready,
    report::Problems,
    settings::{Affinity, CloneSettings, Connections, Objective, Service, Sessions},
};
use crate::model::{ServiceName, UnitName};

/// Reads all services; `None` where a part is missing or wrong, which has been reported then.
pub(crate) fn services(readers: &[Reader<'_>], context: &Context, problems: &mut Problems) -> Option<Vec<Service>> {
    let services: Vec<Option<Service>> = readers.iter().map(|r| service(r, context, problems)).collect();
    let known = || readers.iter().zip(&services).filter_map(|(r, s)| s.as_ref().map(|s| (r, s)));
    for (index, (r, service)) in known().enumerate() {
        if let Some((_, other)) = known().take(index).find(|(_, o)| o.clone.resource == service.clone.resource) {
            let message = format!("the service \"{}\" is the same resource, {}", other.name, other.clone.resource);
            r.spot("clone").report(problems, message, "a resource is one service; its frontends are entrypoints");
        }
    }
    services.into_iter().collect()
}

fn service(r: &Reader<'_>, context: &Context, problems: &mut Problems) -> Option<Service> {
    let unit = r.text("unit");
    // Everything is read before anything is given up, so that all problems are found.
    let clone = r.table("clone").and_then(|c| clone(&c, unit.as_deref(), problems));
    let ready = r.table("ready").filter(|_| r.has("ready")).and_then(|t| ready(&t, context, problems));
    let sessions =
        r.table("sessions").and_then(|t| Some(Sessions { affinity: t.choice("affinity")?, state: t.choice("state")? }));
    let bound = sessions.is_some_and(|s| s.affinity != Affinity::None);
    let connections = r.table("connections").and_then(|t| connections(&t, bound, problems));
    let objective = r.table("objective").and_then(|t| {
        Some(Objective {
            failover: t.duration("failover"),
            max_error_ratio: t.number("max-error-ratio")?,
            max_skew: t.number("max-skew"),
        })
    });
    let archives = r.texts("archives").map(|files| files.into_iter().map(|(_, file)| file.into()).collect());
    let extra_units = extra_units(r, unit.as_deref(), problems);
    let min_ready = r.integer("min-ready");
    if let Some(min_ready) = min_ready {
        floor(r, min_ready, clone.as_ref(), context, problems);
    }
    Some(Service {
        name: ServiceName::new(r.text("name")?),
        unit: UnitName::new(unit?),
        extra_units: extra_units?,
        clone: clone?,
        min_ready: min_ready?,
        ready: ready?,
        sessions: sessions?,
        connections: connections?,
        objective: objective?,
        archives: archives?,
    })
}

/// A drain takes one node away: the floor must be below what is there, or no drain can ever begin.
fn floor(r: &Reader<'_>, min_ready: u32, clone: Option<&CloneSettings>, context: &Context, problems: &mut Problems) {
    let spot = r.spot("min-ready");
    if let Some(max) = clone.and_then(|c| c.clone_max).filter(|max| min_ready >= *max) {
        let message = format!("min-ready = {min_ready} leaves nothing to drain: clone-max is {max}");
        return spot.report(problems, message, "min-ready must be less than clone-max");
    }
    if let Some(nodes) = context.nodes.filter(|n| u64::from(min_ready) >= *n as u64) {
        let message = format!("min-ready = {min_ready} leaves nothing to drain: the cluster has {nodes} nodes");
        spot.report(problems, message, "min-ready must be less than the number of nodes");
    }
}

fn clone(r: &Reader<'_>, unit: Option<&str>, problems: &mut Problems) -> Option<CloneSettings> {
    let resource = if r.has("resource") { r.text("resource") } else { unit.and_then(derive_resource) };
    if let Some(unit) = unit.filter(|_| resource.is_none() && !r.has("resource")) {
        let message = format!("`resource` is missing, and cannot be derived from \"{unit}\"");
        r.spot("resource").report(problems, message, "name the cloned primitive, as in `resource = \"app_service\"`");
    }
    Some(CloneSettings {
        resource: resource?,
        monitor_interval: r.duration("monitor-interval")?,
        clone_max: r.integer("clone-max"),
        clone_node_max: r.integer("clone-node-max")?,
        clone_min: r.integer("clone-min"),
        interleave: r.boolean("interleave")?,
        stop_timeout: r.duration("stop-timeout"),
        start_timeout: r.duration("start-timeout"),
    })
}

/// `app.service` → `app_service`. Only for plain names: a guess that is wrong would watch another resource.
fn derive_resource(unit: &str) -> Option<String> {
    let stem = unit.strip_suffix(".service")?;
    let plain = stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (plain && stem.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).then(|| format!("{stem}_service"))
}

/// Clients that are bound to a node come back to it between their requests, so there must be longer silence before they
/// count as gone.
fn connections(r: &Reader<'_>, bound: bool, problems: &mut Problems) -> Option<Connections> {
    let usual = Duration::from_secs(if bound { 30 } else { 2 });
    let connections = Connections {
        settle: if r.has("settle") { r.duration("settle")? } else { usual },
        deadline: r.duration("deadline")?,
        on_deadline: r.choice("on-deadline")?,
        max_age: r.duration("max-age"),
    };
    let (settle, deadline) = (show(connections.settle), show(connections.deadline));
    if connections.deadline <= connections.settle {
        let message = format!("a deadline of {deadline} comes before connections can have settled for {settle}");
        r.spot("deadline").report(problems, message, "it must be longer than `settle`");
    }
    Some(connections)
}

fn extra_units(r: &Reader<'_>, unit: Option<&str>, problems: &mut Problems) -> Option<Vec<UnitName>> {
    let mut units: Vec<UnitName> = Vec::new();
    for (spot, name) in r.texts("extra-units")? {
        if unit == Some(name.as_str()) {
            let message = format!("\"{name}\" is the unit that the cluster runs");
            spot.report(problems, message, "list only units outside the cluster: the cluster stops its own");
        } else if units.iter().any(|u| u.as_str() == name) {
            spot.report(problems, format!("\"{name}\" is listed twice"), "");
        }
        units.push(UnitName::new(name));
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_derived_only_from_a_plain_name() {
        assert_eq!(derive_resource("app.service").as_deref(), Some("app_service"));
        assert_eq!(derive_resource("my-app.service").as_deref(), Some("my-app_service"));
        for unit in ["app@1.service", "app.socket", "a.b.service", "1app.service"] {
            assert_eq!(derive_resource(unit), None, "{unit}");
        }
    }
}
