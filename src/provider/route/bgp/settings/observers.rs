//! Who is only asked, and which of their sessions may be closed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Daemon, Observer, daemon};
use crate::{
    config::{
        reader::{Reader, Spot},
        report::Problems,
    },
    model::{InstanceName, NodeName},
    provider::route::kind::About,
};

/// One as it is written: it may have no name yet.
struct Written {
    spot: Spot,
    name: Option<InstanceName>,
    daemon: Daemon,
    sessions: BTreeMap<NodeName, String>,
}

pub(super) fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Vec<Observer>> {
    let readers: Vec<Reader<'_>> = r.items("observers").into_iter().filter_map(Result::ok).collect();
    // Every one is read before any that is wrong ends it: all problems are told at once.
    let written: Vec<Option<Written>> = readers.iter().map(|r| one(r, about, problems)).collect();
    let written: Vec<Written> = written.into_iter().collect::<Option<_>>()?;
    let mut names: BTreeSet<InstanceName> = BTreeSet::new();
    for Written { spot, name, daemon, .. } in &written {
        if let Some(name) = name.as_ref().filter(|name| !names.insert((*name).clone())) {
            spot.report(problems, format!("there are two observers named \"{name}\""), "give each its own name");
        }
        if daemon.is_template() {
            spot.report(problems, "an observer is one daemon, not another one for each node", "name its host");
        }
    }
    let nodes: BTreeSet<&str> =
        about.context.members.iter().chain(about.context.places.keys()).map(NodeName::as_str).collect();
    let named = |Written { spot, name, daemon, sessions }: Written| {
        let name = name.or_else(|| daemon.derive_name(&names))?;
        names.insert(name.clone());
        if nodes.contains(name.as_str()) {
            let message = format!("\"{name}\" is also the name of a node, and so of its announcer");
            spot.report(problems, message, "give the observer a `name` of its own");
        }
        Some(Observer { name, daemon, sessions })
    };
    written.into_iter().map(named).collect()
}

fn one(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Written> {
    let sessions = if r.variant() == Some("bird") { sessions(r, about, problems) } else { Some(BTreeMap::new()) };
    Some(Written {
        spot: r.here(),
        name: r.text("name").map(InstanceName::new),
        daemon: daemon(r)?,
        sessions: sessions?,
    })
}

fn sessions(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<BTreeMap<NodeName, String>> {
    let mut seen: Vec<(NodeName, String)> = Vec::new();
    let mut whole = true;
    for r in r.items("sessions").into_iter().filter_map(Result::ok) {
        let node = about.context.node(&r, "node", problems);
        let (Some(node), Some(protocol)) = (node, r.text("protocol")) else {
            whole = false;
            continue;
        };
        if let Some((other, _)) = seen.iter().find(|(other, name)| *name == protocol && *other != node) {
            let message = format!("{protocol} is the session with \"{other}\" already");
            r.spot("protocol").report(problems, message, "to close it would take out both: each node has its own");
        }
        if seen.iter().any(|(other, _)| *other == node) {
            r.spot("node").report(problems, format!("the session with \"{node}\" is named twice"), "a node has one");
        }
        seen.push((node, protocol));
    }
    whole.then(|| seen.into_iter().collect())
}
