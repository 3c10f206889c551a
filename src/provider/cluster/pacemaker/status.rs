//! What Pacemaker's own scheduler makes of a CIB: who is online, which instance is where, and what it would do next.
//!
//! `crm_simulate --run` prints the node and resource states of `crm_mon`, and the actions that it would take.
//! Those actions are Pacemaker's own test for "is anything still to be done" (`crm_resource --wait` runs the
//! scheduler on the live CIB too), with one advantage over asking the controller for its state: they are known
//! from the very moment of a change, before the controller has even noticed it.
//!
//! Operations in flight show in two ways on Pacemaker 2.1: a start or stop as the *role* `Starting` or
//! `Stopping`, anything else in the attribute `pending`. Unknown attributes and elements are ignored, since
//! Pacemaker adds some with every version.

use roxmltree::{Document, Node};

use super::{
    cib::{Cib, Entry, MAINTENANCE, STANDBY, child, children, flag, required, unexpected},
    clones,
};
use crate::{
    model::{
        ClusterView, NodeName,
        cluster::{CloneInstance, Member, Role, Withheld},
    },
    provider::Result,
};

/// Puts the CIB and the scheduler's reading of that same CIB together.
pub(super) fn view(cib: &Cib, simulation: &str) -> Result<ClusterView> {
    let document = Document::parse(simulation).map_err(|e| unexpected(format!("crm_simulate: no XML: {e}")))?;
    let root = document.root_element();
    let status = children(root, "status").next().and_then(|s| s.attribute("code"));
    if !root.has_tag_name("pacemaker-result") || status != Some("0") {
        return Err(unexpected(format!("crm_simulate: status {}", status.unwrap_or("missing"))));
    }
    let cluster = child(root, "cluster_status")?;
    let mut view = ClusterView {
        version: cib.pacemaker.clone(),
        dc: cib.dc.clone(),
        quorate: cib.quorate,
        maintenance_mode: cib.maintenance_mode,
        fencing: cib.fencing,
        transition: to_do(child(root, "actions")?),
        resources: super::rehearse::resources(cluster)?,
        bans: cib.bans.clone(),
        withheld: withheld(cib),
        clone_max: cib.clones.keys().filter_map(|r| Some((r.clone(), clones::clone_max(cib, r)?))).collect(),
        ..ClusterView::default()
    };
    for node in children(child(cluster, "nodes")?, "node") {
        // Pacemaker Remote nodes run resources but are no members: they have no vote and no standby of ours.
        if node.attribute("type") != Some("remote") {
            let name = NodeName::new(required(node, "name")?);
            let member = member(node, cib.nodes.get(&name))?;
            view.nodes.insert(name, member);
        }
    }
    for resource in child(cluster, "resources")?.descendants().filter(|n| n.has_tag_name("resource")) {
        let cloned = resource.ancestors().any(|a| a.has_tag_name("clone"));
        let instances = instances(resource)?;
        view.transition |= instances.iter().any(|i| i.pending.is_some());
        view.instances.extend(instances.into_iter().filter(|_| cloned));
    }
    view.transition |= view.nodes.values().any(|n| n.pending || n.unclean);
    Ok(view)
}

/// Nodes on which the cluster may not touch a clone's unit.
fn withheld(cib: &Cib) -> Vec<Withheld> {
    let of = |resource: &String| {
        let nodes = clones::withheld(cib, resource).into_iter();
        nodes.map(|node| Withheld { resource: resource.clone(), node }).collect::<Vec<_>>()
    };
    cib.clones.keys().flat_map(of).collect()
}

/// Whether the scheduler would act. What it lists as blocked it cannot do, however long one waits.
fn to_do(actions: Node<'_, '_>) -> bool {
    actions.children().filter(Node::is_element).any(|a| a.attribute("blocked").and_then(flag) != Some(true))
}

/// Until a node has joined, the scheduler shows it in standby, though nobody put it there: then only what the CIB holds
/// counts.
fn member(node: Node<'_, '_>, entry: Option<&Entry>) -> Result<Member> {
    let joining = boolean(node, "pending")?;
    let put_there = entry.is_some_and(Entry::is_put_into_standby);
    Ok(Member {
        online: boolean(node, "online")?,
        standby: boolean(node, "standby")? && (put_there || !joining),
        attributes: entry.map(super::cib::Entry::attributes).unwrap_or_default(),
        standby_attribute: entry.and_then(|e| e.value(STANDBY)).map(str::to_owned),
        maintenance: boolean(node, "maintenance")?,
        maintenance_attribute: entry.and_then(|e| e.value(MAINTENANCE)).map(str::to_owned),
        pending: joining,
        unclean: boolean(node, "unclean")?,
        owner: entry.and_then(Entry::owner),
    })
}

/// One entry a node that the instance is on; one without a node where it is nowhere.
fn instances(resource: Node<'_, '_>) -> Result<Vec<CloneInstance>> {
    let id = required(resource, "id")?;
    let shown = required(resource, "role")?;
    let (role, in_flight) = match shown {
        "Started" => (Role::Started, None),
        "Stopped" => (Role::Stopped, None),
        "Starting" | "Stopping" | "Migrating" | "Promoting" | "Demoting" => (Role::Other, Some(shown)),
        _ => (Role::Other, None),
    };
    let instance = CloneInstance {
        // Instances of a globally unique clone carry their number: `app:1`.
        resource: id.split_once(':').map_or(id, |(name, _)| name).to_owned(),
        node: None,
        role,
        active: boolean(resource, "active")?,
        pending: resource.attribute("pending").or(in_flight).map(str::to_owned),
        failed: boolean(resource, "failed")?,
        blocked: boolean(resource, "blocked")?,
        managed: boolean(resource, "managed")?,
    };
    let nodes: Vec<_> = children(resource, "node").filter_map(|n| n.attribute("name")).map(NodeName::new).collect();
    if nodes.is_empty() {
        return Ok(vec![instance]);
    }
    Ok(nodes.into_iter().map(|node| CloneInstance { node: Some(node), ..instance.clone() }).collect())
}

fn boolean(element: Node<'_, '_>, name: &str) -> Result<bool> {
    let text = required(element, name)?;
    flag(text).ok_or_else(|| unexpected(format!("crm_simulate: {name} is '{text}'")))
}
