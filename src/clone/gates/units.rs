//! The unit on the nodes that may run it: there, the same everywhere, not started by anybody else.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use crate::{
    clone::UnitFile,
    model::NodeName,
    plan::gates::{Answer, Gate},
};

pub(super) fn gates(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = exists(facts);
    gates.extend([same(facts), boot(facts), outside(facts)]);
    gates
}

/// The files on nodes that may run it.
fn known<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a NodeName, &'a UnitFile)> {
    let eligible = facts.eligible();
    let known = facts.units.iter().filter_map(|(node, file)| Some((node, file.as_ref().ok()?)));
    known.filter(move |(node, _)| eligible.contains(node))
}

fn exists(facts: &Facts<'_>) -> Vec<Gate> {
    let unit = &facts.service.unit;
    let (mut against, mut unknown, mut absent, mut stale) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for node in facts.eligible() {
        let online = facts.cluster.nodes.get(node).is_some_and(|m| m.online);
        match facts.units.get(node) {
            Some(Ok(file)) if !file.exists && file.load != "loaded" => against.push(format!("there is none on {node}")),
            Some(Ok(file)) if file.load != "loaded" => against.push(format!("it is {} on {node}", file.load)),
            Some(Ok(file)) if file.stale => stale.push(node.as_str()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None if !online => absent.push(node.as_str()),
            Some(Err(why)) => unknown.push(format!("{node}: {why}")),
            None => unknown.push(format!("{node}: not asked")),
        }
    }
    let refused = |detail: String| Gate::new("clone-unit", Answer::Refuse, detail);
    let mut gates = Vec::new();
    if !against.is_empty() {
        gates.push(
            refused(format!("{unit}: {}", against.join("; ")))
                .remedy("install and unmask the same unit on every node, or ban the node with a location constraint"),
        );
    }
    if !unknown.is_empty() {
        let gate =
            refused(format!("{unit} was not seen on {}", unknown.join("; "))).remedy("make systemd answer there");
        gates.push(Gate { unknown: true, ..gate });
    }
    if !absent.is_empty() {
        let detail = format!("{unit} was not looked at on {}, which is offline", absent.join(", "));
        let answer = if facts.creates() { Answer::Refuse } else { Answer::Warn };
        let gate =
            Gate::new("clone-unit", answer, detail).remedy("bring the node back, or ban it with a location constraint");
        gates.push(Gate { unknown: answer == Answer::Refuse, ..gate });
    }
    if !stale.is_empty() {
        let detail = format!("{unit} was changed on {} since systemd read it", stale.join(", "));
        gates.push(Gate::new("clone-unit", Answer::Warn, detail).remedy("`systemctl daemon-reload` there"));
    }
    if gates.is_empty() {
        let nodes = facts.eligible().len();
        gates.push(Gate::new("clone-unit", Answer::Pass, format!("{unit} is on all {nodes} nodes that may run it")));
    }
    gates
}

/// The same content everywhere, by its hash.
fn same(facts: &Facts<'_>) -> Gate {
    let mut contents: BTreeMap<Vec<(&str, &str)>, Vec<&str>> = BTreeMap::new();
    for (node, file) in known(facts).filter(|(_, f)| f.load == "loaded") {
        contents.entry(file.content()).or_default().push(node.as_str());
    }
    let unit = &facts.service.unit;
    if contents.len() <= 1 {
        let nodes: usize = contents.values().map(Vec::len).sum();
        let parts = contents.keys().next().map_or(0, Vec::len);
        let detail = format!("{unit} is the same on {nodes} nodes ({parts} files)");
        return Gate::new("clone-unit-content", Answer::Pass, detail);
    }
    let groups: Vec<String> = contents.values().map(|nodes| nodes.join(", ")).collect();
    let detail = format!("{unit} differs in {}: {}", differing(&contents).join(", "), groups.join(" | "));
    // An upgrade that goes from node to node is no reason to leave a clone as it is; to create one, it is.
    let answer = if facts.creates() { Answer::Refuse } else { Answer::Warn };
    Gate::new("clone-unit-content", answer, detail)
        .remedy("put the same files on every node, then `systemctl daemon-reload`")
}

/// The names of the files that are not the same everywhere.
fn differing(contents: &BTreeMap<Vec<(&str, &str)>, Vec<&str>>) -> Vec<String> {
    let names: BTreeSet<&str> = contents.keys().flatten().map(|(name, _)| *name).collect();
    let sums = |name: &str| -> BTreeSet<Option<&str>> {
        contents.keys().map(|parts| parts.iter().find(|(n, _)| *n == name).map(|(_, sum)| *sum)).collect()
    };
    names.into_iter().filter(|name| sums(name).len() > 1).map(str::to_owned).collect()
}

/// A unit that starts at boot starts behind the cluster's back.
fn boot(facts: &Facts<'_>) -> Gate {
    let enabled: Vec<&str> = known(facts).filter(|(_, f)| f.enablement.at_boot()).map(|(n, _)| n.as_str()).collect();
    let unit = &facts.service.unit;
    match enabled.is_empty() {
        true => Gate::new("clone-unit-boot", Answer::Pass, format!("{unit} starts by the cluster only")),
        false => Gate::new(
            "clone-unit-boot",
            Answer::Warn,
            format!("{unit} starts at boot on {}, behind the cluster's back", enabled.join(", ")),
        )
        .remedy("`tidegate clone apply` disables it there; it goes on running"),
    }
}

/// A unit that runs already has clients, whom a cluster that takes it over by the way does not know.
fn outside(facts: &Facts<'_>) -> Gate {
    let unit = &facts.service.unit;
    let started = |node: &NodeName| {
        facts.cluster.instances_on(&facts.wanted.resource, node).any(|i| i.active || i.pending.is_some())
    };
    let running: Vec<&str> = known(facts)
        .filter(|(node, file)| file.runs() && !facts.wanted.withheld.contains(*node) && !started(node))
        .map(|(node, _)| node.as_str())
        .collect();
    if running.is_empty() {
        return Gate::new("clone-unit-outside", Answer::Pass, format!("{unit} does not run outside the cluster"));
    }
    let detail = format!("{unit} runs outside the cluster on {}", running.join(", "));
    match facts.creates() {
        true => Gate::new("clone-unit-outside", Answer::Refuse, detail)
            .remedy("`tidegate clone adopt` takes it over node by node, without losing a request"),
        false => Gate::new("clone-unit-outside", Answer::Warn, detail)
            .remedy("`crm_resource --refresh` makes the cluster look; `systemctl stop` it where nobody needs it"),
    }
}
